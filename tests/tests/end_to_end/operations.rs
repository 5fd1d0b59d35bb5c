//! What a running relay says of itself: metrics, health, status, logs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use rowpost_tests::{
    MysqlServer, Relay, Setup,
    command_line::{Said, rowpost},
    eventually, needs,
    open_metrics::Exposition,
    relay::RelayConfig,
    tier::Tier,
};
use serde_json::Value;

use crate::stack::{LONG, Stack, assert_says, records_committed};

const ROWS: u64 = 100;
const PASSWORD: &str = "pass-that-nobody-reads";

async fn scrape(relay: &Relay) -> Result<Exposition> {
    Exposition::parse(&relay.get("/metrics").await?.body)
}

/// Everything that relay/README.md lists.
fn documented_metrics() -> BTreeSet<String> {
    include_str!("../../../relay/README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `rowpost_"))
        .filter_map(|line| line.split(['`', '{']).next())
        .map(|name| format!("rowpost_{name}"))
        .collect()
}

/// Settings with an account of the stack's own, by which its connections are told from others.
async fn as_account(stack: &Stack<&'static MysqlServer>) -> Result<RelayConfig> {
    let account = &stack.database;
    stack.mysql.create_account(account, PASSWORD, "").await?;
    let grant = format!("grant replication slave, replication client on *.* to {account}");
    stack.mysql.exec(grant).await?;
    let mut config = stack.config()?;
    config.set_text("mysql.url", &stack.mysql.url_as(account, PASSWORD)?);
    Ok(config)
}

/// Cuts the account's binlog stream.
async fn cut(stack: &Stack<&'static MysqlServer>) -> Result<()> {
    let threads = format!(
        "select id from information_schema.processlist where user = '{}' and command like \
         'Binlog Dump%'",
        stack.database
    );
    let mut connection = stack.mysql.connect().await?;
    let dumps: Vec<u64> = connection.query(threads).await?;
    anyhow::ensure!(dumps.len() == 1, "one relay has one dump thread, not {}", dumps.len());
    Ok(connection.query_drop(format!("kill {}", dumps[0])).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn documented_metrics_move_when_rows_flow() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "metrics").await?;
    let relay = Relay::start(as_account(&stack).await?).await?;
    relay.wait_ready(LONG).await;
    let before = scrape(&relay).await?;

    stack.rows_arrive(ROWS).await?;
    cut(&stack).await?;
    eventually("the loss is counted and made good", LONG, async || {
        let metrics = scrape(&relay).await?;
        let is_back = metrics.sum("rowpost_source_connected") == Some(1.0);
        Ok::<_, anyhow::Error>(is_back && metrics.sum("rowpost_retries_total") == Some(1.0))
    })
    .await;

    let after = scrape(&relay).await?;
    assert_eq!(after.names(), documented_metrics());
    // The writers write whole transactions, and stop at the first that reaches the number.
    let rows = after.sum("rowpost_outbox_rows_read_total").context("rows are counted")?;
    assert!((ROWS as f64..ROWS as f64 + 10.0).contains(&rows), "{rows}");
    for name in ["rowpost_records_published_total", "rowpost_records_acknowledged_total"] {
        assert_eq!((before.sum(name), after.sum(name)), (None, Some(rows)), "{name}");
    }
    assert_eq!(after.sum("rowpost_batch_records_sum"), Some(rows));
    for name in [
        "rowpost_transactions_read_total",
        "rowpost_binlog_read_bytes_total",
        "rowpost_commit_seconds_count",
        "rowpost_checkpoint_timestamp_seconds",
    ] {
        assert!(after.sum(name) > before.sum(name), "{name} stands still");
    }
    assert_eq!(after.sum("rowpost_in_flight_bytes"), Some(0.0));
    Ok(())
}

/// `rowpost status` of this relay.
async fn status(relay: &Relay, arguments: &[&str]) -> Result<Said> {
    let url = format!("http://127.0.0.1:{}", relay.http_port());
    rowpost(&[&["status", "--url", &url], arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_the_same_over_http_on_the_page_and_on_the_command_line() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "status").await?;
    let relay = Relay::start(stack.config()?).await?;
    relay.wait_ready(LONG).await;
    stack.rows_arrive(ROWS).await?;
    eventually("the commits are counted", LONG, async || {
        Ok::<_, anyhow::Error>(records_committed(&relay).await? >= ROWS)
    })
    .await;

    let answer = relay.get("/api/status").await?;
    let api: Value = serde_json::from_str(&answer.body)?;
    assert_eq!(api["ready"], true, "{api}");
    assert_eq!(api["state"], "publishing", "{api}");
    assert_eq!(api["name"], stack.database.as_str(), "{api}");
    let version: String = stack.mysql.value("select @@version").await?;
    assert_eq!(api["source"]["version"], version, "{api}");
    let records = api["totals"]["records_committed"].as_u64().context("a count")?;
    assert_eq!(api["totals"]["outbox_rows_read"], records, "{api}");
    let file = api["committed"]["coordinates"]["file"].as_str().context("a binlog file")?;

    let page = relay.get("/").await?;
    assert_eq!(page.status, 200);
    assert_says(&page.body, &["<title>rowpost", "/api/status"]);

    let text = status(&relay, &[]).await?;
    assert_eq!(text.code, Some(0), "{text:?}");
    let in_all = format!("{records} in all");
    assert_says(&text.stdout, &[&stack.database, "publishing since", ", ready", file, &in_all]);
    let json = status(&relay, &["--format", "json"]).await?;
    let json: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(json["totals"]["records_committed"], records);
    let ready = status(&relay, &["--ready"]).await?;
    assert_eq!((ready.code, ready.stdout.as_str(), ready.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(relay.get("/readyz").await?.body, r#"{"ready":true}"#);
    assert_eq!(relay.get("/healthz").await?.status, 200);
    Ok(())
}

/// At the finest level, with everything that our libraries say.
#[tokio::test(flavor = "multi_thread")]
async fn log_in_json_parses_line_by_line_and_holds_neither_payload_nor_password() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    const MARKER: &str = "nobody-may-read-this";
    let stack = Stack::shared(Setup::Current, "logs").await?;
    let mut config = as_account(&stack).await?;
    config.set_text("log.format", "json").set_text("log.filter", "trace");
    let mut relay = Relay::start(config).await?;
    relay.wait_ready(LONG).await;
    let insert = |id: u8, kind: &str| {
        format!(
            "insert into `{}`.outbox (id, aggregatetype, aggregateid, type, payload) values \
             ('00000000-0000-0000-0000-{id:012}', '{kind}', 'key-{MARKER}', 't', \
             '{{\"secret\": \"{MARKER}\"}}')",
            stack.database
        )
    };

    stack.mysql.exec(insert(1, &stack.database)).await?;
    eventually("it is published", LONG, async || {
        Ok::<_, anyhow::Error>(records_committed(&relay).await? == 1)
    })
    .await;
    // And one that halts the relay: what is wrong is said with the event, not with its content.
    stack.mysql.exec(insert(2, "no topic!")).await?;
    assert_eq!(relay.wait_exit(LONG).await?.code(), Some(65));

    let log = relay.log_text()?;
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for field in ["timestamp", "level", "target", "message"] {
            assert!(parsed[field].is_string(), "`{field}` is missing in {line}");
        }
    }
    assert_says(&log, &["\"level\":\"TRACE\"", "000000000002", "halted"]);
    for secret in [MARKER, PASSWORD] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    Ok(())
}

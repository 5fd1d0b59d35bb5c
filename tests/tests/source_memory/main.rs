//! The source's memory, whatever the transactions' sizes. A process of its own, because it measures
//! itself.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use prometheus_client::registry::Registry;
use rowpost::{
    config::{Config, StartPolicy},
    metrics::Metrics,
    source::{
        self,
        mysql::{ConnectOptions, Connection},
        server::ServerFacts,
        start,
    },
};
use rowpost_tests::{MysqlServer, Setup, needs, outbox, tier::Tier};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(120);

/// What the process may grow by while it reads. The limits below allow 8 MiB in flight.
const GROWTH_MAX_KIB: u64 = 64 * 1024;

fn status_kib(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field)).context("no such field")?;
    Ok(line.split_whitespace().nth(1).context("no value")?.parse()?)
}

/// Sets the high-water mark of the resident memory back to what it is now.
fn forget_peak() -> Result<u64> {
    fs::write("/proc/self/clear_refs", "5")?;
    status_kib("VmRSS:")
}

/// Reads everything behind `start`, drops it, and looks at the memory.
async fn read(config: &Config, start: rowpost::position::Position, rows: usize) -> Result<()> {
    let (chunks, mut received) = mpsc::channel(10_000);
    let stop = CancellationToken::new();
    let before = forget_peak()?;
    let running = tokio::spawn(source::run(
        config.clone(),
        source::Reading::follow(
            start,
            chunks,
            Arc::new(Semaphore::new(8 << 20)),
            Metrics::register(&mut Registry::default()),
            stop.clone(),
        ),
    ));
    let mut read = 0;
    while read < rows {
        let chunk = tokio::time::timeout(DEADLINE, received.recv()).await?;
        read += chunk.context("the source ended")?.records.len();
    }
    let peak = status_kib("VmHWM:")?;
    stop.cancel();
    running.await??;
    let growth = peak.saturating_sub(before);
    eprintln!("{rows} rows: grew by {growth} KiB");
    assert_eq!(read, rows);
    assert!(growth < GROWTH_MAX_KIB, "grew by {growth} KiB");
    Ok(())
}

/// A transaction of 160 MB in outbox rows and more beside them, in the binlog as it is and
/// compressed; a row of 40 MB in a table that nobody asked for, with its text in a rows-query event.
#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_whatever_the_transactions_sizes() -> Result<()> {
    needs!(Tier::Mysql9);
    const ROWS: usize = 160_000;
    let mysql = MysqlServer::start_with(Setup::Current, &["--max-allowed-packet=1G"]).await?;
    outbox::create(&mysql, "shop").await?;
    mysql.exec("create table shop.other (t longtext, u longblob)").await?;
    let settings = json!({
        "source": "memory",
        "mysql": { "url": mysql.url() },
        "kafka": { "bootstrap_servers": "unused:1" },
        "limits": { "in_flight_bytes_max": "8MiB" },
    });
    let config: Config = serde_json::from_value(settings)?;
    let mut connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;

    for compression in ["off", "on"] {
        let server = ServerFacts::query(&mut connection).await?;
        let start = start::resolve(None, &StartPolicy::Latest, &server)?;
        mysql
            .exec(format!(
                "set binlog_transaction_compression = {compression}, cte_max_recursion_depth = {ROWS}; \
                 use shop; \
                 begin; \
                 insert into other values (repeat('o', 40000000), null); \
                 insert into other select null, random_bytes(1000) from ( \
                   with recursive n as (select 1 as i union all select i + 1 from n where i < 40000) \
                   select * from n) t; \
                 insert into outbox (id, aggregatetype, aggregateid, type, payload) \
                   with recursive n as (select 1 as i union all select i + 1 from n where i < {ROWS}) \
                   select uuid(), 'order', i, 'Placed', json_quote(repeat('p', 1000)) from n; \
                 commit"
            ))
            .await?;

        read(&config, start, ROWS).await.with_context(|| format!("compression {compression}"))?;
    }
    Ok(())
}

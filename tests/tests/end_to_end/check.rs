//! `rowpost check` against real servers: each finding with its repair.

use anyhow::{Context, Result, ensure};
use rowpost_servers::ports;
use rowpost_tests::{
    Setup, command_line::rowpost_with, needs, outbox, relay::RelayConfig, tier::Tier,
};
use serde_json::Value;

use crate::stack::{Stack, assert_says};

pub(crate) const PASSWORD: &str = "pass-that-nobody-reads";

/// The rows of one `rowpost check --format json`.
pub(crate) struct Checked {
    pub(crate) code: Option<i32>,
    rows: Vec<Value>,
}

pub(crate) async fn check(config: &RelayConfig) -> Result<Checked> {
    let said = rowpost_with(config, &["check", "--format", "json"]).await?;
    ensure!(!said.stdout.contains(PASSWORD) && !said.stderr.contains(PASSWORD), "{said:?}");
    let rows = serde_json::from_str(&said.stdout).with_context(|| format!("{said:?}"))?;
    Ok(Checked { code: said.code, rows })
}

impl Checked {
    /// One of the rows of this name is `verdict`, and says all of this.
    #[track_caller]
    pub(crate) fn has(&self, verdict: &str, name: &str, parts: &[&str]) {
        let says = |row: &Value| {
            let text = format!("{} {}", row["actual"], row["repair"]);
            row["name"] == name
                && row["verdict"] == verdict
                && parts.iter().all(|part| text.contains(part))
        };
        assert!(self.rows.iter().any(says), "no {verdict} {name} {parts:?} in {:#?}", self.rows);
    }

    /// The names of what is not well, in order, each once.
    pub(crate) fn names(&self, verdict: &str) -> Vec<&str> {
        let is_so = |row: &&Value| row["verdict"] == verdict;
        let mut names: Vec<_> =
            self.rows.iter().filter(is_so).filter_map(|row| row["name"].as_str()).collect();
        names.dedup();
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_as_it_should_be_passes_with_the_least_privileges() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::start(Setup::Current, "check_good").await?;
    outbox::create_account(&stack.mysql, &stack.database).await?;
    let data: String = stack.mysql.value("select @@datadir").await?;
    let mut config = stack.config()?;
    config
        .set_text("mysql.url", &stack.mysql.url_as("rowpost", "rowpost")?)
        .set_text("mysql.tls.ca", &format!("{data}ca.pem"))
        .set("mysql.tls.skip_hostname_verification", true);

    let checked = check(&config).await?;
    let table = rowpost_with(&config, &["check"]).await?;

    assert_eq!(checked.code, Some(0));
    assert_eq!((checked.names("failed"), checked.names("warning")), (vec![], vec![]));
    assert_eq!(table.code, Some(0));
    let all = format!("all {} checks passed", checked.rows.len());
    assert_says(&table.stdout, &["binlog_format", "ROW", "kafka.bootstrap_servers", &all]);
    assert_eq!(table.stderr, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_setting_that_is_wrong_is_named_with_its_repair() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::start(Setup::Current, "check_settings").await?;
    let config = stack.config()?;

    stack.mysql.exec("set global binlog_format = 'STATEMENT'").await?;
    for setting in ["binlog_row_image = 'MINIMAL'", "server_id = 0"] {
        stack.mysql.exec(format!("set global {setting}")).await?;
    }
    let failing = check(&config).await?;
    for setting in ["binlog_format = 'ROW'", "binlog_row_image = 'FULL'", "server_id = 1"] {
        stack.mysql.exec(format!("set global {setting}")).await?;
    }
    for setting in [
        "binlog_row_metadata = 'MINIMAL'",
        "binlog_checksum = 'NONE'",
        "binlog_expire_logs_seconds = 3600",
        "gtid_mode = ON_PERMISSIVE",
    ] {
        stack.mysql.exec(format!("set global {setting}")).await?;
    }
    let warning = check(&config).await?;

    assert_eq!(failing.code, Some(69));
    failing.has("failed", "binlog_format", &["STATEMENT", "set global binlog_format = 'ROW'"]);
    failing.has("failed", "binlog_row_image", &["MINIMAL", "set global binlog_row_image = 'FULL'"]);
    failing.has("failed", "server_id", &["0", "set global server_id"]);
    assert_eq!(failing.names("failed"), ["binlog_format", "binlog_row_image", "server_id"]);
    assert_eq!(warning.code, Some(0));
    warning.has("warning", "connection", &["no TLS", "mysql.tls.required"]);
    warning.has("warning", "binlog_row_metadata", &["set global binlog_row_metadata = 'FULL'"]);
    warning.has("warning", "gtid_mode", &["ON_PERMISSIVE", "enforce_gtid_consistency"]);
    warning.has("warning", "binlog_expire_logs_seconds", &["3600 s", "raise it"]);
    warning.has("warning", "binlog_checksum", &["NONE", "set global binlog_checksum"]);
    assert_eq!(warning.names("warning").len(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_a_binlog_is_refused() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::start_with(Setup::Current, "check_log_bin", &["--skip-log-bin"]).await?;

    let checked = check(&stack.config()?).await?;

    assert_eq!(checked.code, Some(69));
    checked.has("failed", "log_bin", &["OFF", "--log-bin"]);
    Ok(())
}

/// On the set-up whose binlog has no column names: `SELECT` counts there too.
#[tokio::test(flavor = "multi_thread")]
async fn each_privilege_that_is_missing_is_named_with_its_grant() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kafka);
    let stack = Stack::shared(Setup::Reference, "check_grants").await?;
    let name = &stack.database;
    stack.mysql.create_account(name, PASSWORD, "").await?;
    let mut config = stack.config()?;
    config.set_text("mysql.url", &stack.mysql.url_as(name, PASSWORD)?);
    let grants = [
        ("privilege REPLICATION SLAVE", "grant replication slave on *.*", "*.*"),
        ("privilege REPLICATION CLIENT", "grant replication client on *.*", "*.*"),
        ("privilege SELECT", "grant select on", &format!("{name}.outbox")),
    ];
    for (privilege, _, on) in grants {
        let privilege = privilege.trim_start_matches("privilege ");
        stack.mysql.exec(format!("grant {privilege} on {on} to {name}")).await?;
    }
    assert_eq!(check(&config).await?.code, Some(0));

    for (row, repair, on) in grants {
        let privilege = row.trim_start_matches("privilege ");
        stack.mysql.exec(format!("revoke {privilege} on {on} from {name}")).await?;
        let checked = check(&config).await?;
        stack.mysql.exec(format!("grant {privilege} on {on} to {name}")).await?;

        assert_eq!(checked.code, Some(69), "without {privilege}");
        checked.has("failed", row, &["not granted", repair]);
        let others = checked.names("failed");
        let others: Vec<_> = others.iter().filter(|name| name.starts_with("privilege")).collect();
        assert_eq!(others, [&row]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_tables_that_do_not_fit_are_named_with_their_fault() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Mysql57, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "check_tables").await?;
    let name = &stack.database;
    for change in [
        "create table missing_outbox like outbox; alter table missing_outbox drop column payload",
        "create table engine_outbox like outbox; alter table engine_outbox engine = MyISAM",
        "create table charset_outbox like outbox; \
         alter table charset_outbox modify aggregateid varchar(99) character set gb18030",
    ] {
        stack.mysql.exec(format!("use `{name}`; {change}")).await?;
    }
    let mut config = stack.config()?;
    config.set("outbox", format!("[{{ table = \"{name}.*outbox\" }}]"));
    let checked = check(&config).await?;
    // Where the binlog has no column names, a table that cannot be seen is one to be warned of.
    let reference = Stack::shared(Setup::Reference, "check_none").await?;
    let mut config = reference.config()?;
    config.set("outbox", "[{ table = \"nobody.outbox\" }]");
    let unseen = check(&config).await?;

    assert_eq!(checked.code, Some(69));
    let table = |kind: &str| format!("outbox table {name}.{kind}outbox");
    checked.has("failed", &table("missing_"), &["payload"]);
    checked.has("failed", &table("engine_"), &["MyISAM", "engine = InnoDB"]);
    checked.has("failed", &table("charset_"), &["gb18030", "convert it to utf8mb4"]);
    checked.has("ok", &table(""), &["InnoDB"]);
    assert_eq!(checked.names("failed").len(), 3);
    assert_eq!(unseen.code, Some(0));
    unseen.has("warning", "outbox table nobody.outbox", &["none that this account can see"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_answer_are_named() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "check_away").await?;
    let nobody = format!("127.0.0.1:{}", ports::free()?);

    let mut config = stack.config()?;
    config.set_text("kafka.bootstrap_servers", &nobody);
    config.set_text("publish.delivery_timeout", "1s");
    let without_kafka = check(&config).await?;
    let mut config = stack.config()?;
    config.set_text("mysql.url", &format!("mysql://relay:{PASSWORD}@{nobody}"));
    let without_mysql = check(&config).await?;

    assert_eq!((without_kafka.code, without_mysql.code), (Some(69), Some(69)));
    assert_eq!(without_kafka.names("failed"), ["kafka.bootstrap_servers"]);
    without_kafka.has("failed", "kafka.bootstrap_servers", &["Connection refused"]);
    without_mysql.has("failed", "mysql.url", &["cannot connect to", &nobody]);
    assert_eq!(without_mysql.names("failed"), ["mysql.url"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_topic_is_looked_at() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "check_topic").await?;
    let topic = |suffix: &str| format!("{}.{suffix}", stack.database);
    let settings = [("cleanup.policy", "delete")];
    stack.kafka.create_topic(&topic("deletes"), 1, &settings).await?;
    let settings = [("cleanup.policy", "compact")];
    stack.kafka.create_topic(&topic("wide"), 3, &settings).await?;
    let config = |suffix: &str| -> Result<RelayConfig> {
        let mut config = stack.config()?;
        config.set_text("checkpoint.topic", &topic(suffix));
        Ok(config)
    };

    let deletes = check(&config("deletes")?).await?;
    let wide = check(&config("wide")?).await?;
    let missing = check(&config("missing")?).await?;

    assert_eq!((deletes.code, wide.code, missing.code), (Some(69), Some(0), Some(0)));
    deletes.has("failed", "checkpoint topic", &["cleanup.policy", "compact"]);
    wide.has("warning", "checkpoint topic", &["3 partitions"]);
    missing.has("ok", "checkpoint topic", &["created by the first start"]);
    // A check makes nothing.
    let again = check(&config("missing")?).await?;
    again.has("ok", "checkpoint topic", &["created by the first start"]);
    Ok(())
}

//! Starts from the outbox tables: rows that are there, then what is committed from there on.

use std::time::Duration;

use anyhow::{Context, Result};
use rowpost_tests::{
    Ledger, MysqlServer, Random, Relay, Setup, WriterOptions, Writers, eventually, ledger::Outcome,
    needs, outbox, relay::RelayConfig,
};

use crate::{
    case::Case,
    consumer::Record,
    stack::{LONG, Stack, assert_says, halts},
    starting::end_of_binlog,
};

const READING: &str = "reading the outbox tables";
const READ: &str = "outbox tables read, the binlog follows";

fn from_table(mut config: RelayConfig) -> RelayConfig {
    config.set_text("mysql.start", "table");
    config
}

/// So that a start takes some seconds and kills and deletions meet it.
fn slowly(mut config: RelayConfig) -> RelayConfig {
    config
        .set("publish.batch_records_max", 200)
        .set_text("limits.chunk_bytes_max", "64KiB")
        .set_text("limits.in_flight_bytes_max", "128KiB")
        .set_text("publish.commit_spacing", "30ms");
    config
}

/// What was written up to now is in the tables only.
async fn forget_binlog(mysql: &MysqlServer) -> Result<()> {
    mysql.exec("flush binary logs").await?;
    let (end, _) = end_of_binlog(mysql).await?;
    let (file, _) = end.split_once(':').context("coordinates")?;
    mysql.exec(format!("purge binary logs to '{file}'")).await
}

async fn says(relay: &Relay, text: &str) {
    eventually(text, LONG, async || Ok::<_, anyhow::Error>(relay.log_text()?.contains(text))).await;
}

async fn written(writers: &Writers, rows: u64) {
    eventually("rows are written", LONG, async || {
        Ok::<_, anyhow::Error>(writers.committed() >= rows)
    })
    .await;
}

/// Ids ascend within each key only: what is written meanwhile falls between the rows that are there. And
/// all of them are deleted again and again while they are read.
async fn rows_before_and_during_the_start_come_once(setup: Setup) -> Result<()> {
    let stack = Stack::start(setup, "table_start").await?;
    let mut random = Random::from_environment();
    let options = WriterOptions {
        rows_per_transaction: 50,
        rows_per_second: Some(1_000.0),
        ..stack.writers()
    };
    let writers = Writers::start(&stack.mysql, &options, &mut random)?;
    let reader = stack.reader(writers.run())?;
    written(&writers, 8_000).await;
    forget_binlog(&stack.mysql).await?;

    let relay = Relay::start(slowly(from_table(stack.config()?))).await?;
    says(&relay, READING).await;
    let before = writers.committed();
    let delete = format!("delete from `{}`.outbox", stack.database);
    while !relay.log_text()?.contains(READ) {
        stack.mysql.exec(&delete).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let during = writers.committed() - before;
    written(&writers, before + during + 1_000).await;

    let ledger = writers.stop().await?;
    assert!(during > 100, "the start met no writes: this run proves nothing");
    reader.complete_within(LONG, &ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_before_and_during_the_start_come_once_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    rows_before_and_during_the_start_come_once(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_before_and_during_the_start_come_once_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    rows_before_and_during_the_start_come_once(Setup::Reference).await
}

/// Killed with SIGKILL at random moments of the start, while rows are written.
async fn kills_in_the_middle_of_the_start_lose_and_double_nothing(setup: Setup) -> Result<()> {
    const KILLS_MIN: usize = 3;
    const KILLS_MAX: usize = 8;
    let stack = Stack::start(setup, "table_kills").await?;
    let mut random = Random::from_environment();
    let options = WriterOptions {
        rows_per_transaction: 50,
        rows_per_second: Some(1_000.0),
        ..stack.writers()
    };
    let writers = Writers::start(&stack.mysql, &options, &mut random)?;
    let reader = stack.reader(writers.run())?;
    written(&writers, 8_000).await;
    forget_binlog(&stack.mysql).await?;

    let mut relay = Relay::start(slowly(from_table(stack.config()?))).await?;
    let mut kills = 0;
    loop {
        // The life's own line: those before it said it too.
        let lives = kills + 1;
        eventually("this life reads the tables", LONG, async || {
            let log = relay.log_text()?;
            Ok::<_, anyhow::Error>(log.matches(READING).count() >= lives || log.contains(READ))
        })
        .await;
        tokio::time::sleep(Duration::from_millis(u64::from(random.below(600)))).await;
        if kills == KILLS_MAX || relay.log_text()?.contains(READ) {
            break;
        }
        relay.kill9()?;
        kills += 1;
        relay.start_again()?;
    }

    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    eprintln!("{kills} kills in the middle, {} rows", ledger.committed());
    assert!(kills >= KILLS_MIN, "{kills} kills hit the start: this run proves nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_a_start_from_tables_of_the_current_server_lose_and_double_nothing()
-> Result<()> {
    needs!(Setup::Current.tier());
    kills_in_the_middle_of_the_start_lose_and_double_nothing(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_a_start_from_tables_of_the_reference_server_lose_and_double_nothing()
-> Result<()> {
    needs!(Setup::Reference.tier());
    kills_in_the_middle_of_the_start_lose_and_double_nothing(Setup::Reference).await
}

/// 200,000 rows, some 60 MB of records and twice that in memory, are never in memory at once.
#[tokio::test(flavor = "multi_thread")]
async fn large_table_is_read_in_bounded_memory() -> Result<()> {
    const ROWS: u32 = 200_000;
    const ROWS_PER_STATEMENT: u32 = 2_000;
    const RESIDENT_BYTES_MAX: u64 = 112 << 20;
    needs!(Setup::Current.tier());
    let stack = Stack::start(Setup::Current, "table_large").await?;
    let mut ledger = Ledger::new(Random::from_environment().draw());
    for first in (0..ROWS).step_by(ROWS_PER_STATEMENT as usize) {
        let values: Vec<String> = (first..first + ROWS_PER_STATEMENT)
            .map(|row| {
                let event = ledger.record(row % 64, Outcome::Committed);
                outbox::values(event, &stack.database, 250)
            })
            .collect();
        let insert = "insert into outbox (id, aggregatetype, aggregateid, type, payload) values";
        let statement = format!("use `{}`; {insert} {}", stack.database, values.join(","));
        stack.mysql.exec(statement).await?;
    }
    forget_binlog(&stack.mysql).await?;

    let reader = stack.reader(ledger.run())?;
    let relay = Relay::start(from_table(stack.config()?)).await?;
    reader.complete_within(LONG, &ledger).await?;

    let peak = relay.resident_bytes()?.peak;
    eprintln!("peak resident memory {} MiB", peak >> 20);
    assert!(peak <= RESIDENT_BYTES_MAX, "{} MiB resident", peak >> 20);
    Ok(())
}

/// Rows in the order of a column, those with the same value in it in that of their ids; then the binlog's.
async fn rows_come_in_the_configured_order(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "table_order").await?;
    let mut session = case.session().await?;
    session.run("alter table outbox add column n int not null default 0, add index (n)").await?;
    session.insert(5).await?;
    for (place, n) in [3, 1, 2, 1, -1].into_iter().enumerate() {
        let id = &session.ids[place];
        session.run(format!("update outbox set n = {n} where id = '{id}'")).await?;
    }
    session.ids = [4, 1, 3, 2, 0].map(|place: usize| session.ids[place].clone()).into();
    let mut config = from_table(case.config()?);
    config.set("outbox", format!("[{{ table = '{}.outbox', start_order = 'n' }}]", case.database));

    let mut relay = case.relay_with(config).await?;

    let records = case.expect(&mut session).await?;
    let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
    assert_eq!(ids, session.ids);
    // The finished start is not begun again.
    assert!(relay.terminate(LONG).await?.success());
    relay.start_again()?;
    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_the_configured_order_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    rows_come_in_the_configured_order(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_the_configured_order_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    rows_come_in_the_configured_order(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_cannot_be_read_in_order_is_refused_before_anything_is_published() -> Result<()>
{
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "table_refused").await?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    let mut config = from_table(case.config()?);
    let table = format!("{}.outbox", case.database);
    config.set("outbox", format!("[{{ table = '{table}', start_order = 'created_at' }}]"));

    let (code, log) = halts(config).await?;
    assert_eq!(code, Some(69), "{log}");
    assert_says(&log, &[&table, "in the order of `created_at`: no index begins with it"]);

    session.run("alter table outbox drop primary key").await?;
    let (code, log) = halts(from_table(case.config()?)).await?;
    assert_eq!(code, Some(69), "{log}");
    assert_says(&log, &[&table, "has no primary key"]);
    Ok(())
}

/// The least that is needed: with GTIDs SELECT, without them LOCK TABLES too.
#[tokio::test(flavor = "multi_thread")]
async fn lock_tables_is_needed_without_gtids_only() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in [Setup::Current, Setup::Reference] {
        let stack = Stack::start(setup, "table_account").await?;
        let case = Case::on(&stack.mysql, "table_account").await?;
        outbox::create_account(case.mysql, &case.database).await?;
        let mut session = case.session().await?;
        session.insert(3).await?;
        let mut config = from_table(case.config()?);
        config.set_text("mysql.url", &case.mysql.url_as("rowpost", "rowpost")?);
        if setup == Setup::Current {
            config
                .set("mysql.tls.required", true)
                .set("mysql.tls.skip_hostname_verification", true);
            let data: String = case.mysql.value("select @@datadir").await?;
            config.set_text("mysql.tls.ca", &format!("{data}ca.pem"));
        }
        if setup == Setup::Reference {
            let (code, log) = halts(config.clone()).await?;
            assert_eq!(code, Some(69), "{log}");
            assert_says(&log, &["grant lock tables on"]);
            let grant = format!("grant lock tables on `{}`.* to 'rowpost'@'%'", case.database);
            case.mysql.exec(grant).await?;
        }

        let _relay = case.relay_with(config).await?;
        case.expect(&mut session).await?;
    }
    Ok(())
}

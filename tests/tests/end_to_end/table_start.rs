//! Starts from the outbox tables: rows that are there, then what is committed from there on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rowpost_tests::{
    Ledger, MysqlServer, Random, Relay, Setup, WriterOptions, Writers, eventually,
    ledger::{EventId, Outcome, Reader},
    needs, outbox,
    relay::RelayConfig,
};

use crate::{
    case::Case,
    check::{PASSWORD, check},
    consumer::{self, Record},
    position_set::{assert_ended, set},
    position_show::show,
    stack::{LONG, Stack, assert_says, halts},
};

pub(crate) const READING: &str = "reading the outbox tables";
const READ: &str = "outbox tables read, the binlog follows";

pub(crate) fn from_table(mut config: RelayConfig) -> RelayConfig {
    config.set_text("mysql.start", "table");
    config
}

/// So that a start takes two seconds, and stops, kills and deletions meet it: what is in flight waits for
/// the next commit, and nothing is read meanwhile.
pub(crate) fn slowly(mut config: RelayConfig) -> RelayConfig {
    config
        .set_text("limits.chunk_bytes_max", "64KiB")
        .set_text("limits.in_flight_bytes_max", "128KiB")
        .set_text("publish.commit_spacing", "150ms");
    config
}

pub(crate) async fn says(relay: &Relay, text: &str) {
    eventually(text, LONG, async || Ok::<_, anyhow::Error>(relay.log_text()?.contains(text))).await;
}

/// Rows in a table, and writers that write more: ids ascend within each key only, so what is written
/// meanwhile falls between the rows that are there.
struct Scene {
    stack: Stack<&'static MysqlServer>,
    writers: Writers,
    reader: Reader,
}

impl Scene {
    async fn new(setup: Setup, name: &str) -> Result<Self> {
        const ROWS_BEFORE: u64 = 3_000;
        let stack = Stack::shared(setup, name).await?;
        let options = WriterOptions {
            rows_per_transaction: 25,
            rows_per_second: Some(1_500.0),
            ..stack.writers()
        };
        let writers = Writers::start(stack.mysql, &options, &mut Random::from_environment())?;
        let reader = stack.reader(writers.run())?;
        let scene = Self { stack, writers, reader };
        scene.written(ROWS_BEFORE).await;
        Ok(scene)
    }

    async fn written(&self, rows: u64) {
        let is_written = async || Ok::<_, anyhow::Error>(self.writers.committed() >= rows);
        eventually("rows are written", LONG, is_written).await;
    }
}

fn is_deadlock(error: &anyhow::Error) -> bool {
    // SERVER: ER_LOCK_DEADLOCK.
    matches!(error.downcast_ref(), Some(mysql_async::Error::Server(error)) if error.code == 1213)
}

/// All rows are deleted again and again while they are read.
async fn rows_before_and_during_the_start_come_once(setup: Setup) -> Result<()> {
    let scene = Scene::new(setup, "table_start").await?;

    let relay = Relay::start(slowly(from_table(scene.stack.config()?))).await?;
    says(&relay, READING).await;
    let before = scene.writers.committed();
    let delete = format!("delete from `{}`.outbox", scene.stack.database);
    let mut deletes = 0;
    while !relay.log_text()?.contains(READ) {
        match scene.stack.mysql.exec(&delete).await {
            Ok(()) => deletes += 1,
            // The server took the side of a writer; the next turn deletes what was left.
            Err(error) if is_deadlock(&error) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(deletes > 0, "nothing was deleted while the rows were read");
    let during = scene.writers.committed() - before;
    scene.written(before + during + 200).await;

    let Scene { writers, reader, .. } = scene;
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
    const KILLS: usize = 2;
    let scene = Scene::new(setup, "table_kills").await?;
    let mut random = Random::from_environment();

    let mut relay = Relay::start(slowly(from_table(scene.stack.config()?))).await?;
    let mut kills = 0;
    loop {
        // The life's own line: those before it said it too.
        let lives = kills + 1;
        eventually("this life reads the tables", LONG, async || {
            let log = relay.log_text()?;
            Ok::<_, anyhow::Error>(log.matches(READING).count() >= lives || log.contains(READ))
        })
        .await;
        tokio::time::sleep(Duration::from_millis(u64::from(random.below(500)))).await;
        if kills == KILLS || relay.log_text()?.contains(READ) {
            break;
        }
        relay.kill9()?;
        kills += 1;
        relay.start_again()?;
    }

    let Scene { writers, reader, .. } = scene;
    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    eprintln!("{kills} kills in the middle, {} rows", ledger.committed());
    assert!(kills == KILLS, "{kills} kills hit the start: this run proves nothing");
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

/// Two tables that one pattern means, stopped with SIGTERM in the middle of the second. The next start goes
/// on there, and leaves to the binlog what was inserted since, also where it would come first.
#[tokio::test(flavor = "multi_thread")]
async fn start_that_is_stopped_goes_on_in_the_table_where_it_was() -> Result<()> {
    const ROWS: usize = 40;
    const FIRST: usize = 3;
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "table_two").await?;
    let mut session = case.session().await?;
    session.run("create table a_outbox like outbox").await?;
    // Two rows of this size fill a chunk.
    for _ in 0..ROWS {
        session.insert_long(25_000).await?;
    }
    let first: Vec<_> = session.ids.split_off(ROWS - FIRST);
    let named = format!("where id in ('{}')", first.join("','"));
    session.run(format!("insert into a_outbox select * from outbox {named}")).await?;
    session.run(format!("delete from outbox {named}")).await?;
    session.ids.splice(0..0, first);
    let mut config = slowly(from_table(case.config()?));
    config.set("outbox", format!("[{{ table = '{}.*outbox' }}]", case.database));

    let mut relay = Relay::start(config.clone()).await?;
    case.records(FIRST + 1).await?;
    assert_eq!(relay.terminate(LONG).await?.code(), Some(0));
    let out = consumer::read_now(case.kafka, &case.topic()).await?.len();
    assert!(out < ROWS, "all rows were out: this run proves nothing");
    let log = relay.log_text()?;
    assert_says(&log, &["stopped, everything that was read is committed"]);
    let position = &show(&config).await?["checkpoint"]["position"];
    assert_eq!(position["table_start"]["rows"], out, "{position}");
    assert!(position["file_begun"].is_u64(), "the file is told from another one: {position}");
    let moved = set(&config, &["latest"]).await?;
    assert_ended(&moved, 64, &["FROM TABLES", "the others are left out", "--yes"]);
    let late = session.id();
    let kind = &case.database;
    session
        .run(format!(
            "insert into a_outbox (id, aggregatetype, aggregateid, type, payload) \
             values ('{late}','{kind}','k','Placed','1')"
        ))
        .await?;
    session.ids.push(late);
    relay.start_again()?;

    case.expect(&mut session).await?;
    let log = relay.log_text()?;
    let again = log.lines().rfind(|line| line.contains(READING)).context("it reads again")?;
    let rows_out = format!("rows_out={out}");
    assert_says(again, &["tables=1", &rows_out]);
    Ok(())
}

/// 40,000 rows, some 60 MB of records and twice that in memory, are never in memory at once.
#[tokio::test(flavor = "multi_thread")]
async fn large_table_is_read_in_bounded_memory() -> Result<()> {
    const ROWS: u32 = 40_000;
    const ROWS_PER_STATEMENT: u32 = 2_000;
    const RESIDENT_BYTES_MAX: u64 = 112 << 20;
    needs!(Setup::Current.tier());
    let stack = Stack::shared(Setup::Current, "table_large").await?;
    let mut ledger = Ledger::new(Random::from_environment().below(EventId::RUNS));
    for first in (0..ROWS).step_by(ROWS_PER_STATEMENT as usize) {
        let values: Vec<String> = (first..first + ROWS_PER_STATEMENT)
            .map(|row| {
                let event = ledger.record(row % 64, Outcome::Committed);
                outbox::row(event, &stack.database, 1_500).values
            })
            .collect();
        let insert = "insert into outbox (id, aggregatetype, aggregateid, type, payload) values";
        let statement = format!("use `{}`; {insert} {}", stack.database, values.join(","));
        stack.mysql.exec(statement).await?;
    }

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

/// Without GTIDs nothing else tells where its rows will stand in the binlog.
#[tokio::test(flavor = "multi_thread")]
async fn open_transaction_is_waited_for_without_gtids() -> Result<()> {
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "table_open").await?;
    let mut session = case.session().await?;
    session.insert(2).await?;
    session.run("begin").await?;
    session.insert(1).await?;

    let relay = Relay::start(from_table(case.config()?)).await?;
    says(&relay, "has been open for a second").await;
    let log = relay.log_text()?;
    assert!(!log.contains(READING), "it has begun: {log}");
    session.run("commit").await?;

    case.expect(&mut session).await?;
    Ok(())
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

/// With GTIDs SELECT is enough, without them LOCK TABLES is needed too; `check` says so, and looks at the order.
#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_a_start_from_tables_lacks() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in [Setup::Current, Setup::Reference] {
        let case = Case::shared(setup, "table_account").await?;
        let name = &case.database;
        let mut session = case.session().await?;
        session.insert(3).await?;
        case.mysql.create_account(name, PASSWORD, "").await?;
        for grant in ["replication slave on *.*", "replication client on *.*"] {
            case.mysql.exec(format!("grant {grant} to {name}")).await?;
        }
        let mut config = from_table(case.config()?);
        config.set_text("mysql.url", &case.mysql.url_as(name, PASSWORD)?);
        // All of the server: what the account does not see is not looked at.
        case.mysql.exec(format!("grant insert on {name}.outbox to {name}")).await?;
        let row = format!("start from {name}.outbox");

        let checked = check(&config).await?;
        assert_eq!(checked.code, Some(69));
        checked.has(
            "failed",
            &row,
            &["SELECT command denied", "grant select on the outbox tables"],
        );
        case.mysql.exec(format!("grant select on {name}.outbox to {name}")).await?;
        if setup == Setup::Reference {
            let checked = check(&config).await?;
            assert_eq!(checked.code, Some(69));
            checked.has(
                "failed",
                "privilege LOCK TABLES",
                &["not granted", "grant lock tables on"],
            );
            let (code, log) = halts(config.clone()).await?;
            assert_eq!(code, Some(69), "{log}");
            assert_says(&log, &["grant lock tables on"]);
            case.mysql.exec(format!("grant lock tables on {name}.* to {name}")).await?;
        }

        let checked = check(&config).await?;
        assert_eq!((checked.code, checked.names("failed")), (Some(0), vec![]));
        checked.has("ok", &row, &["rows are read in their order"]);
        config.set("outbox", format!("[{{ table = '{name}.outbox', start_order = 'nope' }}]"));
        let misordered = check(&config).await?;
        misordered.has("failed", &row, &["no usable order", "it has no such column"]);
        config.set("outbox", format!("[{{ table = '{name}.outbox' }}]"));
        let _relay = case.relay_with(config).await?;
        case.expect(&mut session).await?;
    }
    Ok(())
}

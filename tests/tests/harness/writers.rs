//! The writers' ledger is the truth about the table, whatever happens to the server.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use mysql_async::prelude::Queryable;
use rowpost_tests::{
    Ledger, MysqlServer, Random, Setup, WriterOptions, Writers, eventually,
    ledger::{Arrival, Consumed, EventId},
    needs, outbox,
    tier::Tier,
};
use uuid::Uuid;

/// The table as a consumer of a perfect relay would see it: rows of a key by their count.
async fn table(mysql: &MysqlServer, database: &str, run: u32) -> Result<Consumed> {
    let mut connection = mysql.connect().await?;
    let ids: Vec<String> = connection.query(format!("select id from {database}.outbox")).await?;
    let events: BTreeSet<EventId> =
        ids.iter().map(|id| Ok(EventId::from_uuid(Uuid::try_parse(id)?))).collect::<Result<_>>()?;
    let mut consumed = Consumed::default();
    for event in events {
        consumed.add(run, Arrival { event, partition: 0 });
    }
    Ok(consumed)
}

async fn ledger_is_the_table(mysql: &MysqlServer, ledger: &Ledger) -> Result<()> {
    ledger.assert_complete(&table(mysql, "load", ledger.run()).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_holds_what_was_committed_and_what_was_not() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    outbox::create(&mysql, "load").await?;
    let options = WriterOptions {
        rows_per_transaction: 3,
        rollback_share: 0.3,
        rows_max: Some(3_000),
        ..WriterOptions::new("load", "load")
    };

    let ledger =
        Writers::start(&mysql, &options, &mut Random::from_environment())?.finish().await?;

    assert!(ledger.committed() >= 3_000 && ledger.rolled_back() > 500, "{}", ledger.rolled_back());
    ledger_is_the_table(&mysql, &ledger).await
}

/// Kills the server a few times under full load; every COMMIT that was under way is looked up.
async fn ledger_is_true_after_kills(setup: Setup, kills: u32) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    outbox::create(&mysql, "load").await?;
    let options = WriterOptions { writers: 8, ..WriterOptions::new("load", "load") };
    let writers = Writers::start(&mysql, &options, &mut Random::from_environment())?;

    for _ in 0..kills {
        let before = writers.committed();
        eventually("rows are committed", Duration::from_secs(60), async || {
            writers.committed() > before + 200
        })
        .await;
        mysql.kill9().await?;
        mysql.start_again().await?;
    }

    let ledger = writers.stop().await?;
    assert!(ledger.committed() >= 200 * u64::from(kills));
    ledger_is_the_table(&mysql, &ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_is_true_after_kills_of_the_current_server() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    ledger_is_true_after_kills(Setup::Current, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_is_true_after_kills_of_the_reference_server() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kill);
    ledger_is_true_after_kills(Setup::Reference, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_is_true_after_connections_were_killed_by_an_operator() -> Result<()> {
    needs!(Tier::Mysql80);
    let mysql = MysqlServer::start(Setup::Mysql80).await?;
    outbox::create(&mysql, "load").await?;
    let options = WriterOptions::new("load", "load");
    let writers = Writers::start(&mysql, &options, &mut Random::from_environment())?;
    let mut operator = mysql.connect().await?;

    for _ in 0..5 {
        let before = writers.committed();
        eventually("rows are committed", Duration::from_secs(60), async || {
            writers.committed() > before + 100
        })
        .await;
        let ids: Vec<u64> = operator
            .query("select id from information_schema.processlist where id <> connection_id()")
            .await?;
        for id in ids {
            // It may have gone by itself meanwhile.
            operator.query_drop(format!("kill {id}")).await.unwrap_or(());
        }
    }

    ledger_is_the_table(&mysql, &writers.stop().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_is_what_was_asked_for() -> Result<()> {
    needs!(Tier::Mysql57);
    let mysql = MysqlServer::start(Setup::Reference).await?;
    outbox::create(&mysql, "load").await?;
    let options = WriterOptions {
        rows_per_second: Some(100.0),
        rollback_share: 0.0,
        rows_max: Some(200),
        ..WriterOptions::new("load", "load")
    };
    let started = std::time::Instant::now();

    Writers::start(&mysql, &options, &mut Random::from_environment())?.finish().await?;

    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds > 1.7, "200 rows at 100 a second took {seconds} s");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_does_not_hide_a_mistake_of_the_test() -> Result<()> {
    needs!(Tier::Mysql57);
    let mysql = MysqlServer::shared(Setup::Reference).await?;
    let options = WriterOptions::new("no_such_database", "load");

    let outcome = Writers::start(mysql, &options, &mut Random::new(1))?.finish().await;

    assert!(format!("{:#}", outcome.unwrap_err()).contains("no_such_database"));
    Ok(())
}

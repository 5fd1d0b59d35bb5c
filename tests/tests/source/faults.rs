//! Lost connections, dead servers.

use std::time::{Duration, Instant};

use anyhow::Result;
use mysql_async::prelude::Queryable;
use rowpost_tests::{MysqlServer, Setup, eventually, needs, tier::Tier};

use crate::stage::{DEADLINE, Stage};

/// Ends the dump threads of the server, and returns how many there were.
async fn kill_dump_threads(mysql: &MysqlServer) -> Result<usize> {
    let mut connection = mysql.connect().await?;
    let threads: Vec<u64> = connection
        .query("select id from information_schema.processlist where command like 'Binlog Dump%'")
        .await?;
    for thread in &threads {
        // It may be gone already.
        connection.query_drop(format!("kill {thread}")).await.ok();
    }
    connection.disconnect().await?;
    Ok(threads.len())
}

async fn killed_dump_thread_loses_and_repeats_nothing(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let stage = Stage::new(&mysql).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    let mut killed = 0;
    for round in 0..60 {
        writer.insert(&[100, 3000]).await?;
        if round % 10 == 5 {
            killed += kill_dump_threads(&mysql).await?;
        }
    }

    reading.expect(&writer.committed).await?;
    assert!(killed > 0);
    assert!(reading.retries() > 0, "it was noticed");
    reading.stop().await
}

#[tokio::test]
async fn kill_of_the_dump_thread_loses_and_repeats_nothing_with_gtids() -> Result<()> {
    needs!(Tier::Mysql9);
    killed_dump_thread_loses_and_repeats_nothing(Setup::Current).await
}

#[tokio::test]
async fn kill_of_the_dump_thread_loses_and_repeats_nothing_on_the_reference_flags() -> Result<()> {
    needs!(Tier::Mysql57);
    killed_dump_thread_loses_and_repeats_nothing(Setup::Reference).await
}

#[tokio::test]
async fn first_attempt_after_a_lost_connection_comes_at_once() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;
    writer.insert(&[10]).await?;
    reading.until(1).await?;
    let stream = async || {
        let query = "select id from information_schema.processlist \
                     where command like 'Binlog Dump%' limit 1";
        mysql.value::<u64>(query).await
    };
    let before = stream().await?;

    mysql.exec(format!("kill {before}")).await?;
    let killed = Instant::now();
    eventually("another dump thread", DEADLINE, async || {
        Ok::<_, anyhow::Error>(stream().await? != before)
    })
    .await;

    let away = killed.elapsed();
    assert!(away < Duration::from_secs(2), "{away:?}");
    writer.insert(&[10]).await?;
    reading.expect(&writer.committed).await?;
    reading.stop().await
}

async fn killed_server_loses_and_repeats_nothing(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let stage = Stage::new(&mysql).await?;
    let mut reading = stage.read().await?;

    let mut committed = Vec::new();
    for round in 0..3 {
        let mut writer = stage.writer().await?;
        for _ in 0..round * 1000 {
            writer.id();
        }
        for _ in 0..20 {
            writer.insert(&[100, 2000]).await?;
        }
        mysql.kill9().await?;
        committed.append(&mut writer.committed);
        mysql.start_again().await?;
    }

    reading.expect(&committed).await?;
    assert!(reading.retries() > 0);
    reading.stop().await
}

#[tokio::test]
async fn kill_of_the_server_loses_and_repeats_nothing_with_gtids() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    killed_server_loses_and_repeats_nothing(Setup::Current).await
}

#[tokio::test]
async fn kill_of_the_server_loses_and_repeats_nothing_on_the_reference_flags() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kill);
    killed_server_loses_and_repeats_nothing(Setup::Reference).await
}

#[tokio::test]
async fn half_open_connection_is_noticed_within_three_heartbeats() -> Result<()> {
    for (tier, setup) in [(Tier::Mysql9, Setup::Current), (Tier::Mysql57, Setup::Reference)] {
        needs!(tier, Tier::Kill);
        let mysql = MysqlServer::start(setup).await?;
        let stage = Stage::new(&mysql).await?;
        let mut reading = stage.read().await?;
        let mut writer = stage.writer().await?;
        writer.insert(&[10]).await?;
        reading.until(1).await?;
        let metrics = reading.metrics.clone();
        eventually("the stream is open", DEADLINE, async || metrics.source_connected.get() == 1)
            .await;

        mysql.pause().await?;
        let paused = Instant::now();
        eventually("the dead connection is noticed", DEADLINE, async || {
            metrics.source_connected.get() == 0
        })
        .await;
        let noticed = paused.elapsed();
        mysql.resume().await?;
        writer.insert(&[10]).await?;

        reading.expect(&writer.committed).await?;
        assert!(noticed < Duration::from_secs(5), "{noticed:?} with heartbeats of 250 ms");
        reading.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn idle_connection_stays_open() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let reading = stage.read().await?;

    tokio::time::sleep(Duration::from_secs(3)).await;

    assert_eq!(reading.retries(), 0);
    assert_eq!(reading.metrics.source_connected.get(), 1);
    reading.stop().await
}

#[tokio::test]
async fn source_that_waits_for_its_taker_keeps_its_connection() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let start = stage.start(rowpost::config::StartPolicy::Latest).await?;
    let mut writer = stage.writer().await?;
    for _ in 0..40 {
        writer.insert(&[100_000; 10]).await?;
    }

    // Room for one chunk: the rest waits in the server and in sockets, longer than three heartbeats.
    let mut reading = stage.read_with(start, 1_000_000)?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    reading.expect(&writer.committed).await?;

    assert_eq!(reading.retries(), 0);
    reading.stop().await
}

#[tokio::test]
async fn two_relays_with_one_server_id_do_not_end_each_others_streams() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let mut one = stage.read().await?;
    let mut two = stage.read().await?;
    let mut writer = stage.writer().await?;

    for _ in 0..5 {
        writer.insert(&[10]).await?;
        one.expect(&writer.committed).await?;
        two.expect(&writer.committed).await?;
    }

    assert_eq!(one.retries() + two.retries(), 0);
    one.stop().await?;
    two.stop().await
}

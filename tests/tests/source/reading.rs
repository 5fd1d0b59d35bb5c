//! What arrives, in which order, with which positions.

use anyhow::Result;
use rowpost::{config::StartPolicy, position::BinlogCoordinates};
use rowpost_tests::{MysqlServer, Random, Setup, eventually, needs, tier::Tier};
use serde_json::json;

use crate::stage::{DEADLINE, Reading, Stage, Writer};

/// Some of everything that a service may do.
async fn write_mixed(writer: &mut Writer, random: &mut Random, count: usize) -> Result<()> {
    for _ in 0..count {
        let lengths: Vec<usize> =
            (0..=random.below(3)).map(|_| random.below(2000) as usize).collect();
        match random.below(10) {
            0 => writer.insert_other(random.below(3000) as usize).await?,
            1 => {
                writer.run("begin").await?;
                writer.insert_in_vain(&lengths).await?;
                writer.run("rollback").await?;
            }
            2 => {
                writer.run("begin").await?;
                writer.insert(&lengths).await?;
                writer.run("savepoint `a b`").await?;
                writer.insert_in_vain(&lengths).await?;
                writer.insert_other(10).await?;
                writer.run("rollback to `a b`").await?;
                writer.insert(&[5]).await?;
                writer.run("commit").await?;
            }
            3 => {
                writer.run("create table t (a int)").await?;
                writer.insert(&lengths).await?;
                writer.run("drop table t").await?;
            }
            4 => {
                writer.run("begin").await?;
                for length in lengths {
                    writer.insert_other(50).await?;
                    writer.insert(&[length]).await?;
                    writer.run("delete from other limit 1").await?;
                    writer.run("delete from outbox limit 1").await?;
                }
                writer.run("commit").await?;
            }
            5 => {
                // Other tests name their branches on the same server.
                let branch = format!("'{}-{}'", writer.connection.id(), writer.id());
                writer.run(&format!("xa start {branch}")).await?;
                let is_committed = random.below(3) > 0;
                if is_committed {
                    writer.insert(&lengths).await?;
                } else {
                    writer.insert_in_vain(&lengths).await?;
                }
                writer.insert_other(50).await?;
                writer.run(&format!("xa end {branch}")).await?;
                if is_committed && random.below(3) == 0 {
                    writer.run(&format!("xa commit {branch} one phase")).await?;
                } else {
                    writer.run(&format!("xa prepare {branch}")).await?;
                    let end = if is_committed { "commit" } else { "rollback" };
                    writer.run(&format!("xa {end} {branch}")).await?;
                }
            }
            _ => writer.insert(&lengths).await?,
        }
    }
    Ok(())
}

async fn rows_arrive_once_in_commit_order_and_every_position_resumes(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::shared(setup).await?;
    // Small chunks, so that many transactions leave in parts.
    let mut stage = Stage::new(mysql).await?;
    stage.set("/limits/chunk_bytes_max", json!("4KiB"));
    let start = stage.start(StartPolicy::Latest).await?;
    let mut reading = stage.read_from(start.clone())?;
    let mut writer = stage.writer().await?;
    let mut random = Random::from_environment();

    write_mixed(&mut writer, &mut random, 300).await?;
    // Read while it was written, and once more all at once.
    reading.expect(&writer.committed).await?;
    let mut again = stage.read_from(start)?;
    again.expect(&writer.committed).await?;

    let parts = |reading: &Reading| {
        reading.positions.iter().filter(|(_, position)| position.in_progress.is_some()).count()
    };
    assert!(parts(&reading) > 0, "some positions are inside of transactions");
    for _ in 0..12 {
        let positions = if random.below(2) == 0 { &reading.positions } else { &again.positions };
        let (rows, position) =
            positions[random.below(u32::try_from(positions.len())?) as usize].clone();
        let mut resumed = stage.read_from(position.clone())?;
        resumed.until(writer.committed.len() - rows).await?;
        assert_eq!(resumed.ids, writer.committed[rows..], "resumed at {position:?}");
        resumed.stop().await?;
    }
    reading.stop().await?;
    again.stop().await
}

#[tokio::test]
async fn rows_arrive_once_in_commit_order_with_gtids() -> Result<()> {
    needs!(Tier::Mysql9);
    rows_arrive_once_in_commit_order_and_every_position_resumes(Setup::Current).await
}

#[tokio::test]
async fn rows_arrive_once_in_commit_order_on_the_reference_flags() -> Result<()> {
    needs!(Tier::Mysql57);
    rows_arrive_once_in_commit_order_and_every_position_resumes(Setup::Reference).await
}

#[tokio::test]
async fn rows_arrive_once_in_commit_order_on_mysql_80() -> Result<()> {
    needs!(Tier::Mysql80);
    rows_arrive_once_in_commit_order_and_every_position_resumes(Setup::Mysql80).await
}

#[tokio::test]
async fn compressed_transactions_are_read_like_others() -> Result<()> {
    needs!(Tier::Mysql9);
    let stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let start = stage.start(StartPolicy::Latest).await?;
    let mut writer = stage.writer().await?;
    let mut random = Random::from_environment();

    for compression in ["on", "off", "on"] {
        writer.run(&format!("set binlog_transaction_compression = {compression}")).await?;
        write_mixed(&mut writer, &mut random, 30).await?;
    }
    // Larger than the read buffer, compressed and unpacked.
    writer.run("begin").await?;
    for _ in 0..20 {
        writer.insert(&[100_000, 300_000]).await?;
        writer
            .run(
                "insert into other (t) select group_concat(sha2(uuid(), 512)) from (select 1 \
            union all select 2 union all select 3) t",
            )
            .await?;
    }
    writer.run("commit").await?;

    let mut reading = stage.read_from(start)?;
    reading.expect(&writer.committed).await?;
    reading.stop().await
}

#[tokio::test]
async fn tagged_gtids_are_resumed_from() -> Result<()> {
    needs!(Tier::Mysql9);
    let stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.run("set gtid_next = 'automatic:rowpost'").await?;
    writer.insert(&[10]).await?;
    reading.expect(&writer.committed).await?;
    let position = reading.position.clone();
    writer.run("set gtid_next = 'automatic'").await?;
    writer.insert(&[10]).await?;
    reading.expect(&writer.committed).await?;

    assert!(position.gtid_set.as_ref().is_some_and(|set| set.to_string().contains(":rowpost:")));
    let mut resumed = stage.read_from(position)?;
    resumed.until(1).await?;
    assert_eq!(resumed.ids, writer.committed[1..]);
    resumed.stop().await?;
    reading.stop().await
}

#[tokio::test]
async fn checksums_may_be_switched_off_and_on_while_the_stream_is_open() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start_with(Setup::Current, &["--binlog-checksum=NONE"]).await?;
    let stage = Stage::new(&mysql).await?;
    let start = stage.start(StartPolicy::Earliest).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    for checksum in ["NONE", "CRC32", "NONE"] {
        writer.run(&format!("set global binlog_checksum = {checksum}")).await?;
        writer.insert(&[10, 1000]).await?;
        writer.insert(&[400_000]).await?;
    }

    reading.expect(&writer.committed).await?;
    assert_eq!(reading.retries(), 0);
    let mut again = stage.read_from(start)?;
    again.expect(&writer.committed).await?;
    again.stop().await?;
    reading.stop().await
}

#[tokio::test]
async fn create_table_select_into_an_outbox_is_published() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let table = format!("{}.copied", stage.database);
    stage.set("/outbox", json!([{ "table": table }]));
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.insert(&[10, 20]).await?;
    writer.run("create table copied as select * from outbox order by id").await?;

    reading.expect(&writer.committed).await?;
    reading.stop().await
}

#[tokio::test]
async fn rows_larger_than_a_packet_arrive_whole() -> Result<()> {
    needs!(Tier::Mysql9);
    let stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.run("alter table outbox modify payload longtext").await?;
    let sizes = [(1 << 24) - 400, 1 << 24, 20_000_000, 10];
    for size in sizes {
        writer.insert(&[size]).await?;
    }

    reading.until(sizes.len()).await?;
    assert_eq!(reading.ids, writer.committed);
    reading.stop().await
}

#[tokio::test]
async fn position_moves_on_a_quiet_outbox() -> Result<()> {
    for (tier, setup) in [(Tier::Mysql9, Setup::Current), (Tier::Mysql57, Setup::Reference)] {
        needs!(tier);
        let mysql = MysqlServer::start(setup).await?;
        let stage = Stage::new(&mysql).await?;
        let mut reading = stage.read().await?;
        let mut writer = stage.writer().await?;

        writer.insert_other(5000).await?;
        let end: BinlogCoordinates = {
            let now = stage.start(StartPolicy::Latest).await?;
            now.coordinates
        };

        while reading.position.coordinates != end {
            reading.next().await?;
        }
        assert!(reading.ids.is_empty());
        let at_rest = reading.empty_chunks;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(reading.received.is_empty(), "nothing is sent while nothing moves");
        assert!(at_rest > 0);
        reading.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn first_start_begins_where_it_is_told_to() -> Result<()> {
    for (tier, setup) in [(Tier::Mysql9, Setup::Current), (Tier::Mysql57, Setup::Reference)] {
        needs!(tier);
        let mysql = MysqlServer::start(setup).await?;
        let stage = Stage::new(&mysql).await?;
        let mut writer = stage.writer().await?;
        writer.insert(&[10]).await?;
        let middle = stage.start(StartPolicy::Latest).await?;
        writer.insert(&[20]).await?;

        for (policy, rows) in [
            (StartPolicy::Earliest, 0..2),
            (StartPolicy::Coordinates(middle.coordinates.clone()), 1..2),
            (StartPolicy::Latest, 2..2),
        ] {
            let mut reading = stage.read_from(stage.start(policy.clone()).await?)?;
            reading.until(rows.len()).await?;
            assert_eq!(reading.ids, writer.committed[rows], "{policy:?}");
            reading.stop().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn metrics_count_what_was_read() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.insert(&[10, 20]).await?;
    writer.insert_other(5).await?;
    writer.insert(&[30]).await?;
    reading.until(3).await?;

    let metrics = reading.metrics.clone();
    eventually("the counters agree", DEADLINE, async || {
        metrics.transactions_read.get() == 3
            && metrics.outbox_rows_read.get() == 3
            && metrics.binlog_bytes_read.get() > 500
            && metrics.source_connected.get() == 1
            && metrics.in_flight_bytes.get() == 0
    })
    .await;
    reading.stop().await?;
    assert_eq!(metrics.source_connected.get(), 0);
    Ok(())
}

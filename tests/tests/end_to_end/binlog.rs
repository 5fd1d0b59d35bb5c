//! What a binlog may look like: its files, its checksums, its largest events.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Setup, eventually, needs};

use crate::{case::Case, stack::LONG};

/// A new file every few rows, larger events than a packet, checksums switched while it is read; the
/// relay is away in between.
async fn binlog_of_any_shape_is_published(setup: Setup) -> Result<()> {
    let arguments =
        ["--max-binlog-size=4096", "--max-allowed-packet=64M", "--binlog-checksum=NONE"];
    let mysql = MysqlServer::start_with(setup, &arguments).await?;
    let case = Case::on(&mysql, "shapes").await?;
    let mut relay = case.relay().await?;
    let mut session = case.session().await?;
    session.run("alter table outbox modify payload longtext").await?;

    for (round, checksum) in ["CRC32", "NONE", "CRC32"].iter().enumerate() {
        session.insert(1).await?;
        session.run(format!("set global binlog_checksum = {checksum}")).await?;
        session.insert(1).await?;
        session.run("flush binary logs").await?;
        for rows in 1..20 {
            session.insert(rows).await?;
            session.insert_other().await?;
        }
        session.run("flush binary logs; flush binary logs").await?;
        if round == 1 {
            relay.kill9()?;
        }
        // One byte around the largest packet of the protocol, and beyond.
        for length in [(1 << 24) - 300, 20_000_000, 10] {
            session.insert_long(length).await?;
        }
        if round == 1 {
            relay.start_again()?;
        }
    }

    let records = case.expect(&mut session).await?;
    let longest = records.iter().map(|record| record.value.as_ref().map_or(0, Vec::len)).max();
    assert_eq!(longest, Some(20_000_002));
    eventually("the relay is at the end", LONG, async || {
        Ok::<_, anyhow::Error>(relay.get("/api/status").await?.body.contains("\"bytes\":0"))
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn binlog_of_any_shape_is_published_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    binlog_of_any_shape_is_published(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn binlog_of_any_shape_is_published_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    binlog_of_any_shape_is_published(Setup::Reference).await
}

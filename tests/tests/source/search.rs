//! Times and GTID sets are found in a server's files without reading all of them.

use std::{num::NonZeroU32, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use rowpost::{
    position::{BinlogCoordinates, GtidSet},
    source::{
        Search, SourceError, StartError,
        mysql::{ConnectOptions, Connection, Replica},
        server::ServerFacts,
    },
};
use rowpost_tests::{MysqlServer, Setup, needs};
use uuid::Uuid;

use crate::stage::{Stage, Writer};

const FILES: u32 = 8;

/// Where a transaction begins, and the clock right before it.
struct Written {
    at: BinlogCoordinates,
    before: Timestamp,
    executed: GtidSet,
}

async fn end(stage: &Stage<'_>) -> Result<(ServerFacts, ConnectOptions)> {
    let connect = ConnectOptions::new(&stage.config()?.mysql);
    let mut connection = Connection::open(&connect).await?;
    Ok((ServerFacts::query(&mut connection).await?, connect))
}

/// One row of `bytes` in each of the files, with a pause before it.
async fn write(
    stage: &Stage<'_>,
    writer: &mut Writer,
    bytes: usize,
    pause: Duration,
) -> Result<Vec<Written>> {
    let mut written = Vec::new();
    for _ in 0..FILES {
        writer.run("flush binary logs").await?;
        tokio::time::sleep(pause).await;
        let (server, _) = end(stage).await?;
        let executed = server.gtids.map_or_else(GtidSet::default, |gtids| gtids.executed);
        written.push(Written { at: server.end, before: Timestamp::now(), executed });
        let id = writer.id();
        writer
            .run(&format!(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
                 values ('{id}', 'a', 'k', 't', json_quote(repeat('p', {bytes})))"
            ))
            .await?;
    }
    Ok(written)
}

fn search<'a>(server: &'a ServerFacts, connect: &'a ConnectOptions) -> Search<'a> {
    let replica = Replica { server_id: NonZeroU32::MAX, uuid: Uuid::new_v4() };
    Search::new(connect, replica, Duration::from_secs(1), server)
}

async fn times_are_found(setup: Setup) -> Result<()> {
    let server = MysqlServer::start(setup).await?;
    let stage = Stage::new(&server).await?;
    let mut writer = stage.writer().await?;
    // The reference server's times are whole seconds.
    let written = write(&stage, &mut writer, 10, Duration::from_millis(1010)).await?;
    let (server, connect) = end(&stage).await?;

    for Written { at, before, .. } in &written {
        let mut search = search(&server, &connect);

        let found = search.since(*before).await?;

        assert_eq!(found, *at, "{before}");
        let looks_max = u64::from(server.files.len().ilog2()) + 3;
        assert!(
            search.looks <= looks_max,
            "{} looks at {} files",
            search.looks,
            server.files.len()
        );
    }
    tokio::time::sleep(Duration::from_millis(1010)).await;
    let later = Timestamp::now();
    assert_eq!(search(&server, &connect).since(later).await?, server.end);

    // What was committed before the oldest file was begun is not there.
    writer.run(&format!("purge binary logs to '{}'", written[3].at.file)).await?;
    let (server, connect) = end(&stage).await?;
    let error = search(&server, &connect).since(written[1].before).await;
    assert!(matches!(error, Err(SourceError::Start(StartError::TimePurged { .. }))), "{error:?}");
    assert_eq!(search(&server, &connect).since(written[5].before).await?, written[5].at);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_found_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    times_are_found(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_found_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    times_are_found(Setup::Reference).await
}

/// As many bytes as the server has sent to anybody.
async fn bytes_sent(server: &MysqlServer) -> Result<u64> {
    let mut connection = server.connect().await?;
    let sent = "select variable_value from performance_schema.global_status \
                where variable_name = 'Bytes_sent'";
    let sent: Option<String> = connection.query_first(sent).await?;
    Ok(sent.unwrap_or_default().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn bisection_does_not_read_the_files_that_it_looks_into() -> Result<()> {
    needs!(Setup::Current.tier());
    const FILE: usize = 16 << 20;
    let mysql = MysqlServer::start(Setup::Current).await?;
    let stage = Stage::new(&mysql).await?;
    let mut writer = stage.writer().await?;
    let written = write(&stage, &mut writer, FILE, Duration::ZERO).await?;
    let (server, connect) = end(&stage).await?;
    let before = bytes_sent(&mysql).await?;

    let mut search = search(&server, &connect);
    let after = search.after(&written[6].executed).await?;
    let behind = search.behind(&written[4].executed).await?;

    assert_eq!(after.file, written[6].at.file);
    // In each file the row comes first: what was executed before it lies before the file.
    assert_eq!(behind.file, written[4].at.file);
    assert!(search.bytes < 100_000, "{} bytes read", search.bytes);
    // What fits between two sockets is on its way before the server hears that nobody listens.
    let sent = bytes_sent(&mysql).await? - before;
    let files = search.looks * FILE as u64;
    assert!(sent < files / 3, "{sent} bytes sent of {files} in the files that were looked into");
    eprintln!("{} looks: {} bytes read, {sent} sent", search.looks, search.bytes);
    Ok(())
}

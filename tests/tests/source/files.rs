//! The binlog read from the server's own files, and from its dump.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use rowpost::{
    config::StartPolicy,
    source::{
        EventSource, Interest, StreamError,
        binlog_files::{BinlogFiles, BinlogFilesError, BinlogFolder, FilesStart},
        event::{EventHeader, EventType},
        mysql::{ConnectOptions, Connection, DumpStart, Replica},
    },
};
use rowpost_tests::{MysqlServer, Setup, needs, tier::Tier};
use tokio::time::timeout;
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage};

struct Everything;

impl Interest for Everything {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        true
    }
}

/// What an event says; sizes differ where the server adds a checksum to an event that is in no file.
type Shown = (EventType, u32, u32, Vec<u8>, bool);

async fn next(source: &mut impl EventSource) -> Result<Shown, StreamError> {
    let event = source.next_event(&Everything).await?;
    let EventHeader { event_type, timestamp, log_pos, .. } = event.header;
    Ok((event_type, timestamp, log_pos, event.body.to_vec(), event.is_unpacked))
}

async fn files_show_what_their_server_sends(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let stage = Stage::new(&mysql).await?;
    let start = stage.start(StartPolicy::Earliest).await?;
    let mut writer = stage.writer().await?;
    for round in 0..3 {
        writer.insert(&[10, 2000, 300_000]).await?;
        if setup != Setup::Reference {
            writer.run("set binlog_transaction_compression = on").await?;
        }
        writer.insert(&[20, 400_000]).await?;
        writer.insert_other(600_000).await?;
        if round < 2 {
            writer.run("flush binary logs").await?;
        }
    }
    let basename: String = mysql.value("select @@log_bin_basename").await?;
    let path = PathBuf::from(basename);
    let series = path.file_name().and_then(|name| name.to_str()).context("a base name")?;
    let folder = BinlogFolder::open(path.parent().context("a folder")?, Some(series))?;
    let at = start.coordinates.clone();

    let mut files = BinlogFiles::open(folder, FilesStart::At(at.clone())).await?;
    let connection = Connection::open(&ConnectOptions::new(&stage.config()?.mysql)).await?;
    let server_id = NonZeroU32::new(4711).context("not zero")?;
    let replica = Replica { server_id, uuid: Uuid::new_v4() };
    let heartbeat = Duration::from_millis(500);
    let mut live = connection.dump(&replica, &DumpStart::At(at), heartbeat).await?;
    let mut events = 0;
    let end = loop {
        let from_file = match next(&mut files).await {
            Ok(event) => event,
            Err(error) => break error,
        };
        let sent = timeout(DEADLINE, next(&mut live)).await??;
        assert!(from_file == sent, "event {events}: {:?} {:?}", from_file.0, sent.0);
        events += 1;
    };

    assert!(events > 50, "{events}");
    let StreamError::Files(BinlogFilesError::Ended(end)) = end else { panic!("{end}") };
    assert!(end.is_in_use && !end.is_torn, "the server goes on writing to it");
    let (sent, ..) = timeout(DEADLINE, next(&mut live)).await??;
    assert!(matches!(sent, EventType::HEARTBEAT | EventType::HEARTBEAT_V2), "{sent} after the end");
    Ok(())
}

#[tokio::test]
async fn files_of_9_7_show_what_their_server_sends() -> Result<()> {
    needs!(Tier::Mysql9);
    files_show_what_their_server_sends(Setup::Current).await
}

#[tokio::test]
async fn files_of_5_7_show_what_their_server_sends() -> Result<()> {
    needs!(Tier::Mysql57);
    files_show_what_their_server_sends(Setup::Reference).await
}

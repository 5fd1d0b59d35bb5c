//! `rowpost position show`.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{
    PositionError,
    plan::files_between,
    report::{Ahead, Report, Server, Stored, ToOldest, moment},
    text,
};
use crate::{
    config::Config,
    failure::Failure,
    position::{GtidSet, Position},
    source::{
        SourceError,
        mysql::{ConnectOptions, Connection, DumpStart},
        probe::Probe,
        server::{ServerFacts, bytes_between},
        settle, start,
    },
};

/// Reads checkpoint and server, and prints.
pub async fn show(config: &Config, json: bool, mut output: impl Write) -> Result<(), Failure> {
    let report = collect(config).await?;
    if json {
        serde_json::to_writer_pretty(&mut output, &report).map_err(io::Error::from)?;
        writeln!(output)?;
    } else {
        output.write_all(text::report(&report).as_bytes())?;
    }
    Ok(())
}

async fn collect(config: &Config) -> Result<Report, PositionError> {
    let checkpoint = super::set::read_checkpoint(config).await?;
    let config = &settle(config, None).await?;
    let options = ConnectOptions::new(&config.mysql);
    let mut connection = Connection::open(&options).await.map_err(SourceError::from)?;
    let server = ServerFacts::query(&mut connection).await?;
    let probe = Probe::of(config);
    let position = checkpoint.as_ref().map(|checkpoint| &checkpoint.position);
    let mut report = Report {
        source: config.source.clone(),
        topic: config.checkpoint_topic(),
        server: Server {
            address: options.address(),
            version: server.version().to_owned(),
            server_uuid: server.server_uuid,
            gtid_mode: server.settings.get("gtid_mode").unwrap_or("OFF").to_owned(),
            oldest: server.beginning(),
            end: server.end.clone(),
            files: server.files.len(),
        },
        ahead: None,
        to_oldest: None,
        refusal: None,
        checkpoint: None,
    };
    if let Some(position) = position {
        match start::ensure_resumes(&mut connection, &probe, position, &server).await {
            Ok(()) => {
                report.ahead = Some(ahead(&probe, position, &server).await?);
                report.to_oldest = to_oldest(&probe, position, &server).await?;
            }
            Err(SourceError::Start(error)) => report.refusal = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    connection.close().await;
    report.checkpoint = checkpoint.map(Stored::from);
    Ok(report)
}

/// Whether the coordinates are of this server.
fn is_here(position: &Position, server: &ServerFacts) -> bool {
    position.server_uuid == server.server_uuid
        && server.files.iter().any(|file| file.name == position.coordinates.file)
}

async fn ahead(
    probe: &Probe,
    position: &Position,
    server: &ServerFacts,
) -> Result<Ahead, PositionError> {
    let purged = server.gtids.as_ref().map(|gtids| &gtids.purged);
    // A prepared branch waits for nobody but its own end.
    let published = purged.and_then(|purged| position.unneeded(server.server_uuid, purged));
    let missing = match (&published, &server.gtids) {
        (Some(published), Some(gtids)) => {
            let mut missing = gtids.executed.clone();
            missing.subtract(published);
            Some(missing)
        }
        (_, _) => None,
    };
    let is_here = is_here(position, server);
    let bytes = is_here.then(|| bytes_between(&position.coordinates, &server.end, &server.files));
    let is_at_end = match &missing {
        Some(missing) => missing.is_empty(),
        None => position.coordinates == server.end,
    };
    let first = match (&published, is_at_end) {
        (_, true) => None,
        (Some(set), false) => {
            probe.first_transaction(&DumpStart::After(set.clone()), &server.end).await?
        }
        // The dump command has 32 bits for the position.
        (_, false) if u32::try_from(position.coordinates.position).is_err() => None,
        (_, false) => {
            let from = DumpStart::At(position.coordinates.clone());
            probe.first_transaction(&from, &server.end).await?
        }
    };
    let waiting_since = first
        .and_then(|first| i64::try_from(first.commit_timestamp_us).ok())
        .and_then(|us| Timestamp::from_microsecond(us).ok());
    Ok(Ahead {
        bytes,
        files: is_here.then(|| files_between(&position.coordinates.file, &server.end.file, server)),
        transactions: missing.as_ref().map(GtidSet::count),
        gtids: missing,
        waiting_seconds: waiting_since
            .map(|since| Timestamp::now().as_second().saturating_sub(since.as_second()).max(0)),
        waiting_since: waiting_since.map(|since| format!("{since:.0}")),
    })
}

/// SERVER: a file is purged once its last change is longer ago than the limit, and that is looked at
/// only when a file is begun, at a flush and at a start. Its last change is when the next one was begun.
async fn to_oldest(
    probe: &Probe,
    position: &Position,
    server: &ServerFacts,
) -> Result<Option<ToOldest>, PositionError> {
    if !is_here(position, server) {
        return Ok(None);
    }
    let file = &position.coordinates.file;
    let next = server.files.iter().skip_while(|listed| listed.name != *file).nth(1);
    let finished = match next {
        Some(next) => probe.file_begun(&next.name).await?,
        None => None,
    };
    let expire_seconds = server.settings.binlog_expiry().seconds;
    let kept_until = finished.zip(expire_seconds).and_then(|(finished, seconds)| {
        moment(i64::from(finished).checked_add(i64::try_from(seconds).ok()?)?)
    });
    Ok(Some(ToOldest {
        files: files_between(&server.beginning().file, file, server) - 1,
        bytes: bytes_between(&server.beginning(), &position.coordinates, &server.files),
        expire_seconds,
        file_finished_at: finished
            .and_then(|finished| moment(i64::from(finished)))
            .map(|finished| finished.to_string()),
        kept_until: kept_until.map(|until| until.to_string()),
    }))
}

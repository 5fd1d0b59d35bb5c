//! A prepared XA branch that is committed now → its rows, read again where it was prepared.
//!
//! Promises: the rows are those of that branch on that server, or there is an error.
//!
//! Before this: `assembler`, which says which branch it is. After this: `assembler` again.

use uuid::Uuid;

use super::{
    Assembler, BinlogFiles, BinlogFilesError, BinlogStream, Connection, Describer, DumpStart,
    EventSource, FilesStart, Origin, Outlet, Replica, Session, SourceError, reachable, send_ready,
};
use crate::{
    position::{BinlogCoordinates, EndPosition},
    source::{
        RawEvent,
        event::EventType,
        mysql::{ConnectionError, Refusal},
        outlet::Closed,
    },
};

/// Reads the branch that the assembler asks for, if it asks for one, up to its end.
pub(super) async fn read(
    session: &Session,
    assembler: &mut Assembler,
    describer: &mut Describer<'_>,
    outlet: &mut Outlet,
) -> Result<Result<(), Closed>, SourceError> {
    if assembler.recall().is_none() {
        return Ok(Ok(()));
    }
    Box::pin(read_recalled(session, assembler, describer, outlet)).await
}

async fn read_recalled(
    session: &Session,
    assembler: &mut Assembler,
    describer: &mut Describer<'_>,
    outlet: &mut Outlet,
) -> Result<Result<(), Closed>, SourceError> {
    if let Some(kept) = assembler.take_kept() {
        for event in &kept {
            take(&event.event(), assembler, describer).await?;
        }
        return Ok(send_ready(assembler, outlet).await);
    }
    let Some(recall) = assembler.recall() else { return Ok(Ok(())) };
    let (xid, begins_at) = (recall.xid.clone(), recall.begins_at.clone());
    tracing::debug!(xid, %begins_at, "XA branch read again");
    let read = match &session.origin {
        Origin::Server => match open(session, assembler.server_uuid(), &begins_at).await {
            Ok(mut stream) => {
                events(&mut stream, &begins_at, true, assembler, describer, outlet).await
            }
            Err(error) => Err(error),
        },
        Origin::Files(folder) => {
            let start = FilesStart::At(begins_at.clone());
            match BinlogFiles::open(folder.clone(), start).await {
                Ok(mut files) => {
                    events(&mut files, &begins_at, false, assembler, describer, outlet).await
                }
                Err(error) => Err(error.into()),
            }
        }
    };
    read.map_err(|error| match is_gone(&error) {
        true => assembler.gone(xid, begins_at, Some(error)),
        false => error,
    })
}

/// Whether the place is not there any more.
fn is_gone(error: &SourceError) -> bool {
    if let SourceError::Connection(ConnectionError::Refused(refused)) = error {
        return matches!(refused.refusal(), Refusal::Purged | Refusal::Behind);
    }
    matches!(
        error,
        SourceError::Files(
            BinlogFilesError::NoSuchFile { .. }
                | BinlogFilesError::NotABoundary { .. }
                | BinlogFilesError::BehindEnd { .. }
        )
    )
}

/// A stream of its own: the one that is read goes on behind the branch.
async fn open(
    session: &Session,
    server_uuid: Uuid,
    at: &BinlogCoordinates,
) -> Result<BinlogStream, SourceError> {
    let mut connection = Connection::open(&session.connect).await?;
    let answer = connection.query("select @@global.server_uuid").await?;
    let found = answer.first().and_then(|row| row.get(0)?.parse().ok());
    if found != Some(server_uuid) {
        // Behind one address there is another server now; the stream that is read will end too.
        let what = "another server than the one whose binlog is read";
        return Err(ConnectionError::Protocol { what }.into());
    }
    // With an id of its own it ends no other stream.
    let replica = Replica { uuid: Uuid::new_v4(), ..session.replica.clone() };
    Ok(connection.dump(&replica, &DumpStart::At(reachable(at)), session.heartbeat).await?)
}

/// Where `may_begin_before`, the stream begins at the nearest place that can be asked for.
async fn events(
    stream: &mut impl EventSource,
    begins_at: &BinlogCoordinates,
    may_begin_before: bool,
    assembler: &mut Assembler,
    describer: &mut Describer<'_>,
    outlet: &mut Outlet,
) -> Result<Result<(), Closed>, SourceError> {
    let from = if may_begin_before { reachable(begins_at) } else { begins_at.clone() };
    let mut end = EndPosition::new(from.position);
    let mut is_there = from == *begins_at;
    while assembler.recall().is_some() {
        if !stream.has_event() {
            let ready = stream.ready().await;
            ready.map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
        }
        let event = stream.next_event(&*assembler).await;
        let event = event.map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
        if !is_there {
            let header = &event.header;
            let is_heartbeat =
                matches!(header.event_type, EventType::HEARTBEAT | EventType::HEARTBEAT_V2);
            if !event.is_unpacked && !header.is_artificial() && !is_heartbeat {
                is_there = end.get() == begins_at.position && header.log_pos != 0;
                end.advance(header.event_size, header.log_pos);
            }
            if !is_there {
                continue;
            }
        }
        take(&event, assembler, describer).await?;
        if let Err(Closed) = send_ready(assembler, outlet).await {
            return Ok(Err(Closed));
        }
    }
    Ok(Ok(()))
}

async fn take(
    event: &RawEvent<'_>,
    assembler: &mut Assembler,
    describer: &mut Describer<'_>,
) -> Result<(), SourceError> {
    if let Some(table) = assembler.handle_recalled(event)? {
        let columns = describer.describe(&table, || assembler.place()).await?;
        assembler.describe(&columns)?;
    }
    Ok(())
}

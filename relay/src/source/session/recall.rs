//! A prepared XA branch that is committed now → its rows, read again where it was prepared.

use uuid::Uuid;

use super::{
    Assembler, BinlogFiles, BinlogStream, Connection, Describer, DumpStart, EventSource,
    FilesStart, Origin, Outlet, Replica, Session, SourceError, send_ready,
};
use crate::{
    position::BinlogCoordinates,
    source::{
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
    let Some(recall) = assembler.recall() else { return Ok(Ok(())) };
    let (xid, begins_at) = (recall.xid.clone(), recall.begins_at.clone());
    let place = assembler.place();
    tracing::debug!(xid, %begins_at, "XA branch read again");
    let read = Box::pin(async {
        match &session.origin {
            Origin::Server => {
                let mut stream = open(session, &begins_at).await?;
                events(&mut stream, assembler, describer, outlet).await
            }
            Origin::Files(folder) => {
                let start = FilesStart::At(begins_at.clone());
                let mut files = BinlogFiles::open(folder.clone(), start).await?;
                events(&mut files, assembler, describer, outlet).await
            }
        }
    });
    read.await.map_err(|error| match error {
        SourceError::Connection(ConnectionError::Refused(ref refused))
            if matches!(refused.refusal(), Refusal::Purged | Refusal::Behind) =>
        {
            let (place, begins_at) = (Box::new(place), Box::new(begins_at));
            SourceError::BranchGone { xid, begins_at, place, error: Box::new(error) }
        }
        error => error,
    })
}

/// A stream of its own: the one that is read goes on behind the branch.
async fn open(session: &Session, at: &BinlogCoordinates) -> Result<BinlogStream, SourceError> {
    let connection = Connection::open(&session.connect).await?;
    // With an id of its own it ends no other stream.
    let replica = Replica { uuid: Uuid::new_v4(), ..session.replica.clone() };
    Ok(connection.dump(&replica, &DumpStart::At(at.clone()), session.heartbeat).await?)
}

async fn events(
    stream: &mut impl EventSource,
    assembler: &mut Assembler,
    describer: &mut Describer<'_>,
    outlet: &mut Outlet,
) -> Result<Result<(), Closed>, SourceError> {
    while assembler.recall().is_some() {
        if !stream.has_event() {
            let ready = stream.ready().await;
            ready.map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
        }
        let event = stream.next_event(&*assembler).await;
        let event = event.map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
        if let Some(table) = assembler.handle_recalled(&event)? {
            let columns = describer.describe(&table, || assembler.place()).await?;
            assembler.describe(&columns)?;
        }
        if let Err(Closed) = send_ready(assembler, outlet).await {
            return Ok(Err(Closed));
        }
    }
    Ok(Ok(()))
}

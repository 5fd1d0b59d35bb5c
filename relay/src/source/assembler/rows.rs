//! Rows events → records of the transaction being read.

use std::sync::Arc;

use tracing::warn;

use super::{super::error::TransactionFault, Emission, Transaction, cost};
use crate::{
    record::RecordError,
    source::{
        DecodeError, RawEvent,
        bytes::ByteReader,
        row::{RowsEvent, RowsKind},
        tables::{Outbox, Tables},
    },
};

/// Why a rows event makes no records.
pub(super) enum RowsFault {
    Decode { table: Arc<str>, error: DecodeError },
    Record(RecordError),
    Transaction(TransactionFault),
}

impl From<TransactionFault> for RowsFault {
    fn from(fault: TransactionFault) -> Self {
        Self::Transaction(fault)
    }
}

/// Adds the event's rows to the transaction, if they are outbox rows.
pub(super) fn read(
    event: &RawEvent<'_>,
    tables: &mut Tables,
    transaction: &mut Transaction,
    emission: &mut Emission,
) -> Result<(), RowsFault> {
    const STATEMENT_END: u16 = 1;
    let mut fields = ByteReader::new(event.body);
    let head = fields.u48_le().and_then(|table_id| Ok((table_id, fields.u16_le()?)));
    let (table_id, flags) = head.map_err(|source| RowsFault::Decode {
        table: "?".into(),
        error: DecodeError::Rows { part: "header", source },
    })?;
    match tables.is_outbox(table_id) {
        None => return Err(TransactionFault::Unannounced { table_id }.into()),
        Some(false) => {}
        Some(true) => {
            let outbox = tables.outbox(table_id).expect("a mapped outbox table is known");
            read_outbox(event, outbox, transaction, emission)?;
        }
    }
    if flags & STATEMENT_END != 0 {
        tables.end_statement();
    }
    Ok(())
}

fn read_outbox(
    event: &RawEvent<'_>,
    outbox: &mut Outbox,
    transaction: &mut Transaction,
    emission: &mut Emission,
) -> Result<(), RowsFault> {
    let kind = RowsKind::of_event_type(event.header.event_type.0);
    match kind {
        Some(RowsKind::Insert) => insert(event, outbox, transaction, emission),
        Some(RowsKind::Update | RowsKind::PartialUpdate) => {
            if !outbox.has_warned_of_update {
                outbox.has_warned_of_update = true;
                warn!(
                    table = %outbox.name,
                    "rows of an outbox table were updated; only inserts are published"
                );
            }
            Ok(())
        }
        // How an outbox is kept small.
        Some(RowsKind::Delete) | None => Ok(()),
    }
}

fn insert(
    event: &RawEvent<'_>,
    outbox: &mut Outbox,
    transaction: &mut Transaction,
    emission: &mut Emission,
) -> Result<(), RowsFault> {
    let Outbox { name, decoder, mapping, .. } = outbox;
    if transaction.is_deferred {
        return Ok(());
    }
    let undecodable = |error| RowsFault::Decode { table: Arc::clone(name), error };
    let rows = RowsEvent::parse(event.header.event_type.0, event.body).map_err(undecodable)?;
    let mut cursor = rows.rows().map_err(undecodable)?;
    let mut values = Vec::new();
    loop {
        if transaction.is_next_row_out() {
            if decoder.skip(&mut cursor).map_err(undecodable)?.is_none() {
                break;
            }
            transaction.pass_over_row();
            continue;
        }
        if decoder.decode(&mut cursor, &mut values).map_err(undecodable)?.is_none() {
            break;
        }
        let record =
            mapping.record(&values, transaction.commit_timestamp_us).map_err(RowsFault::Record)?;
        let cost = cost(&record);
        transaction.add(record, cost);
        if transaction.cost >= emission.cost_max() {
            // What a branch of an XA transaction wrote may still be rolled back.
            if transaction.xa.is_some() {
                transaction.defer();
                break;
            }
            emission.emit_part(transaction)?;
        }
    }
    transaction.last_outbox = Some(Arc::clone(name));
    Ok(())
}

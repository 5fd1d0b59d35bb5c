//! Why another product's position was not taken over.

use std::{io, path::PathBuf};

use super::{Product, java_map::JavaMapError};
use crate::{
    position::BinlogCoordinates,
    publish::{BrokerError, SettingsError},
    source::mysql::ConnectionError,
};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{flag} says nothing about {product}; it goes with {products}")]
    Flag { flag: &'static str, product: Product, products: &'static str },
    #[error("the offsets file {} cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{} is no offsets file of Kafka Connect or of Debezium's engine (a serialized \
         HashMap<byte[], byte[]>)", path.display()
    )]
    NoOffsetsFile { path: PathBuf, source: JavaMapError },
    #[error("there is no topic `{topic}`; --topic names the one in which the offsets are")]
    NoTopic { topic: String },
    #[error("the Kafka principal may not read topic `{topic}`: it needs READ and DESCRIBE on it")]
    TopicDenied { topic: String },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("no offset of {product} is in {place}; {unreadable} of its keys could not be read")]
    NothingFound { product: Product, place: String, unreadable: usize },
    #[error("no offset in {place} is of `{name}`; there are: {found}")]
    NoSuchName { name: String, place: String, found: String },
    #[error("more than one offset is in {place}: {found}; say with --name which")]
    SeveralFound { place: String, found: String },
    #[error("{place} holds no offset of {product}: {reason}")]
    Malformed { product: Product, place: String, reason: String },
    #[error(
        "{place} was written within a snapshot (`snapshot` is {snapshot}), so its rows are published in \
         part: let the snapshot end, or go on without it: an outbox table is read by `mysql.start = \
         \"table\"`"
    )]
    Snapshot { place: String, snapshot: String },
    #[error(
        "the table `{schema}`.`positions` cannot be read; Maxwell keeps its position there, in the database \
         that --schema names, and the account needs SELECT on it"
    )]
    Maxwell { schema: String, source: ConnectionError },
    #[error(
        "`{schema}`.`positions` has no position of client_id `{client_id}` and server_id 0 or \
         {server_id}; there are: {found}"
    )]
    NoSuchClient { schema: String, client_id: String, server_id: String, found: String },
    #[error(
        "{place} has no coordinates, and the source's gtid_mode is not ON, so its GTID set names no place"
    )]
    NoCoordinates { place: String },
    #[error(
        "{place} stands inside a transaction at {wanted}, and no event begins or ends there in the source's \
         binlog: it is not the one that was read, or it was reset since"
    )]
    NotThere { place: String, wanted: BinlogCoordinates },
    #[error(
        "{place} stands inside a transaction that the source does not have: it is behind the server that \
         was read, or lost it. Wait until it has caught up, or name a position with `rowpost position set`"
    )]
    TransactionMissing { place: String },
    #[error(
        "it has moved meanwhile, from {before} to {after}: {product} still runs, and nothing was set. Stop \
         it, then import once more"
    )]
    StillRuns { product: Product, before: String, after: String },
    #[error("a look at Kafka broke off")]
    BrokeOff,
}

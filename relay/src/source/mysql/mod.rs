//! A replica's connection to the source.
//!
//! Our own small client of the MySQL protocol: connect, authenticate, TLS, text queries, the dump
//! commands. What the drivers offer for reading a binlog holds every packet and every unpacked
//! transaction in memory and parses events before their checksums can be looked at;
//! docs/decisions/0009 weighs it.
//!
//! Nothing outside this folder knows the protocol.

mod authentication;
mod connection;
mod dump;
mod error;
mod handshake;
mod options;
mod packet;
mod result_set;
mod row_stream;
mod scramble;
mod stream;
mod tls;

pub use self::{
    connection::Connection,
    dump::{DumpStart, REPLICA_HOST, Replica},
    error::{ConnectionError, Refusal, ServerError},
    options::ConnectOptions,
    result_set::{Row, Rows},
    row_stream::{ByteRow, ColumnDefinition, RowStream},
    stream::BinlogStream,
    tls::TlsInUse,
};

//! Rows event → values of the wanted columns.
//!
//! Promises:
//! - any bytes give values or an error, never a panic and never an endless loop; nothing is
//!   allocated that the input does not justify;
//! - a value's text is what `SELECT` returns for the column on the same server, in utf8mb4 and with
//!   time zone UTC; BINARY(n) has its n bytes again (the binlog strips trailing zeros);
//! - text that breaks its character set is an error, not a replacement character.
//!
//! Not promised: ZEROFILL padding, FLOAT(M,D)'s fixed decimals (the binlog does not tell of either),
//! and JSON's blanks unless asked for.
//!
//! Before this: `table_map`. After this: `record`.

mod decimal;
mod decoder;
mod event;
mod float;
mod form;
mod json;
mod number;
mod temporal;
#[cfg(test)]
mod tests;
mod value;

pub use self::{
    decimal::Decimal,
    decoder::RowDecoder,
    event::{RowCursor, RowImage, RowsEvent, RowsKind},
    json::{JsonStyle, Jsonb},
    temporal::{Date, Datetime, Time, Timestamp},
    value::{MemberSet, Text, Value},
};

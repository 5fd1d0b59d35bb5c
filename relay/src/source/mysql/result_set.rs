//! Answers to text queries.

use crate::source::{Malformed, bytes::ByteReader};

use super::{ConnectionError, ServerError, packet::PacketStream, row_stream::ByteRow};

/// A row's values as text; `None` is SQL NULL. Bytes that are not UTF-8 are replaced: only names,
/// numbers and settings are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    values: Vec<Option<String>>,
}

/// A result set, with its columns' names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Row {
    pub fn new(values: Vec<Option<String>>) -> Self {
        Self { values }
    }

    /// The value of the `index`th column; `None` if it is NULL or there is no such column.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.values.get(index)?.as_deref()
    }
}

impl Rows {
    pub fn new(columns: &[&str], rows: Vec<Row>) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The values of a column that are not NULL, by its name without regard to case.
    pub fn values(&self, column: &str) -> impl Iterator<Item = &str> {
        let index = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column));
        self.rows.iter().filter_map(move |row| row.get(index?))
    }

    /// A value of the first row by its column's name, without regard to case.
    pub fn value(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
        self.first()?.get(index)
    }
}

const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;

/// The error in a packet, if it is an ERR packet.
pub(super) fn server_error(packet: &[u8]) -> Option<ServerError> {
    let mut fields = ByteReader::new(packet.strip_prefix(&[ERR])?);
    let code = fields.u16_le().ok()?;
    // The SQL state is marked by `#`; errors before the handshake have none.
    let rest = fields.rest();
    let message = match rest.split_at_checked(6) {
        Some((state, message)) if state.first() == Some(&b'#') => message,
        _ => rest,
    };
    Some(ServerError { code, message: String::from_utf8_lossy(message).into_owned() })
}

pub(super) fn is_eof(packet: &[u8]) -> bool {
    packet.first() == Some(&EOF) && packet.len() < 9
}

/// Reads the answer to a COM_QUERY; an OK packet is an empty result set.
pub(super) async fn read(packets: &mut PacketStream) -> Result<Rows, ConnectionError> {
    const ROWS_MAX: usize = 100_000;
    let malformed = |_: Malformed| ConnectionError::Protocol { what: "a malformed result set" };

    let head = packets.read().await?;
    if let Some(error) = server_error(&head) {
        return Err(ConnectionError::Refused(error));
    }
    if head.first() == Some(&OK) {
        return Ok(Rows::default());
    }
    let column_count = ByteReader::new(&head).length_encoded().map_err(malformed)?;
    let mut rows = Rows::default();
    for _ in 0..column_count {
        let definition = packets.read().await?;
        rows.columns.push(column_name(&definition).map_err(malformed)?);
    }
    if !is_eof(&packets.read().await?) {
        return Err(ConnectionError::Protocol { what: "columns without an end" });
    }
    loop {
        let packet = packets.read().await?;
        if let Some(error) = server_error(&packet) {
            return Err(ConnectionError::Refused(error));
        }
        if is_eof(&packet) {
            return Ok(rows);
        }
        if rows.rows.len() == ROWS_MAX {
            return Err(ConnectionError::Protocol { what: "a result set of 100,000 rows" });
        }
        rows.rows.push(parse_row(packet, rows.columns.len()).map_err(malformed)?);
    }
}

fn column_name(definition: &[u8]) -> Result<String, Malformed> {
    leading_name(&mut ByteReader::new(definition))
}

/// Catalog, schema, table, original table, name: how a column definition begins.
pub(super) fn leading_name(fields: &mut ByteReader<'_>) -> Result<String, Malformed> {
    for _ in 0..4 {
        fields.length_encoded_bytes()?;
    }
    Ok(String::from_utf8_lossy(fields.length_encoded_bytes()?).into_owned())
}

fn parse_row(packet: Vec<u8>, columns: usize) -> Result<Row, Malformed> {
    let row = ByteRow::parse(packet, columns)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Row { values: row.values().map(|value| value.map(text)).collect() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn answer(payloads: &[&[u8]]) -> Result<Rows, ConnectionError> {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        for (sequence, payload) in (0..).zip(payloads) {
            let head = [u8::try_from(payload.len()).unwrap(), 0, 0, sequence];
            server.write_all(&[&head, *payload].concat()).await.unwrap();
        }
        drop(server);
        read(&mut PacketStream::new(Box::new(client), Duration::from_secs(5))).await
    }

    const NAME: &[u8] = b"\x03def\0\0\0\x04NameXXXX";
    const END: &[u8] = b"\xfe\0\0\0\0";

    #[tokio::test]
    async fn values_are_found_by_their_columns_names() {
        let rows = answer(&[b"\x02", NAME, b"\x03def\0\0\0\x05Value", END, b"\x01a\xfb", END])
            .await
            .unwrap();

        assert_eq!(rows.value("name"), Some("a"));
        assert_eq!(rows.value("Value"), None);
        assert_eq!(rows.value("no such column"), None);
        assert_eq!(rows.iter().count(), 1);
    }

    #[tokio::test]
    async fn ok_is_an_empty_result() {
        assert!(answer(&[b"\0\0\0\x02\0\0\0"]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn error_shows_code_and_text_without_the_state() {
        let error = answer(&[b"\xff\x15\x04#28000Access denied"]).await.unwrap_err();

        let ConnectionError::Refused(error) = error else { panic!("{error}") };
        assert_eq!(error, ServerError { code: 1045, message: "Access denied".to_owned() });
    }

    #[tokio::test]
    async fn row_with_a_value_missing_is_an_error() {
        let error = answer(&[b"\x02", NAME, NAME, END, b"\x01a", END]).await.unwrap_err();

        assert!(matches!(error, ConnectionError::Protocol { .. }));
    }
}

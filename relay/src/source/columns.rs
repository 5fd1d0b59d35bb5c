//! Columns of a table, asked of the server where the binlog does not tell them.

use jiff::Timestamp;

use super::{
    mysql::{Connection, ConnectionError, Row},
    table_map::{ColumnDescription, DESCRIBE_TABLE_SQL},
};

/// In the table's order; none if there is no such table.
pub(super) async fn describe(
    connection: &mut Connection,
    database: &str,
    table: &str,
) -> Result<Vec<ColumnDescription>, ConnectionError> {
    let rows = connection.query(&statement(DESCRIBE_TABLE_SQL, database, table)).await?;
    rows.iter().map(description).collect()
}

/// When the table was made or altered last; `None` if there is no such table.
///
/// SERVER: `create_time` is that of the newest table definition, which every ALTER TABLE writes anew.
pub(super) async fn altered(
    connection: &mut Connection,
    database: &str,
    table: &str,
) -> Result<Option<Timestamp>, ConnectionError> {
    const ALTERED_SQL: &str = "select unix_timestamp(create_time) from information_schema.tables \
                               where table_schema = ? and table_name = ?";
    let rows = connection.query(&statement(ALTERED_SQL, database, table)).await?;
    let seconds = rows.iter().next().and_then(|row| row.get(0));
    let second = seconds.and_then(|seconds| seconds.parse().ok());
    Ok(second.and_then(|second| Timestamp::from_second(second).ok()))
}

fn statement(sql: &str, database: &str, table: &str) -> String {
    let mut parts = sql.split('?');
    let mut statement = parts.next().unwrap_or_default().to_owned();
    for (name, part) in [database, table].iter().zip(parts) {
        statement.push_str(&literal(name));
        statement.push_str(part);
    }
    statement
}

/// A literal in hexadecimal digits: right in every `sql_mode`, and nothing in a name can end it.
fn literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("_utf8mb4 x'{digits}'")
}

fn description(row: &Row) -> Result<ColumnDescription, ConnectionError> {
    let (Some(name), Some(column_type)) = (row.get(0), row.get(1)) else {
        return Err(ConnectionError::Protocol { what: "a column without name or type" });
    };
    Ok(ColumnDescription {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        character_set: row.get(2).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_literals() {
        let statement = statement(DESCRIBE_TABLE_SQL, "shop", "out'box");

        assert!(statement.contains("table_schema = _utf8mb4 x'73686f70' and"));
        assert!(statement.contains("table_name = _utf8mb4 x'6f757427626f78' order"));
        assert!(!statement.contains('?'));
    }
}

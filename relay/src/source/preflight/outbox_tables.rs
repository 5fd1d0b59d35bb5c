//! The outbox tables that the account can see → checks.

use std::collections::BTreeMap;

use super::{Check, ServerSettings};
use crate::{
    config::{NameCase, OutboxTable},
    record::Mapping,
    source::{
        mysql::{Connection, ConnectionError, Rows},
        table_map::Charset,
    },
};

/// A table that matches an `[[outbox]]` entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    database: String,
    name: String,
    engine: String,
    columns: Vec<Column>,
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    name: String,
    character_set: Option<String>,
}

/// SERVER: the result is limited to tables on which the account has a privilege.
const TABLES: &str = "select t.table_schema, t.table_name, t.engine, c.column_name, \
     c.character_set_name from information_schema.tables t join information_schema.columns c \
     on c.table_schema = t.table_schema and c.table_name = t.table_name \
     where t.table_type = 'BASE TABLE' and t.table_schema not in \
     ('mysql', 'sys', 'performance_schema', 'information_schema') \
     order by t.table_schema, t.table_name, c.ordinal_position";

pub(super) async fn query(
    connection: &mut Connection,
    outbox: &[OutboxTable],
    settings: &ServerSettings,
) -> Result<Vec<Table>, ConnectionError> {
    Ok(matching(&connection.query(TABLES).await?, outbox, settings.name_case()))
}

fn matching(rows: &Rows, outbox: &[OutboxTable], names: NameCase) -> Vec<Table> {
    let mut tables: BTreeMap<(&str, &str), Table> = BTreeMap::new();
    for row in rows.iter() {
        let text = |index| row.get(index).unwrap_or_default();
        let (database, name) = (text(0), text(1));
        if !outbox.iter().any(|entry| entry.table.matches(database, name, names)) {
            continue;
        }
        let table = tables.entry((database, name)).or_insert_with(|| Table {
            database: database.to_owned(),
            name: name.to_owned(),
            engine: text(2).to_owned(),
            columns: Vec::new(),
        });
        let character_set = row.get(4).map(str::to_owned);
        table.columns.push(Column { name: text(3).to_owned(), character_set });
    }
    tables.into_values().collect()
}

pub(super) fn checks(
    tables: &[Table],
    outbox: &[OutboxTable],
    settings: &ServerSettings,
) -> Vec<Check> {
    let names = settings.name_case();
    let mut checks: Vec<Check> =
        tables.iter().flat_map(|table| table.checks(outbox, names)).collect();
    for entry in outbox {
        if !tables.iter().any(|table| entry.table.matches(&table.database, &table.name, names)) {
            checks.push(unseen(entry, settings));
        }
    }
    checks
}

/// No such table, or none that the account may see: it may be created later.
fn unseen(entry: &OutboxTable, settings: &ServerSettings) -> Check {
    let check =
        Check::ok(format!("outbox table {}", entry.table), "none that this account can see")
            .requiring("a table, at the latest with its first row");
    match settings.get("binlog_row_metadata") {
        // The relay needs no privilege on it, so not seeing it says little.
        Some(metadata) if metadata.eq_ignore_ascii_case("FULL") => check,
        _ => check.warn("create it, and grant select on it to the relay's account"),
    }
}

impl Table {
    fn checks(&self, outbox: &[OutboxTable], names: NameCase) -> Vec<Check> {
        let name = format!("outbox table {}.{}", self.database, self.name);
        let mut checks = vec![self.engine(name.clone())];
        let means_it =
            |entry: &&OutboxTable| entry.table.matches(&self.database, &self.name, names);
        if let Some(entry) = outbox.iter().find(means_it) {
            checks.push(self.columns(name, entry));
        }
        checks
    }

    fn engine(&self, name: String) -> Check {
        let check = Check::ok(name, format!("{} table", self.engine)).requiring("an InnoDB table");
        match self.engine.eq_ignore_ascii_case("InnoDB") {
            true => check,
            false => check.fail(format!(
                "alter table {}.{} engine = InnoDB; rows of other engines are not rolled back with \
                 their transaction",
                self.database, self.name
            )),
        }
    }

    fn columns(&self, name: String, entry: &OutboxTable) -> Check {
        const REQUIRED: &str = "the mapped columns, in a known character set";
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let check = Check::ok(name, format!("columns {}", names.join(", "))).requiring(REQUIRED);
        let mapping = match Mapping::resolve(entry, &self.database, &self.name, &names) {
            Ok(mapping) => mapping,
            Err(error) => return check.fail(error.to_string()),
        };
        let wanted = mapping.wanted().iter().filter_map(|&index| self.columns.get(index));
        for column in wanted {
            let Some(character_set) = &column.character_set else { continue };
            if let Charset::Other(_) = Charset::named(character_set) {
                return check.fail(format!(
                    "column `{}` is in character set {character_set}; convert it to utf8mb4",
                    column.name
                ));
            }
        }
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::source::mysql::Row;

    fn rows(columns: &[(&str, &str)], engine: &str) -> Rows {
        let row = |(name, character_set): &(&str, &str)| {
            let character_set = Some(*character_set).filter(|text| !text.is_empty());
            let values = [Some("shop"), Some("outbox"), Some(engine), Some(*name), character_set];
            Row::new(values.map(|value| value.map(str::to_owned)).into())
        };
        Rows::new(&["a", "b", "c", "d", "e"], columns.iter().map(row).collect())
    }

    fn statuses(columns: &[(&str, &str)], engine: &str) -> Vec<Verdict> {
        let outbox = [OutboxTable::default()];
        let tables = matching(&rows(columns, engine), &outbox, NameCase::Sensitive);
        let checks = checks(&tables, &outbox, &ServerSettings::default());
        checks.iter().map(|check| check.verdict).collect()
    }

    const COLUMNS: [(&str, &str); 5] = [
        ("id", "ascii"),
        ("aggregatetype", "utf8mb4"),
        ("aggregateid", "utf8mb4"),
        ("type", "utf8mb4"),
        ("payload", ""),
    ];

    #[test]
    fn outbox_table_as_shipped_is_fit() {
        assert_eq!(statuses(&COLUMNS, "InnoDB"), [Verdict::Ok, Verdict::Ok]);
    }

    #[test]
    fn table_that_does_not_roll_back_is_refused() {
        assert_eq!(statuses(&COLUMNS, "MyISAM"), [Verdict::Failed, Verdict::Ok]);
    }

    #[test]
    fn missing_column_is_refused() {
        assert_eq!(statuses(&COLUMNS[..4], "InnoDB"), [Verdict::Ok, Verdict::Failed]);
    }

    #[test]
    fn character_set_that_cannot_be_decoded_is_refused() {
        let mut columns = COLUMNS;
        columns[2].1 = "gb18030";

        assert_eq!(statuses(&columns, "InnoDB"), [Verdict::Ok, Verdict::Failed]);
    }

    #[test]
    fn table_that_nobody_can_see_is_a_warning() {
        assert_eq!(statuses(&[], "InnoDB"), [Verdict::Warning]);
    }
}

//! A table that is there → by which order it is read, and what of it.
//!
//! Promises: each row of a table has its place in the order, and an index gives the order; a table that
//! has no such order is refused before anything is read.
//!
//! Before this: `catalog`. After this: `statement`, `read`.

use std::sync::Arc;

use super::{
    TableStartError,
    catalog::{Column, Described, IndexColumn},
    statement::next_page,
};
use crate::{
    config::{NameCase, OutboxTable},
    record::{Mapping, MappingError},
};

/// How one table is read.
#[derive(Debug)]
pub(super) struct TablePlan {
    /// `database.table`.
    pub(super) name: Arc<str>,
    pub(super) database: String,
    pub(super) table: String,
    /// By the server's estimate.
    pub(super) rows_about: u64,
    pub(super) mapping: Mapping,
    /// The mapped columns, in the mapping's order.
    pub(super) columns: Vec<WantedColumn>,
    /// The columns that order the rows: no two rows have the same values in all of them.
    pub(super) keys: Vec<KeyColumn>,
    /// Places of the primary key's columns in `keys`, in the key's order.
    pub(super) primary: Vec<usize>,
    /// The index that has the rows in that order.
    pub(super) index: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedColumn {
    pub(super) name: String,
    /// FLOAT and DOUBLE.
    pub(super) is_approximate: bool,
    /// FLOAT.
    pub(super) is_single: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: KeyKind,
}

/// How a value of a key is written in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Number,
    Text,
    Bytes,
    Time,
}

/// Why a table is not read.
#[derive(Debug, thiserror::Error)]
pub(in crate::source) enum PlanError {
    #[error(transparent)]
    Table(#[from] TableStartError),
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

impl Described {
    /// How the table is read; its entry is the first that means it.
    pub(super) fn plan(
        &self,
        entries: &[OutboxTable],
        names: NameCase,
    ) -> Result<TablePlan, PlanError> {
        let name: Arc<str> = format!("{}.{}", self.database, self.table).into();
        let means_it =
            |entry: &&OutboxTable| entry.table.matches(&self.database, &self.table, names);
        let entry = entries.iter().find(means_it).expect("only tables of an entry are described");
        let all: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let mapping = Mapping::resolve(entry, &self.database, &self.table, &all)?;
        let columns = mapping.wanted().iter().filter_map(|place| self.columns.get(*place));
        let columns = columns.map(Column::wanted).collect();
        let primary = self.primary_key(&name)?;
        let (keys, index) = match &entry.start_order {
            None => (primary.clone(), "PRIMARY".to_owned()),
            Some(column) => self.ordered_by(column, &primary, &name)?,
        };
        let place = |key: &KeyColumn| keys.iter().position(|own| own.name == key.name);
        let primary = primary.iter().filter_map(place).collect();
        Ok(TablePlan {
            name,
            database: self.database.clone(),
            table: self.table.clone(),
            rows_about: self.rows_about,
            mapping,
            columns,
            keys,
            primary,
            index,
        })
    }

    /// The statement that the table's reading begins with.
    pub(in crate::source) fn first_page(
        &self,
        entries: &[OutboxTable],
        names: NameCase,
    ) -> Result<String, PlanError> {
        let plan = self.plan(entries, names)?;
        Ok(next_page(&plan, None).expect("the first page has no key to begin behind"))
    }

    fn primary_key(&self, table: &Arc<str>) -> Result<Vec<KeyColumn>, TableStartError> {
        let parts: Vec<_> = self.indexes.iter().filter(|part| part.index == "PRIMARY").collect();
        if parts.is_empty() {
            return Err(TableStartError::NoPrimaryKey { table: Arc::clone(table) });
        }
        let key = |part: &&IndexColumn| {
            self.key(part).map_err(|reason| TableStartError::PrimaryKey {
                table: Arc::clone(table),
                column: part.column.clone(),
                reason,
            })
        };
        parts.iter().map(key).collect()
    }

    /// By the column, and by the primary key where several rows have the same value in it.
    fn ordered_by(
        &self,
        column: &str,
        primary: &[KeyColumn],
        table: &Arc<str>,
    ) -> Result<(Vec<KeyColumn>, String), TableStartError> {
        let refused = |reason| TableStartError::Order {
            table: Arc::clone(table),
            column: column.to_owned(),
            reason,
        };
        let folded = column.to_lowercase();
        let own = self.columns.iter().find(|own| own.name.to_lowercase() == folded);
        let own = own.ok_or_else(|| refused("it has no such column"))?;
        if own.nullable {
            return Err(refused("it may be NULL"));
        }
        let mut previous = "";
        let first = self.indexes.iter().find(|part| {
            let is_first = part.index != previous;
            previous = &part.index;
            is_first && part.column == own.name
        });
        let first = first.ok_or_else(|| refused("no index begins with it"))?;
        let mut keys = vec![self.key(first).map_err(refused)?];
        // INVARIANT: an index of InnoDB ends in the primary key; one of several columns has others between,
        // and then the server sorts the rows of the same value.
        keys.extend(primary.iter().filter(|key| key.name != own.name).cloned());
        Ok((keys, first.index.clone()))
    }

    fn key(&self, part: &IndexColumn) -> Result<KeyColumn, &'static str> {
        let column = self.columns.iter().find(|column| column.name == part.column);
        let column = column.ok_or("is an expression")?;
        if part.partial {
            return Err("is indexed in part, or in descending order");
        }
        let kind = match column.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => {
                KeyKind::Number
            }
            "char" | "varchar" => KeyKind::Text,
            "binary" | "varbinary" => KeyKind::Bytes,
            "date" | "time" | "datetime" | "timestamp" => KeyKind::Time,
            _ => return Err("is of a type whose order its text does not tell"),
        };
        Ok(KeyColumn { name: column.name.clone(), kind })
    }
}

impl Column {
    fn wanted(&self) -> WantedColumn {
        let is_single = self.data_type == "float";
        let is_approximate = is_single || self.data_type == "double";
        WantedColumn { name: self.name.clone(), is_approximate, is_single }
    }
}

impl TablePlan {
    /// For messages, and to see whether it is another than before.
    pub(super) fn key_names(&self) -> String {
        self.keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;

    pub(in super::super) fn described(
        columns: &[(&str, &str, bool)],
        indexes: &[(&str, &str, bool)],
    ) -> Described {
        let mapped = ["aggregatetype", "aggregateid", "payload"];
        let mapped = mapped.map(|name| (name, "varchar", false));
        Described {
            database: "shop".to_owned(),
            table: "outbox".to_owned(),
            rows_about: 0,
            columns: columns
                .iter()
                .chain(&mapped)
                .map(|(name, data_type, nullable)| Column {
                    name: (*name).to_owned(),
                    data_type: (*data_type).to_owned(),
                    nullable: *nullable,
                })
                .collect(),
            indexes: indexes
                .iter()
                .map(|(index, column, partial)| IndexColumn {
                    index: (*index).to_owned(),
                    column: (*column).to_owned(),
                    partial: *partial,
                })
                .collect(),
        }
    }

    pub(in super::super) fn plan(
        order: Option<&str>,
        described: &Described,
    ) -> Result<TablePlan, String> {
        let start_order = order.map(str::to_owned);
        let entry = OutboxTable { start_order, ..OutboxTable::default() };
        described.plan(&[entry], NameCase::Sensitive).map_err(|error| error.to_string())
    }

    #[test]
    fn order_column_comes_first_and_the_primary_key_tells_equals_apart() {
        let described = described(
            &[("id", "binary", false), ("at", "datetime", false)],
            &[("PRIMARY", "id", false), ("by_at", "at", false)],
        );

        let by_key = plan(None, &described).unwrap();
        assert_eq!((by_key.key_names().as_str(), by_key.index.as_str()), ("id", "PRIMARY"));
        let by_time = plan(Some("At"), &described).unwrap();
        assert_eq!((by_time.key_names().as_str(), by_time.index.as_str()), ("at, id", "by_at"));
        assert_eq!(by_time.primary, [1]);
    }

    #[test]
    fn order_by_a_part_of_the_primary_key_names_no_column_twice() {
        let described = described(
            &[("id", "char", false), ("tenant", "int", false)],
            &[("PRIMARY", "tenant", false), ("PRIMARY", "id", false), ("t", "id", false)],
        );

        let plan = plan(Some("id"), &described).unwrap();

        assert_eq!(plan.key_names(), "id, tenant");
        assert_eq!(plan.primary, [1, 0], "the primary key's own order is tenant, id");
    }

    #[rstest]
    #[case::no_key(None, &[], "no primary key")]
    #[case::part(None, &[("PRIMARY", "id", true)], "indexed in part")]
    #[case::float(None, &[("PRIMARY", "ratio", false)], "whose order its text does not tell")]
    #[case::missing(Some("nope"), &[("PRIMARY", "id", false)], "no such column")]
    #[case::null(Some("maybe"), &[("PRIMARY", "id", false), ("x", "maybe", false)], "may be NULL")]
    #[case::second(
        Some("at"),
        &[("PRIMARY", "id", false), ("x", "maybe", false), ("x", "at", false)],
        "no index begins with it"
    )]
    fn table_without_a_usable_order_is_refused(
        #[case] order: Option<&str>,
        #[case] indexes: &[(&str, &str, bool)],
        #[case] reason: &str,
    ) {
        let columns = [
            ("id", "int", false),
            ("at", "datetime", false),
            ("maybe", "int", true),
            ("ratio", "float", false),
        ];

        let error = plan(order, &described(&columns, indexes)).unwrap_err();

        assert!(error.contains(reason) && error.contains("shop.outbox"), "{error}");
    }
}

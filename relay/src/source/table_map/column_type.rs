//! `information_schema.columns.column_type` → what it says of a column.
//!
//! The text is the server's own, in one spelling for each type: `bigint(20) unsigned`,
//! `decimal(10,2)`, `enum('a','b''c')`.
//!
//! Before this: `description`. After this: `description`, which checks it against the table map.

use super::ColumnKind;

/// A column type text in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ColumnType<'a> {
    /// The word in front: `bigint`.
    pub(super) base: &'a str,
    /// The numbers in parentheses; none for an ENUM or SET.
    pub(super) arguments: Vec<u64>,
    /// The texts of an ENUM or SET.
    pub(super) members: Vec<String>,
    pub(super) unsigned: bool,
}

impl<'a> ColumnType<'a> {
    /// `None`: not of the form that the server writes.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let base_end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (base, rest) = text.split_at_checked(base_end)?;
        let mut parsed = Self { base, arguments: Vec::new(), members: Vec::new(), unsigned: false };
        let mut attributes = rest;
        if let Some(list) = rest.strip_prefix('(') {
            attributes = if list.starts_with('\'') {
                parsed.read_members(list)?
            } else {
                parsed.read_arguments(list)?
            };
        }
        parsed.unsigned = attributes.split_ascii_whitespace().any(|word| word == "unsigned");
        Some(parsed)
    }

    /// Reads `10,2)`; answers what follows.
    fn read_arguments(&mut self, list: &'a str) -> Option<&'a str> {
        let (inside, rest) = list.split_once(')')?;
        for argument in inside.split(',') {
            self.arguments.push(argument.trim().parse().ok()?);
        }
        Some(rest)
    }

    /// Reads `'a','b''c')`; answers what follows.
    ///
    /// SERVER: a quote inside a text is doubled; backslash, newline, carriage return and NUL are
    /// escaped with a backslash, whatever `sql_mode` says (`append_unescaped`).
    fn read_members(&mut self, list: &'a str) -> Option<&'a str> {
        let mut rest = list;
        loop {
            rest = rest.strip_prefix('\'')?;
            let mut text = String::new();
            loop {
                let mut characters = rest.chars();
                match characters.next()? {
                    '\'' if characters.as_str().starts_with('\'') => {
                        characters.next();
                        text.push('\'');
                    }
                    '\'' => {
                        rest = characters.as_str();
                        break;
                    }
                    '\\' => text.push(unescape(characters.next()?)),
                    other => text.push(other),
                }
                rest = characters.as_str();
            }
            self.members.push(text);
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return rest.strip_prefix(')'),
            }
        }
    }

    /// Whether the table map's type can be of this column type. `bytes_per_character` is that of
    /// the column's character set, if known.
    pub(super) fn is_of(&self, kind: ColumnKind, bytes_per_character: Option<usize>) -> bool {
        let argument = |index: usize| self.arguments.get(index).copied();
        let no_fraction = |digits: u8| argument(0).unwrap_or(0) == u64::from(digits);
        match kind {
            ColumnKind::Tiny => self.base == "tinyint",
            ColumnKind::Short => self.base == "smallint",
            ColumnKind::Int24 => self.base == "mediumint",
            ColumnKind::Long => self.base == "int",
            ColumnKind::Longlong => self.base == "bigint",
            ColumnKind::Float => self.base == "float",
            ColumnKind::Double => self.base == "double",
            ColumnKind::Decimal { precision, scale } => {
                self.base == "decimal"
                    && argument(0) == Some(u64::from(precision))
                    && argument(1).unwrap_or(0) == u64::from(scale)
            }
            ColumnKind::Char { bytes_max } => {
                matches!(self.base, "char" | "binary") && self.holds(bytes_max, bytes_per_character)
            }
            ColumnKind::Varchar { bytes_max } => {
                matches!(self.base, "varchar" | "varbinary")
                    && self.holds(bytes_max, bytes_per_character)
            }
            ColumnKind::Blob { length_bytes } => match length_bytes {
                1 => matches!(self.base, "tinytext" | "tinyblob"),
                2 => matches!(self.base, "text" | "blob"),
                3 => matches!(self.base, "mediumtext" | "mediumblob"),
                _ => matches!(self.base, "longtext" | "longblob"),
            },
            ColumnKind::Json { .. } => self.base == "json",
            ColumnKind::Geometry { .. } => is_geometry(self.base),
            ColumnKind::Vector { .. } => self.base == "vector",
            ColumnKind::Enum { pack_bytes } => {
                self.base == "enum" && pack_bytes == if self.members.len() < 256 { 1 } else { 2 }
            }
            ColumnKind::Set { pack_bytes } => {
                self.base == "set" && pack_bytes == set_pack_bytes(self.members.len())
            }
            ColumnKind::Bit { bits } => self.base == "bit" && argument(0) == Some(u64::from(bits)),
            ColumnKind::Year => self.base == "year",
            ColumnKind::Date => self.base == "date",
            ColumnKind::Time { fraction_digits } => {
                self.base == "time" && no_fraction(fraction_digits)
            }
            ColumnKind::Datetime { fraction_digits } => {
                self.base == "datetime" && no_fraction(fraction_digits)
            }
            ColumnKind::Timestamp { fraction_digits } => {
                self.base == "timestamp" && no_fraction(fraction_digits)
            }
            ColumnKind::OldTime => self.base == "time" && no_fraction(0),
            ColumnKind::OldDatetime => self.base == "datetime" && no_fraction(0),
            ColumnKind::OldTimestamp => self.base == "timestamp" && no_fraction(0),
        }
    }

    /// Whether a length in characters makes that many bytes.
    fn holds(&self, bytes_max: u16, bytes_per_character: Option<usize>) -> bool {
        match (self.arguments.first(), bytes_per_character) {
            (Some(characters), Some(bytes)) => {
                characters.checked_mul(bytes as u64) == Some(u64::from(bytes_max))
            }
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

fn unescape(escaped: char) -> char {
    match escaped {
        '0' => '\0',
        'n' => '\n',
        'r' => '\r',
        other => other,
    }
}

/// SERVER: a SET takes one to four bytes, or eight.
fn set_pack_bytes(members: usize) -> u8 {
    match members {
        0..=8 => 1,
        9..=16 => 2,
        17..=24 => 3,
        25..=32 => 4,
        _ => 8,
    }
}

fn is_geometry(base: &str) -> bool {
    matches!(
        base,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ColumnType<'_> {
        ColumnType::parse(text).unwrap()
    }

    #[test]
    fn numbers_and_signs_are_read_from_the_servers_text() {
        assert_eq!(parse("bigint(20) unsigned").arguments, [20]);
        assert!(parse("int(5) unsigned zerofill").unsigned);
        assert!(!parse("int").unsigned);
        assert_eq!(parse("decimal(10,2)").arguments, [10, 2]);
        assert!(parse("double unsigned").unsigned);
    }

    #[test]
    fn member_texts_are_unquoted_and_unescaped() {
        let parsed = parse(r#"enum('a''b','c\\d','e\nf','i,j)','k"l','','x unsigned')"#);

        assert_eq!(parsed.members, ["a'b", "c\\d", "e\nf", "i,j)", "k\"l", "", "x unsigned"]);
        assert!(!parsed.unsigned);
    }

    #[test]
    fn text_that_is_cut_off_is_refused() {
        for text in ["enum('a", "enum('a'", "enum('a',", "decimal(10", "decimal(x)", "set('a\\"] {
            assert_eq!(ColumnType::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_are_compared_in_the_column_s_character_set() {
        let kind = ColumnKind::Varchar { bytes_max: 256 };

        assert!(parse("varchar(64)").is_of(kind, Some(4)));
        assert!(!parse("varchar(64)").is_of(kind, Some(3)));
        assert!(!parse("varchar(65)").is_of(kind, Some(4)));
        assert!(!parse("char(64)").is_of(kind, Some(4)));
    }

    #[test]
    fn a_type_with_other_parameters_is_another_type() {
        assert!(
            !parse("decimal(10,2)").is_of(ColumnKind::Decimal { precision: 10, scale: 3 }, None)
        );
        assert!(!parse("datetime(3)").is_of(ColumnKind::Datetime { fraction_digits: 6 }, None));
        assert!(parse("datetime").is_of(ColumnKind::Datetime { fraction_digits: 0 }, None));
        assert!(!parse("text").is_of(ColumnKind::Blob { length_bytes: 4 }, None));
        assert!(!parse("bit(7)").is_of(ColumnKind::Bit { bits: 8 }, None));
        assert!(parse("set('a','b')").is_of(ColumnKind::Set { pack_bytes: 1 }, None));
        assert!(!parse("set('a','b')").is_of(ColumnKind::Set { pack_bytes: 8 }, None));
    }
}

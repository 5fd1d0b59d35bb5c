//! The optional metadata at the end of a table map: names, signs, character sets, member texts.
//!
//! MySQL 5.7 writes none. From 8.0 on `binlog_row_metadata=MINIMAL` writes signs and character sets
//! of text columns, `FULL` the rest.
//!
//! Before this: the columns with their types. After this: [`super::TableMap`].

use std::sync::Arc;

use super::{Charset, Column, ColumnKind, column::Members};
use crate::source::bytes::{ByteReader, Malformed, to_usize};

/// Field types of the optional metadata that are of use here.
mod field {
    pub(super) const SIGNEDNESS: u8 = 1;
    pub(super) const DEFAULT_CHARSET: u8 = 2;
    pub(super) const COLUMN_CHARSET: u8 = 3;
    pub(super) const COLUMN_NAME: u8 = 4;
    pub(super) const SET_TEXTS: u8 = 5;
    pub(super) const ENUM_TEXTS: u8 = 6;
    pub(super) const PRIMARY_KEY: u8 = 8;
    pub(super) const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
    pub(super) const MEMBER_DEFAULT_CHARSET: u8 = 10;
    pub(super) const MEMBER_CHARSET: u8 = 11;
}

/// Reads all fields up to the end of the event and fills in `columns`. Fields that are not known
/// (a newer server's) are left out.
pub(super) fn apply(reader: &mut ByteReader<'_>, columns: &mut [Column]) -> Result<(), Malformed> {
    while !reader.is_empty() {
        let code = reader.u8()?;
        let mut value = ByteReader::new(reader.length_encoded_bytes()?);
        match code {
            field::SIGNEDNESS => signedness(value, columns),
            field::DEFAULT_CHARSET => {
                default_charset(&mut value, columns, ColumnKind::is_character)?;
            }
            field::COLUMN_CHARSET => {
                column_charset(&mut value, columns, ColumnKind::is_character)?;
            }
            field::COLUMN_NAME => names(&mut value, columns)?,
            field::SET_TEXTS => {
                texts(&mut value, columns, |kind| matches!(kind, ColumnKind::Set { .. }))?;
            }
            field::ENUM_TEXTS => {
                texts(&mut value, columns, |kind| matches!(kind, ColumnKind::Enum { .. }))?;
            }
            field::PRIMARY_KEY => primary_key(&mut value, columns, false)?,
            field::PRIMARY_KEY_WITH_PREFIX => primary_key(&mut value, columns, true)?,
            field::MEMBER_DEFAULT_CHARSET => {
                default_charset(&mut value, columns, ColumnKind::has_members)?;
            }
            field::MEMBER_CHARSET => column_charset(&mut value, columns, ColumnKind::has_members)?,
            _ => {}
        }
    }
    settle_member_charsets(columns);
    Ok(())
}

/// One bit for each numeric column, the first in the highest bit.
///
/// SERVER: whether YEAR counts as numeric depends on the version (8.0.15: no, 9.7: yes), which the
/// event does not tell. Where the length leaves both open, a column gets a sign only if both ways
/// of counting give the same one; else it stays unknown and the table has to be described.
fn signedness(value: ByteReader<'_>, columns: &mut [Column]) {
    let bytes = value.rest();
    let numbers = columns.iter().filter(|column| column.kind.is_numeric()).count();
    let years = columns.iter().filter(|column| column.kind == ColumnKind::Year).count();
    let fits = |count: usize| count.div_ceil(8) == bytes.len();
    let (mut without_years, mut with_years) = (0, 0);
    for column in columns {
        if column.kind == ColumnKind::Year {
            with_years += 1;
        } else if column.kind.is_numeric() {
            let narrow = fits(numbers).then(|| high_bit(bytes, without_years));
            let wide = fits(numbers.saturating_add(years)).then(|| high_bit(bytes, with_years));
            column.unsigned = match (narrow, wide) {
                (Some(narrow), Some(wide)) => (narrow == wide).then_some(narrow),
                (one, other) => one.or(other),
            };
            without_years += 1;
            with_years += 1;
        }
    }
}

/// Whether bit `index` is set in a bitmap that counts from the most significant bit.
fn high_bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte << (index % 8) & 0x80 != 0)
}

/// A collation for all columns of a class, then those that differ: number within the class,
/// collation.
fn default_charset(
    value: &mut ByteReader<'_>,
    columns: &mut [Column],
    in_class: fn(ColumnKind) -> bool,
) -> Result<(), Malformed> {
    let default = Charset::of_collation(value.length_encoded()?);
    let mut class: Vec<&mut Column> =
        columns.iter_mut().filter(|column| in_class(column.kind)).collect();
    for column in &mut class {
        column.charset = Some(default.clone());
    }
    while !value.is_empty() {
        let index = to_usize(value.length_encoded()?);
        let collation = value.length_encoded()?;
        if let Some(column) = class.get_mut(index) {
            column.charset = Some(Charset::of_collation(collation));
        }
    }
    Ok(())
}

/// One collation for each column of a class.
fn column_charset(
    value: &mut ByteReader<'_>,
    columns: &mut [Column],
    in_class: fn(ColumnKind) -> bool,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| in_class(column.kind)) {
        column.charset = Some(Charset::of_collation(value.length_encoded()?));
    }
    Ok(())
}

fn names(value: &mut ByteReader<'_>, columns: &mut [Column]) -> Result<(), Malformed> {
    for column in columns {
        let name = value.length_encoded_bytes()?;
        let name = str::from_utf8(name).map_err(|_| Malformed::NotUtf8)?;
        column.name = Some(Arc::from(name));
    }
    Ok(())
}

/// For each ENUM (or SET) column the number of its members and their texts.
fn texts(
    value: &mut ByteReader<'_>,
    columns: &mut [Column],
    in_class: fn(ColumnKind) -> bool,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| in_class(column.kind)) {
        let count = value.length_encoded()?;
        // Each text takes at least its length byte, so the input bounds what is allocated.
        let mut texts: Vec<Box<[u8]>> = Vec::new();
        for _ in 0..count {
            texts.push(value.length_encoded_bytes()?.into());
        }
        // The character set is settled once all fields are read.
        let charset = Charset::Binary;
        column.members = Some(Members { charset, texts: texts.into(), lossy: false });
    }
    Ok(())
}

/// The character sets of ENUM and SET columns come in a field of their own, before or behind the
/// texts. A table whose server wrote texts without character sets has none that can be decoded.
fn settle_member_charsets(columns: &mut [Column]) {
    for column in columns {
        match (&mut column.members, &column.charset) {
            (Some(members), Some(charset)) => members.charset = charset.clone(),
            (members @ Some(_), None) => *members = None,
            (None, _) => {}
        }
    }
}

/// Column numbers of the primary key, each followed by its prefix length if `with_prefix`.
fn primary_key(
    value: &mut ByteReader<'_>,
    columns: &mut [Column],
    with_prefix: bool,
) -> Result<(), Malformed> {
    while !value.is_empty() {
        let index = to_usize(value.length_encoded()?);
        if with_prefix {
            value.length_encoded()?;
        }
        if let Some(column) = columns.get_mut(index) {
            column.primary_key = true;
        }
    }
    Ok(())
}

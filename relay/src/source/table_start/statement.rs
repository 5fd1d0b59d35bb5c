//! What is asked of a table: the next rows behind a key.
//!
//! Pure. Nothing in a name or value can leave its quotes.

use super::plan::{KeyColumn, KeyKind, TablePlan};

/// Rows of one answer. Small enough that the statement is a short one to the server, large enough that
/// asking costs nothing.
const PAGE_ROWS: u32 = 10_000;

pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text literal, right in every `sql_mode`.
pub(super) fn text_literal(text: &[u8]) -> String {
    format!("_utf8mb4 {}", byte_literal(text))
}

fn byte_literal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

/// The next rows of the table behind the key `after`, or its first ones. `None`: the key's text is not of
/// its columns' types.
///
/// SERVER: the index is forced, because with a stale estimate the server sorts the whole table for each
/// page.
pub(super) fn next_page(plan: &TablePlan, after: Option<&[Vec<u8>]>) -> Option<String> {
    let columns = plan.columns.iter().map(|column| match column.is_approximate {
        // SERVER: the text of a FLOAT has six digits, and a display width cuts it further. The product is
        // a DOUBLE, whose text has them all, and keeps the sign of zero.
        true => format!("{} * 1e0", identifier(&column.name)),
        false => identifier(&column.name),
    });
    let keys: Vec<String> = plan.keys.iter().map(|key| identifier(&key.name)).collect();
    let selected: Vec<String> = columns.chain(keys.iter().cloned()).collect();
    let condition = match after {
        Some(after) => format!(" where {}", behind(&plan.keys, after)?),
        None => String::new(),
    };
    Some(format!(
        "select {} from {}.{} force index ({}){condition} order by {} limit {PAGE_ROWS}",
        selected.join(", "),
        identifier(&plan.database),
        identifier(&plan.table),
        identifier(&plan.index),
        keys.join(", ")
    ))
}

/// `(a, b) > (1, 2)`.
///
/// SERVER: written out, because a comparison of rows makes no range on an index.
fn behind(keys: &[KeyColumn], after: &[Vec<u8>]) -> Option<String> {
    if keys.len() != after.len() {
        return None;
    }
    let mut condition = String::new();
    for (key, text) in keys.iter().zip(after).rev() {
        let (name, value) = (identifier(&key.name), literal(key.kind, text)?);
        condition = match condition.as_str() {
            "" => format!("{name} > {value}"),
            rest => format!("{name} >= {value} and ({name} > {value} or {rest})"),
        };
    }
    Some(condition)
}

fn literal(kind: KeyKind, text: &[u8]) -> Option<String> {
    let plain = |allowed: &[u8]| {
        let is_plain = !text.is_empty()
            && text.iter().all(|byte| byte.is_ascii_digit() || allowed.contains(byte));
        is_plain.then(|| String::from_utf8_lossy(text).into_owned())
    };
    match kind {
        KeyKind::Number => plain(b"-."),
        KeyKind::Time => plain(b"-:. ").map(|text| format!("'{text}'")),
        KeyKind::Text => Some(text_literal(text)),
        KeyKind::Bytes => Some(byte_literal(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, kind: KeyKind) -> KeyColumn {
        KeyColumn { name: name.to_owned(), kind }
    }

    #[test]
    fn condition_of_several_columns_is_one_range_of_the_first() {
        let keys =
            [key("at", KeyKind::Time), key("a`b", KeyKind::Bytes), key("n", KeyKind::Number)];
        let after = [b"2026-01-02 03:04:05.6".to_vec(), b"\x00'".to_vec(), b"-7".to_vec()];

        assert_eq!(
            behind(&keys, &after).unwrap(),
            "`at` >= '2026-01-02 03:04:05.6' and (`at` > '2026-01-02 03:04:05.6' or \
             `a``b` >= x'0027' and (`a``b` > x'0027' or `n` > -7))"
        );
    }

    #[test]
    fn text_that_is_no_value_of_its_column_makes_no_statement() {
        for (kind, text) in
            [(KeyKind::Number, "1 or 1"), (KeyKind::Number, ""), (KeyKind::Time, "2026' or '")]
        {
            assert_eq!(literal(kind, text.as_bytes()), None, "{text}");
        }
        let quote = literal(KeyKind::Text, b"a' or 'b").unwrap();
        assert_eq!(quote, "_utf8mb4 x'6127206f72202762'");
    }
}

//! Which tables an entry means.

use std::fmt;

use serde::Deserialize;

/// How a server compares the names of databases and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameCase {
    /// `Shop` and `shop` are two databases.
    Sensitive,
    /// They are one: `lower_case_table_names` is 1 (names are stored in lower case) or 2 (they are
    /// stored as they were written).
    Folded,
}

/// `database.table`; each part may hold `*`, which stands for any characters or none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TablePattern {
    pub database: String,
    pub table: String,
}

impl TablePattern {
    pub fn matches(&self, database: &str, table: &str, names: NameCase) -> bool {
        let matches = |pattern: &str, name: &str| match names {
            NameCase::Sensitive => matches_part(pattern, name),
            NameCase::Folded => matches_part(&pattern.to_lowercase(), &name.to_lowercase()),
        };
        matches(&self.table, table) && matches(&self.database, database)
    }
}

/// Between the first and the last piece, each piece is looked for behind the one before it: the
/// earliest place leaves the most for the rest.
fn matches_part(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
        return false;
    };
    let behind = middle
        .split('*')
        .try_fold(name, |name, piece| name.split_once(piece).map(|(_, behind)| behind));
    behind.is_some()
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

impl TryFrom<String> for TablePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('.') {
            Some((database, table)) if !database.is_empty() && !table.is_empty() => {
                Ok(Self { database: database.to_owned(), table: table.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is not of the form `database.table` (`*.outbox` for any database)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn pattern(text: &str) -> TablePattern {
        text.to_owned().try_into().unwrap()
    }

    #[rstest]
    #[case("shop.outbox", "shop", "outbox", true)]
    #[case("shop.outbox", "shop2", "outbox", false)]
    #[case("shop.outbox", "shop", "outbox2", false)]
    #[case("*.outbox", "anything", "outbox", true)]
    #[case("*.outbox", "anything", "my_outbox", false)]
    #[case("shop_*.outbox", "shop_", "outbox", true)]
    #[case("shop_*.outbox", "shop_de", "outbox", true)]
    #[case("shop_*.outbox", "my_shop_de", "outbox", false)]
    #[case("*_shop.*", "de_shop", "x", true)]
    #[case("*.*_outbox_*", "d", "a_outbox_b_outbox_c", true)]
    #[case("*.*_outbox_*", "d", "a_outbox", false)]
    #[case("*.a*b*c", "d", "abc", true)]
    #[case("*.a*b*c", "d", "a_b_b_c", true)]
    #[case("*.a*b*c", "d", "acb", false)]
    #[case::first_and_last_do_not_share("*.ab*ba", "d", "aba", false)]
    #[case::two_pieces_do_not_share("*.*ab*ba*", "d", "aba", false)]
    #[case::many_stars("*.**a**", "d", "xay", true)]
    #[case::other_case("Shop.Outbox", "shop", "outbox", false)]
    #[case::dot_in_a_table("shop.out.box", "shop", "out.box", true)]
    #[case::no_regular_expression("shop.o.*", "shop", "ox", false)]
    fn a_pattern_matches_whole_names(
        #[case] text: &str,
        #[case] database: &str,
        #[case] table: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(pattern(text).matches(database, table, NameCase::Sensitive), expected);
    }

    #[rstest]
    #[case::stored_in_lower_case("Shop_*.OutBox", "shop_de", "outbox", true)]
    #[case::stored_as_written("shop_*.outbox", "Shop_DE", "OutBox", true)]
    #[case::beyond_ascii("*.B\u{dc}CHER", "d", "b\u{fc}cher", true)]
    #[case::another_name("Shop.OutBox", "shop", "outbox2", false)]
    fn case_does_not_count_where_the_server_folds_it(
        #[case] text: &str,
        #[case] database: &str,
        #[case] table: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(pattern(text).matches(database, table, NameCase::Folded), expected);
    }

    #[rstest]
    #[case("outbox")]
    #[case(".outbox")]
    #[case("shop.")]
    #[case("")]
    fn a_text_without_both_parts_is_refused(#[case] text: &str) {
        let error = TablePattern::try_from(text.to_owned()).unwrap_err();

        assert!(
            error.contains(&format!("`{text}` is not of the form `database.table`")),
            "{error}"
        );
    }

    /// The meaning, written down as slowly as it is said.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                model(rest, name) || (!name.is_empty() && model(pattern, &name[1..]))
            }
            ([p, pattern @ ..], [n, name @ ..]) => p == n && model(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_model(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                matches_part(&pattern, &name),
                model(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}

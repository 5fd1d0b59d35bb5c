//! A statement's text → the table that it inserts into.
//!
//! Reads the few words up to the table's name, and nothing behind it. No SQL parser (`sqlparser` and its
//! like): one would have to follow every version's whole grammar and refuses what it does not know, while
//! the server has parsed the statement already and all that is asked is which table it begins with.
//!
//! Promises:
//! - the target of INSERT, REPLACE and LOAD is found whatever comments, hints and modifiers stand before
//!   it and however the names are quoted; tables that are only read are never taken for it;
//! - any bytes are taken; nothing panics.
//!
//! Not promised: inserts that the text does not name. A view, trigger or stored function hides the table
//! that it writes to, and `create table … select` names one that is only about to be. (A stored procedure
//! hides nothing: the server logs the statements in it, not the CALL.) Names beyond ASCII are read as
//! UTF-8, whatever the session's character set was.
//!
//! Before this: `query`. After this: `assembler`.

use std::borrow::Cow;

/// The names as they are written, without their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertTarget<'a> {
    /// `None`: the session's default database.
    pub database: Option<Cow<'a, str>>,
    pub table: Cow<'a, str>,
}

/// The target of a statement that inserts; `None`: it does something else.
pub fn insert_target(text: &[u8]) -> Option<InsertTarget<'_>> {
    let mut tokens = Tokens { rest: text };
    let verb = tokens.next()?;
    if verb.is("insert") || verb.is("replace") {
        let is_modifier = |token: &Token<'_>| {
            ["low_priority", "delayed", "high_priority", "ignore", "into"]
                .iter()
                .any(|word| token.is(word))
        };
        let first = tokens.by_ref().find(|token| !is_modifier(token))?;
        return target(first, tokens);
    }
    if verb.is("load") && tokens.next().is_some_and(|what| what.is("data") || what.is("xml")) {
        // Between them is the file's name, in quotes, and what to do with duplicates.
        tokens.by_ref().find(|token| token.is("into"))?;
        tokens.next().filter(|token| token.is("table"))?;
        let first = tokens.next()?;
        return target(first, tokens);
    }
    None
}

fn target<'a>(first: Token<'a>, mut rest: Tokens<'a>) -> Option<InsertTarget<'a>> {
    // SERVER: up to 5.7 `.t` is the table t of the default database (sql_yacc.yy, table_ident).
    if first == Token::Symbol(b'.') {
        return Some(InsertTarget { database: None, table: rest.next()?.name()? });
    }
    let name = first.name()?;
    match rest.next() {
        Some(Token::Symbol(b'.')) => {
            Some(InsertTarget { database: Some(name), table: rest.next()?.name()? })
        }
        Some(Token::Word(_) | Token::Quoted { .. } | Token::Symbol(_)) | None => {
            Some(InsertTarget { database: None, table: name })
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a number, or a name without quotes.
    Word(&'a [u8]),
    /// What stands between the quotes, as it is written.
    Quoted {
        quote: u8,
        text: &'a [u8],
    },
    Symbol(u8),
}

impl<'a> Token<'a> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn name(self) -> Option<Cow<'a, str>> {
        match self {
            Token::Word(text) => Some(String::from_utf8_lossy(text)),
            // SERVER: a text in double quotes is a name if sql_mode has ANSI_QUOTES. Without it no
            // statement with one in the place of a name came through the parser.
            Token::Quoted { quote: quote @ (b'`' | b'"'), text } => {
                let quote = char::from(quote).to_string();
                let (name, doubled) = (String::from_utf8_lossy(text), quote.repeat(2));
                if name.contains(&doubled) {
                    return Some(Cow::Owned(name.replace(&doubled, &quote)));
                }
                Some(name)
            }
            Token::Quoted { .. } | Token::Symbol(_) => None,
        }
    }
}

/// The text without blanks and comments. It ends where a comment or a quote is not closed.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, takes: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !takes(*byte));
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// Drops everything up to `end` and `end` itself.
    fn drop_past(&mut self, end: &[u8]) {
        let start = self.rest.windows(end.len()).position(|window| window == end);
        self.take(start.map_or(self.rest.len(), |start| start + end.len()));
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.rest {
                // SERVER: a conditional comment is code here: where its version is too high for the
                // server, that has overwritten the `!` before it logged the text (sql_lex.cc).
                [b'/', b'*', b'!', ..] => {
                    self.take(3);
                    let digits = self.rest.iter().take(6).take_while(|byte| byte.is_ascii_digit());
                    self.take(digits.count());
                }
                [b'*', b'/', ..] => {
                    self.take(2);
                }
                [b'/', b'*', ..] => {
                    self.take(2);
                    self.drop_past(b"*/");
                }
                [b'#', ..] | [b'-', b'-'] => self.drop_past(b"\n"),
                [b'-', b'-', byte, ..] if is_blank(*byte) || byte.is_ascii_control() => {
                    self.drop_past(b"\n");
                }
                [byte, ..] if is_blank(*byte) => {
                    self.take(1);
                }
                _ => return,
            }
        }
    }

    /// Behind the opening quote.
    fn quoted(&mut self, quote: u8) -> Option<Token<'a>> {
        let text = self.rest;
        let mut length = 0;
        loop {
            length += self.take_while(|byte| byte != quote && byte != b'\\').len();
            match self.rest {
                // Only texts have escapes.
                [b'\\', ..] => length += self.take(if quote == b'\'' { 2 } else { 1 }).len(),
                [first, second, ..] if first == second => length += self.take(2).len(),
                [_, ..] => {
                    self.take(1);
                    return text.get(..length).map(|text| Token::Quoted { quote, text });
                }
                [] => return None,
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let first = *self.rest.first()?;
        if matches!(first, b'`' | b'"' | b'\'') {
            self.take(1);
            return self.quoted(first);
        }
        let word = self.take_while(is_word);
        if word.is_empty() {
            self.take(1);
            return Some(Token::Symbol(first));
        }
        Some(Token::Word(word))
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// SERVER: names without quotes may begin with a digit, and have letters beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn found(text: &str) -> Option<(Option<String>, String)> {
        insert_target(text.as_bytes())
            .map(|target| (target.database.map(Cow::into_owned), target.table.into_owned()))
    }

    #[rstest]
    #[case::plain("insert into outbox (id) values (1)")]
    #[case::replace("REPLACE outbox set id = 1")]
    #[case::without_into("Insert outbox values (1)")]
    #[case::modifiers("insert low_priority ignore into outbox select 1")]
    #[case::high_priority("insert HIGH_PRIORITY into outbox values (1)")]
    #[case::delayed("replace delayed into outbox values (1)")]
    #[case::no_blank("insert into outbox(id) values (1)")]
    #[case::nothing_behind("insert into outbox")]
    #[case::backticks("insert into`outbox`values (1)")]
    #[case::ansi_quotes("insert into \"outbox\" values (1)")]
    #[case::comment("/* app: 'shop' */ insert /* here */ into/**/outbox values (1)")]
    #[case::hint("insert /*+ set_var(sort_buffer_size = 1M) */ into outbox select 1")]
    #[case::lines("-- one\n--\n# two\r\n\t\u{b}insert\ninto\noutbox\nvalues (1)")]
    #[case::conditional("/*!50003 insert */ /*! into */ outbox values (1)")]
    #[case::conditional_of_six_digits("insert /*!080034 ignore*/ into outbox values (1)")]
    #[case::conditional_around("/*!40000 insert into outbox values (1) */")]
    #[case::comment_in_a_conditional("/*!50003 insert /* x */ into */ outbox values (1)")]
    #[case::other_tables("insert into outbox select * from `shop`.`other` join x using (id)")]
    #[case::partition("insert into outbox partition (p0) values (1)")]
    #[case::leading_dot("insert into .outbox values (1)")]
    #[case::load("LOAD DATA LOCAL INFILE '/tmp/a' INTO TABLE `outbox` FIELDS TERMINATED BY ','")]
    #[case::load_replace("load data infile 'it''s into\\' table x' REPLACE INTO TABLE outbox")]
    #[case::load_xml("load xml concurrent infile 'f' ignore into table outbox")]
    fn target_without_a_database_is_found(#[case] text: &str) {
        assert_eq!(found(text), Some((None, "outbox".to_owned())));
    }

    #[rstest]
    #[case("insert into shop.outbox values (1)", "shop", "outbox")]
    #[case("insert into `shop` . /* x */ `outbox` values (1)", "shop", "outbox")]
    #[case("insert into shop.`outbox` values (1)", "shop", "outbox")]
    #[case("insert into 2024$shop.1outbox values (1)", "2024$shop", "1outbox")]
    #[case("insert into `sh.op`.`out``box` values (1)", "sh.op", "out`box")]
    #[case("insert into `a``b\\`.\"c\"\"d\" values (1)", "a`b\\", "c\"d")]
    #[case("insert into `insert`.`into` values (1)", "insert", "into")]
    #[case("insert into b\u{fc}ro.`b\u{fc}cher` values (1)", "b\u{fc}ro", "b\u{fc}cher")]
    #[case("load data infile 'f' into table shop.outbox", "shop", "outbox")]
    fn target_with_a_database_is_found(
        #[case] text: &str,
        #[case] database: &str,
        #[case] table: &str,
    ) {
        assert_eq!(found(text), Some((Some(database.to_owned()), table.to_owned())));
    }

    #[rstest]
    #[case::only_read("insert into copy select * from outbox", "copy")]
    #[case::read_first("insert into copy with o as (select * from outbox) select * from o", "copy")]
    #[case::in_a_text("insert into log values ('insert into outbox values (1)')", "log")]
    #[case::in_a_comment("/* insert into outbox */ insert into log values (1)", "log")]
    #[case::in_a_line("-- insert into outbox\ninsert into log values (1)", "log")]
    #[case::overwritten_by_the_server("/* 99999 insert into outbox*/ replace log set a = 1", "log")]
    #[case::longer("insert into outbox_archive select * from outbox", "outbox_archive")]
    #[case::load("load data infile 'into table outbox' into table log", "log")]
    fn table_that_is_only_named_is_not_the_target(#[case] text: &str, #[case] table: &str) {
        assert_eq!(found(text), Some((None, table.to_owned())));
    }

    #[rstest]
    #[case("update outbox set a = 1")]
    #[case("delete from outbox")]
    #[case("with o as (select 1) update outbox join o set a = 1")]
    #[case("with o as (select 1) delete from outbox")]
    #[case("truncate table outbox")]
    #[case("create table outbox (id int)")]
    #[case("create trigger t after insert on other for each row insert into outbox values (1)")]
    #[case("create procedure p() insert into outbox values (1)")]
    #[case("drop table `outbox` /* generated by server */")]
    #[case("load index into cache outbox")]
    #[case("SELECT `shop`.`f`('insert into outbox')")]
    #[case("inserted into outbox")]
    #[case("`insert` into outbox")]
    #[case("'insert' into outbox")]
    #[case("insert into 'outbox' values (1)")]
    #[case("insert into")]
    #[case("insert into shop.")]
    #[case("insert into (a) values (1)")]
    #[case("insert into `outbox")]
    #[case("insert /* into outbox")]
    #[case("load data infile 'f")]
    #[case("load data infile 'f' into outbox")]
    #[case("--insert into outbox")]
    #[case("")]
    fn what_inserts_nothing_has_no_target(#[case] text: &str) {
        assert_eq!(found(text), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = insert_target(&bytes);
        }

        #[test]
        fn any_row_of_sql_pieces_is_taken(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "insert ", "load ", "data ", "into ", "table ", "outbox", ".", "`", "\"", "'", "\\",
                "/*", "/*!", "*/", "--", "#", "\n", " ", "50003", "\u{fc}", "(",
            ]), 0..24),
        ) {
            let _ = insert_target(pieces.concat().as_bytes());
        }

        #[test]
        fn any_name_in_backticks_is_found_as_it_is(database in "[^\0]{1,12}", table in "[^\0]{1,12}") {
            let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
            let text = format!("insert into {}.{} values (1)", quoted(&database), quoted(&table));

            prop_assert_eq!(found(&text), Some((Some(database), table)));
        }
    }
}

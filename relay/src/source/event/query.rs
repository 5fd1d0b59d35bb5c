//! QUERY events: transaction control, XA, and statements such as DDL; EXECUTE_LOAD_QUERY events.

use super::{EventError, InsertTarget, insert_target};
use crate::source::bytes::ByteReader;

/// A QUERY event's parts. The text may be cut (see `RawEvent::is_cut`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryEvent<'a> {
    /// The session's default database; what the statement names may lie elsewhere.
    pub database: &'a [u8],
    pub text: &'a [u8],
}

/// What a QUERY event means for the transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement<'a> {
    Begin,
    Commit,
    Rollback,
    /// With the savepoint's name, quoted as the server wrote it.
    Savepoint(&'a [u8]),
    RollbackTo(&'a [u8]),
    /// With the XID as the server wrote it.
    XaStart(&'a [u8]),
    XaEnd,
    /// Of a branch that was prepared before.
    XaCommit(&'a [u8]),
    XaRollback(&'a [u8]),
    /// DDL, account statements, or a change in statement format; see [`QueryEvent::insert_target`].
    Other,
}

impl<'a> QueryEvent<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, EventError> {
        Self::parse_with(body, 0)
    }

    /// An EXECUTE_LOAD_QUERY event, which is a QUERY event with more in its head: the file's id, where
    /// its name stands in the text, and what to do with duplicates.
    pub fn parse_load(body: &'a [u8]) -> Result<Self, EventError> {
        Self::parse_with(body, 13)
    }

    fn parse_with(body: &'a [u8], head_more: usize) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        let _thread_id = fields.u32_le()?;
        let _seconds = fields.u32_le()?;
        let database_length = usize::from(fields.u8()?);
        let _error_code = fields.u16_le()?;
        let status_length = usize::from(fields.u16_le()?);
        fields.take(head_more)?;
        fields.take(status_length)?;
        let database = fields.take(database_length)?;
        if fields.u8()? != 0 {
            return Err(EventError::Invalid("no zero byte after the database name"));
        }
        Ok(Self { database, text: fields.rest() })
    }

    /// The table that the statement inserts into, if it does.
    pub fn insert_target(&self) -> Option<InsertTarget<'a>> {
        insert_target(self.text)
    }

    /// SERVER: the control statements are written by the server itself, not as the user typed them:
    /// upper case, single spaces, no comments (log_event.cc, binlog.cc, xa.cc).
    pub fn statement(&self) -> Statement<'a> {
        match self.text {
            b"BEGIN" => return Statement::Begin,
            b"COMMIT" => return Statement::Commit,
            b"ROLLBACK" => return Statement::Rollback,
            _ => {}
        }
        if let Some(name) = self.text.strip_prefix(b"SAVEPOINT ") {
            return Statement::Savepoint(name);
        }
        if let Some(name) = self.text.strip_prefix(b"ROLLBACK TO ") {
            return Statement::RollbackTo(name.strip_prefix(b"SAVEPOINT ").unwrap_or(name));
        }
        let Some(xa) = self.text.strip_prefix(b"XA ") else { return Statement::Other };
        if let Some(xid) = xa.strip_prefix(b"START ") {
            return Statement::XaStart(xid);
        }
        if xa.starts_with(b"END ") {
            return Statement::XaEnd;
        }
        if let Some(xid) = xa.strip_prefix(b"COMMIT ") {
            return Statement::XaCommit(xid);
        }
        if let Some(xid) = xa.strip_prefix(b"ROLLBACK ") {
            return Statement::XaRollback(xid);
        }
        Statement::Other
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    pub(super) fn body(database: &str, text: &str) -> Vec<u8> {
        let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, u8::try_from(database.len()).unwrap(), 0, 0];
        body.extend([3, 0, 0xaa, 0xbb, 0xcc]);
        body.extend(database.as_bytes());
        body.push(0);
        body.extend(text.as_bytes());
        body
    }

    #[test]
    fn database_and_text_stand_behind_the_status_variables() {
        let body = body("shop", "create table t (a int)");

        let query = QueryEvent::parse(&body).unwrap();

        assert_eq!(query.database, b"shop");
        assert_eq!(query.text, b"create table t (a int)");
    }

    #[rstest]
    #[case("BEGIN", Statement::Begin)]
    #[case("COMMIT", Statement::Commit)]
    #[case("ROLLBACK", Statement::Rollback)]
    #[case("SAVEPOINT `a b`", Statement::Savepoint(b"`a b`"))]
    #[case("ROLLBACK TO `a b`", Statement::RollbackTo(b"`a b`"))]
    #[case("ROLLBACK TO SAVEPOINT `a`", Statement::RollbackTo(b"`a`"))]
    #[case("XA START X'61',X'',1", Statement::XaStart(b"X'61',X'',1"))]
    #[case("XA END X'61',X'',1", Statement::XaEnd)]
    #[case("XA COMMIT X'61',X'',1", Statement::XaCommit(b"X'61',X'',1"))]
    #[case("XA ROLLBACK X'61',X'',1", Statement::XaRollback(b"X'61',X'',1"))]
    #[case("create table `begin` (a int)", Statement::Other)]
    #[case("BEGINNING", Statement::Other)]
    #[case("", Statement::Other)]
    fn control_statements_are_told_apart(#[case] text: &str, #[case] expected: Statement<'_>) {
        let query = QueryEvent { database: b"", text: text.as_bytes() };

        assert_eq!(query.statement(), expected);
    }

    #[test]
    fn load_has_more_in_its_head() {
        let mut body = body("shop", "load data infile 'f' into table t");
        body.splice(13..13, [0xee; 13]);

        let query = QueryEvent::parse_load(&body).unwrap();

        assert_eq!(
            (query.database, query.insert_target().unwrap().table.as_ref()),
            (&b"shop"[..], "t")
        );
    }

    #[test]
    fn truncated_query_is_an_error() {
        let whole = body("shop", "");

        for length in 0..whole.len() {
            assert!(QueryEvent::parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}

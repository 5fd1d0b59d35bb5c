//! What the account may do → checks.

use std::collections::BTreeSet;

use super::{Check, ServerSettings};
use crate::source::mysql::{Connection, ConnectionError, Rows};

/// Privileges of the account and its active roles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Privileges {
    /// Granted on `*.*`, upper case.
    global: BTreeSet<String>,
    /// A `SELECT` on some database or table.
    selects_somewhere: bool,
    /// `LOCK TABLES` on some database.
    pub(super) locks_somewhere: bool,
}

pub(super) async fn query(
    connection: &mut Connection,
    settings: &ServerSettings,
) -> Result<Privileges, ConnectionError> {
    let mut statement = "show grants for current_user()".to_owned();
    if settings.version() >= (8, 0, 0) {
        let roles = connection.query("select current_role()").await?;
        let roles = roles.first().and_then(|row| row.get(0)).unwrap_or("NONE");
        if roles != "NONE" {
            statement = format!("{statement} using {roles}");
        }
    }
    Ok(parse(&connection.query(&statement).await?))
}

/// `GRANT SELECT, REPLICATION SLAVE ON *.* TO …`; anything else (roles, proxies) says nothing here.
fn parse(grants: &Rows) -> Privileges {
    let mut privileges = Privileges::default();
    for grant in grants.iter().filter_map(|row| row.get(0)) {
        let Some((granted, rest)) =
            grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON "))
        else {
            continue;
        };
        let granted = split_outside_parentheses(granted);
        if granted.iter().any(|privilege| {
            privilege.starts_with("SELECT") || privilege.starts_with("ALL PRIVILEGES")
        }) {
            privileges.selects_somewhere = true;
        }
        if granted
            .iter()
            .any(|privilege| *privilege == "LOCK TABLES" || privilege.starts_with("ALL PRIVILEGES"))
        {
            privileges.locks_somewhere = true;
        }
        if rest.starts_with("*.* ") {
            privileges.global.extend(granted.into_iter().map(str::to_uppercase));
        }
    }
    privileges
}

/// `SELECT (a, b), INSERT` → `SELECT (a, b)`, `INSERT`.
fn split_outside_parentheses(granted: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    granted
        .split(move |character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            character == ',' && depth == 0
        })
        .map(str::trim)
        .collect()
}

impl Privileges {
    fn has(&self, privilege: &str) -> bool {
        self.global.contains(privilege) || self.global.contains("ALL PRIVILEGES")
    }
}

pub(super) fn checks(privileges: &Privileges, settings: &ServerSettings) -> Vec<Check> {
    let required = [
        ("REPLICATION SLAVE", "the server sends no binlog without it"),
        ("REPLICATION CLIENT", "the list of binlog files and their end cannot be read without it"),
    ];
    let mut checks: Vec<Check> = required
        .into_iter()
        .map(|(privilege, reason)| {
            let name = format!("privilege {privilege}");
            if privileges.has(privilege) {
                return Check::ok(name, "granted").requiring("granted on *.*");
            }
            let statement = privilege.to_lowercase();
            Check::ok(name, "not granted")
                .requiring("granted on *.*")
                .fail(format!("grant {statement} on *.* to the relay's account; {reason}"))
        })
        .collect();
    checks.push(select(privileges, settings));
    checks
}

/// Column names come from `information_schema` where the binlog has none, and that shows an account
/// only the tables it has a privilege on.
fn select(privileges: &Privileges, settings: &ServerSettings) -> Check {
    let metadata = settings.get("binlog_row_metadata").unwrap_or_default();
    let actual = if privileges.selects_somewhere { "granted" } else { "not granted" };
    if metadata.eq_ignore_ascii_case("FULL") {
        return Check::ok("privilege SELECT", actual)
            .requiring("nothing: the binlog names the columns");
    }
    let check = Check::ok("privilege SELECT", actual).requiring("granted on the outbox tables");
    match privileges.selects_somewhere {
        true => check,
        false => check.fail(
            "grant select on the outbox tables to the relay's account: their column names cannot be \
             read otherwise. binlog_row_metadata = FULL makes it unnecessary",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::source::mysql::Row;

    fn privileges(grants: &[&str]) -> Privileges {
        let rows = grants.iter().map(|grant| Row::new(vec![Some((*grant).to_owned())]));
        parse(&Rows::new(&["Grants"], rows.collect()))
    }

    fn statuses(grants: &[&str], metadata: &str) -> Vec<Verdict> {
        let settings = [("binlog_row_metadata", metadata)].into_iter().collect();
        checks(&privileges(grants), &settings).iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn least_privileges_are_enough() {
        let replication = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `rowpost`@`%`";
        let select = "GRANT SELECT ON `shop`.`outbox` TO `rowpost`@`%`";

        assert_eq!(statuses(&[replication], "FULL"), [Verdict::Ok; 3]);
        assert_eq!(statuses(&[replication, select], "MINIMAL"), [Verdict::Ok; 3]);
        assert_eq!(
            statuses(&[replication], "MINIMAL"),
            [Verdict::Ok, Verdict::Ok, Verdict::Failed]
        );
    }

    #[test]
    fn replication_privileges_on_one_database_do_not_count() {
        let grants = ["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT ON `shop`.* TO `a`@`%`"];

        assert_eq!(statuses(&grants, "FULL"), [Verdict::Failed, Verdict::Failed, Verdict::Ok]);
    }

    #[test]
    fn lock_tables_counts_on_any_database() {
        let grants = ["GRANT SELECT ON `shop`.* TO `a`@`%`"];
        assert!(!privileges(&grants).locks_somewhere);

        for granted in ["SELECT, LOCK TABLES ON `shop`.*", "ALL PRIVILEGES ON `shop`.*"] {
            let grant = format!("GRANT {granted} TO `a`@`%`");
            assert!(privileges(&[grant.as_str()]).locks_somewhere, "{grant}");
        }
    }

    #[test]
    fn all_privileges_are_enough() {
        let grants = ["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"];

        assert_eq!(statuses(&grants, "MINIMAL"), [Verdict::Ok; 3]);
    }

    #[test]
    fn columns_in_parentheses_do_not_end_a_privilege() {
        assert_eq!(
            split_outside_parentheses("SELECT (`a`, `b`), INSERT"),
            ["SELECT (`a`, `b`)", "INSERT"],
        );
    }
}

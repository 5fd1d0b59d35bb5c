//! Migrations: keywords in lower case, numbers without gaps.

use std::collections::BTreeMap;

use crate::repository::Repository;

/// Those that anyone would write in capitals. Names such as `InnoDB` are none.
const KEYWORDS: [&str; 30] = [
    "ALTER",
    "AND",
    "AS",
    "BY",
    "CHARACTER",
    "COLLATE",
    "CREATE",
    "DATABASE",
    "DEFAULT",
    "DELETE",
    "DROP",
    "FOREIGN",
    "FROM",
    "GRANT",
    "IDENTIFIED",
    "INDEX",
    "INSERT",
    "INTO",
    "KEY",
    "NOT",
    "NULL",
    "ON",
    "PRIMARY",
    "REFERENCES",
    "SELECT",
    "SET",
    "TABLE",
    "TO",
    "UPDATE",
    "WHERE",
];

pub(crate) fn keywords(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in repository.ending(".sql") {
        for (index, line) in file.text.lines().enumerate() {
            for word in code(line).split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            {
                if KEYWORDS.contains(&word) {
                    let (path, number) = (&file.path, index + 1);
                    complaints.push(format!("{path}:{number}: `{word}` in lower case"));
                }
            }
        }
    }
    complaints
}

/// Without the comment and without what is quoted.
fn code(line: &str) -> String {
    let line = line.split("--").next().unwrap_or_default();
    line.split(['\'', '`', '"']).step_by(2).collect::<Vec<_>>().join(" ")
}

/// `sql/<set>/0001_name.sql`, `0002_…`: each set counts from 1.
pub(crate) fn numbers(repository: &Repository) -> Vec<String> {
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in repository.ending(".sql").filter(|file| file.path.starts_with("sql/")) {
        let (set, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        sets.entry(set).or_default().push(name);
    }
    let mut complaints = Vec::new();
    for (set, mut names) in sets {
        names.sort_unstable();
        for (index, name) in names.iter().enumerate() {
            let expected = format!("{:04}_", index + 1);
            if !name.starts_with(&expected) {
                complaints.push(format!("{set}/{name}: its number must be {expected}"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_in_capitals_is_found_outside_comments_and_quotes() {
        let repository = Repository::of(&[(
            "sql/a/0001_a.sql",
            "-- SELECT is granted\ncreate table a (b int NOT null) engine = InnoDB;\nselect 'SET';\n",
        )]);

        assert_eq!(keywords(&repository), ["sql/a/0001_a.sql:2: `NOT` in lower case"]);
    }

    #[test]
    fn gap_and_double_number_are_found() {
        let repository = Repository::of(&[
            ("sql/a/0001_a.sql", ""),
            ("sql/a/0003_c.sql", ""),
            ("sql/b/0001_a.sql", ""),
            ("sql/b/0001_b.sql", ""),
        ]);

        assert_eq!(
            numbers(&repository),
            [
                "sql/a/0003_c.sql: its number must be 0002_",
                "sql/b/0001_b.sql: its number must be 0002_",
            ]
        );
    }
}

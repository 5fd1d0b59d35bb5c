//! What the code has and the documents must name.
//!
//! A document that is not written yet is not asked; from its first line on it must be complete.

use std::collections::BTreeSet;

use crate::{
    repository::{File, Repository},
    rust,
};

pub(crate) fn settings_metrics_and_exit_codes(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut ask = |source: &str, names: fn(&str) -> Vec<String>, document: &str| {
        let (Some(source), Some(document)) = (repository.get(source), repository.get(document))
        else {
            return;
        };
        let names = names(&source.text);
        if names.is_empty() {
            complaints.push(format!("{}: nothing to document was found in it", source.path));
        }
        for name in names.iter().filter(|name| !is_named(&document.text, name)) {
            complaints.push(format!("{}: `{name}` of {} is missing", document.path, source.path));
        }
    };
    ask("relay/src/config/keys.rs", settings, "relay/README.md");
    ask("relay/src/metrics.rs", metrics, "relay/README.md");
    ask("relay/src/exit_code.rs", exit_codes, "relay/README.md");
    ask("relay/src/exit_code.rs", exit_codes, "docs/runbook.md");
    complaints
}

/// As a whole: `64` is not named by `640`, nor `mysql.url` by `mysql.urls`.
fn is_named(document: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    document.match_indices(name).any(|(index, _)| {
        // Metrics get their unit and `_total` behind the name that the code gives them.
        let end = &document[index + name.len()..];
        let is_metric = name.starts_with("rowpost_");
        !document[..index].ends_with(is_part) && (is_metric || !end.starts_with(is_part))
    })
}

/// `key("mysql.url", …)`.
fn settings(source: &str) -> Vec<String> {
    quoted_after(source, "key(\"").into_iter().map(|name| name.replace("outbox[].", "")).collect()
}

/// `registry.register("transactions_read", …)`, over two lines too.
fn metrics(source: &str) -> Vec<String> {
    let source: String = source.split_whitespace().collect();
    ["register(\"", "register_with_unit(\""]
        .iter()
        .flat_map(|call| quoted_after(&source, call))
        .map(|name| format!("rowpost_{name}"))
        .collect()
}

fn quoted_after(source: &str, call: &str) -> Vec<String> {
    source.split(call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// `Usage = 64,`.
fn exit_codes(source: &str) -> Vec<String> {
    rust::lines(source)
        .iter()
        .filter_map(|line| line.code.trim().strip_suffix(',')?.split_once(" = "))
        .filter(|(name, _)| name.chars().all(char::is_alphanumeric))
        .filter_map(|(_, number)| number.parse::<u8>().ok())
        .map(|number| number.to_string())
        .collect()
}

/// Each numbered invariant of ARCHITECTURE.md names a test that exists, and code refers to none that
/// is not there.
pub(crate) fn invariants(repository: &Repository) -> Vec<String> {
    let Some(architecture) = repository.get("ARCHITECTURE.md") else { return Vec::new() };
    let tests: BTreeSet<String> = repository.ending(".rs").flat_map(test_names).collect();
    let mut complaints = Vec::new();
    let mut numbers = BTreeSet::new();
    for (line, number, text) in invariant_paragraphs(&architecture.text) {
        numbers.insert(number);
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let is_test = |name: &&str| tests.contains(name.rsplit("::").next().unwrap_or(name));
        if !named.iter().any(is_test) {
            complaints.push(format!("ARCHITECTURE.md:{line}: I{number} names no test that exists"));
        }
        // What looks like a test's name and is none was renamed or deleted.
        for name in named.iter().filter(|name| looks_like_test(name) && !is_test(name)) {
            complaints.push(format!("ARCHITECTURE.md:{line}: there is no test `{name}`"));
        }
    }
    for file in repository.ending(".rs").filter(|file| !file.path.starts_with("tests/tests/tidy/"))
    {
        for number in referred(file).difference(&numbers) {
            complaints.push(format!("{}: ARCHITECTURE.md has no invariant I{number}", file.path));
        }
    }
    complaints
}

/// Line, number, and the text until the next invariant, table row or heading.
fn invariant_paragraphs(text: &str) -> Vec<(usize, u32, String)> {
    let mut paragraphs: Vec<(usize, u32, String)> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start_matches(['|', '-', '*', '#', ' ']);
        let number = start.strip_prefix('I').and_then(|rest| {
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        if let Some(number) = number {
            paragraphs.push((index + 1, number, line.to_owned()));
            is_open = true;
        } else if line.starts_with('#') || line.starts_with('|') {
            is_open = false;
        } else if let (true, Some((_, _, paragraph))) = (is_open, paragraphs.last_mut()) {
            paragraph.push_str(line);
        }
    }
    paragraphs
}

fn looks_like_test(name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    last.matches('_').count() >= 3
        && last.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter))
}

/// Functions below an attribute that ends in `test]`, `test(…)]`, `rstest]`, and those of proptest.
fn test_names(file: &File) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in rust::lines(&file.text) {
        let code = line.code.trim();
        if code.starts_with("#[") {
            is_test |= code.contains("test");
        } else if let Some((_, rest)) = code.split_once("fn ") {
            if is_test {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
            is_test = false;
        }
    }
    names
}

/// `// INVARIANT: I3`, `"I4: a checkpoint only grows"`.
fn referred(file: &File) -> BTreeSet<u32> {
    let in_comments = file.text.split("INVARIANT: I").skip(1);
    let in_assertions = file.text.split("\"I").skip(1);
    in_comments
        .chain(in_assertions)
        .filter_map(|rest| {
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
            let is_invariant = rest[digits.len()..].starts_with([':', ' ', '\n', '.', ',']);
            if is_invariant { digits.parse().ok() } else { None }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undocumented_setting_metric_and_exit_code_are_found() {
        let repository = Repository::of(&[
            ("relay/src/config/keys.rs", "key(\"mysql.url\", 1), key(\"mysql.start\", 2)"),
            (
                "relay/src/metrics.rs",
                "r.register(\n  \"retries\", 1); r.register_with_unit(\"lag\",",
            ),
            ("relay/src/exit_code.rs", "enum E {\n    Usage = 64,\n    Data = 65,\n}\n"),
            ("relay/README.md", "`mysql.url` rowpost_retries_total 64 650"),
            ("docs/runbook.md", "## 64\n## 65\n"),
        ]);

        assert_eq!(
            settings_metrics_and_exit_codes(&repository),
            [
                "relay/README.md: `mysql.start` of relay/src/config/keys.rs is missing",
                "relay/README.md: `rowpost_lag` of relay/src/metrics.rs is missing",
                "relay/README.md: `65` of relay/src/exit_code.rs is missing",
            ]
        );
    }

    #[test]
    fn source_that_has_changed_its_form_is_not_taken_for_complete() {
        let repository =
            Repository::of(&[("relay/src/metrics.rs", "macro!()"), ("relay/README.md", "")]);

        assert_eq!(
            settings_metrics_and_exit_codes(&repository),
            ["relay/src/metrics.rs: nothing to document was found in it"]
        );
    }

    #[test]
    fn invariant_without_a_test_with_a_lost_test_and_without_a_number_are_found() {
        let repository = Repository::of(&[
            (
                "ARCHITECTURE.md",
                "- **I1** kept, see\n  `order_is_kept_over_restarts`\n- **I2** nothing\n\
                 - **I3** `order_is_kept_over_restarts`, `gone_since_the_last_change`\n",
            ),
            (
                "a.rs",
                "#[tokio::test]\nasync fn order_is_kept_over_restarts() {}\n\
                 // INVARIANT: I1\n// INVARIANT: I9 is none\n",
            ),
        ]);

        assert_eq!(
            invariants(&repository),
            [
                "ARCHITECTURE.md:3: I2 names no test that exists",
                "ARCHITECTURE.md:4: there is no test `gone_since_the_last_change`",
                "a.rs: ARCHITECTURE.md has no invariant I9",
            ]
        );
    }
}

//! House style that no linter knows, as tests.
//!
//! Each module is one kind of check: files → complaints (`path:line: what`). Each has tests of its own
//! that show that it can fail. `repository_is_tidy` runs them all on this repository.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is test code: a panic is how it fails"
)]

mod documents;
mod markdown;
mod modules;
mod repository;
mod rust;
mod size;
mod sql;
mod words;

use repository::Repository;

type Check = fn(&Repository) -> Vec<String>;

const CHECKS: [Check; 10] = [
    size::files,
    size::functions,
    modules::headers,
    modules::reachable,
    words::banned,
    documents::settings_metrics_and_exit_codes,
    documents::invariants,
    markdown::titles_and_links,
    sql::keywords,
    sql::numbers,
];

#[test]
fn repository_is_tidy() {
    let repository = Repository::read();

    let complaints: Vec<String> = CHECKS.iter().flat_map(|check| check(&repository)).collect();

    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

//! Table maps and rows events as MySQL 5.7 and 9.7 wrote them, and as nobody should write them.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails; these helpers stand outside of #[test] functions"
)]

mod captured;
#[path = "../../fuzz/entries.rs"]
mod entries;
mod malformed;

use std::{fs, path::PathBuf};

/// A file of the fuzz corpus: a table map's body, a rows entry's input or JSON's bytes.
fn corpus_file(target: &str, name: &str) -> Vec<u8> {
    let path = corpus(target).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

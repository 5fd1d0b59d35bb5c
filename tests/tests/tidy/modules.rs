//! Every module says at its top what it is, and is part of a crate.

use crate::{
    repository::{File, Repository},
    rust,
};

pub(crate) fn headers(repository: &Repository) -> Vec<String> {
    repository
        .ending(".rs")
        // A fuzz target begins with `#![no_main]`, which must come first.
        .filter(|file| !file.path.contains("fuzz_targets/"))
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| format!("{}:1: a module begins with `//!` and what it is", file.path))
        .collect()
}

/// Files that no `mod` names: they look like code and are not compiled.
pub(crate) fn reachable(repository: &Repository) -> Vec<String> {
    repository
        .ending(".rs")
        .filter(|file| !is_root(&file.path) && !is_named(repository, file))
        .map(|file| format!("{}: no `mod` names this file", file.path))
        .collect()
}

/// What cargo finds by itself.
fn is_root(path: &str) -> bool {
    const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];
    const FOLDERS: [&str; 5] = ["tests", "benches", "examples", "bin", "fuzz_targets"];
    let mut parts = path.rsplit('/');
    let (name, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // `src/…/tests/` is a module like any other.
    let is_target = FOLDERS.contains(&folder) && (folder == "bin" || !path.contains("/src/"));
    ROOTS.contains(&name) || is_target
}

fn is_named(repository: &Repository, file: &File) -> bool {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let (folder, module) = match name {
        "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
        _ => (folder, name.trim_end_matches(".rs")),
    };
    let parents = [
        format!("{folder}/mod.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
        format!("{folder}.rs"),
    ];
    let declaration = format!("mod {module};");
    let declares = |text: &str| {
        rust::lines(text).iter().any(|line| line.code.trim_end().ends_with(&declaration))
    };
    let is_declared = parents
        .iter()
        .any(|parent| repository.get(parent).is_some_and(|file| declares(&file.text)));
    // `#[path = "…"]` and `include!` name the file itself.
    let quoted = [format!("\"{name}\""), format!("/{name}\"")];
    let crate_folder = file.path.split('/').next().unwrap_or_default();
    is_declared
        || repository.ending(".rs").any(|other| {
            other.path.starts_with(crate_folder)
                && quoted.iter().any(|name| other.text.contains(name.as_str()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_without_a_header_is_found() {
        let repository =
            Repository::of(&[("a/src/lib.rs", "//! Ours.\n"), ("a/src/b.rs", "mod c;")]);

        assert_eq!(
            headers(&repository),
            ["a/src/b.rs:1: a module begins with `//!` and what it is"]
        );
    }

    #[test]
    fn file_that_no_module_names_is_found() {
        let repository = Repository::of(&[
            ("a/src/lib.rs", "mod b; // what it is\npub mod c;\n"),
            ("a/src/b.rs", "mod inner;\n"),
            ("a/src/b/inner.rs", ""),
            ("a/src/b/orphan.rs", ""),
            ("a/src/c/mod.rs", ""),
            ("a/src/d/mod.rs", ""),
            ("a/src/tests/lost.rs", ""),
            ("a/tests/root.rs", "#[path = \"../shared/named.rs\"]\nmod x;\n"),
            ("a/shared/named.rs", ""),
        ]);

        assert_eq!(
            reachable(&repository),
            [
                "a/src/b/orphan.rs: no `mod` names this file",
                "a/src/d/mod.rs: no `mod` names this file",
                "a/src/tests/lost.rs: no `mod` names this file",
            ]
        );
    }
}

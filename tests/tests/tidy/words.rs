//! Words that have a better one.

use crate::{repository::Repository, rust};

/// The word as it is written, and what to say. In capitals the first two are names of the server's
/// own constants.
const BANNED: [(&str, &str); 9] = [
    ("master", "source, unless it quotes the server"),
    ("Master", "source, unless it quotes the server"),
    ("slave", "replica, unless it quotes the server"),
    ("Slave", "replica, unless it quotes the server"),
    ("utils", "the name of what is in it"),
    ("FIXME", "an issue, and TODO(#number)"),
    ("HACK", "the reason why it is so"),
    ("XXX", "an issue, and TODO(#number)"),
    ("TODO", "TODO(#number)"),
];

pub(crate) fn banned(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in &repository.files {
        // These tests hold the words themselves.
        if file.path.starts_with("tests/tests/tidy/") {
            continue;
        }
        let lines: Vec<String> = match file.path.ends_with(".rs") {
            true => rust_lines(&file.text),
            false => file.text.lines().map(without_quotes).collect(),
        };
        for (index, line) in lines.iter().enumerate() {
            for (word, instead) in found(line) {
                let (path, number) = (&file.path, index + 1);
                complaints.push(format!("{path}:{number}: `{word}`: say {instead}"));
            }
        }
    }
    complaints
}

fn found(line: &str) -> Vec<(&'static str, &'static str)> {
    let line = line.replace("replication slave", "");
    BANNED.into_iter().filter(|(word, _)| contains_whole(&line, word)).collect()
}

/// `master_host` holds the word, `mastery` does not; `TODO(#12)` is no bare mark.
fn contains_whole(line: &str, word: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric();
    line.match_indices(word).any(|(index, _)| {
        let after = &line[index + word.len()..];
        let is_whole = !line[..index].ends_with(is_letter) && !after.starts_with(is_letter);
        let has_issue = word == "TODO" && after.starts_with("(#");
        is_whole && !has_issue
    })
}

/// Names and comments; not strings, nor what a comment quotes, nor a paragraph about the server.
fn rust_lines(text: &str) -> Vec<String> {
    let mut is_about_server = false;
    rust::lines(text)
        .into_iter()
        .map(|rust::Line { code, comment }| {
            is_about_server = match comment.is_empty() {
                true => false,
                false => is_about_server || comment.contains("SERVER:"),
            };
            let comment = if is_about_server { String::new() } else { without_quotes(&comment) };
            format!("{code} {comment}")
        })
        .collect()
}

fn without_quotes(line: &str) -> String {
    let mut kept = String::new();
    let mut quote = None;
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '`' || character == '"' => quote = Some(character),
            None => kept.push(character),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_word_is_found_in_names_comments_and_documents() {
        let repository = Repository::of(&[
            ("a.rs", "let master_host = 1;\n// ask the slave\nmod utils;\n// TODO: later\n"),
            ("b.md", "HACK: works here\n"),
        ]);

        let found: Vec<String> = banned(&repository)
            .iter()
            .map(|complaint| complaint.split(": say").next().unwrap().to_owned())
            .collect();

        assert_eq!(
            found,
            [
                "a.rs:1: `master`",
                "a.rs:2: `slave`",
                "a.rs:3: `utils`",
                "a.rs:4: `TODO`",
                "b.md:1: `HACK`"
            ]
        );
    }

    #[test]
    fn the_servers_own_words_are_quoted_freely() {
        let repository = Repository::of(&[
            ("a.rs", "f(\"show master status\");\n// SERVER: until 8.2\n// the master said so\n"),
            ("b.rs", "// `slave` before 8.0\n// TODO(#12): later\nlet mastery = 1;\n"),
            ("c.sql", "grant replication slave on *.* to a;\n"),
        ]);

        assert_eq!(banned(&repository), Vec::<String>::new());
    }
}

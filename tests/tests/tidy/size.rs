//! Files of at most 500 lines, functions of at most 70 lines of code.

use crate::{
    repository::{File, Repository},
    rust::{self, Line},
};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn files(repository: &Repository) -> Vec<String> {
    repository
        .ending(".rs")
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > FILE_LINES_MAX)
                .then(|| format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.path))
        })
        .collect()
}

pub(crate) fn functions(repository: &Repository) -> Vec<String> {
    repository.ending(".rs").flat_map(functions_of).collect()
}

fn functions_of(file: &File) -> Vec<String> {
    let lines = rust::lines(&file.text);
    let mut complaints = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(&line.code) else { continue };
        let length = body(&lines[index..]);
        if length > FUNCTION_LINES_MAX {
            let (path, number) = (&file.path, index + 1);
            complaints.push(format!(
                "{path}:{number}: `{name}` has {length} lines, at most {FUNCTION_LINES_MAX}"
            ));
        }
    }
    complaints
}

fn function_name(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let is_item = before.split_whitespace().all(|word| {
        ["pub", "const", "async", "unsafe", "extern", "\"\""].contains(&word)
            || word.starts_with("pub(")
            || word.ends_with(')')
    });
    is_item.then(|| after.split(['(', '<']).next().unwrap_or(after))
}

/// Lines of code between a function's braces, as clippy counts them. rustfmt puts the closing one under
/// the `fn`.
fn body(lines: &[Line]) -> usize {
    let indent = lines[0].code.len() - lines[0].code.trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let code: Vec<&str> = lines.iter().map(|line| line.code.trim_end()).collect();
    let Some(start) = code.iter().position(|code| code.ends_with(['{', ';', '}'])) else {
        return 0;
    };
    // A declaration, or all of it on one line.
    if !code[start].ends_with('{') {
        return 0;
    }
    let body = code[start + 1..].iter().take_while(|code| **code != end);
    body.filter(|code| !code.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(body_lines: usize) -> String {
        let body = "        work();\n".repeat(body_lines);
        format!(
            "impl A {{\n    pub(crate) async fn long(\n        self,\n    ) {{\n{body}    }}\n}}\n"
        )
    }

    #[test]
    fn file_over_the_limit_is_found() {
        let long = "\n".repeat(501);
        let just = "\n".repeat(500);
        let repository = Repository::of(&[("long.rs", &long), ("just.rs", &just)]);

        assert_eq!(files(&repository), ["long.rs: 501 lines, at most 500"]);
    }

    #[test]
    fn function_over_the_limit_is_found_and_one_at_it_is_not() {
        let (just, long) = (function(70), function(71));
        let repository = Repository::of(&[("just.rs", &just), ("long.rs", &long)]);

        assert_eq!(functions(&repository), ["long.rs:2: `long` has 71 lines, at most 70"]);
    }

    #[test]
    fn comments_blank_lines_and_neighbours_do_not_count() {
        let body = "    // why\n\n    work();\n".repeat(60);
        let text = format!("fn first() {{\n{body}}}\n\nfn second() {{\n{body}}}\n");
        let declarations =
            "trait A {\n    fn one(&self);\n    fn two(\n        &self,\n    ) -> B;\n}\n";
        let text = format!("{declarations}{text}");

        assert_eq!(functions(&Repository::of(&[("a.rs", &text)])), Vec::<String>::new());
    }
}

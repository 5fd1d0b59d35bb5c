//! Rust source → code without its strings, and comments, line by line.

/// One line's two parts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// String and character literals are empty here: `"…"` is `""`.
    pub(crate) code: String,
    /// With its slashes.
    pub(crate) comment: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment,
    Text,
    /// With so many `#`.
    RawText(usize),
}

pub(crate) fn lines(text: &str) -> Vec<Line> {
    let characters: Vec<char> = text.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut index = 0;
    while let Some(&character) = characters.get(index) {
        if character == '\n' {
            lines.push(Line::default());
            if state == State::LineComment {
                state = State::Code;
            }
            index += 1;
            continue;
        }
        let line = lines.last_mut().unwrap();
        let rest = &characters[index..];
        let (next, taken) = step(state, rest, line);
        state = next;
        index += taken;
    }
    lines
}

/// The state behind the next characters, and how many they are.
fn step(state: State, rest: &[char], line: &mut Line) -> (State, usize) {
    match state {
        State::Code => code(rest, line),
        State::LineComment => {
            line.comment.push(rest[0]);
            (state, 1)
        }
        State::BlockComment if rest.starts_with(&['*', '/']) => (State::Code, 2),
        State::BlockComment => {
            line.comment.push(rest[0]);
            (state, 1)
        }
        State::Text if rest[0] == '\\' && rest.get(1) != Some(&'\n') => (state, 2),
        State::Text if rest[0] == '"' => {
            line.code.push('"');
            (State::Code, 1)
        }
        State::RawText(hashes) if rest[0] == '"' && hashes_at(&rest[1..]) >= hashes => {
            line.code.push('"');
            (State::Code, 1 + hashes)
        }
        State::Text | State::RawText(_) => (state, 1),
    }
}

fn code(rest: &[char], line: &mut Line) -> (State, usize) {
    if rest.starts_with(&['/', '/']) {
        return (State::LineComment, 0);
    }
    if rest.starts_with(&['/', '*']) {
        return (State::BlockComment, 2);
    }
    let is_in_word =
        line.code.chars().last().is_some_and(|last| last.is_alphanumeric() || last == '_');
    if rest[0] == 'r' && !is_in_word {
        let hashes = hashes_at(&rest[1..]);
        if rest.get(1 + hashes) == Some(&'"') {
            line.code.push('"');
            return (State::RawText(hashes), 2 + hashes);
        }
    }
    match rest {
        // A quote as a character, and an escaped character; anything else behind ' may be a lifetime.
        ['\'', '"', '\'', ..] => (State::Code, 3),
        ['\'', '\\', _, '\'', ..] => (State::Code, 4),
        ['"', ..] => {
            line.code.push('"');
            (State::Text, 1)
        }
        [other, ..] => {
            line.code.push(*other);
            (State::Code, 1)
        }
        [] => (State::Code, 1),
    }
}

fn hashes_at(rest: &[char]) -> usize {
    rest.iter().take_while(|character| **character == '#').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn strings_are_emptied_over_lines_too() {
        assert_eq!(codes(r#"let a = "x\"y"; b"#), [r#"let a = ""; b"#]);
        assert_eq!(codes("f(\"one\n two\", 3)"), ["f(\"", "\", 3)"]);
        assert_eq!(codes("let a = r#\"say \"}\"\"#;"), ["let a = \"\";"]);
        assert_eq!(codes("'\"' => x, '\\'' => y, &'a str"), [" => x,  => y, &'a str"]);
    }

    #[test]
    fn comments_are_kept_apart_and_slashes_in_strings_are_none() {
        let lines = lines("a(); // why\nlet url = \"http://x\"; /* b */ c");

        assert_eq!(lines[0], Line { code: "a(); ".to_owned(), comment: "// why".to_owned() });
        assert_eq!(lines[1].code, "let url = \"\";  c");
        assert_eq!(lines[1].comment, " b ");
    }
}

//! What is wrong with a configuration: each problem names the key, the value, where the value came
//! from and what is allowed. Secrets are never repeated, in the source snippet neither.

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::{
    file::SourceFile,
    keys,
    secret::{self, REDACTED},
    tree::{Node, Origin},
};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    #[error("the config file {path} cannot be read")]
    Unreadable { path: String, source: std::io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Syntax(SyntaxError),
    #[error("the configuration has {}", count(problems))]
    Invalid {
        #[related]
        problems: Vec<Problem>,
    },
}

/// The config file is not TOML.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{place}: {message}")]
pub struct SyntaxError {
    place: String,
    message: String,
    #[source_code]
    snippet: Option<Arc<Line>>,
    #[label("here")]
    span: Option<SourceSpan>,
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Problem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    snippet: Option<Arc<Line>>,
    #[label("from here")]
    span: Option<SourceSpan>,
}

impl SyntaxError {
    pub(super) fn new(file: &SourceFile, message: &str, span: Option<Range<usize>>) -> Self {
        let start = span.as_ref().map_or(0, |span| span.start);
        let (snippet, span) = snippet(file, span);
        Self {
            place: format!("{}:{}", file.path, file.line(start)),
            message: message.to_owned(),
            snippet,
            span,
        }
    }
}

impl Problem {
    /// A value that a key does not take.
    pub(super) fn refused(
        key: &str,
        reason: Option<&str>,
        tree: &Node,
        file: Option<&SourceFile>,
    ) -> Self {
        let node = tree.get(key);
        let origin = node.map_or(&Origin::Default, |node| &node.origin);
        let value = node.map(|node| shown(key, node)).unwrap_or_default();
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let help = keys::find(key).map(|known| format!("{key} must be {}", known.takes));
        Self::at(format!("{key}{value} ({origin}) is refused{reason}"), help, origin, file)
    }

    /// A key that nothing reads.
    pub(super) fn unknown(
        key: &str,
        known: &[&str],
        tree: &Node,
        file: Option<&SourceFile>,
    ) -> Self {
        let origin = tree.get(key).map_or(&Origin::Default, |node| &node.origin);
        let name = key.rsplit('.').next().unwrap_or(key);
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? Known here: {}", known.join(", ")),
            None => format!("known here: {}", known.join(", ")),
        };
        Self::at(format!("the key `{key}` ({origin}) is not known"), Some(help), origin, file)
    }

    /// A key that has no default and that nobody has set.
    pub(super) fn missing(key: &str) -> Self {
        let mut ways = vec![format!("`{key}` in the config file")];
        if let Some(known) = keys::find(key) {
            ways.extend(known.flag.map(|flag| format!("the flag {flag}")));
            ways.extend(known.variable().map(|name| format!("the environment variable {name}")));
        }
        Self {
            message: format!("{key} is not set"),
            help: Some(format!("set it by one of: {}", ways.join(", "))),
            snippet: None,
            span: None,
        }
    }

    /// A problem that is not a value's: of an environment variable's name, or of a file it names.
    pub(super) fn other(message: String, help: Option<String>) -> Self {
        Self { message, help, snippet: None, span: None }
    }

    fn at(
        message: String,
        help: Option<String>,
        origin: &Origin,
        file: Option<&SourceFile>,
    ) -> Self {
        let span = match origin {
            Origin::File { span, .. } => Some(span.clone()),
            Origin::Environment { .. } | Origin::Flag { .. } | Origin::Default => None,
        };
        let (snippet, span) = match (file, span) {
            (Some(file), Some(span)) => snippet(file, Some(span)),
            (_, _) => (None, None),
        };
        Self { message, help, snippet, span }
    }
}

/// ` = 'value'`, without secrets; nothing for tables, whose text says nothing.
fn shown(key: &str, node: &Node) -> String {
    use super::tree::Value;
    match &node.value {
        Value::Table(_) | Value::Array(_) => String::new(),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Untyped(_) => {
            if secret::is_secret(key) {
                format!(" = {REDACTED}")
            } else {
                format!(" = `{}`", node.value)
            }
        }
    }
}

/// One line of the config file under its own number. The lines around it are left out: they may hold
/// secrets.
#[derive(Debug)]
struct Line {
    path: String,
    text: String,
    number: usize,
}

impl SourceCode for Line {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = SourceSpan::new(0.into(), self.text.len());
        let (path, line) = (self.path.clone(), self.number - 1);
        let text = self.text.as_bytes();
        Ok(Box::new(MietteSpanContents::new_named(path, text, whole, line, 0, 1)))
    }
}

/// The line that the span begins in, with the span inside of it; none where it may hold a secret.
fn snippet(
    file: &SourceFile,
    span: Option<Range<usize>>,
) -> (Option<Arc<Line>>, Option<SourceSpan>) {
    let Some(span) = span else { return (None, None) };
    let before = file.text.get(..span.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let text = file.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    // A line inside a multi-line string is not recognisable by its own text.
    let multi_line = file.text.contains("\"\"\"") || file.text.contains("'''");
    if multi_line || may_hold_secret(text) {
        return (None, None);
    }
    let column = span.start - line_start;
    let length = span.len().min(text.len().saturating_sub(column)).max(1);
    let line = Line {
        path: file.path.clone(),
        // Room for a label that points behind the end.
        text: format!("{text} "),
        number: file.line(span.start),
    };
    (Some(Arc::new(line)), Some(SourceSpan::new(column.into(), length)))
}

fn may_hold_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["url", "password", "secret", "passphrase", "token", "pem", "oauth", "@"]
        .iter()
        .any(|mark| line.contains(mark))
}

/// The name that a typing error was likely meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut left_cell = i + 1;
        for (b, cell) in right.chars().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(a != b);
            diagonal = *cell;
            *cell = substituted.min(*cell + 1).min(left_cell + 1);
            left_cell = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn count(problems: &[Problem]) -> impl fmt::Display + use<> {
    match problems.len() {
        1 => "a problem".to_owned(),
        several => format!("{several} problems"),
    }
}

impl ConfigError {
    /// Every problem in one line each; for tests and for logs.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Unreadable { .. } | Self::Syntax(_) => vec![self.to_string()],
            Self::Invalid { problems } => problems
                .iter()
                .map(|problem| match &problem.help {
                    Some(help) => format!("{}; {help}", problem.message),
                    None => problem.message.clone(),
                })
                .collect(),
        }
    }
}

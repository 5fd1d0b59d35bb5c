//! Topic template → topic name.
//!
//! `outbox.event.${aggregatetype}`: text, and columns whose values stand for `${column}`. Read once,
//! with the configuration; what can be wrong without a row is refused there.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::topic_name::{TOPIC_NAME_LENGTH_MAX, check_topic_name, is_topic_character};

/// How the topic of a row is named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TopicTemplate {
    text: String,
    parts: Vec<Part>,
    /// Each column once, in the order of their first use.
    columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Place in `columns`.
    Column(usize),
}

/// The text is no topic template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{template}` is not a topic template: {reason} (at character {})", .at + 1)]
pub struct InvalidTopicTemplate {
    pub template: String,
    /// Characters before the fault.
    pub at: usize,
    pub reason: String,
}

impl TopicTemplate {
    /// The columns that it takes values from.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// Appends the name to `out`; `write_column` appends the value of a column, named by its place
    /// in [`TopicTemplate::columns`].
    pub fn render<E>(
        &self,
        out: &mut Vec<u8>,
        mut write_column: impl FnMut(usize, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Column(place) => write_column(*place, out)?,
            }
        }
        Ok(())
    }
}

impl FromStr for TopicTemplate {
    type Err = InvalidTopicTemplate;

    fn from_str(template: &str) -> Result<Self, Self::Err> {
        let error = |rest: &str, reason: String| {
            let before = template.get(..template.len() - rest.len()).unwrap_or_default();
            InvalidTopicTemplate {
                template: template.to_owned(),
                at: before.chars().count(),
                reason,
            }
        };
        let (mut parts, mut columns) = (Vec::new(), Vec::<String>::new());
        let mut rest = template;
        while !rest.is_empty() {
            if let Some(column) = rest.strip_prefix("${") {
                let (name, behind) = column
                    .split_once('}')
                    .ok_or_else(|| error(rest, "the `}` behind the column is missing".into()))?;
                if name.is_empty() || name.trim() != name {
                    return Err(error(column, "expected the name of a column".into()));
                }
                let known = columns.iter().position(|column| column == name);
                parts.push(Part::Column(known.unwrap_or(columns.len())));
                if known.is_none() {
                    columns.push(name.to_owned());
                }
                rest = behind;
            } else {
                let end = rest.bytes().position(|byte| !is_topic_character(byte));
                let (text, behind) = rest.split_at(end.unwrap_or(rest.len()));
                if text.is_empty() {
                    let reason = "a topic name has only letters, digits, `.`, `_` and `-`, and \
                                  `${column}` stands for a column's value";
                    return Err(error(rest, reason.into()));
                }
                parts.push(Part::Text(text.to_owned()));
                rest = behind;
            }
        }
        let fixed: String = parts.iter().filter_map(Part::text).collect();
        if columns.is_empty() {
            check_topic_name(fixed.as_bytes())
                .map_err(|fault| error(template, fault.to_string()))?;
        } else if fixed.len() >= TOPIC_NAME_LENGTH_MAX {
            let reason =
                format!("it leaves nothing of {TOPIC_NAME_LENGTH_MAX} characters to its columns");
            return Err(error(template, reason));
        }
        Ok(Self { text: template.to_owned(), parts, columns })
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Column(_) => None,
        }
    }
}

impl TryFrom<String> for TopicTemplate {
    type Error = InvalidTopicTemplate;

    fn try_from(template: String) -> Result<Self, Self::Error> {
        template.parse()
    }
}

/// As it was configured.
impl fmt::Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// The name when every column's value is its own name in brackets.
    fn rendered(template: &TopicTemplate) -> String {
        let columns: Vec<_> = template.columns().collect();
        let mut out = Vec::new();
        let written: Result<(), Infallible> = template.render(&mut out, |place, out| {
            out.extend_from_slice(format!("<{}>", columns[place]).as_bytes());
            Ok(())
        });
        assert!(written.is_ok());
        String::from_utf8(out).unwrap()
    }

    #[rstest]
    #[case("outbox.event.${aggregatetype}", "outbox.event.<aggregatetype>", &["aggregatetype"])]
    #[case("orders", "orders", &[])]
    #[case("${topic}", "<topic>", &["topic"])]
    #[case("${a}${b}.x.${a}", "<a><b>.x.<a>", &["a", "b"])]
    #[case("${Größe {1}", "<Größe {1>", &["Größe {1"])]
    #[case(".${a}", ".<a>", &["a"])]
    fn columns_stand_where_the_template_names_them(
        #[case] text: &str,
        #[case] name: &str,
        #[case] columns: &[&str],
    ) {
        let template: TopicTemplate = text.parse().unwrap();

        assert_eq!(rendered(&template), name);
        assert_eq!(template.columns().collect::<Vec<_>>(), columns);
        assert_eq!(template.to_string(), text);
    }

    #[rstest]
    #[case::open("outbox.${type", 7, "the `}` behind the column is missing")]
    #[case::no_column("outbox.${}", 9, "expected the name of a column")]
    #[case::blanks("outbox.${ type }", 9, "expected the name of a column")]
    #[case::dollar_alone("outbox.$type", 7, "only letters, digits")]
    #[case::brace_alone("outbox.}", 7, "only letters, digits")]
    #[case::slash("outbox/${type}", 6, "only letters, digits")]
    #[case::characters_are_counted("${größe}ü", 8, "only letters, digits")]
    #[case::empty("", 0, "it is empty")]
    #[case::dots("..", 0, "are no names")]
    #[case::long(&"a".repeat(250), 0, "longer than 249")]
    #[case::no_room(&format!("{}${{type}}", "a".repeat(249)), 0, "leaves nothing of 249")]
    fn a_wrong_template_is_refused_with_place_and_reason(
        #[case] template: &str,
        #[case] at: usize,
        #[case] reason: &str,
    ) {
        let error = template.parse::<TopicTemplate>().unwrap_err();

        assert!(error.reason.contains(reason), "{error}");
        assert_eq!((error.template.as_str(), error.at), (template, at));
    }

    #[test]
    fn the_message_names_template_reason_and_place() {
        let error = "outbox.${type".parse::<TopicTemplate>().unwrap_err();

        assert_eq!(
            error.to_string(),
            "`outbox.${type` is not a topic template: the `}` behind the column is missing \
             (at character 8)"
        );
    }

    #[test]
    fn an_error_of_a_column_ends_the_rendering() {
        let template: TopicTemplate = "a.${b}.${c}".parse().unwrap();
        let mut asked = Vec::new();

        let written = template.render(&mut Vec::new(), |place, _| {
            asked.push(place);
            Err("NULL")
        });

        assert_eq!((written, asked), (Err("NULL"), vec![0]));
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error(text in "[a-z.$ü{}/ ]{0,20}") {
            if let Ok(template) = text.parse::<TopicTemplate>() {
                prop_assert_eq!(template.to_string(), text.clone());
                prop_assert_eq!(rendered(&template), text.replace("${", "<").replace('}', ">"));
            }
        }
    }
}

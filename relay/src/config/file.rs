//! The config file → tree.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{ConfigError, SyntaxError},
    tree::{Node, Origin, Value},
};

/// The text that the spans of [`Origin::File`] point into.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) text: Arc<str>,
}

impl SourceFile {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: shown.clone(), source })?;
        Ok(Self { path: shown, text: text.into() })
    }

    pub(super) fn parse(&self) -> Result<Node, ConfigError> {
        let document = DeTable::parse(&self.text).map_err(|error| self.syntax_error(&error))?;
        let span = document.span();
        let mut root =
            Node { value: self.table(document.into_inner())?, origin: self.origin(span) };
        root.flatten_kafka_properties();
        Ok(root)
    }

    fn table(&self, table: DeTable<'_>) -> Result<Value, ConfigError> {
        let entries = table
            .into_iter()
            .map(|(name, value)| {
                let key_span = name.span();
                self.node(value, key_span).map(|node| (name.into_inner().into_owned(), node))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Value::Table(entries))
    }

    fn node(
        &self,
        value: Spanned<DeValue<'_>>,
        key_span: Range<usize>,
    ) -> Result<Node, ConfigError> {
        let span = value.span();
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                Value::Integer(parsed.map_err(|_| {
                    let message = "the number does not fit in 64 bits";
                    ConfigError::Syntax(SyntaxError::new(self, message, Some(span.clone())))
                })?)
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            // No key takes a date; as text it gets the message of a wrong value.
            DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
            DeValue::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| {
                        let item_span = item.span();
                        self.node(item, item_span)
                    })
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => {
                // A `[section]` spans its whole body; its header says better where it is.
                return Ok(Node { value: self.table(table)?, origin: self.origin(key_span) });
            }
        };
        Ok(Node { value, origin: self.origin(span) })
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(span.start), span }
    }

    /// 1-based line of a byte.
    pub(super) fn line(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
    }

    fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError::Syntax(SyntaxError::new(self, error.message(), error.span()))
    }
}

//! Tree → typed sections, by serde; every error knows the key and where its value came from.

use std::{collections::btree_map, fmt, slice};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::tree::{Node, Value};

/// What serde refused, and where.
#[derive(Debug)]
pub(super) struct TypeError {
    /// Full key; empty until the value's own deserializer has put it in.
    pub(super) key: String,
    pub(super) kind: TypeErrorKind,
}

#[derive(Debug)]
pub(super) enum TypeErrorKind {
    UnknownKey { known: &'static [&'static str] },
    Missing { field: &'static str },
    Refused { reason: String },
}

pub(super) fn deserialize<T: DeserializeOwned>(root: &Node) -> Result<T, TypeError> {
    T::deserialize(Typed { node: root, key: String::new() })
}

/// A node on its way to a type.
struct Typed<'a> {
    node: &'a Node,
    key: String,
}

impl Typed<'_> {
    /// Reads text from environment or flag as a number or boolean; refuses with what is wanted.
    fn parse<T: std::str::FromStr>(text: &str, wanted: &str) -> Result<T, TypeError> {
        text.trim().parse().map_err(|_| de::Error::custom(format_args!("expected {wanted}")))
    }
}

macro_rules! number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
            match &self.node.value {
                Value::Untyped(text) => {
                    let number: i64 = Self::parse(text, "a whole number").map_err(at(&self.key))?;
                    visitor.visit_i64(number).map_err(at(&self.key))
                }
                Value::Boolean(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Text(_)
                | Value::Array(_)
                | Value::Table(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Typed<'_> {
    type Error = TypeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        let key = self.key;
        match &self.node.value {
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) | Value::Untyped(text) => visitor.visit_str(text),
            Value::Array(items) => {
                visitor.visit_seq(Items { items: items.iter(), key: &key, index: 0 })
            }
            Value::Table(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None, key: &key })
            }
        }
        .map_err(at(&key))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        match &self.node.value {
            Value::Untyped(text) => {
                let value = Self::parse(text, "`true` or `false`").map_err(at(&self.key))?;
                visitor.visit_bool(value).map_err(at(&self.key))
            }
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Array(_)
            | Value::Table(_) => self.deserialize_any(visitor),
        }
    }

    number!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeError> {
        match &self.node.value {
            Value::Text(text) | Value::Untyped(text) => {
                visitor.visit_enum(text.as_str().into_deserializer()).map_err(at(&self.key))
            }
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Array(_)
            | Value::Table(_) => Err(at(&self.key)(one_of(variants))),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

struct Entries<'a> {
    entries: btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
    key: &'a str,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = TypeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, TypeError> {
        let Some((name, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((name, node));
        seed.deserialize(name.as_str().into_deserializer())
            .map(Some)
            .map_err(at(&join(self.key, name)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, TypeError> {
        let (name, node) = self.value.take().expect("serde asks for a value after its key");
        let key = join(self.key, name);
        // A `try_from` type is refused after its own deserializer has returned: the key again.
        seed.deserialize(Typed { node, key: key.clone() }).map_err(at(&key))
    }
}

struct Items<'a> {
    items: slice::Iter<'a, Node>,
    key: &'a str,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = TypeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, TypeError> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let key = format!("{}[{}]", self.key, self.index);
        self.index += 1;
        seed.deserialize(Typed { node, key: key.clone() }).map(Some).map_err(at(&key))
    }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Puts the key into an error that has none yet; the innermost value wins.
fn at(key: &str) -> impl Fn(TypeError) -> TypeError {
    move |mut error| {
        if error.key.is_empty() {
            error.key = match &error.kind {
                TypeErrorKind::Missing { field } => join(key, field),
                TypeErrorKind::UnknownKey { .. } | TypeErrorKind::Refused { .. } => key.to_owned(),
            };
        }
        error
    }
}

fn one_of(expected: &'static [&'static str]) -> TypeError {
    de::Error::custom(format_args!("expected one of `{}`", expected.join("`, `")))
}

impl de::Error for TypeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { key: String::new(), kind: TypeErrorKind::Refused { reason: message.to_string() } }
    }

    // Serde's own texts repeat the value, which may be a secret: only what was expected is kept.
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        one_of(expected)
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self { key: String::new(), kind: TypeErrorKind::UnknownKey { known } }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { key: String::new(), kind: TypeErrorKind::Missing { field } }
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at `{}`", self.kind, self.key)
    }
}

impl std::error::Error for TypeError {}

//! A serde value → JSON as MySQL will print it.
//!
//! Promises: the text is as long as the record's value will be, but for numbers that MySQL prints in
//! another notation. A JSON column gives every `:` and `,` a blank: an array of digits grows by half,
//! and what was measured before would not be what Kafka refuses.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// `{"a": [1, 2]}`.
pub(crate) fn to_text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Spaced))?;
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(writer, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn separate<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { writer.write_all(b", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_has_the_blanks_that_mysql_prints() {
        let text = to_text(&json!({"a": [1, 2, {}], "b": {"c": null, "d": "x,y:z"}})).unwrap();

        assert_eq!(text, r#"{"a": [1, 2, {}], "b": {"c": null, "d": "x,y:z"}}"#);
    }

    #[test]
    fn value_without_a_json_form_is_an_error() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);

        assert!(to_text(&map).is_err());
    }
}

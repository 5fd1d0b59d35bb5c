//! A request's JSON → typed fields, or an error that names the field by its path.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// `order.user_id` and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidField {
    /// From the root of the body.
    pub field: String,
    /// As the end of a sentence that begins with the field.
    pub problem: String,
}

impl InvalidField {
    /// For what only the service can judge.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// An object of the body and its path.
#[derive(Debug, Clone)]
pub struct Fields<'v> {
    path: String,
    object: &'v Map<String, Value>,
}

impl<'v> Fields<'v> {
    /// The body itself.
    pub fn of_body(object: &'v Map<String, Value>) -> Self {
        Self { path: String::new(), object }
    }

    /// An object in it.
    pub fn object(&self, name: &str) -> Result<Self, InvalidField> {
        let Value::Object(object) = self.value(name)? else {
            return Err(self.invalid(name, "must be an object"));
        };
        Ok(Self { path: format!("{}{name}.", self.path), object })
    }

    /// A text with something to see in it.
    pub fn text(&self, name: &str, chars_max: usize) -> Result<&'v str, InvalidField> {
        let Value::String(text) = self.value(name)? else {
            return Err(self.invalid(name, "must be a text"));
        };
        if text.trim().is_empty() {
            return Err(self.invalid(name, "is empty"));
        }
        let chars = text.chars().count();
        if chars > chars_max {
            let problem = format!("has {chars} characters; at most {chars_max} are allowed");
            return Err(self.invalid(name, &problem));
        }
        Ok(text)
    }

    /// A whole number.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<i64, InvalidField> {
        let value = self.value(name)?;
        let (least, most) = (range.start(), range.end());
        let wanted = || format!("must be a whole number from {least} to {most}, and is {value}");
        value
            .as_i64()
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.invalid(name, &wanted()))
    }

    fn value(&self, name: &str) -> Result<&'v Value, InvalidField> {
        match self.object.get(name) {
            None | Some(Value::Null) => Err(self.invalid(name, "is missing")),
            Some(value) => Ok(value),
        }
    }

    fn invalid(&self, name: &str, problem: &str) -> InvalidField {
        InvalidField::new(format!("{}{name}", self.path), problem)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_field_is_named_by_its_path() {
        let body = json!({"order": {"name": " ", "tel": 5, "addr": "long"}, "n": 0, "m": 1.5});
        let body = body.as_object().unwrap();
        let fields = Fields::of_body(body);
        let order = fields.object("order").unwrap();

        let said = |error: InvalidField| error.to_string();

        assert_eq!(said(order.text("email", 9).unwrap_err()), "order.email is missing");
        assert_eq!(said(order.text("name", 9).unwrap_err()), "order.name is empty");
        assert_eq!(said(order.text("tel", 9).unwrap_err()), "order.tel must be a text");
        assert_eq!(
            said(order.text("addr", 3).unwrap_err()),
            "order.addr has 4 characters; at most 3 are allowed"
        );
        assert_eq!(said(fields.object("n").unwrap_err()), "n must be an object");
        for (name, shown) in [("n", "0"), ("m", "1.5")] {
            assert_eq!(
                said(fields.integer(name, 1..=9).unwrap_err()),
                format!("{name} must be a whole number from 1 to 9, and is {shown}")
            );
        }
    }
}

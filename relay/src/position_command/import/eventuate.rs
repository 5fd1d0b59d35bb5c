//! A record of Eventuate CDC's offset store → where it stands.
//!
//! The key is the reader's name, the value `{"binlogFilename":…,"offset":…,"rowsToSkip":…}`. The offset is
//! where the last rows event begins that is out: it is passed over at a restart.

use serde_json::Value;

use super::{
    Product,
    entry::{Entry, payload},
    error::ImportError,
    foreign::{Foreign, Inside},
};

pub(super) fn names(key: &[u8]) -> Option<Vec<String>> {
    Some(vec![str::from_utf8(key).ok()?.to_owned()])
}

pub(super) fn is_ours(value: &Value) -> bool {
    value.get("binlogFilename").is_some_and(Value::is_string)
}

pub(super) fn read(Entry { names, value, place }: Entry) -> Result<Foreign, ImportError> {
    let name = names.first().map_or("?", String::as_str);
    let place = format!("the offset of `{name}` in {place}");
    let fail = |reason: String| ImportError::Malformed {
        product: Product::Eventuate,
        place: place.clone(),
        reason,
    };
    let value = payload(&value).map_err(|error| fail(format!("it is no JSON: {error}")))?;
    let (Some(file), Some(offset)) = (
        value.get("binlogFilename").and_then(Value::as_str),
        value.get("offset").and_then(Value::as_u64),
    ) else {
        return Err(fail(
            "`binlogFilename` and `offset` are missing or of another kind".to_owned(),
        ));
    };
    let coordinates =
        format!("{file}:{offset}").parse().map_err(|error| fail(format!("{error}")))?;
    // It counts events of all tables behind the offset, and only a reader that has just begun from the
    // offsets of its own old Debezium does so: what they are is not known, so they come once more.
    let inside = match value.get("rowsToSkip").and_then(Value::as_u64) {
        None | Some(0) => Inside::UpToIt,
        Some(rows) => Inside::Rows { rows },
    };
    Ok(Foreign { gtids: None, coordinates: Some(coordinates), inside, place })
}

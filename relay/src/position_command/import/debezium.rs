//! An offset of Debezium's MySQL connector → where it stands.
//!
//! The key is `["connector",{"server":"topic.prefix"}]`. The value's `gtids` were whole before the
//! transaction at `file` and `pos`, where its `BEGIN` begins, or the compressed transaction; `event` events of
//! it are out, and `row` rows of the next one. The commit is only seen in the offset of a later record: a
//! connector that is idle stands behind the last row of the last transaction, not behind the transaction.

use serde_json::{Map, Value};

use super::{
    Product,
    entry::{Entry, payload},
    error::ImportError,
    foreign::{Foreign, Inside},
};
use crate::position::{BinlogCoordinates, GtidSet};

const PRODUCT: Product = Product::Debezium;

/// Connector and prefix together, then each by itself. Other connectors have other keys in the same place.
pub(super) fn names(key: &[u8]) -> Option<Vec<String>> {
    let Ok(Value::Array(parts)) = payload(key) else { return None };
    let [Value::String(connector), Value::Object(partition)] = parts.as_slice() else {
        return None;
    };
    Some(match partition.get("server") {
        Some(Value::String(server)) => {
            vec![format!("{connector}/{server}"), connector.clone(), server.clone()]
        }
        _ => vec![connector.clone()],
    })
}

/// Whether it is, or should be, the MySQL connector's. One that has something missing is not another's.
pub(super) fn is_ours(value: &Value) -> bool {
    !value.is_object() || ["file", "pos", "gtids"].iter().any(|name| value.get(name).is_some())
}

pub(super) fn read(Entry { names, value, place }: Entry) -> Result<Foreign, ImportError> {
    let name = names.first().map_or("?", String::as_str);
    let place = format!("the offset of `{name}` in {place}");
    let fail =
        |reason: String| ImportError::Malformed { product: PRODUCT, place: place.clone(), reason };
    let fields = match payload(&value) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(fail("it is no JSON object".to_owned())),
        Err(error) => return Err(fail(format!("it is no JSON: {error}"))),
    };
    match fields.get("snapshot") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(snapshot) if snapshot == "false" => {}
        Some(snapshot) => {
            return Err(ImportError::Snapshot { place, snapshot: snapshot.to_string() });
        }
    }
    let (gtids, coordinates) = whereabouts(&fields).map_err(fail)?;
    let inside = inside(&fields).map_err(fail)?;
    Ok(Foreign { gtids, coordinates: Some(coordinates), inside, place })
}

fn whereabouts(
    fields: &Map<String, Value>,
) -> Result<(Option<GtidSet>, BinlogCoordinates), String> {
    let Some(Value::String(file)) = fields.get("file") else {
        return Err("`file` is missing or no text".to_owned());
    };
    let position = number(fields, "pos")?.ok_or("`pos` is missing")?;
    // The connector's first offset may say that nothing was read of the file.
    let position = position.max(BinlogCoordinates::FIRST_EVENT);
    let coordinates = format!("{file}:{position}").parse().map_err(|error| format!("{error}"))?;
    let gtids = match fields.get("gtids") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => {
            Some(text.parse().map_err(|error| format!("`gtids`: {error}"))?)
        }
        Some(_) => return Err("`gtids` is no text".to_owned()),
    };
    Ok((gtids, coordinates))
}

fn inside(fields: &Map<String, Value>) -> Result<Inside, String> {
    let events = number(fields, "event")?.unwrap_or(0);
    let rows = number(fields, "row")?.unwrap_or(0);
    Ok(match (events, rows) {
        (0, 0) => Inside::Unsaid,
        (0, rows) => Inside::Rows { rows },
        (events, rows) => Inside::Events { events, rows },
    })
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("`{name}` is {value}, which is no whole number from 0 on")),
        },
    }
}

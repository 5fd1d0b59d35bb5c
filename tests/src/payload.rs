//! A row's identity → the JSON in its column `payload`.

use crate::{Random, ledger::EventId};

/// What orders are about. A payload of one repeated letter would compress to nothing, and random
/// letters not at all; both would flatter or slander whoever sends it.
const WORDS: [&str; 32] = [
    "amount",
    "article",
    "blue",
    "carrier",
    "city",
    "confirmed",
    "country",
    "currency",
    "customer",
    "delivery",
    "discount",
    "express",
    "garden",
    "gift",
    "invoice",
    "item",
    "large",
    "note",
    "number",
    "order",
    "payment",
    "pending",
    "price",
    "quantity",
    "red",
    "shipping",
    "small",
    "street",
    "tax",
    "total",
    "weight",
    "zip",
];

/// The words begin again after so many bytes: in a payload of megabytes nobody looks at them.
const TEXT_BYTES: usize = 512;

/// JSON of `bytes`, or of as many as naming the event takes. MySQL and the relay give it back as it
/// is: keys in order of length, no blanks between members. Plain ASCII without single quotes.
pub fn payload(event: EventId, bytes: usize) -> String {
    let EventId { key, sequence, .. } = event;
    let mut payload = format!(r#"{{"key":{key},"text":""#);
    let tail = format!(r#"","sequence":{sequence}}}"#);
    let text_bytes = bytes.saturating_sub(payload.len() + tail.len());
    let text = text(event, text_bytes.min(TEXT_BYTES));
    while payload.len() + tail.len() < bytes {
        let missing = bytes - payload.len() - tail.len();
        payload.push_str(text.get(..missing).unwrap_or(&text));
    }
    payload.push_str(&tail);
    payload
}

/// Words and numbers, `bytes` of them, the same for the same event of every run.
fn text(event: EventId, bytes: usize) -> String {
    let mut random = Random::new(u64::from(event.key) << 32 | u64::from(event.sequence));
    let mut text = String::with_capacity(bytes + 32);
    while text.len() < bytes {
        let drawn = random.draw();
        let word = usize::try_from(drawn % 32).ok().and_then(|index| WORDS.get(index));
        text.push_str(word.copied().unwrap_or_default());
        text.push_str(&format!(" {} ", drawn >> 48));
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const EVENT: EventId = EventId { run: 1, key: 4_711, sequence: 12 };

    #[test]
    fn payload_has_the_size_that_was_asked_for_and_names_its_event() {
        for bytes in [60, 300, 100_000] {
            let payload = payload(EVENT, bytes);

            assert_eq!(payload.len(), bytes);
            let value: Value = serde_json::from_str(&payload).unwrap();
            assert_eq!((&value["key"], &value["sequence"]), (&4_711.into(), &12.into()));
        }
    }

    #[test]
    fn payload_that_is_asked_to_be_too_small_still_names_its_event() {
        assert_eq!(payload(EVENT, 0), r#"{"key":4711,"text":"","sequence":12}"#);
    }

    #[test]
    fn text_differs_from_row_to_row_and_not_from_run_to_run() {
        let other = EventId { sequence: 13, ..EVENT };

        assert_ne!(payload(EVENT, 300), payload(other, 300));
        assert_eq!(payload(EVENT, 300), payload(EventId { run: 2, ..EVENT }, 300));
    }
}

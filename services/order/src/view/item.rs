//! An order ↔ an item. Hash key `transaction_id`, range key `user_id`, all attributes but the version
//! are texts.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::orders::{Order, Versioned};

pub(super) const HASH_KEY: &str = "transaction_id";
pub(super) const RANGE_KEY: &str = "user_id";
/// Goes up by one with each status; what the reference does not have.
pub(super) const VERSION: &str = "version";

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn key(transaction_id: &str, user_id: &str) -> Item {
    [(HASH_KEY, transaction_id), (RANGE_KEY, user_id)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}

pub(super) fn item(versioned: Versioned) -> Item {
    let Versioned { order, version } = versioned;
    let Order { transaction_id, user_id, name, addr, tel, email, status, updated } = order;
    let texts = [
        (HASH_KEY, transaction_id),
        (RANGE_KEY, user_id),
        ("name", name),
        ("addr", addr),
        ("tel", tel),
        ("email", email),
        ("status", status),
        ("updated", updated),
    ];
    let mut item: Item =
        texts.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into();
    item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
    item
}

/// `None` if somebody else has written it: then it is not what MySQL would say.
pub(super) fn order(mut item: Item) -> Option<Order> {
    let mut text = |name: &str| match item.remove(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    };
    Some(Order {
        transaction_id: text(HASH_KEY)?,
        user_id: text(RANGE_KEY)?,
        name: text("name")?,
        addr: text("addr")?,
        tel: text("tel")?,
        email: text("email")?,
        status: text("status")?,
        updated: text("updated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versioned() -> Versioned {
        let text = str::to_owned;
        let order = Order {
            transaction_id: text("a-1"),
            user_id: text("user"),
            name: text("Hong Gil Dong"),
            addr: text("29, Hansil-ro"),
            tel: text("01012341234"),
            email: text(""),
            status: text("ORDER_CREATED"),
            updated: text("2026-01-01T00:00:00.000001Z"),
        };
        Versioned { order, version: 7 }
    }

    #[test]
    fn order_is_the_same_after_its_way_through_an_item() {
        let there = item(versioned());

        assert_eq!(there[VERSION], AttributeValue::N("7".to_owned()));
        for (name, value) in key("a-1", "user") {
            assert_eq!(there[&name], value);
        }
        assert_eq!(order(there), Some(versioned().order));
    }

    #[test]
    fn item_that_lacks_something_is_no_order() {
        for name in item(versioned()).into_keys().filter(|name| name != VERSION) {
            let mut lacking = item(versioned());
            lacking.remove(&name);
            assert_eq!(order(lacking), None, "{name}");
        }
    }
}

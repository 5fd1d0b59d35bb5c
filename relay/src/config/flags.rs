//! Flags of the command line → tree.

use super::{
    keys::KEYS,
    outbox::tables,
    tree::{Node, Origin, split_key},
};

/// A flag that was given, by its long name with the dashes; [`super::keys::KEYS`] says which key it
/// sets.
#[derive(Debug, Clone)]
pub struct Flag {
    pub flag: &'static str,
    /// More than one only for a flag that may be repeated.
    pub values: Vec<String>,
}

pub(super) fn read(flags: &[Flag]) -> Node {
    let mut root = Node::table();
    for Flag { flag, values } in flags {
        let key = KEYS
            .iter()
            .find(|key| key.flag == Some(*flag))
            .expect("every configuration flag is in KEYS; a test of cli.rs holds it to that");
        let origin = Origin::Flag { flag };
        let node = match (key.name, values.last()) {
            ("outbox", _) => tables(values.iter().map(String::as_str), &origin),
            (_, Some(value)) => Node::untyped(value, origin),
            (_, None) => continue,
        };
        root.insert(&split_key(key.name), node);
    }
    root
}

//! What position promises, one file for each family of properties.

mod coordinates;
mod gtid_set_laws;
mod gtid_text;
mod log_pos;
mod position_laws;

use proptest::prelude::*;
use uuid::Uuid;

use super::{Gtid, GtidSet, GtidTag};

/// A universe so small that random sets overlap, touch and leave holes.
fn gtid() -> impl Strategy<Value = Gtid> {
    let source = (0..3_u128).prop_map(Uuid::from_u128);
    let tag = prop_oneof![
        2 => Just(GtidTag::UNTAGGED),
        1 => "[a-b_][0-9_]?".prop_map(|text| text.parse().unwrap()),
    ];
    (source, tag, 1..40_u64).prop_map(|(source, tag, number)| Gtid { source, tag, number })
}

fn gtids() -> impl Strategy<Value = Vec<Gtid>> {
    prop::collection::vec(gtid(), 0..120)
}

fn gtid_set() -> impl Strategy<Value = GtidSet> {
    gtids().prop_map(GtidSet::from_iter)
}

//! `GtidSet` does what a plain set of GTIDs does.

use std::collections::BTreeSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::{gtid, gtids};
use crate::position::{GTID_NUMBER_MAX, Gtid, GtidInterval, GtidSet, GtidTag};

/// The set as its members, one by one.
fn members(set: &GtidSet) -> BTreeSet<Gtid> {
    let mut members = BTreeSet::new();
    for (source, tag, intervals) in set.iter() {
        for number in intervals.iter().flat_map(GtidInterval::half_open) {
            assert!(members.insert(Gtid { source, tag, number }), "{number} is in two intervals");
        }
    }
    members
}

fn model(gtids: &[Gtid]) -> BTreeSet<Gtid> {
    gtids.iter().copied().collect()
}

/// Sorted, apart from each other, nothing empty.
fn assert_normalised(set: &GtidSet) {
    for (_, _, intervals) in set.iter() {
        assert!(!intervals.is_empty(), "a key without intervals in {set}");
        assert!(intervals.iter().all(|interval| interval.first() <= interval.last()), "{set}");
        assert!(
            intervals.windows(2).all(|pair| pair[0].last() + 1 < pair[1].first()),
            "intervals that touch in {set}"
        );
    }
}

proptest! {
    #[test]
    fn insert_keeps_exactly_the_members_in_any_order(
        (order, shuffled) in gtids().prop_flat_map(|g| (Just(g.clone()), Just(g).prop_shuffle())),
    ) {
        let set = GtidSet::from_iter(order.clone());

        assert_normalised(&set);
        prop_assert_eq!(members(&set), model(&order));
        prop_assert_eq!(set.count(), model(&order).len() as u64);
        prop_assert_eq!(set.is_empty(), order.is_empty());
        prop_assert_eq!(set, GtidSet::from_iter(shuffled));
    }

    #[test]
    fn contains_is_membership(inserted in gtids(), asked in gtid()) {
        let set = GtidSet::from_iter(inserted.clone());

        prop_assert_eq!(set.contains(&asked), model(&inserted).contains(&asked));
    }

    #[test]
    fn union_is_the_set_of_both_in_either_order(a in gtids(), b in gtids()) {
        let (left, right) = (GtidSet::from_iter(a.clone()), GtidSet::from_iter(b.clone()));
        let mut sum = left.clone();
        sum.union(&right);
        let mut reversed = right.clone();
        reversed.union(&left);

        assert_normalised(&sum);
        prop_assert_eq!(members(&sum), &model(&a) | &model(&b));
        prop_assert!(sum.contains_all(&left) && sum.contains_all(&right));
        prop_assert_eq!(sum, reversed);
    }

    #[test]
    fn union_does_not_depend_on_grouping(a in gtids(), b in gtids(), c in gtids()) {
        let [a, b, c] = [a, b, c].map(GtidSet::from_iter);
        let mut first_two_first = a.clone();
        first_two_first.union(&b);
        first_two_first.union(&c);
        let mut last_two_first = b;
        last_two_first.union(&c);
        let mut sum = a;
        sum.union(&last_two_first);

        prop_assert_eq!(sum, first_two_first);
    }

    #[test]
    fn subtract_leaves_what_the_other_lacks(a in gtids(), b in gtids()) {
        let (left, right) = (GtidSet::from_iter(a.clone()), GtidSet::from_iter(b.clone()));
        let mut rest = left.clone();
        rest.subtract(&right);

        assert_normalised(&rest);
        prop_assert_eq!(members(&rest), &model(&a) - &model(&b));
        prop_assert!(!rest.intersects(&right));
        let mut back = rest;
        back.union(&right);
        prop_assert!(back.contains_all(&left));
    }

    #[test]
    fn contains_all_and_intersects_are_subset_and_overlap(a in gtids(), b in gtids()) {
        // Random sets are hardly ever subsets of each other: cut one down half of the time.
        let (left, mut right) = (GtidSet::from_iter(a), GtidSet::from_iter(b));
        if right.count() % 2 == 0 {
            let mut outside = right.clone();
            outside.subtract(&left);
            right.subtract(&outside);
        }
        let (left_members, right_members) = (members(&left), members(&right));

        prop_assert_eq!(left.contains_all(&right), left_members.is_superset(&right_members));
        prop_assert_eq!(left.intersects(&right), !left_members.is_disjoint(&right_members));
        prop_assert_eq!(right.intersects(&left), left.intersects(&right));
    }
}

#[test]
fn tags_are_worlds_of_their_own() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let untagged: GtidSet = format!("{uuid}:1-10").parse().unwrap();
    let tagged: GtidSet = format!("{uuid}:blue:1-10").parse().unwrap();
    let mut rest = tagged.clone();
    rest.subtract(&untagged);

    assert!(!untagged.intersects(&tagged));
    assert!(!untagged.contains_all(&tagged));
    assert_eq!(rest, tagged);
}

#[test]
fn subtract_of_a_source_only_the_other_has_changes_nothing() {
    let mine: GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-10".parse().unwrap();
    let theirs: GtidSet = "00000000-71ca-11e1-9e33-c80aa9429562:1-10".parse().unwrap();
    let mut rest = mine.clone();
    rest.subtract(&theirs);

    assert_eq!(rest, mine);
}

#[test]
fn an_interval_that_sticks_out_on_one_side_is_not_contained() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let set: GtidSet = format!("{uuid}:10-20:30-40").parse().unwrap();
    let contains = |text: &str| set.contains_all(&format!("{uuid}:{text}").parse().unwrap());

    assert!(contains("10-20:35"));
    assert!(!contains("9-20") && !contains("10-21") && !contains("15-35") && !contains("41"));
}

#[test]
fn intervals_that_share_one_end_intersect() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let set: GtidSet = format!("{uuid}:10-20").parse().unwrap();
    let intersects = |text: &str| set.intersects(&format!("{uuid}:{text}").parse().unwrap());

    assert!(intersects("1-10") && intersects("20-30") && intersects("1-30"));
    assert!(!intersects("1-9") && !intersects("21-30") && !intersects("1-9:21-30"));
}

#[test]
fn one_cut_may_reach_over_several_intervals() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let mut set: GtidSet = format!("{uuid}:1-10:20-30:40-50:60-70").parse().unwrap();
    set.subtract(&format!("{uuid}:5-6:25-65:70").parse().unwrap());

    assert_eq!(set.to_string(), format!("{uuid}:1-4:7-10:20-24:66-69"));
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let source = Uuid::from_u128(1);
    let whole = GtidInterval::new(1, GTID_NUMBER_MAX).unwrap();
    let mut set = GtidSet::default();
    for number in [GTID_NUMBER_MAX, GTID_NUMBER_MAX - 1, 1] {
        set.insert(&Gtid { source, tag: GtidTag::UNTAGGED, number });
    }
    set.insert_interval(source, GtidTag::UNTAGGED, whole);
    set.insert_interval(source, "tag".parse().unwrap(), whole);
    let mut tags = set.clone();
    tags.insert_interval(source, "other".parse().unwrap(), whole);
    let mut rest = set.clone();
    rest.subtract(&set);

    assert_eq!(set.to_string(), format!("{source}:1-{GTID_NUMBER_MAX}:tag:1-{GTID_NUMBER_MAX}"));
    assert_eq!(set.count(), 2 * GTID_NUMBER_MAX);
    assert_eq!(tags.count(), u64::MAX);
    assert!(rest.is_empty());
    assert_eq!(whole.half_open(), 1..GTID_NUMBER_MAX + 1);
}

#[test]
fn numbers_that_no_transaction_has_do_not_come_in() {
    let new = |number| Gtid::new(Uuid::nil(), GtidTag::UNTAGGED, number);

    assert!(new(1).is_ok() && new(GTID_NUMBER_MAX).is_ok());
    assert_eq!(
        new(0).unwrap_err().to_string(),
        "0 is not a transaction number: they run from 1 to 9223372036854775806"
    );
    assert!(new(GTID_NUMBER_MAX + 1).is_err());
    assert_eq!(GtidInterval::new(0, 4), None);
    assert_eq!(GtidInterval::new(5, 4), None);
    assert_eq!(GtidInterval::new(5, GTID_NUMBER_MAX + 1), None);
}

#[test]
#[should_panic(expected = "checked where it came in")]
fn a_set_refuses_number_zero_instead_of_becoming_unreadable() {
    let zero = Gtid { source: Uuid::nil(), tag: GtidTag::UNTAGGED, number: 0 };

    GtidSet::default().insert(&zero);
}

#[test]
fn next_number_of_a_set_with_many_holes_extends_its_last_interval() {
    let source = Uuid::from_u128(7);
    let number = |number| Gtid { source, tag: GtidTag::UNTAGGED, number };
    let mut set: GtidSet = (1..=20_000).step_by(2).map(number).collect();
    for next in 20_000..20_100 {
        set.insert(&number(next));
    }

    let (_, _, intervals) = set.iter().next().unwrap();
    assert_eq!(intervals.len(), 10_000);
    assert_eq!(intervals.last().unwrap().half_open(), 19_999..20_100);
    assert!(set.contains(&number(5)) && !set.contains(&number(6)));
}

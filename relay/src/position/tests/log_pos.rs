//! Positions in files larger than an event header can name.

use proptest::prelude::*;
use rstest::rstest;

use crate::position::{EndPosition, widen};

const GIB_4: u64 = 1 << 32;

fn low(position: u64) -> u32 {
    u32::try_from(position % GIB_4).unwrap()
}

proptest! {
    #[test]
    fn any_position_less_than_4_gib_on_is_found_again(
        previous in 4..1_u64 << 50,
        step in 0..GIB_4,
    ) {
        prop_assert_eq!(widen(previous, low(previous + step)), previous + step);
    }

    #[test]
    fn a_walk_over_events_ends_where_the_file_ends(
        start in prop_oneof![Just(4), GIB_4 - 200..GIB_4 + 200, 4..1_u64 << 40],
        events in prop::collection::vec((any::<bool>(), 19..1_u32 << 30), 0..40),
    ) {
        let (mut end, mut expected) = (EndPosition::new(start), start);
        for (in_file, bytes) in events {
            if in_file {
                expected += u64::from(bytes);
                end.advance(bytes, low(expected));
            } else if low(expected) != low(0_u64.wrapping_sub(u64::from(bytes))) {
                end.advance(bytes, 0);
            }
            prop_assert_eq!(end.get(), expected);
        }
    }
}

#[rstest]
#[case::same(1_000, 1_000, 1_000)]
#[case::forward(1_000, 1_200, 1_200)]
#[case::wraps(GIB_4 - 10, 90, GIB_4 + 90)]
#[case::wraps_to_zero(GIB_4 - 10, 0, GIB_4)]
#[case::beyond(3 * GIB_4 + 5, 7, 3 * GIB_4 + 7)]
#[case::wraps_again(3 * GIB_4 + 5, 4, 4 * GIB_4 + 4)]
#[case::last_position_of_all(u64::MAX, 0, u64::MAX)]
fn the_next_position_with_these_low_bits_is_meant(
    #[case] previous: u64,
    #[case] log_pos: u32,
    #[case] expected: u64,
) {
    assert_eq!(widen(previous, log_pos), expected);
}

#[test]
fn an_event_that_is_in_no_file_does_not_move_the_position() {
    let mut end = EndPosition::new(1_000);
    end.advance(120, 0);

    assert_eq!(end.get(), 1_000);
}

/// A dump that skips what the GTID set holds sends events that do not follow each other.
#[test]
fn a_position_in_the_header_counts_although_events_before_it_were_not_sent() {
    let mut end = EndPosition::new(4);
    end.advance(120, 5_000);

    assert_eq!(end.get(), 5_000);
}

#[test]
fn an_event_that_ends_exactly_at_4_gib_does_move_it() {
    let mut end = EndPosition::new(GIB_4 - 120);
    end.advance(120, 0);

    assert_eq!(end.get(), GIB_4);
}

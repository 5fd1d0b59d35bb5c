//! Binlog coordinates: text and order.

use std::cmp::Ordering::{Equal, Greater, Less};

use proptest::prelude::*;
use rstest::rstest;

use crate::position::BinlogCoordinates;

fn at(file: &str, position: u64) -> BinlogCoordinates {
    BinlogCoordinates { file: file.into(), position }
}

proptest! {
    #[test]
    fn coordinates_survive_their_text(
        base in "[a-zA-Z0-9_.:-]{1,20}",
        number in 1..u32::MAX,
        position in 4..u64::MAX,
    ) {
        let coordinates = at(&format!("{base}.{number:06}"), position);

        prop_assert_eq!(coordinates.to_string().parse::<BinlogCoordinates>().unwrap(), coordinates);
    }

    #[test]
    fn within_a_series_the_order_is_number_then_position(
        (a, a_position) in (1..3_000_000_u32, 4..9_u64),
        (b, b_position) in (1..3_000_000_u32, 4..9_u64),
    ) {
        let left = at(&format!("bin-log.{a:06}"), a_position);
        let right = at(&format!("bin-log.{b:06}"), b_position);

        let expected = (a, a_position).cmp(&(b, b_position));
        prop_assert_eq!(left.partial_cmp(&right), Some(expected));
        prop_assert_eq!(left == right, expected == Equal);
    }
}

#[rstest]
#[case::digits_are_numbers("bin-log.000009", "bin-log.000010", Some(Less))]
#[case::six_digits_overflow("bin-log.999999", "bin-log.1000000", Some(Less))]
#[case::newer("bin-log.1000000", "bin-log.000010", Some(Greater))]
#[case::same("bin-log.000010", "bin-log.000010", Some(Equal))]
#[case::other_base("bin-log.000009", "binlog.000010", None)]
#[case::two_spellings("bin-log.10", "bin-log.000010", None)]
#[case::no_number("bin-log", "bin-log.000010", None)]
#[case::number_beyond_64_bits("bin-log.99999999999999999999", "bin-log.000010", None)]
#[case::no_number_but_the_same("bin-log", "bin-log", Some(Equal))]
fn files_are_compared_by_sequence_number(
    #[case] left: &str,
    #[case] right: &str,
    #[case] expected: Option<std::cmp::Ordering>,
) {
    assert_eq!(at(left, 4).partial_cmp(&at(right, 4)), expected);
}

#[rstest]
#[case("bin-log.000042", "the `:` is missing")]
#[case("bin-log.000042:", "not a number of bytes")]
#[case("bin-log.000042:end", "not a number of bytes")]
#[case("bin-log.000042:-4", "not a number of bytes")]
#[case("bin-log.000042:99999999999999999999", "not a number of bytes")]
#[case("bin-log.000042:3", "the first event of a binlog file is at 4")]
#[case("bin-log:4", "ends in `.` and its number")]
#[case("bin-log.:4", "ends in `.` and its number")]
#[case(".000042:4", "ends in `.` and its number")]
#[case("bin-log.+42:4", "ends in `.` and its number")]
#[case("3e11fa47-71ca-11e1-9e33-c80aa9429562:5", "ends in `.` and its number")]
#[case("/var/lib/mysql/bin-log.000042:4", "without its directory")]
fn a_text_that_is_no_place_is_refused_with_the_reason(#[case] text: &str, #[case] reason: &str) {
    let error = text.parse::<BinlogCoordinates>().unwrap_err();

    assert!(error.reason.contains(reason), "{error}");
    assert_eq!(error.text, text);
}

#[test]
fn the_message_shows_the_form() {
    let error = "bin-log.42".parse::<BinlogCoordinates>().unwrap_err();

    assert_eq!(
        error.to_string(),
        "`bin-log.42` are not binlog coordinates of the form `file:position`, for example \
         `bin-log.000042:4`: the `:` is missing"
    );
}

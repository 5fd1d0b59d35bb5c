//! MySQL's text form: what is taken, what is refused and why, what is printed.

use proptest::prelude::*;
use rstest::rstest;

use super::{gtid, gtid_set};
use crate::position::{Gtid, GtidSet, GtidTag};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const OTHER: &str = "00000000-0000-0000-0000-000000000001";

proptest! {
    #[test]
    fn a_set_survives_its_text(set in gtid_set()) {
        prop_assert_eq!(set.to_string().parse::<GtidSet>().unwrap(), set.clone());
        let json = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<GtidSet>(&json).unwrap(), set);
    }

    #[test]
    fn a_gtid_survives_its_text_and_is_a_set_of_one(gtid in gtid()) {
        prop_assert_eq!(gtid.to_string().parse::<Gtid>().unwrap(), gtid);
        let json = serde_json::to_string(&gtid).unwrap();
        prop_assert_eq!(serde_json::from_str::<Gtid>(&json).unwrap(), gtid);
        prop_assert_eq!(gtid.to_string().parse::<GtidSet>().unwrap(), GtidSet::from_iter([gtid]));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[0-9a-fA-F:, \n_tT-]{0,80}", noise in ".*") {
        // The result does not matter, only that there is one and that its message can be written.
        for text in [text, format!("{UUID}:1-5:{noise}")] {
            if let Err(error) = text.parse::<GtidSet>() {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[rstest]
#[case::empty("", "")]
#[case::only_white_space_and_commas(" ,\n, ", "")]
#[case::several_intervals("U:1-5:7:9-10", "U:1-5:7:9-10")]
#[case::intervals_in_any_order("U:9-10:7:1-5", "U:1-5:7:9-10")]
#[case::overlapping_and_adjacent_intervals("U:1-5:4-9:10:12", "U:1-10:12")]
#[case::as_printed_by_the_server(
    "O:1-3,\nU:1-39:mytag:1-2:other:5",
    "O:1-3,U:1-39:mytag:1-2:other:5"
)]
#[case::sources_in_any_order("U:1,O:1", "O:1,U:1")]
#[case::one_source_twice("U:1,U:2:t:1,U:3", "U:1-3:t:1")]
#[case::tags_in_any_order("U:other:5:mytag:2", "U:mytag:2:other:5")]
#[case::one_tag_twice("U:t:1:u:1:t:2", "U:t:1-2:u:1")]
#[case::only_a_tag("U:t:1", "U:t:1")]
#[case::upper_case("3E11FA47-71CA-11E1-9E33-C80AA9429562:MyTag:1", "U:mytag:1")]
#[case::white_space_everywhere(" U : 1 - 5 : tag : 7 ,\r\n O : 1 \t", "O:1,U:1-5:tag:7")]
#[case::largest_number("U:9223372036854775806", "U:9223372036854775806")]
#[case::longest_tag("U:_2345678901234567890123456789012:1", "U:_2345678901234567890123456789012:1")]
fn a_set_is_read_and_printed_normalised(#[case] text: &str, #[case] printed: &str) {
    let spell = |text: &str| text.replace('U', UUID).replace('O', OTHER);
    // Upper case text spells its UUID out.
    let text = if text.starts_with('3') { text.to_owned() } else { spell(text) };

    let set: GtidSet = text.parse().unwrap();

    assert_eq!(set.to_string(), spell(printed));
}

#[rstest]
#[case::no_uuid("latest", "expected a UUID", 0)]
#[case::uuid_without_hyphens("3e11fa4771ca11e19e33c80aa9429562:1", "expected a UUID", 0)]
#[case::short_uuid("3e11fa47-71ca-11e1-9e33-c80aa942956:1", "expected a UUID", 0)]
#[case::uuid_alone("U", "expected `:` and a number after the UUID", 36)]
#[case::nothing_after_the_colon("U:", "expected a number", 37)]
#[case::zero("U:0", "begin at 1", 37)]
#[case::interval_from_zero("U:0-5", "begin at 1", 37)]
#[case::reversed("U:1:5-3", "ends before it begins", 39)]
#[case::too_large("U:9223372036854775807", "end at 9223372036854775806", 37)]
#[case::far_too_large("U:1-99999999999999999999999", "end at 9223372036854775806", 39)]
#[case::negative("U:-5", "expected a number", 37)]
#[case::half_an_interval("U:5-", "expected a number", 39)]
#[case::two_hyphens("U:1-2-3", "expected `:`, `,` or the end", 40)]
#[case::garbage_behind("U:1-5;", "expected `:`, `,` or the end", 40)]
#[case::number_and_letters("U:5x", "expected `:`, `,` or the end", 38)]
#[case::tag_alone("U:tag", "after the tag", 40)]
#[case::tag_without_number("U:tag:", "expected a number", 41)]
#[case::tag_after_tag("U:tag:other:1", "expected a number", 41)]
#[case::tag_too_long("U:a12345678901234567890123456789012:1", "at most 32 characters", 37)]
#[case::hyphen_in_tag("U:my-tag:1", "after the tag", 39)]
#[case::second_item("U:1,zzz", "expected a UUID", 39)]
#[case::not_ascii("U:1,ü", "expected a UUID", 39)]
fn a_text_that_is_no_set_is_refused_with_reason_and_place(
    #[case] text: &str,
    #[case] reason: &str,
    #[case] at: usize,
) {
    let text = text.replace('U', UUID);

    let error = text.parse::<GtidSet>().unwrap_err();

    assert!(error.reason.contains(reason), "{error}");
    assert_eq!((error.at, error.expected, &error.text), (at, "GTID set", &text));
}

#[test]
fn the_message_names_text_reason_and_place() {
    let error = format!("{UUID}:7-5").parse::<GtidSet>().unwrap_err();

    assert_eq!(
        error.to_string(),
        "`3e11fa47-71ca-11e1-9e33-c80aa9429562:7-5` is not a GTID set: \
         the interval ends before it begins (at character 38)"
    );
}

#[test]
fn the_message_about_a_long_text_shows_only_where_the_fault_is() {
    let many: String = (1..3_000).map(|number| format!("{}:", number * 2)).collect();

    let error = format!("{UUID}:{many}0:{many}7").parse::<GtidSet>().unwrap_err();

    assert_eq!(error.at, UUID.len() + 1 + many.len());
    assert!(error.text.contains(":5998:0:2:4:"), "{}", error.text);
    assert!(error.text.starts_with('…') && error.text.ends_with('…'), "{}", error.text);
    assert!(error.text.chars().count() < 110, "{}", error.text);
}

#[rstest]
#[case::interval("U:1-5", "expected the end")]
#[case::two("U:1,U:2", "expected the end")]
#[case::empty("", "expected a UUID")]
#[case::zero("U:0", "begin at 1")]
#[case::tag_alone("U:tag:", "expected a number")]
fn a_single_gtid_is_exactly_one(#[case] text: &str, #[case] reason: &str) {
    let error = text.replace('U', UUID).parse::<Gtid>().unwrap_err();

    assert!(error.reason.contains(reason), "{error}");
    assert_eq!(error.expected, "GTID");
}

#[rstest]
#[case("", "")]
#[case("_", "_")]
#[case("Tag_1", "tag_1")]
fn a_tag_is_lowered_as_the_server_does(#[case] text: &str, #[case] tag: &str) {
    assert_eq!(text.parse::<GtidTag>().unwrap().as_str(), tag);
}

#[rstest]
#[case("1a")]
#[case("a-b")]
#[case("ä")]
#[case(" a")]
#[case("a\0")]
#[case("a12345678901234567890123456789012")]
fn a_text_that_a_server_would_not_take_is_no_tag(#[case] text: &str) {
    let error = text.parse::<GtidTag>().unwrap_err();

    assert!(error.to_string().contains("is not a GTID tag: a tag has at most 32"), "{error}");
}

//! Finding the columns that the configuration names.

use rstest::rstest;

use super::*;
use crate::error::Disposition;

const COLUMNS: [&str; 5] = ["id", "aggregatetype", "aggregateid", "type", "payload"];

fn wanted_names(toml: &str, columns: &[&'static str]) -> Vec<&'static str> {
    let mapping = Mapping::resolve(&entry(toml), "shop", "outbox", columns).unwrap();
    let mut places = mapping.wanted().to_vec();
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "a column is wanted once: {places:?}");
    places.into_iter().map(|place| columns[place]).collect()
}

#[rstest]
#[case::default("", &["id", "aggregatetype", "aggregateid", "payload"])]
#[case::no_key("key = ''", &["id", "aggregatetype", "payload"])]
#[case::fixed_topic("topic = 'orders'", &["id", "aggregateid", "payload"])]
#[case::one_column_for_all(
    "event_id = 'id'\nkey = 'id'\npayload = 'ID'\ntopic = '${id}.${id}'\ntimestamp = 'id'
     additional = [{ column = 'id', placement = 'header', alias = 'x' }, { column = 'id', placement = 'partition' }]",
    &["id"]
)]
#[case::all("additional = [{ column = 'type', placement = 'header' }]", &COLUMNS)]
fn only_the_columns_that_are_needed_are_wanted(
    #[case] toml: &str,
    #[case] expected: &[&'static str],
) {
    assert_eq!(wanted_names(toml, &COLUMNS), expected);
}

#[test]
fn columns_are_found_in_any_case() {
    let columns = ["ID", "aggregateType", "AggregateId", "Payload", "GRÖSSE"];
    let toml = "additional = [{ column = 'größe', placement = 'header' }]";

    assert!(Mapping::resolve(&entry(""), "shop", "outbox", &columns).is_ok());
    assert!(Mapping::resolve(&entry(toml), "shop", "outbox", &columns).is_err(), "SS is not ß");
    assert_eq!(wanted_names("payload = 'gr\u{f6}sse'", &columns).len(), 4);
}

#[rstest]
#[case("event_id = 'x'", "event_id", "set `event_id` to the column")]
#[case("key = 'x'", "key", "or to \"\" for records without a key")]
#[case("payload = 'x'", "payload", "set `payload` to the column")]
#[case("timestamp = 'x'", "timestamp", "leave it out for the time of the commit")]
#[case("topic = 'a.${type}.${x}'", "topic", "set `topic` to a template")]
#[case("additional = [{ column = 'x', placement = 'header' }]", "additional", "`optional = true`")]
#[case(
    "additional = [{ column = 'x', placement = 'partition' }]",
    "additional",
    "`optional = true`"
)]
fn a_missing_column_is_refused_with_table_setting_and_repair(
    #[case] toml: &str,
    #[case] setting: &str,
    #[case] repair: &str,
) {
    let error = Mapping::resolve(&entry(toml), "shop", "outbox", &COLUMNS).unwrap_err();

    let message = error.to_string();
    assert!(
        message.starts_with(&format!(
            "table `shop.outbox` has no column `x`, which `{setting}` of the [[outbox]] entry \
             `*.outbox` names; it has `id`, `aggregatetype`, `aggregateid`, `type`, `payload`: "
        )),
        "{message}"
    );
    assert!(message.contains(repair), "{message}");
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[test]
fn the_message_about_a_wide_table_shows_the_first_columns() {
    let columns: Vec<String> = (0..1_000).map(|number| format!("column_{number}")).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();

    let error = Mapping::resolve(&entry(""), "shop", "outbox", &columns).unwrap_err();

    let message = error.to_string();
    assert!(message.contains("`column_39` and 960 more: set"), "{message}");
}

#[rstest]
#[case("header")]
#[case("partition")]
fn an_optional_column_that_is_missing_is_left_out(#[case] placement: &str) {
    let toml =
        format!("additional = [{{ column = 'x', placement = '{placement}', optional = true }}]");

    assert_eq!(record(&toml, &row()).unwrap(), record("", &row()).unwrap());
}

#[test]
#[should_panic(expected = "a value for each wanted column")]
fn values_of_other_columns_are_not_taken() {
    let mut mapping = resolve(&entry(""), &row()).unwrap();

    drop(mapping.record(&[text("x")], COMMITTED_US));
}

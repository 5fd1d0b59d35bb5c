//! Names of environment variables.

use rstest::rstest;

use super::{REQUIRED, load, report};

#[rstest]
#[case::dots_as_they_are("ROWPOST_KAFKA__PROPERTIES__SASL.PASSWORD")]
#[case::underscores_for_dots("ROWPOST_KAFKA__PROPERTIES__SASL_PASSWORD")]
#[case::lower_case("ROWPOST_KAFKA__PROPERTIES__sasl.password")]
fn kafka_property_is_set_by(#[case] variable: &str) {
    let config = load(REQUIRED, &[(variable, "hunter2")], &[]).unwrap();

    assert_eq!(config.kafka.properties.get("sasl.password"), Some("hunter2"));
}

#[rstest]
#[case("ROWPOST_KAFKA__PROPERTIES__SASL_PASSWORD_FILE")]
#[case("ROWPOST_KAFKA__PROPERTIES__SASL.PASSWORD_FILE")]
fn file_variant_reads_the_value_from_the_file(#[case] variable: &str) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "hunter2\r\n").unwrap();

    let config = load(REQUIRED, &[(variable, secret.path().to_str().unwrap())], &[]).unwrap();

    assert_eq!(config.kafka.properties.get("sasl.password"), Some("hunter2"));
}

#[test]
fn whole_url_may_come_from_a_file() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "mysql://from:file@h:1\n").unwrap();
    let environment = [("ROWPOST_MYSQL__URL_FILE", secret.path().to_str().unwrap())];

    let config = load(REQUIRED, &environment, &[]).unwrap();

    assert_eq!(config.mysql.url.expose(), "mysql://from:file@h:1");
}

#[test]
fn url_may_name_several_hosts_wherever_it_comes_from() {
    let url = "mysql://u:p@db-1,db-2:3307";
    let environment = [("ROWPOST_MYSQL__URL", url)];

    let by_variable = load(REQUIRED, &environment, &[]).unwrap().mysql.url;
    let by_flag = load(REQUIRED, &[], &[("--mysql", url)]).unwrap().mysql.url;

    assert_eq!(by_variable.to_string(), "mysql://u@db-1:3306,db-2:3307");
    assert_eq!(by_flag, by_variable);
}

#[test]
fn outbox_is_a_list_separated_by_commas() {
    let config = load(REQUIRED, &[("ROWPOST_OUTBOX", "a.x, b.*")], &[]).unwrap();

    let tables: Vec<_> = config.outbox.iter().map(|table| table.table.to_string()).collect();
    assert_eq!(tables, ["a.x", "b.*"]);
}

#[rstest]
#[case("ROWPOST_CONFIG")]
#[case("ROWPOST_BIN")]
#[case("ROWPOST_SEED")]
#[case("ROWPOST_TEST_MYSQL_URL")]
#[case("ROWPOST_STACK_CACHE")]
#[case::kubernetes_service_link("ROWPOST_SERVICE_HOST")]
#[case::kubernetes_service_link_port("ROWPOST_PORT_9187_TCP_ADDR")]
#[case::somebody_else("PATH")]
fn variable_of_others_is_left_alone(#[case] variable: &str) {
    load(REQUIRED, &[(variable, "anything")], &[]).unwrap();
}

#[test]
fn empty_variable_counts_as_not_set() {
    let config = load(REQUIRED, &[("ROWPOST_SOURCE", "")], &[]).unwrap();

    assert_eq!(config.source, "mysql");
}

#[test]
fn misspelt_variables_are_all_refused_with_what_was_meant() {
    let environment = [("ROWPOST_MYSQL__ULR", "x"), ("ROWPOST_PUBLISH__SLOT", "1")];

    let error = load(REQUIRED, &environment, &[]).unwrap_err();

    let lines = error.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("ROWPOST_MYSQL__ULR"), "{lines:?}");
    assert!(lines[0].contains("did you mean ROWPOST_MYSQL__URL?"), "{lines:?}");
    assert!(lines[1].contains("did you mean ROWPOST_PUBLISH__SLOTS?"), "{lines:?}");
}

#[test]
fn value_and_file_for_the_same_key_are_refused() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let environment = [
        ("ROWPOST_KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        ("ROWPOST_KAFKA__PROPERTIES__SASL_PASSWORD_FILE", secret.path().to_str().unwrap()),
    ];

    let error = load(REQUIRED, &environment, &[]).unwrap_err();

    assert!(report(&error).contains("both set kafka.properties.sasl.password"), "{error:?}");
}

#[test]
fn wrong_value_names_the_variable() {
    let error = load(REQUIRED, &[("ROWPOST_PUBLISH__SLOTS", "two")], &[]).unwrap_err();

    let lines = error.lines();
    assert!(
        lines[0].starts_with(
            "publish.slots = `two` (environment variable ROWPOST_PUBLISH__SLOTS) is refused"
        ),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("publish.slots must be 1 or 2"), "{lines:?}");
}

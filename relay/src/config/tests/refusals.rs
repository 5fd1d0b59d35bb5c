//! Every rule refuses what breaks it, and says key, value, place and what is allowed.

use rstest::rstest;

use super::{REQUIRED, load, load_file, report};
use crate::config::Config;

/// The last line of a valid file with `section` and `line` in it.
fn refused(section: &str, line: &str) -> Vec<String> {
    let required = match section {
        "mysql" => REQUIRED.replace("[kafka]", &format!("{line}\n[kafka]")),
        "kafka" => format!("{REQUIRED}{line}"),
        "" => format!("{line}\n{REQUIRED}"),
        other => format!("{REQUIRED}[{other}]\n{line}"),
    };
    load_file(&required).expect_err(line).lines()
}

#[rstest]
#[case("", "source = ''")]
#[case("", "source = 'a b'")]
#[case("", "source = 7")]
#[case("", "delivery = 'twice'")]
#[case("mysql", "server_id = 0")]
#[case("mysql", "server_id = 4294967296")]
#[case("mysql", "heartbeat_interval = '99ms'")]
#[case("mysql", "heartbeat_interval = 5")]
#[case("mysql", "heartbeat_interval = '2h'")]
#[case("mysql", "connect_timeout = '10ms'")]
#[case("publish", "batch_records_max = 0")]
#[case("publish", "batch_records_max = 45001")]
#[case("publish", "batch_bytes_max = '1KiB'")]
#[case("publish", "batch_bytes_max = '1GiB'")]
#[case("publish", "batch_bytes_max = 'much'")]
#[case("publish", "commit_spacing = '2s'")]
#[case("publish", "transaction_timeout = '16m'")]
#[case("publish", "transaction_timeout = '100ms'")]
#[case("publish", "delivery_timeout = '0s'")]
#[case("publish", "slots = 0")]
#[case("publish", "slots = 3")]
#[case("publish", "slots = -1")]
#[case("publish", "slots = '1'")]
#[case("checkpoint", "topic = 'no spaces'")]
#[case("checkpoint", "interval = '1ms'")]
#[case("checkpoint", "replication_factor = 0")]
#[case("checkpoint", "replication_factor = 40000")]
#[case("limits", "in_flight_bytes_max = '2GiB'")]
#[case("limits", "chunk_bytes_max = '1KiB'")]
#[case("limits", "chunk_bytes_max = '9MiB'")]
#[case("limits", "shutdown_grace = '11m'")]
#[case("limits", "retry_backoff_max = '1ms'")]
#[case("limits", "retry_time_max = '1ms'")]
#[case("limits", "retry_time_max = 'never'")]
#[case("http", "listen = 'localhost'")]
#[case("http", "listen = false")]
#[case("log", "format = 'xml'")]
#[case("log", "filter = 'rowpost=loud'")]
fn value_out_of_bounds_is_refused(#[case] section: &str, #[case] line: &str) {
    let lines = refused(section, line);

    let name = line.split_once(" = ").unwrap().0;
    let key = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let value = line.split_once(" = ").unwrap().1.trim_matches('\'');
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{key} = `{value}`")), "{lines:?}");
    assert!(lines[0].contains("rowpost.toml:"), "{lines:?}");
    assert!(lines[0].contains(&format!("{key} must be ")), "{lines:?}");
}

#[rstest]
#[case::no_scheme("127.0.0.1:4318", "must be an HTTP URL")]
#[case::other_scheme("ftp://collector", "must be an HTTP URL")]
#[case::tls("https://collector:4318", "TLS is not spoken here")]
#[case::path("http://collector:4318/v1/traces/", "ends before `/v1/traces`")]
#[case::query("http://collector:4318/?tenant=1", "ends before `/v1/traces`")]
#[case::account("http://a:s3cr3t@collector:4318", "must hold no account")]
fn collector_that_cannot_be_asked_is_refused(#[case] endpoint: &str, #[case] said: &str) {
    let lines = refused("tracing", &format!("otlp_endpoint = '{endpoint}'"));

    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("tracing.otlp_endpoint"), "{lines:?}");
    assert!(lines[0].contains(said), "{lines:?}");
    assert!(!lines[0].contains("s3cr3t"), "{lines:?}");
}

#[rstest]
#[case::no_port("kafka")]
#[case::port_zero("kafka:0")]
#[case::empty("")]
#[case::empty_in_the_list("a:1,,b:2")]
#[case::scheme("kafka://a")]
fn broken_list_of_brokers_is_refused(#[case] servers: &str) {
    let error = load(REQUIRED, &[], &[("--kafka", servers)]).unwrap_err();

    assert!(error.lines()[0].contains("(flag --kafka) is refused"), "{error:?}");
}

#[test]
fn brokers_may_be_names_addresses_and_many() {
    for servers in ["a:1, b.c:65535", "[::1]:9092", "127.0.0.1:9092"] {
        load(REQUIRED, &[], &[("--kafka", servers)]).unwrap();
    }
}

#[test]
fn unknown_key_is_refused_with_its_line_and_what_was_meant() {
    let lines = load_file(&format!("{REQUIRED}\n[publish]\nslot = 2")).unwrap_err().lines();

    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("`publish.slot`"), "{lines:?}");
    assert!(lines[0].contains("rowpost.toml:7"), "{lines:?}");
    assert!(lines[0].contains("did you mean `slots`?"), "{lines:?}");
}

#[rstest]
#[case("", "sauce = 'x'")]
#[case("mysql", "ulr = 'x'")]
#[case("mysql.tls", "cert = 'x'")]
#[case("kafka", "servers = 'x'")]
#[case("publish", "x = 1")]
#[case("checkpoint", "x = 1")]
#[case("limits", "x = 1")]
#[case("http", "x = 1")]
#[case("log", "x = 1")]
#[case("[outbox]", "x = 1")]
fn every_section_denies_unknown_keys(#[case] section: &str, #[case] line: &str) {
    let lines = refused(section, line);

    assert!(lines[0].contains("is not known"), "{lines:?}");
}

#[test]
fn both_required_keys_are_reported_at_once_with_every_way_to_set_them() {
    let lines = Config::load(None, [], &[]).unwrap_err().lines();

    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("mysql.url is not set"), "{lines:?}");
    assert!(lines[0].contains("--mysql") && lines[0].contains("ROWPOST_MYSQL__URL"), "{lines:?}");
    assert!(lines[1].starts_with("kafka.bootstrap_servers is not set"), "{lines:?}");
}

#[test]
fn several_rules_broken_are_reported_together() {
    let file = format!("source = '?'\n{REQUIRED}[publish]\nslots = 5\n[log]\nfilter = '=='");

    let lines = load_file(&file).unwrap_err().lines();

    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn two_outbox_entries_for_the_same_table_are_refused() {
    let file = format!("{REQUIRED}[[outbox]]\ntable = 'a.x'\n[[outbox]]\ntable = 'A.x'");

    let lines = load_file(&file).unwrap_err().lines();

    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("outbox[1].table = `A.x`"), "{lines:?}");
    assert!(lines[0].contains("an earlier [[outbox]] has the same table"), "{lines:?}");
}

#[rstest]
#[case("table = 'outbox'", "outbox[0].table")]
#[case("event_id = ''", "outbox[0].event_id")]
#[case("payload = ''", "outbox[0].payload")]
#[case("topic = ''", "outbox[0].topic")]
#[case("topic = 'outbox.${type'", "outbox[0].topic")]
#[case("event_id_header = ''", "outbox[0].event_id_header")]
#[case("event_id_format = 'hex'", "outbox[0].event_id_format")]
#[case("key_format = ''", "outbox[0].key_format")]
#[case("additional = [{ column = '', placement = 'partition' }]", "outbox[0].additional[0].column")]
#[case("additional = [{ column = 'id', placement = 'header' }]", "outbox[0].additional[0].column")]
#[case(
    "additional = [{ column = 'a', placement = 'header', alias = '' }]",
    "outbox[0].additional[0].alias"
)]
#[case(
    "additional = [{ column = 'a', placement = 'header' },
                   { column = 'b', placement = 'header', alias = 'a' }]",
    "outbox[0].additional[1].alias"
)]
#[case(
    "additional = [{ column = 'a', placement = 'envelope' }]",
    "outbox[0].additional[0].placement"
)]
#[case("timestamp = ''", "outbox[0].timestamp")]
#[case("additional = [{ column = 'a' }]", "outbox[0].additional[0].placement")]
#[case("additional = [{ column = 'a', placement = 'x' }]", "outbox[0].additional[0].placement")]
#[case(
    "additional = [{ column = 'a', placement = 'partition' }, { column = 'b', placement = \
     'partition' }]",
    "outbox[0].additional"
)]
fn broken_outbox_entry_is_refused_by_its_key(#[case] line: &str, #[case] key: &str) {
    let lines = refused("[outbox]", line);

    assert!(lines[0].starts_with(key), "{lines:?}");
}

#[test]
fn tls_files_must_be_readable_and_certificate_and_key_go_together() {
    let file = REQUIRED
        .replace("[kafka]", "tls.ca = '/nowhere/ca.pem'\ntls.certificate = '/dev/null'\n[kafka]");

    let lines = load_file(&file).unwrap_err().lines();

    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("mysql.tls.ca = `/nowhere/ca.pem`"), "{lines:?}");
    assert!(lines[0].contains("No such file"), "{lines:?}");
    assert!(lines[1].starts_with("mysql.tls.certificate"), "{lines:?}");
}

#[test]
fn password_in_the_url_and_in_a_file_is_refused() {
    let file = REQUIRED.replace("[kafka]", "password_file = '/dev/null'\n[kafka]");

    let lines = load_file(&file).unwrap_err().lines();

    assert!(lines[0].starts_with("mysql.password_file"), "{lines:?}");
    assert!(lines[0].contains("mysql.url holds a password too"), "{lines:?}");
}

#[rstest]
#[case::would_break_a_promise("acks = 1", "all in-sync replicas")]
#[case::unknown_to_librdkafka("compresion.type = 'lz4'", "No such configuration property")]
#[case::wrong_value("compression.type = 'best'", "Invalid value")]
fn kafka_property_is_refused_by_name_with_the_reason(#[case] line: &str, #[case] reason: &str) {
    let lines = refused("kafka.properties", line);

    let name = line.split_once(" = ").unwrap().0;
    assert!(lines[0].starts_with(&format!("kafka.properties.{name} = ")), "{lines:?}");
    assert!(lines[0].contains("rowpost.toml:6"), "{lines:?}");
    assert!(lines[0].contains(reason), "{lines:?}");
}

#[test]
fn file_that_is_not_toml_names_line_and_reason() {
    let error = load_file("source = 'a'\nlog = {\n").unwrap_err();

    assert!(report(&error).contains("rowpost.toml:2"), "{}", report(&error));
}

#[test]
fn file_that_is_not_there_is_named() {
    let error = Config::load(Some("/nowhere/rowpost.toml".as_ref()), [], &[]).unwrap_err();

    assert_eq!(error.to_string(), "the config file /nowhere/rowpost.toml cannot be read");
}

#[test]
fn report_shows_the_line_of_the_file() {
    let error = load_file(&format!("{REQUIRED}[publish]\nslots = 3 # three\n")).unwrap_err();

    assert!(report(&error).contains("slots = 3 # three"), "{}", report(&error));
}

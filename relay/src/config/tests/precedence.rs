//! Flags over environment over file over defaults, key by key.

use std::{num::NonZeroUsize, time::Duration};

use super::{REQUIRED, load, load_file};
use crate::config::{Config, Delivery, Flag, LogFormat, StartPolicy};

#[test]
fn flags_alone_are_enough() {
    let flags = [
        Flag { flag: "--mysql", values: vec!["mysql://u:p@h:3306".into()] },
        Flag { flag: "--kafka", values: vec!["k:9092".into()] },
    ];

    let config = Config::load(None, [], &flags).unwrap();

    assert_eq!(config.mysql.url.expose(), "mysql://u:p@h:3306");
    assert_eq!(config.kafka.bootstrap_servers, "k:9092");
    assert_eq!(config.outbox[0].table.to_string(), "*.outbox");
}

#[test]
fn environment_alone_is_enough() {
    let environment = [
        ("ROWPOST_MYSQL__URL", "mysql://u:p@h:3306"),
        ("ROWPOST_KAFKA__BOOTSTRAP_SERVERS", "k:9092"),
    ]
    .map(|(name, value)| (name.into(), value.into()));

    let config = Config::load(None, environment, &[]).unwrap();

    assert_eq!(config.kafka.bootstrap_servers, "k:9092");
}

#[test]
fn flag_goes_over_environment_and_environment_over_file() {
    let file = format!("source = 'file'\n{REQUIRED}[log]\nfilter = 'warn'\nformat = 'json'");
    let environment = [("ROWPOST_SOURCE", "environment"), ("ROWPOST_LOG__FILTER", "debug")];

    let config = load(&file, &environment, &[("--source", "flag")]).unwrap();

    assert_eq!(config.source, "flag");
    assert_eq!(config.log.filter, "debug");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn overriding_one_key_leaves_its_section_alone() {
    let file = format!("{REQUIRED}[publish]\nslots = 1\nbatch_records_max = 7");

    let config = load(&file, &[("ROWPOST_PUBLISH__SLOTS", "2")], &[]).unwrap();

    assert_eq!(config.publish.slots, NonZeroUsize::new(2).unwrap());
    assert_eq!(config.publish.batch_records_max, NonZeroUsize::new(7).unwrap());
}

#[test]
fn every_flag_reaches_its_key() {
    let flags = [
        ("--mysql", "mysql://flag@h:1"),
        ("--kafka", "flag:1"),
        ("--source", "flag"),
        ("--delivery", "at-least-once"),
        ("--start", "latest"),
        ("--http", "off"),
        ("--log-format", "json"),
        ("--log-filter", "trace"),
    ];

    let config = load(REQUIRED, &[], &flags).unwrap();

    assert_eq!(config.mysql.url.expose(), "mysql://flag@h:1");
    assert_eq!(config.kafka.bootstrap_servers, "flag:1");
    assert_eq!(config.source, "flag");
    assert_eq!(config.delivery, Delivery::AtLeastOnce);
    assert_eq!(config.mysql.start, StartPolicy::Latest);
    assert_eq!(config.http.listen, None);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.filter, "trace");
}

#[test]
fn outbox_flags_replace_the_list_of_the_file() {
    let file = format!("{REQUIRED}[[outbox]]\ntable = 'file.outbox'\ntopic = 't'");
    let flags = [Flag { flag: "--outbox", values: vec!["a.x".into(), "b.y".into()] }];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rowpost.toml");
    std::fs::write(&path, file).unwrap();

    let config = Config::load(Some(&path), [], &flags).unwrap();

    let tables: Vec<_> = config.outbox.iter().map(|table| table.table.to_string()).collect();
    assert_eq!(tables, ["a.x", "b.y"]);
    assert_eq!(config.outbox[0].topic.to_string(), "outbox.event.${aggregatetype}");
}

#[test]
fn kafka_properties_may_be_written_with_bare_dots_numbers_and_booleans() {
    let file = format!(
        "{REQUIRED}[kafka.properties]\nsasl.mechanism = 'PLAIN'\n'linger.ms' = 5\n\
         socket.keepalive.enable = true"
    );

    let config = load_file(&file).unwrap();

    let properties = &config.kafka.properties;
    assert_eq!(properties.get("sasl.mechanism"), Some("PLAIN"));
    assert_eq!(properties.get("linger.ms"), Some("5"));
    assert_eq!(properties.get("socket.keepalive.enable"), Some("true"));
}

#[test]
fn durations_and_sizes_are_read_from_every_layer() {
    let file = format!("{REQUIRED}[limits]\nchunk_bytes_max = '64KiB'\nshutdown_grace = '3s'");
    let environment = [("ROWPOST_LIMITS__RETRY_TIME_MAX", "1h 30m")];

    let limits = load(&file, &environment, &[]).unwrap().limits;

    assert_eq!(limits.chunk_bytes_max.as_u64(), 64 * 1024);
    assert_eq!(limits.shutdown_grace, Duration::from_secs(3));
    assert_eq!(limits.retry_time_max, Some(Duration::from_secs(5400)));
}

#[test]
fn server_id_is_stable_for_a_source_and_lies_in_the_upper_half() {
    let id = |source| load(REQUIRED, &[], &[("--source", source)]).unwrap().server_id().get();

    // The literal holds it stable between versions: a changed id would meet its predecessor's.
    assert_eq!(id("mysql"), 2_501_908_538);
    assert_ne!(id("orders"), id("payments"));
    assert!(id("orders") >= 1 << 31);
    let set = load(REQUIRED, &[("ROWPOST_MYSQL__SERVER_ID", "7")], &[]).unwrap();
    assert_eq!(set.server_id().get(), 7);
}

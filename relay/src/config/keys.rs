//! Every configuration key, and in words what it takes: for error messages, for the names of the
//! environment variables, and for the tests that keep the documents complete.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `section.key`; `outbox[].key` inside the list of outbox tables.
    pub name: &'static str,
    /// Completes "must be …".
    pub takes: &'static str,
    pub flag: Option<&'static str>,
    pub required: bool,
}

const fn key(name: &'static str, takes: &'static str) -> Key {
    Key { name, takes, flag: None, required: false }
}

impl Key {
    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// `mysql.url` → `ROWPOST_MYSQL__URL`; keys of one outbox table have none.
    pub fn variable(&self) -> Option<String> {
        if self.name.contains("[]") {
            return None;
        }
        Some(format!("ROWPOST_{}", self.name.replace('.', "__").to_ascii_uppercase()))
    }
}

const FILE: &str = "the path of a PEM file";
const NAME: &str = "the name of a column";
const HEADER: &str = "the name of a header, which no other column has";
const BINARY_FORMAT: &str = "`raw`, `uuid` or `uuid-swapped`";
const BOOLEAN: &str = "`true` or `false`";

/// In the order of rowpost.example.toml.
pub const KEYS: &[Key] = &[
    key("source", "1 to 100 of the characters a-z A-Z 0-9 . _ -").flag("--source"),
    key("delivery", "`exactly-once` or `at-least-once`").flag("--delivery"),
    key(
        "mysql.url",
        "a URL such as `mysql://user:password@host:3306`, or with several hosts `…@db-1:3306,db-2:3306`",
    )
    .flag("--mysql")
    .required(),
    key("mysql.password_file", "the path of a file that holds the password"),
    key("mysql.server_id", "a whole number from 1 to 4294967295"),
    key("mysql.start", "`earliest`, `latest`, `table`, `file:position` or a GTID set")
        .flag("--start"),
    key("mysql.on_position_lost", "`halt`, `earliest` or `table`"),
    key("mysql.heartbeat_interval", "a duration from `100ms` to `1h`"),
    key("mysql.connect_timeout", "a duration from `100ms` to `5m`"),
    key("mysql.tls.required", BOOLEAN),
    key("mysql.tls.ca", FILE),
    key("mysql.tls.certificate", FILE),
    key("mysql.tls.key", FILE),
    key("mysql.tls.skip_hostname_verification", BOOLEAN),
    key("kafka.bootstrap_servers", "a comma-separated list of `host:port`")
        .flag("--kafka")
        .required(),
    key("kafka.properties", "a table of librdkafka properties"),
    key("outbox", "a list of `[[outbox]]` tables").flag("--outbox"),
    key("outbox[].table", "`database.table`, where `*` stands for any name or a part of one"),
    key("outbox[].event_id", NAME),
    key("outbox[].event_id_header", HEADER),
    key("outbox[].event_id_format", BINARY_FORMAT),
    key("outbox[].key", "the name of a column, or empty for records without a key"),
    key("outbox[].key_format", BINARY_FORMAT),
    key("outbox[].payload", NAME),
    key("outbox[].timestamp", NAME),
    key("outbox[].topic", "a topic name in which `${column}` stands for the column's value"),
    key("outbox[].additional", "a list of tables with column, placement, alias, format, optional"),
    key("outbox[].additional[].column", NAME),
    key("outbox[].additional[].placement", "`header` or `partition`"),
    key("outbox[].additional[].alias", HEADER),
    key("outbox[].additional[].format", BINARY_FORMAT),
    key("outbox[].additional[].optional", BOOLEAN),
    key("outbox[].event_type", NAME),
    key("outbox[].tombstone_on_empty_payload", BOOLEAN),
    key("outbox[].start_order", NAME),
    key("publish.batch_records_max", "a whole number from 1 to 45000"),
    key("publish.batch_bytes_max", "a size from `64KiB` to `64MiB`"),
    key("publish.commit_spacing", "a duration up to `1s`; `0s` for none"),
    key("publish.transaction_timeout", "a duration from `1s` to `15m`"),
    key("publish.delivery_timeout", "a duration from `1s` to `1h`"),
    key("publish.slots", "1 or 2"),
    key("checkpoint.topic", "a Kafka topic name"),
    key("checkpoint.interval", "a duration from `100ms` to `1h`"),
    key("checkpoint.replication_factor", "1 to 32767, or -1 for the broker's default"),
    key("limits.in_flight_bytes_max", "a size up to `1GiB`, at least limits.chunk_bytes_max"),
    key("limits.chunk_bytes_max", "a size from `4KiB` up"),
    key("limits.shutdown_grace", "a duration from `0s` to `10m`"),
    key("limits.retry_backoff_max", "a duration from `100ms` to `10m`"),
    key("limits.retry_time_max", "a duration from `1s` up, or `off`"),
    key("http.listen", "an address such as `127.0.0.1:9187`, or `off`").flag("--http"),
    key("log.format", "`text` or `json`").flag("--log-format"),
    key("log.filter", "a tracing filter such as `info` or `rowpost=debug,info`")
        .flag("--log-filter"),
    key("tracing.otlp_endpoint", "an HTTP URL such as `http://127.0.0.1:4318`"),
];

/// The entry of a key; list positions are ignored (`outbox[2].key` is `outbox[].key`).
pub fn find(name: &str) -> Option<&'static Key> {
    let name = if name.starts_with("kafka.properties.") {
        return Some(&PROPERTY);
    } else {
        name.split(['[', ']'])
            .map(|part| {
                if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
                    "[]"
                } else {
                    part
                }
            })
            .collect::<String>()
    };
    KEYS.iter().find(|key| key.name == name)
}

static PROPERTY: Key = key(
    "kafka.properties",
    "a text, number or boolean that librdkafka takes for this property; one that would break a \
     promise must be left out",
);

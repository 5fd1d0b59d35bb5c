//! Outbox tables of other names and types.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Setup, needs};

use crate::{
    case::Case,
    consumer::{self, Record},
};

/// One table with the entry that maps it, and what its row becomes.
struct Shape {
    name: &'static str,
    columns: &'static str,
    /// Of the `[[outbox]]` entry, besides `table` and `topic`.
    entry: &'static str,
    row: &'static str,
    key: Option<&'static [u8]>,
    value: Option<&'static [u8]>,
    headers: &'static [(&'static str, Option<&'static [u8]>)],
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "binary_ids",
        columns: "event_id binary(16) primary key, customer binary(16) not null, \
                  kind enum('placed', 'paid'), body json, trace varbinary(20), parent binary(16)",
        entry: "event_id = 'event_id', event_id_header = 'message-id', key = 'customer', \
                key_format = 'uuid', payload = 'body', additional = [\
                { column = 'kind', placement = 'header', alias = 'eventType' }, \
                { column = 'trace', placement = 'header' }, \
                { column = 'parent', placement = 'header', format = 'uuid-swapped' }, \
                { column = 'absent', placement = 'header', optional = true }]",
        // SERVER: the binlog strips the zeros at the end of a BINARY value.
        row: "x'0190a3c45b6d7e8f9012345678000000', x'00112233445566778899aabbccddee00', 'paid', \
              '[1, {\"b\": \"\u{e9}\", \"a\": true}]', x'00ff00', x'7e8f5b6d0190a3c49012345678000000'",
        key: Some(b"00112233-4455-6677-8899-aabbccddee00"),
        value: Some("[1,{\"a\":true,\"b\":\"\u{e9}\"}]".as_bytes()),
        headers: &[
            ("message-id", Some(b"0190a3c4-5b6d-7e8f-9012-345678000000")),
            ("eventType", Some(b"paid")),
            ("trace", Some(b"\x00\xff\x00")),
            ("parent", Some(b"0190a3c4-5b6d-7e8f-9012-345678000000")),
        ],
    },
    Shape {
        name: "numbers",
        columns: "n bigint unsigned auto_increment primary key, account int not null, \
                  data longblob, amount decimal(12,2), flags set('a', 'b', 'c'), note varchar(9)",
        entry: "event_id = 'N', key = 'ACCOUNT', payload = 'data', additional = [\
                { column = 'amount', placement = 'header' }, \
                { column = 'flags', placement = 'header' }, \
                { column = 'note', placement = 'header' }]",
        row: "18446744073709551615, -7, x'0001fffe00', -1234567.80, 'c,a', null",
        key: Some(b"-7"),
        value: Some(b"\x00\x01\xff\xfe\x00"),
        headers: &[
            ("id", Some(b"18446744073709551615")),
            ("amount", Some(b"-1234567.80")),
            ("flags", Some(b"a,c")),
            ("note", None),
        ],
    },
    Shape {
        name: "latin1",
        columns: "id char(36) primary key, k varchar(30) null, payload text, \
                  title varchar(30) character set utf8",
        entry: "key = 'k', additional = [{ column = 'title', placement = 'header' }]",
        row: "'0190A3C4-5B6D-7E8F-9012-345678000000', 'stra\u{df}e', 'gr\u{fc}\u{df}e \u{20ac}', '\u{4f60}\u{597d}'",
        key: Some("stra\u{df}e".as_bytes()),
        value: Some("gr\u{fc}\u{df}e \u{20ac}".as_bytes()),
        headers: &[
            ("id", Some(b"0190A3C4-5B6D-7E8F-9012-345678000000")),
            ("title", Some("\u{4f60}\u{597d}".as_bytes())),
        ],
    },
    Shape {
        name: "no_key",
        columns: "id int primary key, payload mediumtext, aggregateid varchar(10)",
        entry: "key = '', tombstone_on_empty_payload = true",
        row: "5, ' \n', 'ignored'",
        key: None,
        value: None,
        headers: &[("id", Some(b"5"))],
    },
    Shape {
        name: "null_key",
        columns: "id int primary key, payload varbinary(10), aggregateid varchar(10) null",
        entry: "",
        row: "6, '', null",
        key: None,
        value: Some(b""),
        headers: &[("id", Some(b"6"))],
    },
    Shape {
        name: "tombstone",
        columns: "id int primary key, payload blob, aggregateid char(10)",
        entry: "",
        row: "7, null, 'gone'",
        key: Some(b"gone"),
        value: None,
        headers: &[("id", Some(b"7"))],
    },
    Shape {
        name: "everything_at_once",
        columns: "id char(36) primary key, payload json, aggregateid varchar(10), generated_key \
                  varchar(20) generated always as (concat('g-', aggregateid)) stored, \
                  hidden varchar(20) generated always as (concat('v-', aggregateid)) virtual",
        entry: "key = 'generated_key', additional = [{ column = 'hidden', placement = 'header' }]",
        row: "'x', '{}', 'k', default, default",
        key: Some(b"g-k"),
        value: Some(b"{}"),
        headers: &[("id", Some(b"x")), ("hidden", Some(b"v-k"))],
    },
];

async fn tables_are_mapped_as_configured(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "shapes").await?;
    let mut session = case.session().await?;
    let topic = |shape: &Shape| format!("{}.{}", case.database, shape.name);
    let mut entries = Vec::new();
    for shape in SHAPES {
        let charset = if shape.name == "latin1" { "latin1" } else { "utf8mb4" };
        session
            .run(format!(
                "create table `{}` ({}) character set {charset}",
                shape.name, shape.columns
            ))
            .await?;
        case.create_topic(&topic(shape), 1).await?;
        let comma = if shape.entry.is_empty() { "" } else { "," };
        entries.push(format!(
            "{{ table = '{}.{}', topic = '{}'{comma} {} }}",
            case.database,
            shape.name,
            topic(shape),
            shape.entry
        ));
    }
    let mut config = case.config()?;
    config.set("outbox", format!("[{}]", entries.join(", ")));
    let _relay = case.relay_with(config).await?;

    for shape in SHAPES {
        session.run(format!("insert into `{}` values ({})", shape.name, shape.row)).await?;
    }

    for shape in SHAPES {
        let records = consumer::read(case.kafka, &topic(shape), 1).await?;
        let [Record { key, value, headers, .. }] = records.as_slice() else {
            panic!("{}: {records:?}", shape.name);
        };
        assert_eq!(key.as_deref(), shape.key, "{}", shape.name);
        assert_eq!(value.as_deref(), shape.value, "{}", shape.name);
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(headers, shape.headers, "{}", shape.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_mapped_as_configured_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    tables_are_mapped_as_configured(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_mapped_as_configured_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    tables_are_mapped_as_configured(Setup::Reference).await
}

/// A topic of several columns; a partition by number where the row names one, else by key.
async fn rows_are_routed_by_their_columns(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "routed").await?;
    let mut session = case.session().await?;
    session
        .run("alter table outbox add column part tinyint unsigned null, add column v int")
        .await?;
    let topic = |kind: &str, version: u8| format!("{}.{kind}.v{version}", case.database);
    for (kind, version) in [("order", 1), ("order", 2), ("payment", 1)] {
        case.create_topic(&topic(kind, version), 4).await?;
    }
    let mut config = case.config()?;
    config.set(
        "outbox",
        format!(
            "[{{ table = '{0}.outbox', topic = '{0}.${{aggregatetype}}.v${{v}}', \
              additional = [{{ column = 'part', placement = 'partition' }}] }}]",
            case.database
        ),
    );
    let _relay = case.relay_with(config).await?;

    for (kind, version, part) in
        [("order", 1, "3"), ("order", 2, "0"), ("payment", 1, "2"), ("order", 1, "null")]
    {
        session
            .run(format!(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload, part, v) \
                 values (uuid(), '{kind}', 'foobar', '{part}', '1', {part}, {version})"
            ))
            .await?;
    }

    for (kind, version, expected) in
        // Java's murmur2 of `foobar` is -790332482.
        [("order", 1, vec![2, 3]), ("order", 2, vec![0]), ("payment", 1, vec![2])]
    {
        let records = consumer::read(case.kafka, &topic(kind, version), expected.len()).await?;
        let mut partitions: Vec<i32> = records.iter().map(|record| record.partition).collect();
        partitions.sort_unstable();
        assert_eq!(partitions, expected, "{kind} {version}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_routed_by_their_columns_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    rows_are_routed_by_their_columns(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_routed_by_their_columns_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    rows_are_routed_by_their_columns(Setup::Reference).await
}

/// Names as odd as the server allows, found by pattern in several schemas; the first entry counts.
async fn tables_of_odd_names_in_several_schemas_are_found_by_pattern(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "odd").await?;
    let mut session = case.session().await?;
    let prefix = &case.database;
    let databases =
        [format!("{prefix}-shop `a`"), format!("{prefix} b\u{fc}ro.de"), format!("{prefix}x")];
    let tables = ["outbox", "out-box 1", "out`box\u{e9}", "not_ours"];
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    for database in &databases {
        session.run(format!("create database {}", quoted(database))).await?;
        for table in tables {
            session
                .run(format!("create table {}.{} like outbox", quoted(database), quoted(table)))
                .await?;
        }
    }
    let mut config = case.config()?;
    // A dot in a database's name cannot be told from the one behind it: `*` stands for it.
    config.set(
        "outbox",
        format!(
            "[{{ table = '{prefix}-*.out*box*', topic = '{0}' }}, {{ table = '{prefix} b\u{fc}ro*.out*', \
              topic = '{0}' }}, {{ table = '{prefix}*.outbox', topic = '{0}' }}]",
            case.topic()
        ),
    );
    let _relay = case.relay_with(config).await?;

    let mut expected = Vec::new();
    for (database, published) in databases.iter().zip([3, 3, 1]) {
        for (number, table) in tables.iter().enumerate() {
            let id = session.id();
            session
                .run(format!(
                    "insert into {}.{} (id, aggregatetype, aggregateid, type, payload) \
                     values ('{id}', 'x', 'k', 't', '1')",
                    quoted(database),
                    quoted(table)
                ))
                .await?;
            if number < published {
                expected.push(id);
            }
        }
    }
    session.insert(1).await?;
    expected.append(&mut session.ids);

    let records = case.records(expected.len()).await?;
    let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
    for database in &databases {
        session.run(format!("drop database {}", quoted(database))).await?;
    }
    assert_eq!(ids, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_odd_names_are_found_by_pattern_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    tables_of_odd_names_in_several_schemas_are_found_by_pattern(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_odd_names_are_found_by_pattern_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    tables_of_odd_names_in_several_schemas_are_found_by_pattern(Setup::Reference).await
}

/// With `lower_case_table_names=1` the binlog says `shop` of what everybody calls `Shop`.
async fn pattern_is_compared_as_the_server_compares_names(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start_with(setup, &["--lower-case-table-names=1"]).await?;
    let case = Case::on(&mysql, "Lowered").await?;
    let mut config = case.config()?;
    config.set("outbox", format!("[{{ table = '{}.OutBox' }}]", case.database.to_uppercase()));
    let _relay = case.relay_with(config).await?;
    let mut session = case.session().await?;

    session.insert(2).await?;
    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pattern_is_compared_as_the_current_server_compares_names() -> Result<()> {
    needs!(Setup::Current.tier());
    pattern_is_compared_as_the_server_compares_names(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pattern_is_compared_as_the_reference_server_compares_names() -> Result<()> {
    needs!(Setup::Reference.tier());
    pattern_is_compared_as_the_server_compares_names(Setup::Reference).await
}

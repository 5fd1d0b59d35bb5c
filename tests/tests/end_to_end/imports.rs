//! `rowpost position import`: what another product has published does not come again, and everything
//! else comes.

use anyhow::{Context, Result};
use rowpost_tests::{
    Relay, Setup,
    command_line::{Said, rowpost_with},
    needs,
    relay::RelayConfig,
};

use crate::{
    case::{Case, Session},
    consumer::{self, Record},
    foreign_positions::{
        CONNECTOR, Written, debezium_at, eventuate_at, maxwell_at, offsets_file, store, transaction,
    },
    position_set::assert_ended,
    position_show::show,
    stack::LONG,
};

async fn import(config: &RelayConfig, arguments: &[&str]) -> Result<Said> {
    rowpost_with(config, &[&["position", "import"], arguments].concat()).await
}

/// The case's rows, in a topic of the config's own.
fn config(case: &Case<'_>, name: &str) -> Result<RelayConfig> {
    let mut config = case.config()?;
    let database = &case.database;
    config
        .set_text("source", &format!("{database}.{name}"))
        .set_text("checkpoint.interval", "200ms")
        .set("outbox", format!("[{{ table = '{database}.outbox', topic = '{database}.{name}' }}]"));
    Ok(config)
}

/// One transaction of four statements on the outbox table, with others in between; 9 rows count.
async fn write_large(session: &mut Session) -> Result<()> {
    session.run("begin").await?;
    session.insert(3).await?;
    session.insert_other().await?;
    session.insert(3).await?;
    session.run("update outbox set type = 'Changed' where id like '%5'").await?;
    session.insert(3).await?;
    session.run("commit").await
}

const LARGE: usize = 9;

/// Rows that the transaction begins behind, as the other product published them.
const BEFORE: usize = 2;

/// A relay that goes on from the import publishes exactly the rows behind the first `out`.
async fn expect_rest(
    case: &Case<'_>,
    session: &Session,
    config: RelayConfig,
    name: &str,
    out: usize,
) -> Result<()> {
    let mut relay = Relay::start(config).await?;
    let expected = &session.ids[out..];
    let topic = format!("{}.{name}", case.database);
    let records = consumer::read(case.kafka, &topic, expected.len()).await?;
    let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
    assert_eq!(ids, expected, "{name}");
    relay.terminate(LONG).await?;
    Ok(())
}

/// Writes what comes before, the large transaction and what comes behind it.
async fn written(case: &Case<'_>) -> Result<(Session, Written)> {
    let mut session = case.session().await?;
    let start = crate::starting::end_of_binlog(case.mysql).await?.0;
    session.insert(BEFORE).await?;
    write_large(&mut session).await?;
    session.insert(1).await?;
    let written = transaction(case, &start, LARGE).await?;
    Ok((session, written))
}

/// As Kafka Connect keeps it: in a topic, under the connector's name.
#[tokio::test(flavor = "multi_thread")]
async fn offset_of_kafka_connect_inside_a_transaction_goes_on_with_the_next_row() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "connect").await?;
    let (session, written) = written(&case).await?;
    let topic = format!("{}.connect-offsets", case.database);
    case.kafka.create_topic(&topic, 3, &[("cleanup.policy", "compact")]).await?;

    for out in [1, 5, LARGE] {
        let name = format!("c{out}");
        // The newest record of the key counts.
        for rows in [LARGE, out] {
            store(case.kafka, &topic, &debezium_at(&written, rows, true, &name)).await?;
        }
        let config = config(&case, &name)?;
        let arguments = ["--from", "debezium", "--topic", &topic, "--name", &name, "--force"];
        let said = import(&config, &arguments).await?;
        assert_ended(&said, 0, &["nothing is left out or repeated", "the position is set"]);
        let checkpoint = &show(&config).await?["checkpoint"]["position"];
        let in_progress = checkpoint["in_progress"]["outbox_rows"].as_u64();
        let inside = (1..LARGE).contains(&out).then_some(out as u64);
        assert_eq!(in_progress, inside, "{said:?}");
        expect_rest(&case, &session, config, &name, BEFORE + out).await?;
    }

    // The server has GTIDs, the offset has not: it is from before there were any.
    let plain = debezium_at(&written, 5, false, "plain");
    store(case.kafka, &topic, &plain).await?;
    let config = config(&case, "plain")?;
    let arguments = ["--from", "debezium", "--topic", &topic, "--name", "plain", "--force"];
    assert_ended(&import(&config, &arguments).await?, 0, &["nothing is left out"]);
    assert!(show(&config).await?["checkpoint"]["position"]["gtid_set"].is_string());
    expect_rest(&case, &session, config, "plain", BEFORE + 5).await
}

/// As the engine and a standalone worker keep it, of a server without GTIDs.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_file_inside_a_transaction_goes_on_with_the_next_row() -> Result<()> {
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "file").await?;
    let (session, written) = written(&case).await?;
    let folder = tempfile::tempdir()?;

    // A GTID set stands still where gtid_mode is not ON: coordinates count then.
    for (out, with_gtids) in [(0, false), (2, false), (7, true)] {
        let name = format!("f{out}");
        let file = folder.path().join("offsets.dat");
        let file = file.to_str().context("a path of text")?;
        std::fs::write(file, offsets_file(&debezium_at(&written, out, with_gtids, CONNECTOR))?)?;
        let config = config(&case, &name)?;
        let dry = import(&config, &["--from", "debezium", "--file", file, "--dry-run"]).await?;
        assert_ended(&dry, 0, &["offsets.dat", "events and", "dry run: nothing was written"]);
        assert!(show(&config).await?["checkpoint"].is_null());
        let said = import(&config, &["--from", "debezium", "--file", file, "--force"]).await?;
        assert_ended(&said, 0, &["nothing is left out or repeated", "the position is set"]);
        expect_rest(&case, &session, config, &name, BEFORE + out).await?;
    }
    Ok(())
}

/// Events of a compressed transaction are counted inside of it.
#[tokio::test(flavor = "multi_thread")]
async fn offset_inside_a_compressed_transaction_goes_on_with_the_next_row() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "compressed").await?;
    let mut session = case.session().await?;
    session.run("set session binlog_transaction_compression = on").await?;
    let start = crate::starting::end_of_binlog(case.mysql).await?.0;
    write_large(&mut session).await?;
    session.insert(1).await?;
    let written = transaction(&case, &start, LARGE).await?;
    assert!(written.is_compressed);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("offsets.dat");
    std::fs::write(&file, offsets_file(&debezium_at(&written, 4, true, CONNECTOR))?)?;

    let config = config(&case, "z")?;
    let file = file.to_str().context("a path of text")?;
    let said = import(&config, &["--from", "debezium", "--file", file, "--force"]).await?;
    assert_ended(&said, 0, &["nothing is left out or repeated"]);
    expect_rest(&case, &session, config, "z", 4).await
}

/// On another server, or once the file is purged, events cannot be counted: rows come again, none is missing.
#[tokio::test(flavor = "multi_thread")]
async fn offset_that_cannot_be_counted_begins_the_transaction_once_more_and_says_so() -> Result<()>
{
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "elsewhere").await?;
    let (mut session, written) = written(&case).await?;
    let middle = crate::starting::end_of_binlog(case.mysql).await?.0;
    write_large(&mut session).await?;
    let second = transaction(&case, &middle, LARGE).await?;
    let topic = format!("{}.connect-offsets", case.database);
    case.kafka.create_topic(&topic, 1, &[]).await?;

    let elsewhere = Written { file: "mysql-bin.004711".to_owned(), ..written.clone() };
    let shifted = Written { begin: written.begin + 1, ..written.clone() };
    // GTIDs say another transaction than the coordinates do.
    let (file, begin) = (written.file, written.begin);
    let torn = Written { file, begin, ..second };
    let all = [
        ("file", elsewhere, BEFORE),
        ("place", shifted, BEFORE),
        ("gtids", torn, BEFORE + LARGE + 1),
    ];
    for (name, written, begins_behind) in all {
        store(case.kafka, &topic, &debezium_at(&written, 4, true, name)).await?;
        let config = config(&case, name)?;
        let arguments = ["--from", "debezium", "--topic", &topic, "--name", name];
        let refused = import(&config, &arguments).await?;
        let doubt = "at most 9 outbox rows of the transaction at bin-log.";
        assert_ended(&refused, 64, &["IN DOUBT", doubt, "once more", "--yes"]);
        let said = import(&config, &[&arguments[..], &["--yes", "--force"]].concat()).await?;
        assert_ended(&said, 0, &["IN DOUBT", "the position is set"]);
        expect_rest(&case, &session, config, name, begins_behind).await?;
    }
    Ok(())
}

async fn position_of_maxwell_goes_on_behind_its_last_row(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "maxwell").await?;
    let (session, written) = written(&case).await?;
    let schema = format!("{}_state", case.database);
    let rows_of = |client: &str, out| maxwell_at(&case, &written, &schema, client.to_owned(), out);
    let arguments = |client| ["--from", "maxwell", "--schema", &schema, "--client-id", client];

    let config_of_none = config(&case, "none")?;
    let missing = import(&config_of_none, &arguments("a")).await?;
    assert_ended(&missing, 69, &["`positions` cannot be read", "SELECT"]);
    rows_of("a", LARGE).await?;
    let missing = import(&config_of_none, &["--from", "maxwell", "--schema", &schema]).await?;
    assert_ended(&missing, 66, &["no position of client_id `maxwell`", "client_id `a`"]);

    let config_a = config(&case, "a")?;
    let said = import(&config_a, &[&arguments("a")[..], &["--force"]].concat()).await?;
    assert_ended(&said, 0, &["client_id `a`", "nothing is left out or repeated"]);
    expect_rest(&case, &session, config_a, "a", BEFORE + LARGE).await?;

    // Not at a transaction's last row: rows before it may be under way.
    rows_of("b", 6).await?;
    let config_b = config(&case, "b")?;
    let refused = import(&config_b, &arguments("b")).await?;
    assert_ended(&refused, 64, &["IN DOUBT", "at most 6 outbox rows", "--yes"]);
    let said = import(&config_b, &[&arguments("b")[..], &["--yes", "--force"]].concat()).await?;
    assert_ended(&said, 0, &["the position is set"]);
    expect_rest(&case, &session, config_b, "b", BEFORE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn position_of_maxwell_goes_on_behind_its_last_row_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    position_of_maxwell_goes_on_behind_its_last_row(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn position_of_maxwell_goes_on_behind_its_last_row_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    position_of_maxwell_goes_on_behind_its_last_row(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn offset_of_eventuate_goes_on_behind_its_rows_event() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for (setup, out) in [(Setup::Current, 6), (Setup::Reference, 3)] {
        let case = Case::shared(setup, "eventuate").await?;
        let (session, written) = written(&case).await?;
        let topic = format!("{}.offsets", case.database);
        case.kafka.create_topic(&topic, 1, &[]).await?;
        store(case.kafka, &topic, &eventuate_at(&written, out, "reader1")).await?;

        let config = config(&case, "e")?;
        let arguments = ["--from", "eventuate", "--topic", &topic, "--force"];
        let said = import(&config, &arguments).await?;
        assert_ended(&said, 0, &["`reader1` in topic", "nothing is left out or repeated"]);
        expect_rest(&case, &session, config, "e", BEFORE + out).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_refused_with_the_reason() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    let case = Case::shared(Setup::Current, "refused").await?;
    let (_session, written) = written(&case).await?;
    let config = config(&case, "r")?;
    let topic = format!("{}.connect-offsets", case.database);
    let from_topic = ["--from", "debezium", "--topic", &topic];
    assert_ended(&import(&config, &from_topic).await?, 66, &["there is no topic", &topic]);
    case.kafka.create_topic(&topic, 1, &[]).await?;
    assert_ended(&import(&config, &from_topic).await?, 66, &["no offset of Debezium"]);

    let of = |gtids: &str, name: &str| {
        let (key, value) = debezium_at(&written, 4, true, name);
        let mut value: serde_json::Value = serde_json::from_str(&value).expect("made here");
        value["gtids"] = gtids.into();
        (key, value.to_string())
    };
    let unknown = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5";
    store(case.kafka, &topic, &of(unknown, "unknown")).await?;
    let said = import(&config, &from_topic).await?;
    assert_ended(&said, 69, &["lacks transactions", unknown]);
    store(case.kafka, &topic, &of("nonsense", "nonsense")).await?;
    let several = import(&config, &from_topic).await?;
    assert_ended(&several, 64, &["`nonsense/shop`, `unknown/shop`", "--name"]);
    let nonsense = import(&config, &[&from_topic[..], &["--name", "nonsense"]].concat()).await?;
    assert_ended(&nonsense, 69, &["`gtids`", "partition 0, offset 1"]);
    let none = import(&config, &[&from_topic[..], &["--name", "other"]].concat()).await?;
    assert_ended(&none, 66, &["of `other`; there are: `nonsense/shop`"]);
    let wrong = import(&config, &["--from", "maxwell", "--name", "x"]).await?;
    assert_ended(&wrong, 64, &["--name says nothing about Maxwell"]);
    let missing = import(&config, &["--from", "debezium", "--file", "/nowhere.dat"]).await?;
    assert_ended(&missing, 64, &["/nowhere.dat"]);

    // Without GTIDs: the file is purged, and a place at which nothing begins.
    let case = Case::shared(Setup::Reference, "refused").await?;
    let (_session, written) = self::written(&case).await?;
    let config = self::config(&case, "r")?;
    let purged = Written { file: "bin-log.000000".to_owned(), ..written.clone() };
    let shifted = Written { begin: written.begin + 1, ..written };
    for (name, written, parts) in [
        ("purged", purged, ["has purged what the checkpoint needs", "bin-log.000000"]),
        ("shifted", shifted, ["no event begins or ends there", "bin-log.0"]),
    ] {
        store(case.kafka, &topic, &debezium_at(&written, 4, false, name)).await?;
        let said = import(&config, &[&from_topic[..], &["--name", name]].concat()).await?;
        assert_ended(&said, 69, &parts);
    }
    assert!(show(&config).await?["checkpoint"].is_null(), "nothing was set");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn product_that_still_runs_is_noticed_and_nothing_is_set() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "runs").await?;
    let (_session, written) = written(&case).await?;
    let config = config(&case, "r")?;
    let topic = format!("{}.connect-offsets", case.database);
    case.kafka.create_topic(&topic, 1, &[]).await?;
    store(case.kafka, &topic, &debezium_at(&written, 3, true, "c")).await?;

    let arguments = ["--from", "debezium", "--topic", &topic];
    let importing = import(&config, &arguments);
    let running = async {
        // The import has read, and waits for a relay that may run.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        store(case.kafka, &topic, &debezium_at(&written, 4, true, "c")).await
    };
    let (said, stored) = tokio::join!(importing, running);

    stored?;
    assert_ended(&said?, 69, &["Debezium still runs", "nothing was set"]);
    assert!(show(&config).await?["checkpoint"].is_null());
    Ok(())
}

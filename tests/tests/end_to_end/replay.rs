//! A part of the binlog, published once more: the same records, byte for byte, and one header.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rowpost_tests::{
    Setup,
    command_line::{Said, rowpost_with},
    needs,
    relay::RelayConfig,
};

use crate::{
    case::{Case, Session},
    consumer::{self, Record},
};

/// Where the server's binlog is, in every way that a replay can name it.
pub(crate) struct Moment {
    pub(crate) coordinates: String,
    pub(crate) gtids: String,
    pub(crate) time: Timestamp,
    /// Rows before it.
    pub(crate) rows: usize,
}

pub(crate) async fn moment(case: &Case<'_>, session: &Session) -> Result<Moment> {
    // The reference server's times are whole seconds.
    let pause = match case.mysql.setup() {
        Setup::Reference => Duration::from_millis(1100),
        Setup::Current | Setup::Mysql80 => Duration::from_millis(20),
    };
    tokio::time::sleep(pause).await;
    let time = Timestamp::now();
    let status = match case.mysql.setup() {
        Setup::Current => "show binary log status",
        Setup::Reference | Setup::Mysql80 => "show master status",
    };
    let (file, position, _, _, gtids): (String, u64, String, String, String) =
        case.mysql.value(status).await?;
    let coordinates = format!("{file}:{position}");
    let gtids = gtids.replace('\n', "");
    Ok(Moment { coordinates, gtids, time, rows: session.ids.len() })
}

/// Runs it to its end.
pub(crate) async fn replay(config: &RelayConfig, arguments: &[&str]) -> Result<Said> {
    rowpost_with(config, &[&["replay"], arguments].concat()).await
}

pub(crate) async fn replay_well(config: &RelayConfig, arguments: &[&str]) -> Result<String> {
    let said = replay(config, arguments).await?;
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
    Ok(said.stdout)
}

/// Replayed records are the originals with the mark of `name`.
#[track_caller]
pub(crate) fn assert_replayed(replayed: &[Record], originals: &[Record], name: &str) {
    let marked: Vec<Record> = originals
        .iter()
        .cloned()
        .map(|mut record| {
            record.headers.push(("replayed".to_owned(), Some(name.as_bytes().to_vec())));
            record
        })
        .collect();
    assert_eq!(replayed.len(), marked.len(), "{name}");
    for (replayed, marked) in replayed.iter().zip(&marked) {
        assert_eq!(replayed, marked, "{name}");
    }
}

/// Replays to a topic of its own, and compares.
pub(crate) async fn compare(
    case: &Case<'_>,
    config: &RelayConfig,
    originals: &[Record],
    (name, range): (&str, &[&str]),
) -> Result<()> {
    let prefix = format!("{name}.");
    let topic = format!("{prefix}{}", case.topic());
    case.create_topic(&topic, 1).await?;
    let arguments = [range, &["--name", name, "--to-topic-prefix", &prefix]].concat();

    let stdout = replay_well(config, &arguments).await?;

    assert!(
        stdout.contains(&format!("{} records", originals.len())),
        "{} records:\n{stdout}",
        originals.len()
    );
    assert_replayed(&consumer::read_now(case.kafka, &topic).await?, originals, name);
    Ok(())
}

/// Beside the daemon, whose checkpoint and records stay what they would be.
async fn every_kind_of_replay_publishes_the_same_records(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "replay").await?;
    let config = case.config()?;
    let relay = case.relay().await?;
    let mut session = case.session().await?;
    let mut moments = Vec::new();
    for round in 0..3 {
        moments.push(moment(&case, &session).await?);
        for rows in [1, 7, 3] {
            session.insert(rows).await?;
            session.insert_other().await?;
        }
        session.insert_long(200_000 * (round + 1)).await?;
    }
    moments.push(moment(&case, &session).await?);
    let originals = case.records(session.ids.len()).await?;
    let (begin, end) = (&moments[1], &moments[2]);
    let middle = &originals[begin.rows..end.rows];
    let (begin_time, end_time) = (begin.time.to_string(), end.time.to_string());

    let by_position: &[&str] = &["--from", &begin.coordinates, "--until", &end.coordinates];
    let by_time: &[&str] = &["--from", &begin_time, "--until", &end_time];
    let by_gtids: &[&str] = &["--from", &begin.gtids, "--until", &end.gtids];
    let mixed: &[&str] = &["--from", &begin_time, "--until", &end.coordinates];
    let past = place_to_pass(setup, begin)?;
    let by_place: &[&str] = &["--from", &past, "--until", &end.coordinates];
    let name = |kind: &str| format!("{kind}-{}", case.database);
    compare(&case, &config, middle, (&name("position"), by_position)).await?;
    compare(&case, &config, middle, (&name("place"), by_place)).await?;
    compare(&case, &config, middle, (&name("time"), by_time)).await?;
    compare(&case, &config, middle, (&name("mixed"), mixed)).await?;
    compare(&case, &config, &originals, (&name("earliest"), &["--from", "earliest"])).await?;
    if setup != Setup::Reference {
        compare(&case, &config, middle, (&name("gtids"), by_gtids)).await?;
    }

    let folder = copy_of_binlogs(&case).await?;
    let path = folder.path().to_string_lossy().into_owned();
    let mut serverless = config.clone();
    if setup != Setup::Reference {
        // The names of columns are in the binlog.
        serverless.remove("mysql.url");
    }
    for (kind, range, expected) in [
        ("files-position", by_position, middle),
        ("files-place", by_place, middle),
        ("files-time", by_time, middle),
        ("files-earliest", &["--from", "earliest"][..], &originals[..]),
        ("files-gtids", by_gtids, middle),
    ] {
        if setup == Setup::Reference && kind == "files-gtids" {
            continue;
        }
        let range = [range, &["--binlog-dir", &path]].concat();
        compare(&case, &serverless, expected, (&name(kind), &range)).await?;
    }

    // The daemon has noticed nothing, and goes on where it was.
    session.insert(2).await?;
    let records = case.records(session.ids.len()).await?;
    let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
    assert_eq!(ids, session.ids);
    assert_eq!(records[..originals.len()], originals);
    let status = relay.status().await?;
    assert_eq!(status["retries"], serde_json::json!({ "source": 0, "publish": 0 }));
    Ok(())
}

/// In the commit of the transaction before the moment. A file of the reference server may just have been
/// begun then, so there it is the end of that transaction.
fn place_to_pass(setup: Setup, moment: &Moment) -> Result<String> {
    let (file, position) = moment.coordinates.split_once(':').context("coordinates")?;
    let back = u64::from(setup != Setup::Reference);
    Ok(format!("past:{file}:{}", position.parse::<u64>()? - back))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_replay_publishes_the_same_records_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    every_kind_of_replay_publishes_the_same_records(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_replay_publishes_the_same_records_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    every_kind_of_replay_publishes_the_same_records(Setup::Reference).await
}

/// The server's files as they lie there, every third packed with gzip and every third with zstd.
pub(crate) async fn copy_of_binlogs(case: &Case<'_>) -> Result<tempfile::TempDir> {
    let base: String = case.mysql.value("select @@log_bin_basename").await?;
    let base = std::path::PathBuf::from(base);
    let series = base.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
    let folder = tempfile::tempdir()?;
    for entry in std::fs::read_dir(base.parent().context("a folder")?)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(number) = name.strip_prefix(&format!("{series}.")) else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        let copy = folder.path().join(name);
        std::fs::copy(&path, &copy)?;
        let packer: &[&str] = match number % 3 {
            0 => &["gzip", "-q"],
            1 => &["zstd", "-q", "--rm"],
            _ => continue,
        };
        // Where a packer is not installed the file stays plain.
        if let Some((program, flags)) = packer.split_first() {
            let packed = std::process::Command::new(program).args(flags).arg(&copy).status();
            drop(packed);
        }
    }
    Ok(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_and_a_dry_run_only_says_so() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_where").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    for number in 0..12 {
        let id = session.id();
        session
            .run(format!(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
                 values ('{id}', '{}', 'k{}', 't{}', '{number}')",
                case.database,
                number % 3,
                number % 2,
            ))
            .await?;
        session.ids.push(id);
    }
    let originals = case.records(12).await?;
    let end = moment(&case, &session).await?;
    let mut config = case.config()?;
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates];
    let choose = |numbers: &[usize]| -> Vec<Record> {
        numbers.iter().map(|number| originals[*number].clone()).collect()
    };
    let id = format!("id={}", session.ids[5]);

    for (name, choices, expected) in [
        ("key", &["key=k1"][..], choose(&[1, 4, 7, 10])),
        ("keys-and-type", &["key=k1", "key=k2", "type=t0"], choose(&[2, 4, 8, 10])),
        ("id", &[id.as_str()], choose(&[5])),
        ("table", &["table=outbox"], originals.clone()),
        ("no-table", &["table=another.outbox"], Vec::new()),
    ] {
        let name = format!("{name}-{}", case.database);
        let choices: Vec<&str> = choices.iter().flat_map(|choice| ["--where", choice]).collect();
        compare(&case, &config, &expected, (&name, &[&range[..], &choices].concat())).await?;
    }

    // Nothing answers at this address.
    config.set_text("kafka.bootstrap_servers", "127.0.0.1:1");
    let said =
        replay_well(&config, &[&range[..], &["--dry-run", "--where", "type=t1"]].concat()).await?;
    assert!(said.contains("6 records of 6 transactions"), "{said}");
    assert!(said.contains(&format!("{}  6\n", case.topic())), "{said}");
    assert!(said.contains(&format!("first: {}", session.ids[1])), "{said}");
    assert!(said.contains(&format!("last: {}", session.ids[11])), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_is_begun_once_and_resumed_only_as_it_was_begun() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_name").await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    session.insert(3).await?;
    let end = moment(&case, &session).await?;
    let config = case.config()?;
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates, "--where", "key=k"];

    let said = replay(&config, &range).await?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let again = replay(&config, &range).await?;
    assert_eq!(again.code, Some(64), "the same replay has the same name");
    assert!(again.stderr.contains("is finished"), "{}", again.stderr);

    let named = [&range[..], &["--name", "n1"]].concat();
    replay_well(&config, &named).await?;
    let resumed = replay_well(&config, &["--resume", "--name", "n1"]).await?;
    assert!(resumed.contains("nothing to resume"), "{resumed}");
    for (other, argument) in [
        (["--from", "earliest"], "--from"),
        (["--where", "key=x"], "--where"),
        (["--to-topic-prefix", "x"], "--to-topic-prefix"),
    ] {
        let said = replay(&config, &[&["--resume", "--name", "n1"], &other[..]].concat()).await?;
        assert_eq!(said.code, Some(64), "{argument}");
        assert!(said.stderr.contains(argument), "{}", said.stderr);
    }
    let unknown = replay(&config, &["--resume", "--name", "n2"]).await?;
    assert_eq!(unknown.code, Some(64), "{}", unknown.stderr);
    assert_eq!(case.records(6).await?.len(), 6, "twice, to the usual topic");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_halts_before_what_cannot_be_published_and_says_how_to_pass_it() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_halts").await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    session.insert(2).await?;
    let id = session.id();
    session
        .run(format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
             values ('{id}', 'no topic', 'k', 't', '1')"
        ))
        .await?;
    session.insert(3).await?;
    let config = case.config()?;

    let range = ["--from", &begin.coordinates, "--name", "halts"];
    let mut past = String::new();
    for arguments in [[&range[..], &["--dry-run"]].concat(), range.to_vec()] {
        let said = replay(&config, &arguments).await?;

        assert_eq!(said.code, Some(65), "{}", said.stderr);
        let named = said.stderr.split('`').find_map(|part| part.split_once("position set "));
        let Some((_, named)) = named else { panic!("no command is named: {}", said.stderr) };
        past = named.to_owned();
        for part in [
            "replay `halts` cannot go on",
            "begin another replay with `--from`",
            &id.to_string(),
            "goes to topic `outbox.event.no topic`",
        ] {
            assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        }
    }
    assert_eq!(case.records(2).await?.len(), 2, "what is before it");
    assert!(past.starts_with("past:"), "{past}");
    replay_well(&config, &["--from", &past, "--name", "goes-on"]).await?;
    assert_eq!(case.records(5).await?.len(), 5, "and what is behind it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn set_and_place_that_files_end_before_are_refused() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_ends").await?;
    let mut session = case.session().await?;
    session.insert(2).await?;
    let end = moment(&case, &session).await?.coordinates;
    let folder = copy_of_binlogs(&case).await?;
    let folder = folder.path().to_str().context("a path of text")?;
    let uuid: String = case.mysql.value("select @@server_uuid").await?;
    let until = format!("{uuid}:1-999999999");

    let range = ["--from", "earliest", "--until", &until, "--binlog-dir", folder];
    let said = replay(&case.config()?, &range).await?;

    assert_eq!(said.code, Some(69), "{}", said.stderr);
    for part in ["the files end at", "-999999999; add newer files"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }

    let (file, _) = end.split_once(':').context("coordinates")?;
    let behind = format!("past:{file}:999999999999");
    let range = ["--from", &behind, "--binlog-dir", folder];
    let said = replay(&case.config()?, &range).await?;

    assert_eq!(said.code, Some(64), "{}", said.stderr);
    for part in [&behind, "before it the file ends at"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    Ok(())
}

//! Replays that are killed, stopped and resumed.

use std::{process::Stdio, time::Duration};

use anyhow::Result;
use rowpost_tests::{Random, Setup, command_line, needs};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    case::Case,
    consumer,
    replay::{assert_replayed, moment, replay},
};

const ROWS: usize = 20_000;
/// Records a second. Half of the rows are one transaction, which no rate holds up; the others last for
/// two and a half seconds, on the fastest machine too.
const RATE: &str = "4000";
const KILLS_MIN: u32 = 3;

/// Transactions of one row, of many, and one that leaves in parts.
#[tokio::test(flavor = "multi_thread")]
async fn replay_that_is_killed_again_and_again_loses_and_doubles_nothing() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_kills").await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    for _ in 0..50 {
        session.insert(1).await?;
    }
    while session.ids.len() < ROWS / 2 {
        session.insert(1_000).await?;
    }
    session.run("begin").await?;
    while session.ids.len() < ROWS {
        session.insert(2_000).await?;
    }
    session.run("commit").await?;
    let end = moment(&case, &session).await?;
    let mut config = case.config()?;
    config.set("publish.batch_records_max", 500).set("limits.chunk_bytes_max", "\"64KiB\"");
    // What an uninterrupted replay gives.
    let whole = format!("whole.{}", case.topic());
    case.create_topic(&whole, 1).await?;
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates];
    let arguments = [&range[..], &["--name", "whole", "--to-topic-prefix", "whole."]].concat();
    let said = replay(&config, &arguments).await?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let mut originals = consumer::read_now(case.kafka, &whole).await?;
    for record in &mut originals {
        record.headers.pop();
    }
    let ids: Vec<&str> = originals.iter().map(consumer::Record::event_id).collect();
    assert_eq!(ids, session.ids);

    let topic = format!("killed.{}", case.topic());
    case.create_topic(&topic, 1).await?;
    let mut random = Random::from_environment();
    let begun = [&range[..], &["--name", "killed", "--to-topic-prefix", "killed."]].concat();
    let slowly = ["--rate", RATE];
    let resumed = ["--resume", "--name", "killed"];
    let (mut kills, mut has_begun) = (0, false);
    loop {
        let arguments = [if has_begun { &resumed[..] } else { &begun[..] }, &slowly].concat();
        let mut command =
            command_line::command(&config, &[&["replay"], &arguments[..]].concat()).await?;
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // Together the first ones are too short for all the rows.
        let longest = if kills < KILLS_MIN { 1_000 } else { 2_800 };
        let lives_ms = 300 + random.below(longest - 300);
        tokio::time::sleep(Duration::from_millis(lives_ms.into())).await;
        if let Some(status) = child.try_wait()? {
            // It did not come to its first checkpoint, or it came to its end.
            match status.code() {
                Some(0) => break,
                Some(64) if has_begun => has_begun = false,
                code => panic!("{code:?}"),
            }
            continue;
        }
        if kills % 4 == 3 {
            // Ctrl-C: what was read is committed, and the exit code says that there is more.
            kill_process(Pid::from_child(&child), Signal::INT)?;
            let code = child.wait()?.code();
            assert!(matches!(code, Some(75 | 0)), "{code:?}");
        } else {
            child.kill()?;
            child.wait()?;
        }
        kills += 1;
        has_begun = true;
        assert!(kills < 100, "it does not come to its end");
    }

    eprintln!("{kills} kills");
    assert!(kills >= KILLS_MIN, "{kills} kills");
    assert_replayed(&consumer::read_now(case.kafka, &topic).await?, &originals, "killed");
    Ok(())
}

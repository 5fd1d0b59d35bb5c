//! A consumer that dies between its transaction and its offset.

use std::process::{Child, Command};

use anyhow::Result;
use rowpost_outbox::testing;
use rowpost_tests::{MysqlServer, Setup, eventually, notebook};

use crate::topic::{LONG, Topic};

const RECORDS: usize = 120;
const KILLS: usize = 3;

#[tokio::test]
async fn kill_between_commit_and_offset_commit_repeats_no_effect() -> Result<()> {
    let (pool, url) =
        notebook::schema(MysqlServer::shared(Setup::Current).await?, "killed").await?;
    let topic = Topic::create("killed", 1).await?;
    let texts: Vec<String> = (0..RECORDS).map(|number| format!("text {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let noted = async |count: usize| {
        eventually("more are noted", LONG, async || {
            Ok::<_, anyhow::Error>(notebook::notes(&pool).await?.len() >= count)
        })
        .await;
    };

    for round in 0..KILLS {
        let part = RECORDS / KILLS;
        let consumer = start(&url, &topic)?;
        // Each round's records come while it runs; those of the rounds before are delivered again.
        topic.produce(0, &texts[round * part..(round + 1) * part]).await?;
        noted(round * part + part / 2).await;
        drop(consumer);
        assert_eq!(topic.committed().await?, 0, "the kill came before any offset commit");
    }
    let consumer = start(&url, &topic)?;
    noted(RECORDS).await;
    drop(consumer);

    assert_eq!(notebook::notes(&pool).await?, texts);
    let expected: Vec<_> = texts.iter().map(|text| ("note", *text, "Noted")).collect();
    testing::assert_written(&pool, &expected).await;
    Ok(())
}

/// Killed with -9 when dropped, so that a test that fails leaves nobody behind.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it is our child");
    }
}

fn start(url: &str, topic: &Topic) -> Result<Killed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outbox_consumer"));
    command.args([url, topic.kafka.bootstrap(), &topic.name, &topic.name]);
    Ok(Killed(command.spawn()?))
}

//! Servers go with the process that started them, however it ends.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use rowpost_servers::process::ProcessId;
use rowpost_tests::{KafkaBroker, MysqlServer, Setup, needs, tier::Tier};

const CHILD_VARIABLE: &str = "ROWPOST_TEST_LIFETIME_CHILD";

/// Starts servers from a thread that ends, prints their pids, and waits to be killed. Does nothing
/// unless the test below runs it in a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn child_process_of_the_test_below() -> Result<()> {
    if env::var_os(CHILD_VARIABLE).is_none() {
        return Ok(());
    }
    let (mysql, kafka) =
        tokio::try_join!(MysqlServer::start(Setup::Reference), KafkaBroker::start_killable())?;
    for pid in [mysql.pid().await?, kafka.pid().await?] {
        eprintln!("pid={}", pid.context("not a native server")?);
    }
    std::future::pending().await
}

#[test]
fn servers_die_with_a_test_process_that_is_killed() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kafka, Tier::Kill);
    let mut child = Command::new(env::current_exe()?)
        .args(["lifetime::child_process_of_the_test_below", "--exact", "--nocapture"])
        .env(CHILD_VARIABLE, "1")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let said = BufReader::new(child.stderr.take().context("no stderr")?);
    let servers: Vec<ProcessId> = said
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("pid=")?.parse().ok())
        .filter_map(ProcessId::of)
        .take(2)
        .collect();
    assert!(servers.len() == 2 && servers.iter().all(ProcessId::is_running), "{servers:?}");

    child.kill()?;
    child.wait()?;

    for server in servers {
        assert!(server.wait_gone(Duration::from_secs(10)), "{server:?} outlived its test");
    }
    Ok(())
}

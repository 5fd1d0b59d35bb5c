//! `rowpost position show`: what it says is what the server and the relay say.

use anyhow::{Context, Result};
use rowpost_tests::{Setup, command_line::rowpost_with, eventually, needs, relay::RelayConfig};
use serde_json::Value;

use crate::{case::Case, stack::LONG, starting::end_of_binlog};

pub(crate) async fn show(config: &RelayConfig) -> Result<Value> {
    let said = rowpost_with(config, &["position", "show", "--json"]).await?;
    anyhow::ensure!(said.code == Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).with_context(|| format!("no JSON: {said:?}"))
}

pub(crate) fn coordinates(report: &Value) -> String {
    let coordinates = &report["checkpoint"]["position"]["coordinates"];
    format!("{}:{}", coordinates["file"].as_str().unwrap_or("?"), coordinates["position"])
}

async fn show_tells_where_the_relay_is(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "shown").await?;
    let mut config = case.config()?;
    config.set_text("checkpoint.interval", "200ms");
    let before = show(&config).await?;
    assert_eq!(before["checkpoint"], Value::Null, "no topic is made by looking");
    let mut relay = case.relay_with(config.clone()).await?;
    let pid = relay.id().context("it runs")?.pid;
    let mut session = case.session().await?;
    session.insert(2).await?;
    case.records(2).await?;
    relay.terminate(LONG).await?;
    let (end, gtids) = end_of_binlog(case.mysql).await?;
    session.insert(1).await?;
    session.run("flush binary logs").await?;
    session.insert(2).await?;

    // Others write on this server too: at least what was written here is ahead.
    let report = show(&config).await?;

    let checkpoint = &report["checkpoint"];
    assert_eq!(checkpoint["writer"]["pid"], pid);
    assert!(checkpoint["sequence"].as_u64() > Some(1), "{report}");
    assert_eq!(checkpoint["position"]["server_uuid"], report["server"]["server_uuid"]);
    assert!(!coordinates(&report).is_empty() && !end.is_empty());
    let ahead = &report["ahead"];
    assert!(ahead["bytes"].as_u64() > Some(500), "{report}");
    assert!(ahead["files"].as_u64() > Some(1), "{report}");
    assert!(ahead["waiting_seconds"].as_i64().is_some_and(|waiting| waiting < 60), "{report}");
    match gtids.is_empty() {
        true => assert_eq!(ahead["gtids"], Value::Null),
        false => assert!(ahead["transactions"].as_u64() >= Some(2), "{report}"),
    }
    let to_oldest = &report["to_oldest"];
    assert!(to_oldest["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{report}");
    // The server's default is 30 days with 8.0 and later, and none before.
    match setup {
        Setup::Reference => assert_eq!(to_oldest["expire_seconds"], Value::Null),
        Setup::Current | Setup::Mysql80 => {
            assert_eq!(to_oldest["expire_seconds"], 2_592_000);
            assert!(to_oldest["kept_until"].is_string(), "its file is finished: {report}");
        }
    }
    let text = rowpost_with(&config, &["position", "show"]).await?.stdout;
    for part in [&format!("process {pid}"), "server ahead", "committed at", &coordinates(&report)] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn position_show_tells_where_the_relay_is_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    show_tells_where_the_relay_is(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn position_show_tells_where_the_relay_is_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    show_tells_where_the_relay_is(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn position_show_does_not_disturb_a_relay() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "undisturbed").await?;
    let mut config = case.config()?;
    config.set_text("checkpoint.interval", "200ms");
    let relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    let first = show(&config).await?["checkpoint"]["sequence"].as_u64();

    for _ in 0..3 {
        session.insert(1).await?;
        show(&config).await?;
    }

    eventually("it stores checkpoints as before", LONG, async || {
        Ok::<_, anyhow::Error>(show(&config).await?["checkpoint"]["sequence"].as_u64() > first)
    })
    .await;
    assert!(relay.id().is_some());
    case.expect(&mut session).await?;
    Ok(())
}

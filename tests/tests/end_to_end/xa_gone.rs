//! The binlog with a prepared XA branch is purged: warned of before, named when the branch is committed.

use anyhow::{Context, Result};
use rowpost_tests::{MysqlServer, Relay, Setup, eventually, needs};

use crate::{
    case::Case,
    position_set::{assert_ended, config, set},
    position_show::{coordinates, show},
    stack::{LONG, assert_says},
    xa::{end, prepare},
};

async fn logs(relay: &Relay, part: &str) {
    eventually(part, LONG, async || Ok::<_, anyhow::Error>(relay.log_text()?.contains(part))).await;
}

/// Place and XID of the command that the relay's last line names.
fn named(relay: &Relay) -> Result<(String, String)> {
    let log = relay.log_text()?;
    let last = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
    assert_says(last, &["is committed at", "its outbox rows are gone"]);
    let (_, command) = last.split_once("`rowpost position set ").context("no command")?;
    let (command, _) = command.split_once('`').context("the command ends")?;
    let (place, xid) = command.split_once(" --forget-branch ").context("the branch is named")?;
    Ok((place.to_owned(), xid.replace(['"', '\\'], "")))
}

async fn branch_whose_binlog_is_purged_is_named(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let case = Case::on(&mysql, "xa_gone").await?;
    let config = config(&case)?;
    let mut relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    if setup == Setup::Current {
        session.run("set global binlog_expire_logs_seconds = 2").await?;
    }

    prepare(&case, &mut session, "gone", 2).await?;
    prepare(&case, &mut session, "in vain", 2).await?;
    session.run("flush binary logs").await?;
    session.insert(1).await?;
    case.records(1).await?;
    eventually("both branches are shown", LONG, async || {
        let metrics = relay.get("/metrics").await?.body;
        Ok::<_, anyhow::Error>(metrics.contains("rowpost_xa_branches_prepared 2"))
    })
    .await;
    let status = relay.status().await?;
    assert_eq!(status["xa_branches"]["prepared"], 2);
    let xid = status["xa_branches"]["oldest"]["xid"].as_str().context("its XID")?.to_owned();
    assert!(xid.starts_with("X'"), "{xid}");
    if setup == Setup::Current {
        logs(&relay, "is still prepared").await;
    }

    relay.terminate(LONG).await?;
    let report = show(&config).await?;
    let prepared = report["checkpoint"]["position"]["prepared"].as_array().context("branches")?;
    assert_eq!(prepared.len(), 2);
    assert_eq!(report["ahead"]["waiting_since"], serde_json::Value::Null, "{report}");
    let position = coordinates(&report);
    let (file, _) = position.rsplit_once(':').context("coordinates")?;
    session.run(format!("purge binary logs to '{file}'")).await?;
    // Nothing is lost yet: the branches may be rolled back.
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    session.insert(1).await?;
    end(&case, &mut session, "rollback", "in vain").await;
    case.records(2).await?;
    logs(&relay, "has purged the file").await;

    end(&case, &mut session, "commit", "gone").await;
    assert_eq!(relay.wait_exit(LONG).await?.code(), Some(65));
    let (place, named) = named(&relay)?;
    assert_eq!(named, xid);
    let unknown = set(&config, &[&place, "--forget-branch", "X'00',X'',1"]).await?;
    assert_ended(&unknown, 64, &["no prepared XA branch", &xid]);
    let said = set(&config, &[&place, "--forget-branch", &xid, "--yes"]).await?;
    assert_ended(&said, 0, &["FORGOTTEN", &xid]);
    relay.start_again()?;
    case.expect(&mut session).await?;
    let status = relay.status().await?;
    assert_eq!(status["xa_branches"]["prepared"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn branch_whose_binlog_is_purged_is_named_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    branch_whose_binlog_is_purged_is_named(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn branch_whose_binlog_is_purged_is_named_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    branch_whose_binlog_is_purged_is_named(Setup::Reference).await
}

//! XA branches that are prepared before, and committed after, deaths of the server and of the relay.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Relay, Setup, eventually, needs};

use crate::{
    case::Case,
    stack::LONG,
    xa::{end, prepare},
};

/// Whether the first rows of a transaction are out, and not yet the rest.
async fn is_in_progress(relay: &Relay) -> Result<bool> {
    Ok(relay.status().await?["committed"]["in_progress"].is_object())
}

async fn branches_outlive_deaths_of_server_and_relay(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let case = Case::on(&mysql, "xa_deaths").await?;
    let mut config = case.config()?;
    // So that the large branch takes long enough to be met in the middle.
    config.set_text("limits.chunk_bytes_max", "64KiB").set("publish.batch_records_max", 50);
    let mut relay = case.relay_with(config).await?;
    let mut session = case.session().await?;

    let over_kill = prepare(&case, &mut session, "over a kill", 2).await?;
    prepare(&case, &mut session, "in vain over a kill", 2).await?;
    let name = if setup == Setup::Current { "compressed large" } else { "large" };
    let large = prepare(&case, &mut session, name, 20_000).await?;
    session.insert(1).await?;
    case.records(session.ids.len()).await?;
    relay.kill9()?;
    mysql.kill9().await?;
    mysql.start_again().await?;
    session.reconnect(&case).await?;
    session.insert(1).await?;
    let over_restart = prepare(&case, &mut session, "over a restart", 2).await?;
    end(&case, &mut session, "commit", "over a kill").await;
    session.ids.extend(over_kill);
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    case.records(session.ids.len()).await?;

    mysql.restart().await?;
    session.reconnect(&case).await?;
    end(&case, &mut session, "rollback", "in vain over a kill").await;
    end(&case, &mut session, "commit", "over a restart").await;
    session.ids.extend(over_restart);
    session.insert(1).await?;
    end(&case, &mut session, "commit", name).await;
    session.ids.extend(large);
    for _ in 0..2 {
        // Not once it is ready: it may have caught up by then.
        eventually("a part of the branch is out", LONG, async || is_in_progress(&relay).await)
            .await;
        relay.kill9()?;
        relay.start_again()?;
    }

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_outlive_deaths_of_server_and_relay_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    branches_outlive_deaths_of_server_and_relay(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_outlive_deaths_of_server_and_relay_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    branches_outlive_deaths_of_server_and_relay(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_outlive_deaths_of_server_and_relay_on_mysql_80() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    branches_outlive_deaths_of_server_and_relay(Setup::Mysql80).await
}

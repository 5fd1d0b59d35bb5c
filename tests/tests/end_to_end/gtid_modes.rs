//! `gtid_mode` switched while the relay runs, and while it is away: no transaction is lost or comes
//! twice, with a GTID or without.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Setup, needs};

use crate::{
    case::{Case, Session},
    stack::LONG,
    starting::end_of_binlog,
};

const DOWN: [&str; 3] = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"];
const UP: [&str; 3] = ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];

async fn switch(session: &mut Session, mode: &str) -> Result<()> {
    session.run(format!("set global gtid_mode = {mode}")).await
}

/// A session keeps the way in which it gets GTIDs for as long as its transaction lasts only.
async fn switch_and_insert(session: &mut Session, mode: &str) -> Result<()> {
    switch(session, mode).await?;
    session.insert(1).await?;
    session.insert(2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn gtid_mode_may_be_switched_off_and_on_again_while_the_relay_runs() -> Result<()> {
    needs!(Setup::Current.tier());
    let mysql = MysqlServer::start(Setup::Current).await?;
    let case = Case::on(&mysql, "switched").await?;
    let mut session = case.session().await?;
    let mut relay = case.relay().await?;
    session.insert(2).await?;

    for (number, mode) in DOWN.into_iter().chain(UP).enumerate() {
        switch_and_insert(&mut session, mode).await?;
        case.records(session.ids.len()).await?;
        // Half of the modes are met by a relay that starts, the others by one that runs.
        if number % 2 == 0 {
            relay.kill9()?;
            session.insert(1).await?;
            relay.start_again()?;
            case.records(session.ids.len()).await?;
        }
    }

    relay.terminate(LONG).await?;
    relay.start_again()?;
    case.expect(&mut session).await?;
    let log = relay.log_text()?;
    let last = log.lines().rfind(|line| line.contains("binlog stream opened")).unwrap_or_default();
    assert!(last.contains("by_gtids=true"), "GTIDs decide once more: {last}");
    Ok(())
}

/// Asked for GTIDs, the server would pass over them without a word.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_without_gtids_that_on_hides_are_refused_not_lost() -> Result<()> {
    needs!(Setup::Current.tier());
    let mysql = MysqlServer::start(Setup::Current).await?;
    let case = Case::on(&mysql, "hidden").await?;
    let mut session = case.session().await?;
    let mut relay = case.relay().await?;
    session.insert(2).await?;
    case.records(2).await?;
    relay.terminate(LONG).await?;
    let (end, _) = end_of_binlog(&mysql).await?;

    switch(&mut session, "ON_PERMISSIVE").await?;
    switch_and_insert(&mut session, "OFF_PERMISSIVE").await?;
    switch(&mut session, "ON_PERMISSIVE").await?;
    switch_and_insert(&mut session, "ON").await?;
    relay.start_again()?;
    assert_eq!(relay.wait_exit(LONG).await?.code(), Some(69));
    let log = relay.log_text()?;
    assert!(log.contains("transactions without a GTID begin at bin-log."), "{end}: {log}");

    switch(&mut session, "ON_PERMISSIVE").await?;
    relay.start_again()?;
    case.records(session.ids.len()).await?;
    switch(&mut session, "ON").await?;
    relay.terminate(LONG).await?;
    relay.start_again()?;
    case.expect(&mut session).await?;
    Ok(())
}

/// The checkpoint is from before there were GTIDs.
#[tokio::test(flavor = "multi_thread")]
async fn gtids_may_be_turned_on_for_the_first_time() -> Result<()> {
    needs!(Setup::Current.tier());
    let arguments = ["--gtid-mode=OFF", "--enforce-gtid-consistency=ON"];
    let mysql = MysqlServer::start_with(Setup::Current, &arguments).await?;
    let case = Case::on(&mysql, "turned_on").await?;
    let mut session = case.session().await?;
    let mut relay = case.relay().await?;
    session.insert(2).await?;
    case.records(2).await?;
    relay.terminate(LONG).await?;

    for mode in UP {
        switch_and_insert(&mut session, mode).await?;
        if mode == "ON_PERMISSIVE" {
            relay.start_again()?;
            case.records(session.ids.len()).await?;
            relay.terminate(LONG).await?;
        }
    }
    relay.start_again()?;
    case.expect(&mut session).await?;
    Ok(())
}

//! XA branches: their rows are published where they are committed, and never where they are not.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{Setup, needs};

use crate::{
    case::{Case, Session},
    replay::{compare, moment},
    stack::LONG,
};

/// Prepares a branch of so many rows in a session that ends then. Answers their ids.
pub(crate) async fn prepare(
    case: &Case<'_>,
    ids: &mut Session,
    xid: &str,
    rows: usize,
) -> Result<Vec<String>> {
    prepare_long(case, ids, xid, rows, 1).await
}

/// The same, of rows with so long a payload.
async fn prepare_long(
    case: &Case<'_>,
    ids: &mut Session,
    xid: &str,
    rows: usize,
    length: usize,
) -> Result<Vec<String>> {
    let payload = format!("json_quote(repeat('p',{length}))");
    let kind = &case.database;
    let mut branch = case.session().await?;
    if xid.starts_with("compressed") {
        branch.run("set session binlog_transaction_compression = on").await?;
    }
    branch.run(format!("xa start '{kind}', '{xid}'")).await?;
    let ids: Vec<String> = (0..rows).map(|_| ids.id()).collect();
    for some in ids.chunks(1000) {
        let values: Vec<String> =
            some.iter().map(|id| format!("('{id}', '{kind}', 'k', 't', {payload})")).collect();
        let columns = "outbox (id, aggregatetype, aggregateid, type, payload)";
        branch.run(format!("insert into {columns} values {}", values.join(", "))).await?;
    }
    let end = format!("xa end '{kind}', '{xid}'");
    branch.run_all(&[&end, &format!("xa prepare '{kind}', '{xid}'")]).await?;
    Ok(ids)
}

/// In another session than prepared it; a server may take a while to let go of that one.
pub(crate) async fn end(case: &Case<'_>, session: &mut Session, verb: &str, xid: &str) {
    let statement = format!("xa {verb} '{}', '{xid}'", case.database);
    for _ in 0..100 {
        if session.run(&statement).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the branch is not ended: {statement}");
}

async fn branches_are_published_where_they_are_committed(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "xa").await?;
    let mut config = case.config()?;
    // So that the large branch leaves in parts.
    config.set_text("limits.chunk_bytes_max", "1MiB");
    let mut session = case.session().await?;
    prepare(&case, &mut session, "ended before the start", 2).await?;
    end(&case, &mut session, "commit", "ended before the start").await;
    let began = moment(&case, &session).await?;
    let before = prepare(&case, &mut session, "before the start", 2).await?;
    let mut relay = case.relay_with(config.clone()).await?;

    let first = prepare(&case, &mut session, "first", 2).await?;
    session.insert(1).await?;
    let two_are_prepared = moment(&case, &session).await?;
    let second = prepare(&case, &mut session, "second", 3).await?;
    prepare(&case, &mut session, "in vain", 4).await?;
    let large = prepare(&case, &mut session, "large", 20_000).await?;
    session.insert(1).await?;
    // What lies before the kill is read and its checkpoint written: nothing of it comes again.
    case.records(session.ids.len()).await?;
    relay.kill9()?;
    case.mysql.exec("flush binary logs").await?;
    end(&case, &mut session, "commit", "second").await;
    session.ids.extend(second);
    end(&case, &mut session, "commit", "before the start").await;
    session.ids.extend(before);
    session.insert(1).await?;
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    end(&case, &mut session, "rollback", "in vain").await;
    end(&case, &mut session, "commit", "large").await;
    session.ids.extend(large);
    end(&case, &mut session, "commit", "first").await;
    session.ids.extend(first);
    // Nothing is prepared any more, so one phase is the only way left.
    let xid = format!("'{}', 'one phase'", case.database);
    session.run(format!("xa start {xid}")).await?;
    session.insert(2).await?;
    session.run_all(&[&format!("xa end {xid}"), &format!("xa commit {xid} one phase")]).await?;

    let records = case.expect(&mut session).await?;
    // A replay reads again what the relay had kept, and the other way round.
    let all = ["--from", &began.coordinates];
    compare(&case, &config, &records, ("all", &all)).await?;
    if setup == Setup::Current {
        let rest = ["--from", &two_are_prepared.gtids];
        let records = &records[two_are_prepared.rows..];
        compare(&case, &config, records, ("rest", &rest)).await?;
    }
    Ok(())
}

/// 130 MB of records, which a relay that holds a branch would hold.
#[tokio::test(flavor = "multi_thread")]
async fn branch_of_a_hundred_thousand_rows_is_published_through_bounded_memory() -> Result<()> {
    const RESIDENT_BYTES_MAX: u64 = 100 << 20;
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "xa_giant").await?;
    let relay = case.relay().await?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    let giant = prepare_long(&case, &mut session, "giant", 100_000, 1_000).await?;
    session.insert(1).await?;
    case.records(2).await?;
    end(&case, &mut session, "commit", "giant").await;
    session.ids.extend(giant);

    case.expect(&mut session).await?;
    let peak = relay.resident_bytes()?.peak;
    eprintln!("a branch of 100,000 rows: {} MiB at the most", peak >> 20);
    assert!(peak <= RESIDENT_BYTES_MAX, "{peak} bytes resident");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_are_published_where_they_are_committed_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    branches_are_published_where_they_are_committed(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_are_published_where_they_are_committed_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    branches_are_published_where_they_are_committed(Setup::Reference).await
}

//! Everything that a service may do around its outbox rows.

use anyhow::Result;
use mysql_async::prelude::Queryable;
use rowpost_tests::{Setup, eventually, needs, tier::Tier};

use crate::{case::Case, stack::LONG};

async fn only_what_a_savepoint_kept_is_published(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "savepoints").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;

    session.run("begin").await?;
    session.insert_in_vain(2).await?;
    session.run("rollback").await?;
    session.run_all(&["begin", "savepoint first"]).await?;
    session.insert_in_vain(1).await?;
    session.run("rollback to savepoint first").await?;
    session.insert(2).await?;
    session.run("savepoint `odd ``name``; --`").await?;
    session.insert_in_vain(3).await?;
    session.insert_other().await?;
    session.run("savepoint inner_one").await?;
    session.insert_in_vain(1).await?;
    session.run_all(&["rollback to inner_one", "rollback to `odd ``name``; --`"]).await?;
    session.insert(1).await?;
    session.run_all(&["release savepoint first", "commit"]).await?;
    // A statement that fails in the middle takes back its own rows and no others.
    session.run("begin").await?;
    session.insert(1).await?;
    let taken = session.ids.last().expect("there are rows").clone();
    let twice = format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
         select uuid(), 'x', 'k', 't', '1' union all select '{taken}', 'x', 'k', 't', '1'"
    );
    assert!(session.run(twice).await.is_err(), "the primary key holds");
    session.insert(1).await?;
    session.run("commit").await?;

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_savepoint_kept_is_published_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    only_what_a_savepoint_kept_is_published(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_savepoint_kept_is_published_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    only_what_a_savepoint_kept_is_published(Setup::Reference).await
}

/// Where a transaction made something that no rollback undoes (a temporary table, in statement format)
/// the server does not take its rolled-back rows out of the binlog, but writes the rollback behind
/// them. GTIDs rule that out.
#[tokio::test(flavor = "multi_thread")]
async fn rows_behind_a_rollback_in_the_binlog_are_not_published() -> Result<()> {
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "engines").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    let (file, position): (String, u64) = {
        let status: (String, u64, String, String, String) =
            case.mysql.value("show master status").await?;
        (status.0, status.1)
    };
    // With this a function makes rows of a statement, and others stay statements.
    session.run("set session binlog_format = mixed").await?;
    let insert = |id: &str| {
        format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
             values (concat('{id}', left(uuid(), 0)), '{}', 'k', 't', '1')",
            case.database
        )
    };

    let ids: Vec<String> = (0..5).map(|_| session.id()).collect();
    session.run("begin").await?;
    session.run(insert(&ids[0])).await?;
    session.run("savepoint a").await?;
    session.run(insert(&ids[1])).await?;
    session.run_all(&["create temporary table scratch (n int)", "rollback to a"]).await?;
    session.run(insert(&ids[2])).await?;
    session.run_all(&["commit", "begin"]).await?;
    session.run(insert(&ids[3])).await?;
    session.run_all(&["drop temporary table scratch", "rollback"]).await?;
    session.run(insert(&ids[4])).await?;
    session.ids.extend([0, 2, 4].map(|number: usize| ids[number].clone()));
    session.run("set session binlog_format = row").await?;

    case.expect(&mut session).await?;
    assert_eq!(rollbacks_behind(&case, &file, position).await?, 2, "the server did as it should");
    Ok(())
}

/// How many rollbacks are in the binlog from there on, in whatever file.
async fn rollbacks_behind(case: &Case<'_>, file: &str, position: u64) -> Result<usize> {
    let mut connection = case.mysql.connect().await?;
    let files: Vec<mysql_async::Row> = connection.query("show binary logs").await?;
    let names = files.iter().filter_map(|row| row.get::<String, _>(0));
    let mut rollbacks = 0;
    for name in names.filter(|name| name.as_str() >= file) {
        let from = if name == file { position } else { 4 };
        let events: Vec<mysql_async::Row> =
            connection.query(format!("show binlog events in '{name}' from {from}")).await?;
        let texts = events.iter().filter_map(|event| event.get::<String, _>("Info"));
        // Not an `XA ROLLBACK 'xid'` of another test.
        rollbacks += texts
            .filter(|text| text.ends_with("ROLLBACK") || text.contains("ROLLBACK TO `a`"))
            .count();
    }
    connection.disconnect().await?;
    Ok(rollbacks)
}

async fn inserts_are_published_and_nothing_else_is(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "inserts").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;

    // The usual outbox: the row is deleted in the transaction that inserted it.
    session.run("begin").await?;
    session.insert(3).await?;
    session.run_all(&["delete from outbox", "commit"]).await?;
    session.insert(2).await?;
    session.run("update outbox set payload = '\"changed\"', type = 'Changed'").await?;
    session.run("delete from outbox limit 1").await?;
    // One of these is an update in the binlog, or a delete and an insert of the same row.
    let id = session.ids.last().expect("there are rows").clone();
    let kind = &case.database;
    let values = format!("('{id}', '{kind}', 'k', 'Again', '1')");
    let columns = "outbox (id, aggregatetype, aggregateid, type, payload)";
    session
        .run(format!(
            "insert into {columns} values {values} on duplicate key update type = 'Updated'"
        ))
        .await?;
    session.run(format!("insert ignore into {columns} values {values}")).await?;
    session.insert(1).await?;
    session.run("truncate table outbox").await?;
    session.insert(1).await?;
    session
        .run_all(&["create table copy like outbox", "insert into copy select * from outbox"])
        .await?;
    session.run_all(&["drop table copy", "create table t as select * from outbox"]).await?;

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_are_published_and_nothing_else_is_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    inserts_are_published_and_nothing_else_is(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_are_published_and_nothing_else_is_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    inserts_are_published_and_nothing_else_is(Setup::Reference).await
}

/// One statement of many thousand rows, and a table that is filled as it is made.
async fn large_statements_are_published_whole(setup: Setup) -> Result<()> {
    const ROWS: usize = 50_000;
    let case = Case::shared(setup, "statements").await?;
    let mut config = case.config()?;
    config.set(
        "outbox",
        format!("[{{ table = '{0}.outbox' }}, {{ table = '{0}.copied' }}]", case.database),
    );
    let _relay = case.relay_with(config).await?;
    let mut session = case.session().await?;

    session.insert(300).await?;
    // SERVER: from 8.0.21 on this is one transaction; before, a DDL statement and a transaction, which
    // is refused where there are GTIDs.
    if setup != Setup::Mysql80 {
        let copied = session.ids.clone();
        session.run("create table copied as select * from outbox order by id").await?;
        session.ids.extend(copied);
    }
    let ids: Vec<String> = (0..ROWS).map(|_| session.id()).collect();
    let (first, kind) = (ids[0].rsplit('-').next().unwrap_or_default(), &case.database);
    let digits = |name: &str| {
        let digits: Vec<String> = (0..10).map(|digit| format!("select {digit} d")).collect();
        format!("({}) {name}", digits.join(" union all "))
    };
    let places: Vec<String> = ["a", "b", "c", "d", "e"].iter().map(|name| digits(name)).collect();
    let number = "a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d";
    session
        .run(format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) select \
             concat('00000000-0000-4000-8000-', lpad({first} + n, 12, '0')), '{kind}', 'k', 't', '1' \
             from (select {number} n from {}) numbers where n < {ROWS} order by n",
            places.join(" join ")
        ))
        .await?;
    session.ids.extend(ids);

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_statements_are_published_whole_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    large_statements_are_published_whole(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn large_statements_are_published_whole_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    large_statements_are_published_whole(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn large_statements_are_published_whole_from_mysql_80() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    large_statements_are_published_whole(Setup::Mysql80).await
}

/// What is decided at once is published; other tables may have branches that are decided later.
async fn xa_branches_without_outbox_rows_pass(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "xa").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let xid = format!("'{}',X'00ff',7", case.database);

    for end in ["commit", "rollback"] {
        session.run(format!("xa start {xid}")).await?;
        session.insert_other().await?;
        session.run(format!("xa end {xid}; xa prepare {xid}; xa {end} {xid}")).await?;
    }
    // Rolled back before it was prepared: nothing of it is in the binlog.
    session.run(format!("xa start {xid}")).await?;
    session.insert_in_vain(2).await?;
    session.run(format!("xa end {xid}; xa rollback {xid}")).await?;
    session.run(format!("xa start {xid}")).await?;
    session.insert(2).await?;
    session.run(format!("xa end {xid}; xa commit {xid} one phase")).await?;
    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn xa_branches_without_outbox_rows_pass_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    xa_branches_without_outbox_rows_pass(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn xa_branches_without_outbox_rows_pass_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    xa_branches_without_outbox_rows_pass(Setup::Reference).await
}

/// SERVER: MySQL compresses from 8.0.20 on.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_transactions_are_published_as_plain_ones_are() -> Result<()> {
    needs!(Tier::Mysql9);
    let case = Case::shared(Setup::Current, "compressed").await?;
    let mut relay = case.relay().await?;
    let mut session = case.session().await?;

    for round in 0..3 {
        for compression in ["on", "off"] {
            session.run(format!("set binlog_transaction_compression = {compression}")).await?;
            session.insert(2).await?;
            session.run("begin").await?;
            session.insert_other().await?;
            session.insert_long(200_000).await?;
            session.run("savepoint a").await?;
            session.insert_in_vain(1).await?;
            session.run("rollback to a").await?;
            session.insert(1).await?;
            session.run("commit").await?;
        }
        if round == 1 {
            // A restart between them resumes behind a compressed transaction.
            relay.kill9()?;
            relay.start_again()?;
        }
    }

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tagged_gtids_are_published_and_resumed_from() -> Result<()> {
    needs!(Tier::Mysql9);
    let case = Case::shared(Setup::Current, "tagged").await?;
    let mut relay = case.relay().await?;
    let mut session = case.session().await?;

    for tag in ["automatic:blue", "automatic", "automatic:green_2", "automatic:blue"] {
        session.run(format!("set gtid_next = '{tag}'")).await?;
        session.insert(2).await?;
        session.insert_other().await?;
        case.records(session.ids.len()).await?;
        relay.terminate(LONG).await?;
        session.insert(1).await?;
        relay.start_again()?;
        relay.wait_ready(LONG).await;
    }

    case.expect(&mut session).await?;
    eventually("the committed position names the tags", LONG, async || {
        let status = relay.get("/api/status").await?.body;
        Ok::<_, anyhow::Error>(status.contains(":blue:") && status.contains(":green_2:"))
    })
    .await;
    Ok(())
}

/// Other tables may be written in another format. Rows of an outbox may not: see `rowpost check`.
async fn statements_for_other_tables_pass(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "format").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;

    for format in ["statement", "row", "mixed", "row"] {
        session.run(format!("set session binlog_format = '{format}'")).await?;
        session.run("set @t = 'user variable', session insert_id = default").await.ok();
        session.run_all(&["begin", "insert into other (t) values (@t)"]).await?;
        session.run("update other set t = 'begin' limit 1").await.ok();
        session.run("commit").await?;
        session.run("insert into other (t) select rand()").await?;
        // In one transaction with rows, and a comment that looks like another statement.
        session.run("begin").await?;
        session.run("/* COMMIT */ insert into other (t) values ('COMMIT')").await?;
        session.run("set session binlog_rows_query_log_events = on").await.ok();
        session.run("commit").await?;
        session.run("set session binlog_format = 'row'").await?;
        session.insert(1).await?;
        session.run("analyze table other").await?;
        session.run("create temporary table scratch (a int)").await?;
        session.run("insert into scratch values (1)").await?;
        session.run("drop temporary table scratch").await?;
    }

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_for_other_tables_pass_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    statements_for_other_tables_pass(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_for_other_tables_pass_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    statements_for_other_tables_pass(Setup::Reference).await
}

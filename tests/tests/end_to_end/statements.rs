//! A session that leaves row format: outbox rows that are not in the binlog halt the relay, and what the
//! runbook says of it brings everything out.

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, stream};
use mysql_async::prelude::Queryable as _;
use rowpost_tests::{Setup, needs};

use crate::{
    case::{Case, Session},
    consumer::Record,
    position_set::{self, assert_ended, named_position, set},
    stack::LONG,
};

/// Statements around the outbox that put nothing into it.
const HARMLESS: [&str; 6] = [
    "insert into other (t) values ('insert into outbox values (1)')",
    "insert into copy select * from outbox",
    "update outbox set type = 'Changed'",
    "begin",
    "/* insert into outbox */ insert into other (t) select id from outbox",
    "delete from outbox",
];

#[derive(Debug, Clone, Copy)]
enum How {
    Insert,
    /// The server logs the statement in the procedure.
    Procedure,
    Load,
}

/// The row goes in, in statement format.
async fn write(how: How, case: &Case<'_>, session: &mut Session, id: &str) -> Result<()> {
    let kind = &case.database;
    match how {
        How::Insert => {
            let statement = format!(
                "/* shop */ insert into `{kind}` . outbox (id, aggregatetype, aggregateid, type, \
                 payload) values ('{id}', '{kind}', 'k', 't', '1')"
            );
            session.run(statement).await
        }
        How::Procedure => {
            let procedure = format!(
                "create procedure publish(new_id char(36)) insert into outbox (id, aggregatetype, \
                 aggregateid, type, payload) values (new_id, '{kind}', 'k', 't', '1')"
            );
            session.run(procedure).await?;
            session.run(format!("call publish('{id}')")).await
        }
        How::Load => {
            case.mysql.exec("set global local_infile = on").await?;
            let mut connection = case.mysql.connect().await?;
            let row = format!("{id}\t{kind}\tk\tt\t1\n");
            connection
                .set_infile_handler(async move { Ok(stream::iter([Ok(row.into())]).boxed()) });
            connection.query_drop(format!("use `{kind}`")).await?;
            connection.query_drop("set session binlog_format = statement").await?;
            let load = "load data local infile 'rows' into table outbox \
                        (id, aggregatetype, aggregateid, type, payload)";
            connection.query_drop(load).await?;
            Ok(connection.disconnect().await?)
        }
    }
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::event_id).collect()
}

async fn outbox_row_in_statement_format_halts(setup: Setup, how: How) -> Result<()> {
    let case = Case::shared(setup, "statement").await?;
    let config = position_set::config(&case)?;
    let mut relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    session.run("create table copy like outbox").await?;
    session.insert(2).await?;
    session.run("set session binlog_format = statement").await?;
    session.run_all(&HARMLESS).await?;
    session.run_all(&["commit", "set session binlog_format = row"]).await?;
    session.insert(1).await?;
    assert_eq!(ids(&case.records(3).await?), session.ids, "nothing of that halts");

    let lost = session.id();
    session.run("set session binlog_format = statement").await?;
    write(how, &case, &mut session, &lost).await?;
    session.run("set session binlog_format = row").await?;
    session.insert(2).await?;
    let exit = relay.wait_exit(LONG).await?;

    assert_eq!(exit.code(), Some(65), "{}", relay.log_text()?);
    assert_eq!(ids(&case.records(3).await?), session.ids[..3], "what came before is out");
    let log = relay.log_text()?;
    let halted = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
    let table = format!("`{}.outbox`", case.database);
    for part in [&table, "bin-log.0", "binlog_format=ROW", "SESSION_VARIABLES_ADMIN"] {
        assert!(halted.contains(part), "`{part}` is missing in: {halted}");
    }
    let position = named_position(&relay)?;

    // As the runbook says: the row anew in row format, then on behind that place.
    session
        .run_all(&[
            "create table copied like outbox",
            "begin",
            &format!("insert into copied select * from outbox where id = '{lost}'"),
            &format!("delete from outbox where id = '{lost}'"),
            "insert into outbox select * from copied",
            "commit",
        ])
        .await?;
    session.ids.push(lost);
    let said = set(&config, &[&position, "--yes"]).await?;
    assert_ended(&said, 0, &["LEFT OUT", "the position is set"]);
    relay.start_again()?;
    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_row_in_statement_format_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    outbox_row_in_statement_format_halts(Setup::Current, How::Insert).await
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_row_in_statement_format_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    outbox_row_in_statement_format_halts(Setup::Reference, How::Insert).await
}

#[tokio::test(flavor = "multi_thread")]
async fn procedure_that_inserts_in_statement_format_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    outbox_row_in_statement_format_halts(Setup::Current, How::Procedure).await
}

#[tokio::test(flavor = "multi_thread")]
async fn procedure_that_inserts_in_statement_format_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    outbox_row_in_statement_format_halts(Setup::Reference, How::Procedure).await
}

#[tokio::test(flavor = "multi_thread")]
async fn load_data_in_statement_format_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    outbox_row_in_statement_format_halts(Setup::Current, How::Load).await
}

#[tokio::test(flavor = "multi_thread")]
async fn load_data_in_statement_format_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    outbox_row_in_statement_format_halts(Setup::Reference, How::Load).await
}

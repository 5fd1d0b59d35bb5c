//! The outbox table changes between its rows.

use anyhow::Result;
use rowpost_tests::{Setup, needs, relay::RelayConfig};
use serde_json::{Value, json};

use crate::{
    case::{Case, Session},
    consumer::Record,
    stack::LONG,
};

/// Columns come, go, change places with others of the same type, and change their type.
const ALTERATIONS: [&str; 9] = [
    "add column first_of_all int not null default 7 first",
    "modify payload json first",
    "modify type varchar(255) character set utf8mb4 collate utf8mb4_bin not null after id",
    "drop column created_at",
    "modify aggregateid varchar(255) character set utf8mb4 collate utf8mb4_bin not null after payload",
    "modify payload longtext character set utf8mb4 after type",
    "drop column first_of_all, add column e enum('k0', 'k1') not null after aggregatetype",
    "modify aggregateid varbinary(300) not null, modify type varchar(90) character set latin1 not null",
    "add column created_at datetime(3) null after id, convert to character set utf8mb4",
];

fn config(case: &Case<'_>) -> Result<RelayConfig> {
    let mut config = case.config()?;
    config.set(
        "outbox",
        format!(
            "[{{ table = '{}.outbox', additional = [{{ column = 'type', placement = 'header' }}] }}]",
            case.database
        ),
    );
    Ok(config)
}

async fn insert(case: &Case<'_>, session: &mut Session, number: usize) -> Result<()> {
    let id = session.id();
    session
        .run(format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
             values ('{id}', '{}', 'k{number}', 't{number}', '{{\"n\": {number}}}')",
            case.database
        ))
        .await?;
    session.ids.push(id);
    Ok(())
}

fn assert_rows(records: &[Record], ids: &[String]) -> Result<()> {
    assert_eq!(records.len(), ids.len());
    for (number, (record, id)) in records.iter().zip(ids).enumerate() {
        assert_eq!(record.event_id(), id);
        assert_eq!(record.key.as_deref(), Some(format!("k{number}").as_bytes()), "row {number}");
        let header = ("type".to_owned(), Some(format!("t{number}").into_bytes()));
        assert_eq!(record.headers[1..], [header], "row {number}");
        let payload: Value = serde_json::from_str(record.value_text())?;
        assert_eq!(payload, json!({ "n": number }), "row {number}");
    }
    Ok(())
}

/// While the relay follows: there the reference server's binlog without names is enough.
async fn rows_are_read_with_the_columns_of_their_time(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "altered").await?;
    let _relay = case.relay_with(config(&case)?).await?;
    let mut session = case.session().await?;

    for (number, alteration) in ALTERATIONS.iter().enumerate() {
        insert(&case, &mut session, number).await?;
        case.records(session.ids.len()).await?;
        session.run(format!("alter table outbox {alteration}")).await?;
    }
    insert(&case, &mut session, ALTERATIONS.len()).await?;

    assert_rows(&case.records(session.ids.len()).await?, &session.ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_with_the_columns_of_their_time_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    rows_are_read_with_the_columns_of_their_time(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_with_the_columns_of_their_time_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    rows_are_read_with_the_columns_of_their_time(Setup::Reference).await
}

/// While the relay is away: the names must come from the binlog.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_table_that_was_altered_meanwhile_are_read_as_they_were_written() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "altered_meanwhile").await?;
    let mut relay = case.relay_with(config(&case)?).await?;
    let mut session = case.session().await?;
    insert(&case, &mut session, 0).await?;
    case.records(1).await?;
    relay.terminate(LONG).await?;

    for (number, alteration) in ALTERATIONS.iter().enumerate() {
        session.run(format!("alter table outbox {alteration}")).await?;
        insert(&case, &mut session, number + 1).await?;
    }
    session.run("drop table outbox").await?;
    relay.start_again()?;

    assert_rows(&case.records(session.ids.len()).await?, &session.ids)
}

//! A row that cannot be published: everything before it is, and after the repair it goes on there.

use anyhow::{Context, Result};
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use rowpost_tests::{KafkaBroker, Relay, Setup, eventually, needs, relay::RelayConfig};

use crate::{
    case::{Case, Session},
    consumer::Record,
    stack::LONG,
};

/// Rows before and behind the one that halts.
const BEFORE: usize = 5;
const BEHIND: usize = 3;

/// What makes a row impossible to publish, and what the relay must say of it.
struct Poison {
    /// Before any row.
    prepare: Vec<String>,
    /// `additional`, `topic` and the like of the outbox entry.
    entry: String,
    /// The row that halts. `{id}` stands for its id.
    insert: String,
    exit_code: i32,
    says: Vec<String>,
    /// The outbox entry that takes it.
    repaired_entry: String,
}

fn entry(case: &Case<'_>, more: &str) -> String {
    format!("[{{ table = '{}.outbox'{more} }}]", case.database)
}

fn config(case: &Case<'_>, entry: &str) -> Result<RelayConfig> {
    let mut config = case.config()?;
    config.set("outbox", entry);
    Ok(config)
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::event_id).collect()
}

/// The rows come one by one while the relay runs, or all at once while it is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Followed,
    Waiting,
}

/// The relay begins, halts at the poison with everything before it published, and says where.
async fn halts_at(
    case: &Case<'_>,
    session: &mut Session,
    relay: &mut Relay,
    rows: Rows,
    insert: &str,
) -> Result<i32> {
    session.insert(1).await?;
    case.records(1).await?;
    if rows == Rows::Waiting {
        relay.terminate(LONG).await?;
    }
    for _ in 1..BEFORE {
        session.insert(1).await?;
    }
    let before = session.ids.len();
    let id = session.id();
    session.run(insert.replace("{id}", &id)).await?;
    session.ids.push(id);
    for _ in 0..BEHIND {
        session.insert(1).await?;
    }
    if rows == Rows::Waiting {
        relay.start_again()?;
    }
    let exit = relay.wait_exit(LONG).await?;
    assert_eq!(ids(&case.records(before).await?), session.ids[..before], "{rows:?}");
    exit.code().context("the relay ends by itself")
}

fn assert_says(relay: &Relay, case: &Case<'_>, parts: &[String]) -> Result<()> {
    let log = relay.log_text()?;
    let last = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
    let place = [format!("`{}.outbox`", case.database), "bin-log.0".to_owned()];
    for part in parts.iter().chain(&place) {
        assert!(last.contains(part), "`{part}` is missing in: {last}");
    }
    Ok(())
}

async fn row_that_makes_no_record(setup: Setup, name: &str, poison: &Poison) -> Result<()> {
    for rows in [Rows::Followed, Rows::Waiting] {
        let case = Case::shared(setup, name).await?;
        let mut session = case.session().await?;
        for statement in &poison.prepare {
            session.run(statement).await?;
        }
        let entries = [&poison.entry, &poison.repaired_entry]
            .map(|more| entry(&case, &more.replace("{topic}", &case.topic())));
        let mut relay = case.relay_with(config(&case, &entries[0])?).await?;
        let insert = poison.insert.replace("{kind}", &case.database);

        let code = halts_at(&case, &mut session, &mut relay, rows, &insert).await?;
        assert_eq!(code, poison.exit_code, "{rows:?}");
        assert_says(&relay, &case, &poison.says)?;

        relay.config_mut().set("outbox", &entries[1]);
        relay.start_again()?;
        case.expect(&mut session).await?;
    }
    Ok(())
}

fn values(id: &str) -> String {
    format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
         values ('{id}', '{{kind}}', 'k', 't', '1')"
    )
}

async fn row_without_a_topic_halts(setup: Setup) -> Result<()> {
    let poison = Poison {
        prepare: vec!["alter table outbox modify aggregatetype varchar(200) null".to_owned()],
        entry: String::new(),
        insert: values("{id}").replace("'{kind}'", "null"),
        exit_code: 65,
        says: vec!["`aggregatetype`".to_owned(), "is NULL, but the topic template".to_owned()],
        repaired_entry: ", topic = '{topic}'".to_owned(),
    };
    row_that_makes_no_record(setup, "no_topic", &poison).await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_without_a_topic_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    row_without_a_topic_halts(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_without_a_topic_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    row_without_a_topic_halts(Setup::Reference).await
}

async fn row_for_a_partition_that_is_not_there_halts(setup: Setup) -> Result<()> {
    let poison = Poison {
        prepare: vec!["alter table outbox add column part int null".to_owned()],
        entry: ", additional = [{ column = 'part', placement = 'partition' }]".to_owned(),
        insert: values("{id}").replace("payload)", "payload, part)").replace("'1')", "'1', 3)"),
        exit_code: 65,
        says: vec!["partition 3 does not exist".to_owned(), "event 00000000-".to_owned()],
        repaired_entry: String::new(),
    };
    row_that_makes_no_record(setup, "no_partition", &poison).await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_for_a_partition_that_is_not_there_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    row_for_a_partition_that_is_not_there_halts(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_for_a_partition_that_is_not_there_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    row_for_a_partition_that_is_not_there_halts(Setup::Reference).await
}

/// Until the configuration fits the table again.
async fn table_that_loses_a_mapped_column_halts(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "no_column").await?;
    let mut session = case.session().await?;
    let with_column = |more: &str| {
        entry(&case, &format!(", additional = [{{ column = 'type', placement = 'header'{more} }}]"))
    };
    let mut relay = case.relay_with(config(&case, &with_column(""))?).await?;
    session.insert(BEFORE).await?;
    case.records(BEFORE).await?;

    session.run("alter table outbox drop column type").await?;
    let id = session.id();
    session
        .run(
            values(&id)
                .replace("type, payload", "payload")
                .replace("'t', ", "")
                .replace("{kind}", &case.database),
        )
        .await?;
    session.ids.push(id);
    let exit = relay.wait_exit(LONG).await?;

    assert_eq!(exit.code(), Some(69));
    assert_says(&relay, &case, &["no column `type`".to_owned(), "`additional`".to_owned()])?;
    relay.config_mut().set("outbox", with_column(", optional = true"));
    relay.start_again()?;
    let records = case.records(BEFORE + 1).await?;
    assert_eq!(ids(&records), session.ids);
    let headers: Vec<usize> = records.iter().map(|record| record.headers.len()).collect();
    assert_eq!(headers, [vec![2; BEFORE], vec![1]].concat());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_loses_a_mapped_column_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    table_that_loses_a_mapped_column_halts(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_loses_a_mapped_column_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    table_that_loses_a_mapped_column_halts(Setup::Reference).await
}

/// The largest record of the topic, as an operator would change it.
async fn set_record_bytes_max(kafka: &KafkaBroker, topic: &str, bytes: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    for outcome in admin.alter_configs([&change], &AdminOptions::new()).await? {
        outcome.map_err(|(_, code)| code).context("cannot alter the topic")?;
    }
    Ok(())
}

/// Inserts a row whose record is larger than 3,000 bytes, also compressed. `{id}` stands for its id.
fn large(case: &Case<'_>) -> String {
    let digits = "hex(random_bytes(1000))";
    values("{id}")
        .replace("{kind}", &case.database)
        .replace("'1')", &format!("json_quote(concat({digits}, {digits}, {digits})))"))
}

/// What the broker does not take: known only from its answer to a batch in which others are.
async fn record_too_large_for_the_topic_halts(setup: Setup) -> Result<()> {
    for rows in [Rows::Followed, Rows::Waiting] {
        let case = Case::shared(setup, "large_topic").await?;
        set_record_bytes_max(case.kafka, &case.topic(), "3000").await?;
        let mut session = case.session().await?;
        let mut relay = case.relay().await?;
        let insert = large(&case);

        let code = halts_at(&case, &mut session, &mut relay, rows, &insert).await?;
        assert_eq!(code, 65, "{rows:?}");
        let says = ["larger than allowed", "max.message.bytes", "event 00000000-"];
        assert_says(&relay, &case, &says.map(str::to_owned))?;

        set_record_bytes_max(case.kafka, &case.topic(), "1000000").await?;
        relay.start_again()?;
        case.expect(&mut session).await?;
    }
    Ok(())
}

/// The other mode has no transaction to take records back with: some may come twice, none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn record_too_large_for_the_topic_halts_at_least_once_too() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "large_topic").await?;
    set_record_bytes_max(case.kafka, &case.topic(), "3000").await?;
    let mut session = case.session().await?;
    let mut config = case.config()?;
    config.set_text("delivery", "at-least-once");
    let mut relay = case.relay_with(config).await?;
    session.insert(BEFORE).await?;
    case.records(BEFORE).await?;
    relay.kill9()?;

    session.insert(BEFORE).await?;
    session.insert(BEFORE).await?;
    let before = session.ids.len();
    let id = session.id();
    session.run(large(&case).replace("{id}", &id)).await?;
    session.ids.push(id);
    session.insert(BEHIND).await?;
    relay.start_again()?;
    let exit = relay.wait_exit(LONG).await?;

    assert_eq!(exit.code(), Some(65));
    assert_eq!(first_arrivals(&case.records(before).await?), session.ids[..before]);
    set_record_bytes_max(case.kafka, &case.topic(), "1000000").await?;
    relay.start_again()?;
    eventually("everything arrives", LONG, async || {
        let records = case.records(before).await?;
        Ok::<_, anyhow::Error>(first_arrivals(&records) == session.ids)
    })
    .await;
    Ok(())
}

/// Ids in the order in which each came first.
fn first_arrivals(records: &[Record]) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    ids(records).into_iter().filter(|id| seen.insert(*id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn record_too_large_for_the_topic_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    record_too_large_for_the_topic_halts(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn record_too_large_for_the_topic_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    record_too_large_for_the_topic_halts(Setup::Reference).await
}

//! From one service's transaction through the relay to another's.

use anyhow::Result;
use rowpost_outbox::{ConsumerConfig, Headers, Outbox, Rows, testing};
use rowpost_tests::{
    MysqlServer, Relay, Setup, eventually,
    notebook::{self, Notebook, Noted},
    relay::RelayConfig,
};

use crate::topic::{LONG, Topic};

/// The relay's configuration as the library's README has it, as one line for the harness.
fn outbox_entry(database: &str, topic: &str) -> Result<String> {
    let readme = rowpost_tests::outbox::workspace().join("services/outbox/README.md");
    let text = std::fs::read_to_string(readme)?;
    let (_, rest) = text.split_once("additional = [").expect("the README has it");
    let (fields, _) = rest.split_once("\n]").expect("the list ends");
    let fields = fields.replace('\n', " ");
    Ok(format!(
        "[{{ table = \"{database}.outbox\", topic = \"{topic}\", additional = [{fields}] }}]"
    ))
}

#[tokio::test]
async fn event_goes_from_one_services_transaction_into_the_others() -> Result<()> {
    for setup in [Setup::Current, Setup::Reference] {
        let mysql = MysqlServer::shared(setup).await?;
        let (writer, url) = notebook::schema(mysql, "relay_writer").await?;
        let (reader, _) = notebook::schema(mysql, "relay_reader").await?;
        let topic = Topic::create(&format!("relayed_{setup:?}"), 2).await?;
        let database = url.rsplit('/').next().expect("the URL ends with the schema");
        let mut config = RelayConfig::new(mysql, topic.kafka, database)?;
        config.set("outbox", outbox_entry(database, &topic.name)?);
        let relay = Relay::start(config).await?;
        relay.wait_ready(LONG).await;

        let mut transaction = writer.begin().await?;
        let headers = Headers::of_process("saga-9").with_traceparent("00-cc-dd-01");
        let outbox = Outbox { rows: Rows::DeleteAtOnce, ..Outbox::default() };
        let event = Noted { text: "주문".to_owned() };
        let event_id = outbox.append(&mut transaction, &event, &headers).await?;
        transaction.commit().await?;
        let consumer = ConsumerConfig::new(&topic.name, [&topic.name]);
        let running =
            topic.run_with(&topic.kafka.client(), consumer, &reader, &Notebook::default())?;
        eventually("it is noted", LONG, async || {
            Ok::<_, anyhow::Error>(notebook::notes(&reader).await? == ["주문"])
        })
        .await;
        running.stop().await?;

        let answer = &testing::written(&reader).await?[0].headers;
        assert_eq!(answer.correlation_id.as_deref(), Some("saga-9"));
        assert_eq!(answer.causation_id, Some(event_id.to_string()));
        assert_eq!(answer.traceparent.as_deref(), Some("00-cc-dd-01"));
    }
    Ok(())
}

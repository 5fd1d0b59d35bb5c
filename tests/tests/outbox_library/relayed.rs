//! From one service's transaction through the relay to another's.

use anyhow::Result;
use rowpost_outbox::{
    ConsumerConfig, Headers, Outbox, Received, Rows, TraceContext, headers::CORRELATION_ID, testing,
};
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
        let trace = TraceContext::root(true);
        let headers = Headers::of_process("주문-9").with_trace(trace);
        let event = Noted { text: "주문".to_owned() };
        let payload = "{\"text\":\"주문\"}";
        let tight = Outbox { payload_bytes_max: payload.len(), ..Outbox::default() };
        let event_id = tight.append(&mut transaction, &event, &headers).await?;
        // No row of this one is left for anybody but the binlog's reader.
        let gone = Outbox { rows: Rows::DeleteAtOnce, ..Outbox::default() };
        gone.append(&mut transaction, &event, &headers).await?;
        transaction.commit().await?;

        let records = topic.records(2).await?;
        let record = &records[0];
        assert_eq!(record.event_id, event_id.to_string());
        assert_eq!(record.key.as_deref(), Some("주문".as_bytes()));
        assert_eq!(record.payload.as_deref(), Some(payload.as_bytes()));
        assert_eq!(record.event_type(), Some("Noted"));
        assert_eq!(record.header(CORRELATION_ID), Some("주문-9"));
        assert_eq!(record.trace(), Some(trace));
        // What services test with is what they will get.
        let written = testing::written(&writer).await?.remove(0);
        let Received { topic: name, partition, kafka_offset, timestamp_ms, .. } = record;
        let expected = written.received_from(name, *partition, *kafka_offset);
        assert_eq!(*record, Received { timestamp_ms: *timestamp_ms, ..expected });

        let consumer = ConsumerConfig::new(&topic.name, [&topic.name]);
        let running =
            topic.run_with(&topic.kafka.client(), consumer, &reader, &Notebook::default())?;
        eventually("both are noted", LONG, async || {
            Ok::<_, anyhow::Error>(notebook::notes(&reader).await? == ["주문", "주문"])
        })
        .await;
        running.stop().await?;

        let answer = &testing::written(&reader).await?[0].headers;
        assert_eq!(answer.correlation_id.as_deref(), Some("주문-9"));
        assert_eq!(answer.causation_id, Some(event_id.to_string()));
        assert_eq!(answer.traceparent, Some(trace.to_string()));
    }
    Ok(())
}

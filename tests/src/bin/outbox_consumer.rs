//! A service that notes every event it hears of, in a process of its own that a test can kill.
//!
//! Arguments: the URL of its schema, bootstrap, the consumer's name, topic. It never commits an offset
//! while it runs, so that after a kill everything is delivered again.

use std::env;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rowpost_outbox::{CancellationToken, Consumer, ConsumerConfig, MySqlPool};
use rowpost_tests::notebook::Notebook;

#[tokio::main]
async fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut arguments = env::args().skip(1);
    let mut argument = |name: &str| arguments.next().with_context(|| format!("no {name}"));
    let (url, bootstrap) = (argument("url")?, argument("bootstrap")?);
    let config = ConsumerConfig::new(argument("name")?, [argument("topic")?]);

    let pool = MySqlPool::connect(&url).await?;
    let mut kafka = ClientConfig::new();
    kafka
        .set("bootstrap.servers", bootstrap)
        .set("auto.commit.interval.ms", "3600000")
        // A killed member must not keep its partitions for long.
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1000");
    let consumer = Consumer::new(&kafka, pool, config, Notebook::default())?;
    Ok(consumer.run(CancellationToken::new()).await?)
}

//! What `rowpost check` looks at on Kafka's side.
//!
//! Promises: publishes nothing, creates nothing, and fences no running relay: the transactional id
//! that it tries is one of its own. Blocks; for the time-outs of [`PATIENCE`] at most.

use std::time::{Duration, Instant};

use rdkafka::producer::{Producer as _, ThreadedProducer};

use super::{
    BrokerError, PublishError, Settings, client_config, deliveries::Deliveries, error::code_of,
    fault::Fault, producer::Producer, slots,
};
use crate::{
    check::Check,
    checkpoint::{Store, TopicFound},
    config::Delivery,
    error::Chain,
};

/// For each question. A check should answer while somebody looks on.
const PATIENCE: Duration = Duration::from_secs(10);

const REACHING: &str = "asking for the cluster's brokers";

/// All checks; the later ones are left out when no broker answers.
pub fn preflight(settings: &Settings) -> Vec<Check> {
    let settings =
        Settings { delivery_timeout: settings.delivery_timeout.min(PATIENCE), ..settings.clone() };
    let mut checks = Vec::new();
    match reach(&settings) {
        Ok(found) => checks.extend(found),
        Err(error) => {
            checks.push(failed("kafka.bootstrap_servers", &error, "a broker that answers"));
            return checks;
        }
    }
    match Store::new(&settings).look() {
        Ok(found) => checks.extend(checkpoint_topic(&settings, found)),
        Err(error) => checks.push(failed("checkpoint topic", &error.into(), "usable")),
    }
    checks.push(transactions(&settings));
    checks
}

fn reach(settings: &Settings) -> Result<[Check; 2], PublishError> {
    let client: ThreadedProducer<Deliveries> =
        client_config::create(&settings.admin(), Deliveries::default())?;
    let deadline = Instant::now() + settings.delivery_timeout;
    let metadata = loop {
        let error = match client.client().fetch_metadata(None, settings.delivery_timeout) {
            Ok(metadata) => break metadata,
            Err(error) => error,
        };
        let connection = &client.client().context().connection;
        if let Some(reason) = connection.refused_login() {
            return Err(BrokerError::AuthenticationFailed { doing: REACHING, reason }.into());
        }
        if Instant::now() >= deadline {
            let fault = Fault::of(code_of(&error));
            let reason = connection.trouble().unwrap_or_else(|| error.to_string());
            return Err(BrokerError::of(REACHING, fault, settings.delivery_timeout, reason).into());
        }
    };
    let brokers: Vec<String> = metadata
        .brokers()
        .iter()
        .map(|broker| format!("{}:{}", broker.host(), broker.port()))
        .collect();
    let cluster = client.client().fetch_cluster_id(settings.delivery_timeout);
    Ok([
        Check::ok("kafka.bootstrap_servers", brokers.join(", ")).requiring("a broker that answers"),
        Check::ok("cluster id", cluster.unwrap_or_else(|| "not told".to_owned())),
    ])
}

fn checkpoint_topic(settings: &Settings, found: TopicFound) -> Vec<Check> {
    const NAME: &str = "checkpoint topic";
    let topic = &settings.checkpoint_topic;
    let required = "1 partition, cleanup.policy=compact";
    let check = match found {
        TopicFound::Missing => {
            return vec![Check::ok(NAME, format!("{topic} is created by the first start"))];
        }
        TopicFound::Usable { partitions: 1 } => Check::ok(NAME, topic).requiring(required),
        TopicFound::Usable { partitions } => Check::warning(
            NAME,
            format!("{topic} has {partitions} partitions"),
            "only partition 0 is used; nothing else may write to this topic",
        )
        .requiring(required),
    };
    let position = match Store::new(settings).read() {
        Ok(Some(checkpoint)) => {
            Check::ok("checkpoint", format!("resumes at {}", checkpoint.position.coordinates))
        }
        Ok(None) => Check::ok("checkpoint", "none yet: mysql.start decides"),
        Err(error) => failed("checkpoint", &error.into(), "readable"),
    };
    vec![check, position]
}

/// Whether the principal may use transactional ids with the relay's prefix, and the broker has
/// transactions at all.
fn transactions(settings: &Settings) -> Check {
    const NAME: &str = "transactions";
    if settings.delivery == Delivery::AtLeastOnce {
        return Check::ok(NAME, "not used with delivery = \"at-least-once\"");
    }
    let mut config = settings.transactional_producer(0);
    config.set("transactional.id", format!("rowpost.{}.check", settings.source));
    let tried = Producer::create(&config).and_then(|producer| slots::init(settings, &producer));
    match tried {
        Ok(()) => {
            Check::ok(NAME, "InitProducerId answered").requiring("delivery = \"exactly-once\"")
        }
        Err(error) => failed(NAME, &error, "delivery = \"exactly-once\""),
    }
}

/// The errors of the stages name the repair themselves.
fn failed(name: &str, error: &PublishError, required: &str) -> Check {
    let mut check = Check::failed(name, "refused").requiring(required);
    check.repair = Some(Chain(error).to_string());
    check
}

//! Flags and environment of a service with a database and consumers.

use rdkafka::ClientConfig;

/// Every flag has a variable; a flag goes first.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The service's own schema, with its own account. Other users of this machine can see the
    /// command line: the password is better left to the variable.
    #[arg(long, env = "SHOP_MYSQL_URL", hide_env_values = true, value_name = "URL")]
    pub mysql_url: String,
    /// Kafka's bootstrap servers, separated by commas.
    #[arg(long, env = "SHOP_KAFKA", value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub kafka: String,
    /// Further settings of the Kafka client, such as security.protocol=ssl.
    #[arg(long, env = "SHOP_KAFKA_PROPERTY", value_name = "KEY=VALUE", value_delimiter = ',',
          value_parser = property)]
    pub kafka_property: Vec<(String, String)>,
    /// Put before the names of topics and consumer groups, where several shops share a cluster; the
    /// relay's `outbox[].topic` must begin with it too.
    #[arg(long, env = "SHOP_TOPIC_PREFIX", value_name = "PREFIX", default_value = "")]
    pub topic_prefix: String,
    /// The relay's `source`, in whose checkpoint is said how far it is: published outbox rows are then
    /// deleted after an hour. Without it they stay.
    #[arg(long, env = "SHOP_RELAY_SOURCE", value_name = "NAME")]
    pub relay_source: Option<String>,
}

/// A service may start before its topics are there, or before the broker that it asks has heard of them.
/// librdkafka's own pause before it looks again is five minutes.
const TOPICS_LOOKED_FOR_MS: &str = "5000";

/// A service that was killed is replaced this soon: the group waits so long for its dead member. The
/// consumer's heart beats in a thread of its own, however long a record takes.
const SESSION_TIMEOUT_MS: &str = "10000";

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must be of the form key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Settings {
    /// For the library's consumers.
    pub fn kafka_client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.kafka).set("reconnect.backoff.max.ms", "1000");
        client.set("session.timeout.ms", SESSION_TIMEOUT_MS);
        client.set("topic.metadata.refresh.interval.ms", TOPICS_LOOKED_FOR_MS);
        for (key, value) in &self.kafka_property {
            client.set(key, value);
        }
        client
    }
}

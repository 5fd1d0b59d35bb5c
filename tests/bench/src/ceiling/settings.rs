//! The relay's defaults → librdkafka's properties and the limits of a batch.

use anyhow::Result;
use rdkafka::ClientConfig;
use rowpost::{
    config::{Checkpoint, Delivery, Kafka, Properties, Publish},
    publish,
};

use super::Options;

pub(super) struct Settings {
    /// One for each transactional id, in the order of their use.
    pub(super) producers: Vec<ClientConfig>,
    pub(super) checkpoint_topic: String,
    pub(super) batch_records_max: usize,
    pub(super) batch_bytes_max: usize,
}

/// What a relay of this source would do without any configuration.
pub(super) fn read(options: &Options) -> Result<Settings> {
    let kafka =
        Kafka { bootstrap_servers: options.bootstrap.clone(), properties: Properties::default() };
    let (limits, checkpoint) = (Publish::default(), Checkpoint::default());
    let relay = publish::Settings::new(
        &options.source,
        Delivery::ExactlyOnce,
        &kafka,
        &limits,
        &checkpoint,
    )?;
    Ok(Settings {
        producers: (0..limits.slots.get()).map(|slot| relay.transactional_producer(slot)).collect(),
        checkpoint_topic: relay.checkpoint_topic().to_owned(),
        batch_records_max: limits.batch_records_max.get(),
        batch_bytes_max: usize::try_from(limits.batch_bytes_max.as_u64())?,
    })
}

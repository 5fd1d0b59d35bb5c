//! What a pipeline reads: a server's binlog for ever, or a part of it once more.

use std::future::Future;

use tracing::info;

use crate::{
    config::Config,
    position::Position,
    source::{self, Advice, Hosts, Reading, SourceError},
};

/// Where chunks come from.
pub trait Feed {
    /// Whether reading comes to an end by itself, and that is well.
    const ENDS: bool;

    /// Where to read from, when everything before `checkpoint` is out.
    fn find_start(
        &mut self,
        checkpoint: Option<Position>,
    ) -> impl Future<Output = Result<Position, SourceError>> + Send;

    /// Reads as `reading` says, within what this feed is of.
    fn read(
        &self,
        reading: Reading,
    ) -> impl Future<Output = Result<(), SourceError>> + Send + 'static;
}

/// Everything that the source has, and will have.
pub struct Tail {
    config: Config,
    hosts: Hosts,
    advice: Advice,
}

impl Tail {
    pub fn new(config: &Config) -> Self {
        let hosts = Hosts::new(&config.mysql);
        Self { config: config.clone(), hosts, advice: Advice::default() }
    }
}

impl Feed for Tail {
    const ENDS: bool = false;

    async fn find_start(&mut self, checkpoint: Option<Position>) -> Result<Position, SourceError> {
        let (start, server) =
            source::find_start(&self.config, &self.hosts, checkpoint, &mut self.advice).await?;
        info!(
            server_uuid = %server.server_uuid,
            version = server.version(),
            coordinates = %start.coordinates,
            gtid_set = start.gtid_set.as_ref().map(tracing::field::display),
            "start found"
        );
        Ok(start)
    }

    fn read(
        &self,
        reading: Reading,
    ) -> impl Future<Output = Result<(), SourceError>> + Send + 'static {
        source::run_over(self.config.clone(), self.hosts.clone(), reading)
    }
}

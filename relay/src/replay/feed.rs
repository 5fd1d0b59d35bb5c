//! A range of a binlog → the pipeline's chunks.

use std::{future::Future, num::NonZeroU32, sync::Arc};

use tokio::sync::mpsc;

use super::{description::Description, stage::Stage};
use crate::{
    config::Config,
    pipeline::Feed,
    position::Position,
    range,
    source::{
        self, Advice, Cut, Origin, PresentColumns, Reading, SourceError, binlog_files::BinlogFolder,
    },
};

/// Chunks that wait between reading and choosing; the bytes in flight bound them too.
const CHUNKS: usize = 16;

pub(super) struct RangeFeed {
    /// With a server id of the replay's own.
    config: Config,
    description: Arc<Description>,
    origin: Origin,
    present_columns: PresentColumns,
    rate: Option<NonZeroU32>,
    advice: Advice,
}

impl RangeFeed {
    /// `folder` if files are read, `has_server` if there is one to ask about columns.
    pub(super) fn new(
        config: &Config,
        source: &str,
        description: Arc<Description>,
        folder: Option<BinlogFolder>,
        has_server: bool,
        rate: Option<NonZeroU32>,
    ) -> Self {
        let asked = &description.asked;
        let present_columns = range::present_columns(has_server, asked.trust_present_columns);
        let mut config = config.clone();
        for entry in &mut config.outbox {
            entry.keeps_event_type = asked.selection.needs_event_type();
        }
        range::aside(&mut config, source);
        let origin = folder.map_or(Origin::Server, Origin::Files);
        Self { config, description, origin, present_columns, rate, advice: Advice::default() }
    }

    /// Reads without a pipeline.
    pub(super) fn start(&self) -> Position {
        self.description.range.start()
    }
}

impl Feed for RangeFeed {
    const ENDS: bool = true;

    async fn find_start(&mut self, checkpoint: Option<Position>) -> Result<Position, SourceError> {
        let position = checkpoint.unwrap_or_else(|| self.start());
        match &self.origin {
            Origin::Files(_) => Ok(position),
            Origin::Server => {
                let found =
                    source::start::find_start(&self.config, Some(position), &mut self.advice);
                found.await.map(|(start, _)| start)
            }
        }
    }

    fn read(
        &self,
        reading: Reading,
    ) -> impl Future<Output = Result<(), SourceError>> + Send + 'static {
        let Description { name, asked, range } = &*self.description;
        let stage =
            Stage::new(name, asked.selection.clone(), asked.topic_prefix.as_deref(), self.rate);
        let (chunks, received) = mpsc::channel(CHUNKS);
        let (out, stop) = (reading.chunks, reading.stop.clone());
        let reading = Reading {
            origin: self.origin.clone(),
            bounds: range.bounds(),
            present_columns: self.present_columns,
            // What leaves in a second is counted in records: no more than a transaction at once.
            cut: if self.rate.is_some() { Cut::AfterEachTransaction } else { reading.cut },
            chunks,
            ..reading
        };
        let run = source::run(self.config.clone(), reading);
        async move {
            let (read, ()) = tokio::join!(run, stage.run(received, out, stop));
            read
        }
    }
}

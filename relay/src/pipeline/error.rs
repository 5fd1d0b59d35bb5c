//! Why the pipeline ended.

use std::time::Duration;

use crate::{error::Disposition, publish::PublishError, source::SourceError, status::Stage};

#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the source's task panicked: {message}")]
    SourcePanicked { message: String },
    #[error("the source stopped reading though nobody asked it to")]
    SourceFinished,
    #[error("the publisher's thread panicked; its message is on standard error")]
    PublisherPanicked,
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// Nothing is lost: the next start reads it again.
    #[error(
        "what was read could not be committed within limits.shutdown_grace = {grace:?}; the next \
         start resumes from the checkpoint"
    )]
    GraceExceeded { grace: Duration },
    #[error("the source was away for {away:?}, longer than limits.retry_time_max")]
    SourceAway { away: Duration },
    #[error("gave up after {failing_for:?} without a commit (limits.retry_time_max)")]
    GaveUp {
        failing_for: Duration,
        #[source]
        last: Box<PipelineError>,
    },
}

impl PipelineError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Source(error) => error.disposition(),
            Self::Publish(error) => error.disposition(),
            // Outside bytes can make a foreign parser panic; the supervisor counts these.
            Self::SourcePanicked { .. } | Self::SourceFinished | Self::Thread(_) => {
                Disposition::Retry
            }
            Self::PublisherPanicked
            | Self::GraceExceeded { .. }
            | Self::SourceAway { .. }
            | Self::GaveUp { .. } => Disposition::Halt,
        }
    }

    pub fn stage(&self) -> Stage {
        match self {
            Self::Source(_)
            | Self::SourcePanicked { .. }
            | Self::SourceFinished
            | Self::SourceAway { .. } => Stage::Source,
            Self::Publish(_)
            | Self::PublisherPanicked
            | Self::Thread(_)
            | Self::GraceExceeded { .. } => Stage::Publish,
            Self::GaveUp { last, .. } => last.stage(),
        }
    }
}

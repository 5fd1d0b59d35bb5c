//! Why an event's bytes could not be read.

use crate::source::Malformed;

/// The bytes are not what their event type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The bytes can be read, but what they say cannot be.
    #[error("{0}")]
    Invalid(&'static str),
}

impl EventError {
    pub(crate) fn truncated(needed: usize, available: usize) -> Self {
        Self::Malformed(Malformed::Truncated { needed, available })
    }
}

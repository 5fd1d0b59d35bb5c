//! What a caller does about an error.

/// Every stage's error says which of the two it is; the pipeline acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The weather: start again from the checkpoint, with back-off.
    Retry,
    /// It repeats for ever: stop, keep the position, let the exit code say why.
    Halt,
}

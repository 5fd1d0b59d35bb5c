//! What to do about an error.

/// Every error of this crate has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass: the same again, after a while.
    Retry,
    /// It will be the same every time: a person has to repair something.
    Halt,
}

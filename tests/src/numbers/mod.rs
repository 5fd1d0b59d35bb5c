//! A source without MySQL: the numbers from 0, as chunks for a publisher.
//!
//! Number n is record n: key `n % KEYS`, value and header `id` the number. The position after it is
//! n + 1, as the coordinates' position. So a publisher that resumes from its checkpoint shows in the
//! topic whether it lost, repeated or reordered anything.

mod feed;
mod publisher;
mod seen;

pub use self::{
    feed::{Feed, Pace, chunk, position},
    publisher::{Options, publish},
    seen::{Isolation, Seen, Verdict},
};

/// Keys that the numbers are spread over.
pub const KEYS: u64 = 97;

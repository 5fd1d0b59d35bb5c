//! Who wrote a checkpoint.

use std::{fmt, process};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One life of one process. Stored with each checkpoint, so that a relay that was fenced can see whether
/// another one took over, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// What tells writers apart: hosts have the same names, and processes the same ids.
    pub instance: Uuid,
    /// For people.
    pub host: String,
    /// For people.
    pub pid: u32,
}

impl Writer {
    /// A new one, in this process.
    pub fn here() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { instance: Uuid::new_v4(), host, pid: process::id() }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on host {}", self.pid, self.host)
    }
}

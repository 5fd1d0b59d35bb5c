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
    #[serde(default, skip_serializing_if = "Role::is_relay")]
    pub role: Role,
}

/// As what a process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    #[default]
    Relay,
    /// `rowpost position set`.
    PositionSet,
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

impl Role {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_relay(&self) -> bool {
        *self == Self::Relay
    }
}

impl Writer {
    /// A new relay, in this process.
    pub fn here() -> Self {
        Self::new(Role::Relay)
    }

    pub fn new(role: Role) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { instance: Uuid::new_v4(), host, pid: process::id(), role }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Relay | Role::Unknown => "",
            Role::PositionSet => "`rowpost position set`, ",
        };
        write!(f, "{role}process {} on host {}", self.pid, self.host)
    }
}

//! A place in the binlog files.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// File name and byte position in the binlog of one server. Means nothing on another server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogCoordinates {
    /// For example `bin-log.000042`.
    pub file: Arc<str>,
    /// Bytes from the start of the file. 64 bits: a file that ends in a giant transaction can be
    /// larger than the 4 GiB that an event header's 32 bits can name.
    pub position: u64,
}

impl fmt::Display for BinlogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

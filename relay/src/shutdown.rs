//! Leaving in order.
//!
//! 1. A signal asks for it; readiness goes first, so that nobody counts on this relay.
//! 2. The source stops reading.
//! 3. The publisher commits what was read, within `limits.shutdown_grace`.
//! 4. Past that it is told to leave; what is open is aborted by the next relay's fence. Nothing is
//!    lost or repeated for it, the next start reads that part again.
//! 5. HTTP goes last, so that the drain can be watched.
//!
//! A second signal ends the process where it stands: as safe as a crash, which is safe.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::exit_code::ExitCode;

/// SIGTERM and SIGINT from now on; both mean the same.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Inside the runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Cancels `stop` at the first signal and ends the process at the second.
    pub async fn watch(mut self, stop: CancellationToken) {
        let name = self.next().await;
        info!(signal = name, "stopping");
        stop.cancel();
        let name = self.next().await;
        warn!(signal = name, "second signal, leaving at once");
        process::exit(ExitCode::TryAgain.into());
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

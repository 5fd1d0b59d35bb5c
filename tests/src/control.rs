//! What a test does to a server besides talking to it.

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    cache::{Cache, remove_folder},
    server::Server,
};

/// Set to anything: data and logs stay until the next run, also those of tests that passed.
pub const KEEP_VARIABLE: &str = "ROWPOST_TEST_KEEP";

/// The hold we have on a server.
#[derive(Debug)]
pub enum Control {
    Native(Native),
    /// Somebody else's server; the variable named its address.
    Address {
        variable: &'static str,
    },
    #[cfg(feature = "containers")]
    Container(crate::containers::Container),
}

/// A process of ours with a directory of its own, removed when the test is done and passed.
#[derive(Debug)]
pub struct Native {
    server: Arc<Mutex<Server>>,
    pub(crate) directory: PathBuf,
}

/// Prepares and starts away from the async threads.
pub(crate) async fn start_native(
    name: &'static str,
    start: impl FnOnce(&Cache, &std::path::Path) -> Result<Server> + Send + 'static,
) -> Result<Native> {
    blocking(move || {
        let cache = Cache::open()?;
        let directory = rowpost_servers::run_directory::subfolder(&cache, name)?;
        let server = Arc::new(Mutex::new(start(&cache, &directory)?));
        Ok(Native { server, directory })
    })
    .await
}

/// Runs what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the blocking work panicked")?
}

impl Native {
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Server) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let server = Arc::clone(&self.server);
        blocking(move || act(&mut server.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // What a failed test leaves behind is for whoever looks into it; the next run sweeps it.
        if std::thread::panicking() || env::var_os(KEEP_VARIABLE).is_some() {
            eprintln!("the server's data and log are in {}", self.directory.display());
            return;
        }
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = server.kill9().and_then(|()| remove_folder(&self.directory)) {
            eprintln!("cannot clean up {}: {error:#}", self.directory.display());
        }
    }
}

impl Control {
    /// SIGKILL, in the middle of whatever it does.
    pub(crate) async fn kill9(&self) -> Result<()> {
        match self {
            Self::Native(native) => native.with(Server::kill9).await,
            Self::Address { variable } => refused(variable),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.kill9().await,
        }
    }

    /// A clean shutdown.
    pub(crate) async fn stop(&self) -> Result<()> {
        match self {
            Self::Native(native) => native.with(|server| server.stop().map(drop)).await,
            Self::Address { variable } => refused(variable),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.stop().await,
        }
    }

    /// Starts it again with its data, on its port, and waits until it answers.
    pub(crate) async fn start(&self) -> Result<()> {
        match self {
            Self::Native(native) => native.with(Server::start_again).await,
            Self::Address { variable } => refused(variable),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.start().await,
        }
    }

    /// The server stands still until `resume`; its connections stay open.
    pub(crate) async fn pause(&self) -> Result<()> {
        match self {
            Self::Native(native) => native.with(|server| server.pause()).await,
            Self::Address { variable } => refused(variable),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.pause().await,
        }
    }

    pub(crate) async fn resume(&self) -> Result<()> {
        match self {
            Self::Native(native) => native.with(|server| server.resume()).await,
            Self::Address { variable } => refused(variable),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.resume().await,
        }
    }

    /// `None` while it is stopped, and for a server that is not our process.
    pub(crate) async fn pid(&self) -> Result<Option<i32>> {
        match self {
            Self::Native(native) => native.with(|server| Ok(server.id().map(|id| id.pid))).await,
            Self::Address { .. } => Ok(None),
            #[cfg(feature = "containers")]
            Self::Container(_) => Ok(None),
        }
    }

    /// The folder with the server's data and log, for a process of ours.
    pub(crate) fn directory(&self) -> Option<&std::path::Path> {
        match self {
            Self::Native(native) => Some(&native.directory),
            Self::Address { .. } => None,
            #[cfg(feature = "containers")]
            Self::Container(_) => None,
        }
    }
}

fn refused(variable: &str) -> Result<()> {
    bail!(
        "this test kills or restarts the server, and {variable} names one that is not ours: \
         unset it, or leave such tests out with `cargo xtask test --without kill`"
    )
}

//! A service from its start to its end.
//!
//! Promises: SIGTERM or SIGINT ends it in order: no new requests, those in hand are answered, the
//! record in hand is finished; a part that fails ends the whole, with an exit code that says so, and
//! whoever supervises the process starts it again. Not promised: anything that a crash would not keep
//! too. Every promise of the shop rests on transactions, not on a clean end.

use std::{
    io::IsTerminal as _,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use axum::Router;
use rowpost_outbox::{CancellationToken, ConsumerError, SchemaError, checkpoint::CheckpointError};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tracing_subscriber::EnvFilter;

use crate::traces;

/// For what is in hand when the signal comes.
const GRACE: Duration = Duration::from_secs(10);

/// Why a service ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// `SHOP_LOG`.
    #[error("--log is not a tracing filter: {source}")]
    Log {
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// `SHOP_MYSQL_URL`. Not shown: there is a password in it.
    #[error("--mysql-url is not of the form mysql://account:password@host:port/schema: {source}")]
    MysqlUrl {
        /// What is wrong with it.
        source: sqlx::Error,
    },
    /// Not there at the start, or it refuses the account.
    #[error("cannot connect to MySQL: {source}")]
    Mysql {
        /// The driver's words.
        source: sqlx::Error,
    },
    /// A migration did not run.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// One of the service's own migrations did not run, or its grants did not.
    #[error("cannot read the table `{table}`; run the service's migrations of sql/shop: {source}")]
    Table {
        /// Its name.
        table: &'static str,
        /// The server's words.
        source: sqlx::Error,
    },
    /// Kafka, for good.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// Settings that the Kafka client does not take.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Usually a port in use.
    #[error("cannot listen on {address}; choose a free one with --listen: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// The system refuses something that a service always needs.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// A fault of the program.
    #[error("a task of the service has ended by a panic: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// Whatever a service itself cannot go on without.
    #[error("{0}")]
    Service(String),
}

/// A running service's tasks and the token that ends them.
pub struct Life {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Life {
    /// Logging, tracing and signals. `filter` as in `info` or `shop=debug,info`.
    pub fn begin(filter: &str) -> Result<Self, Failure> {
        let filter =
            EnvFilter::builder().parse(filter).map_err(|source| Failure::Log { source })?;
        // Fails only where a test has set up logging before.
        let _is_first = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init();
        traces::begin()?;
        let stop = CancellationToken::new();
        let install = |kind| {
            signal(kind).map_err(|source| Failure::System { doing: "watch signals", source })
        };
        let (terminate, interrupt) =
            (install(SignalKind::terminate())?, install(SignalKind::interrupt())?);
        tokio::spawn(watch(terminate, interrupt, stop.clone()));
        Ok(Self { stop, tasks: JoinSet::new() })
    }

    /// Cancelled when the service is to end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A part that runs as long as the service; its end before is the service's.
    pub fn spawn(&mut self, task: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Listens, and returns when all has ended.
    pub async fn serve(mut self, address: SocketAddr, router: Router) -> Result<(), Failure> {
        let failed = |source| Failure::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "listening");
        let stop = self.stop();
        self.spawn(async move {
            let serving = axum::serve(listener, router);
            let served = serving.with_graceful_shutdown(stop.cancelled_owned()).await;
            served.map_err(|source| Failure::System { doing: "serve HTTP", source })
        });
        let ended = self.end().await;
        traces::end().await;
        ended
    }

    async fn end(mut self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        let mut deadline = None;
        loop {
            let ended = tokio::select! {
                ended = self.tasks.join_next() => ended,
                () = self.stop.cancelled(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + GRACE);
                    continue;
                }
                () = until(deadline) => {
                    tracing::warn!(?GRACE, "not done within the grace period, leaving");
                    return outcome;
                }
            };
            match ended {
                None => return outcome,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => outcome = outcome.and(Err(failure)),
                Some(Err(panicked)) => outcome = outcome.and(Err(panicked.into())),
            }
            self.stop.cancel();
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn watch(mut terminate: Signal, mut interrupt: Signal, stop: CancellationToken) {
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "stopping");
    stop.cancel();
}

/// The end of `main`. Plain text, for logging may be what could not be set up.
pub fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

//! Logs to standard error, as text or JSON. `log.filter` alone says what is logged: a stray
//! `RUST_LOG` of the surroundings changes nothing.

use std::io::{self, IsTerminal};

use tracing::info;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::{Config, Log, LogFormat};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("log.filter is not a tracing filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("this process logs already")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Once, before the first line is logged.
pub fn init(log: &Log) -> Result<(), LoggingError> {
    init_with(log, io::stderr)
}

/// The same, where lines have to make their way around something else on standard error.
pub fn init_with<W: io::Write>(
    log: &Log,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            fmt::layer().with_writer(writer).with_ansi(colour).boxed()
        }
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(writer)
            .boxed(),
    };
    // A filter for everything, not for this layer alone: tracing-subscriber's filters of single layers
    // lose lines when a library asks whether it may log and is told that it may not.
    tracing_subscriber::registry().with(lines).with(filter).try_init()?;
    Ok(())
}

/// The first line of every run.
pub fn announce(config: &Config) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        source = config.source,
        delivery = %config.delivery,
        mysql = %config.mysql.url,
        kafka = config.kafka.bootstrap_servers,
        http = config.http.listen.map_or_else(|| "off".to_owned(), |address| address.to_string()),
        traces = config.tracing.otlp_endpoint.as_deref().unwrap_or("off"),
        "rowpost starts"
    );
}

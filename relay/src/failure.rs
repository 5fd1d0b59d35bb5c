//! Why a command ended otherwise than it should, and how that is said: once.

use std::io;

use tracing::error;

use crate::{
    check::CheckFailed, config::ConfigError, error::Chain, exit_code::ExitCode, find::FindError,
    http::BindError, logging::LoggingError, pipeline::PipelineError,
    position_command::PositionError, publish::SettingsError, replay::ReplayError,
    status::StatusError,
};

/// Everything that a command can end with; `exit_code` gives each its number.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Logging(#[from] LoggingError),
    #[error(transparent)]
    Http(#[from] BindError),
    #[error("the asynchronous runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("the export of spans could not be started; see tracing.otlp_endpoint and OTEL_…")]
    Traces(#[source] io::Error),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Check(#[from] CheckFailed),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Position(#[from] PositionError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error("standard output cannot be written to")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Says it and gives the exit code. What happens once the relay has begun to log goes into the
    /// log; what happens before, or to somebody at a terminal, goes to standard error as it is.
    pub fn report(self) -> ExitCode {
        let code = ExitCode::from(&self);
        match self {
            // miette shows the line of the file.
            Self::Config(error) => say(&format!("{:?}", miette::Report::new(error))),
            Self::Pipeline(cause) => {
                error!(error = %Chain(&cause), exit_code = i32::from(code), "halted");
            }
            Self::Settings(_)
            | Self::Logging(_)
            | Self::Http(_)
            | Self::Runtime(_)
            | Self::Traces(_)
            | Self::Check(_)
            | Self::Replay(_)
            | Self::Find(_)
            | Self::Position(_)
            | Self::Status(_)
            | Self::Output(_) => say(&format!("rowpost: {}", Chain(&self))),
        }
        code
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a command line")]
fn say(text: &str) {
    eprintln!("{text}");
}

//! The `rowpost` binary: a table of contents.

use std::{env, io, sync::Arc};

use clap::Parser;
use prometheus_client::registry::Registry;
use rowpost::{
    check,
    cli::{CheckArgs, Cli, Command, ConfigArgs, FindArgs, PositionCommand, ReplayArgs},
    exit_code::ExitCode,
    failure::Failure,
    find,
    http::{self, Shown},
    logging,
    metrics::Metrics,
    pipeline::Pipeline,
    position_command, replay,
    shutdown::Signals,
    status::{self, Status},
    traces,
};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing::info;

#[cfg(feature = "mimalloc")]
mod allocator;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "mimalloc")]
    allocator::return_memory_soon();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return rowpost::cli::refuse(&usage).into(),
    };
    let ended = match cli.command {
        Command::Run(args) => run(&args),
        Command::Check(args) => check(&args),
        Command::Replay(args) => replay(&args),
        Command::Find(args) => find(&args),
        Command::Position(command) => position(&command),
        Command::Status(args) => {
            let listen = env::var("ROWPOST_HTTP__LISTEN").ok();
            status::command::run(&args, listen.as_deref(), io::stdout())
        }
    };
    ended.map_or_else(Failure::report, |()| ExitCode::Done).into()
}

fn run(args: &ConfigArgs) -> Result<(), Failure> {
    // Phase one: what can be seen to be wrong is said before anything runs.
    let config = args.load()?;
    logging::init(&config.log)?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let status = Status::new(&config, metrics.clone());
    let listener = http::bind(config.http.listen)?;
    let settings = config.publish_settings()?;
    let started = traces::start(&config.tracing, &config.source, &metrics);
    let (traces, exporting) = started.map_err(Failure::Traces)?.unzip();
    let settings = settings.traced(traces);
    let pipeline = Pipeline::new(&config, settings, metrics, status.clone());
    let runtime = runtime()?;

    // Phase two: the runtime, which ends when the pipeline does.
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let signals = Signals::install().map_err(Failure::Runtime)?;
        tokio::spawn(signals.watch(stop.clone()));
        logging::announce(&config);
        let shown = Shown { status, registry: Arc::new(registry) };
        let server = http::Server::start(listener, shown);
        let ended = pipeline.run(stop).await;
        server.stop().await;
        ended?;
        info!("stopped, everything that was read is committed");
        Ok(())
    });
    if let Some(exporting) = exporting {
        exporting.end();
    }
    // A thread that still waits for a broker holds nobody up.
    runtime.shutdown_background();
    ended
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    let settings = config.publish_settings()?;
    let checks = runtime()?.block_on(check::collect(&config, settings));
    check::conclude(&checks, args.format, io::stdout())
}

fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(replay::run(args, io::stdout()));
    // A thread that still waits for a broker holds nobody up.
    runtime.shutdown_background();
    ended
}

fn find(args: &FindArgs) -> Result<(), Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(find::run(args, io::stdout()));
    runtime.shutdown_background();
    ended
}

fn position(command: &PositionCommand) -> Result<(), Failure> {
    let runtime = runtime()?;
    match command {
        PositionCommand::Show(args) => {
            let config = args.config.load()?;
            runtime.block_on(position_command::show(&config, args.json, io::stdout()))
        }
        PositionCommand::Set(args) => {
            let config = args.config.load()?;
            runtime.block_on(position_command::set(&config, args, io::stdout()))
        }
        PositionCommand::Import(args) => {
            let config = args.config.load()?;
            runtime.block_on(position_command::import(&config, args, io::stdout()))
        }
    }
}

/// Two threads: one decodes, one is left for HTTP and for the end of waits. Publishing has its own.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("rowpost")
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
}

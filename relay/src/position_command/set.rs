//! `rowpost position set`.

use std::io::{self, IsTerminal, Write};

use prometheus_client::registry::Registry;

use super::{
    PositionError,
    conclusion::{ask, ensure_no_relay},
    plan::Move,
    target::Target,
    text,
};
use crate::{
    checkpoint::{Checkpoint, Role, Store, Writer},
    cli::PositionSetArgs,
    config::{Config, Delivery},
    failure::Failure,
    metrics::Metrics,
    position::Position,
    publish::{Publisher, Tenure},
    source::{
        SourceError,
        mysql::{ConnectOptions, Connection},
        probe::Probe,
        server::ServerFacts,
    },
};

/// Finds the position, says what the move means, and writes it once nobody else does.
pub async fn set(
    config: &Config,
    args: &PositionSetArgs,
    mut output: impl Write,
) -> Result<(), Failure> {
    let target = Target::parse(&args.position)?;
    if args.force && config.delivery == Delivery::AtLeastOnce {
        return Err(PositionError::NothingToFenceWith.into());
    }
    let checkpoint = read_checkpoint(config).await?;
    let from = checkpoint.as_ref().map(|checkpoint| &checkpoint.position);
    let (to, server) = find(config, &target, from).await?;
    let planned = Move::between(from, &to, &server);
    output.write_all(text::plan(from, &to, &planned).as_bytes())?;
    if args.dry_run {
        writeln!(output, "dry run: nothing was written")?;
        return Ok(());
    }
    if planned.needs_yes() && !args.yes && !ask() {
        return Err(PositionError::NotConfirmed.into());
    }
    let (config, force) = (config.clone(), args.force);
    let written = tokio::task::spawn_blocking(move || write(&config, checkpoint, &to, force));
    match written.await {
        Ok(written) => written?,
        Err(panicked) => return Err(Failure::Runtime(io::Error::other(panicked))),
    }
    writeln!(output, "the position is set; a relay goes on from there at its next start")?;
    Ok(())
}

/// The newest checkpoint, without creating its topic.
pub(super) async fn read_checkpoint(config: &Config) -> Result<Option<Checkpoint>, PositionError> {
    let store = Store::new(&config.publish_settings()?);
    let read = tokio::task::spawn_blocking(move || store.newest()).await;
    let read = read.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
    Ok(read?)
}

async fn find(
    config: &Config,
    target: &Target,
    checkpoint: Option<&Position>,
) -> Result<(Position, ServerFacts), PositionError> {
    let options = ConnectOptions::new(&config.mysql);
    let mut connection = Connection::open(&options).await.map_err(SourceError::from)?;
    let server = ServerFacts::query(&mut connection).await?;
    connection.close().await;
    let probe = Probe::of(config);
    let position = target.resolve(&probe, &server, checkpoint, reading()).await?;
    Ok((position, server))
}

/// Says how far a large file is read, to a terminal.
fn reading() -> impl FnMut(u64) {
    const STEP: u64 = 64 << 20;
    let is_terminal = io::stderr().is_terminal();
    let mut shown = 0;
    move |position| {
        if is_terminal && position >= shown + STEP {
            shown = position;
            let mebibytes = position >> 20;
            let _closed = write!(io::stderr(), "\rreading the file: {mebibytes} MiB ");
        }
    }
}

/// Fences and stores. Blocks.
fn write(
    config: &Config,
    known: Option<Checkpoint>,
    to: &Position,
    force: bool,
) -> Result<(), PositionError> {
    let settings = config.publish_settings()?;
    if !force {
        let store = Store::new(&settings);
        ensure_no_relay(&store, known.as_ref(), config.checkpoint.interval, io::stderr())?;
    }
    let metrics = Metrics::register(&mut Registry::default());
    let mut tenure = Tenure::new(Writer::new(Role::PositionSet));
    // ORDER: shut everybody out, then look once more: what the plan was made from must still be true.
    let (publisher, found) = Publisher::fence(&settings, metrics, &mut tenure)?;
    if let Some(found) =
        found.filter(|found| !force && known.is_none_or(|known| known.position != *found))
    {
        return Err(PositionError::Moved { found: found.coordinates });
    }
    Ok(publisher.set_position(to)?)
}

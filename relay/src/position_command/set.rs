//! `rowpost position set`.

use std::io::{self, IsTerminal, Write};

use prometheus_client::registry::Registry;

use super::{
    PositionError,
    branches::carry_over,
    conclusion::{ask, ensure_no_relay},
    plan::Move,
    target::Target,
    text,
};
use crate::{
    checkpoint::{Checkpoint, Role, Store, Writer},
    cli::{MoveArgs, PositionSetArgs},
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
        settle,
    },
};

/// Finds the position, says what the move means, and writes it once nobody else does.
pub async fn set(
    config: &Config,
    args: &PositionSetArgs,
    mut output: impl Write,
) -> Result<(), Failure> {
    let target = Target::parse(&args.position)?;
    let config = &on_one_host(config, &mut output).await?;
    if args.move_args.force && config.delivery == Delivery::AtLeastOnce {
        return Err(PositionError::NothingToFenceWith.into());
    }
    let checkpoint = read_checkpoint(config).await?;
    let from = checkpoint.as_ref().map(|checkpoint| &checkpoint.position);
    let (mut to, server) = find(config, &target, from).await?;
    carry_over(from, &mut to, &args.forget_branch)?;
    let forgotten = args.forget_branch.clone();
    let move_args = args.move_args;
    let order = Order { checkpoint, to, server, doubt: None, forgotten, move_args };
    carry_out(config, order, async || Ok(()), output).await
}

/// The configuration with the first host that answers, which is said where there are several.
pub(super) async fn on_one_host(
    config: &Config,
    output: &mut impl Write,
) -> Result<Config, Failure> {
    let settled = settle(config, None).await.map_err(PositionError::from)?;
    if config.mysql.url.hosts().len() > 1 {
        writeln!(output, "on host {}, the first that answers:", settled.mysql.url.host())?;
    }
    Ok(settled)
}

/// A position to write, and how.
pub(super) struct Order {
    /// What it takes the place of.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) to: Position,
    pub(super) server: ServerFacts,
    /// What may come once more from there, in words.
    pub(super) doubt: Option<String>,
    /// XIDs of prepared branches that are left out.
    pub(super) forgotten: Vec<String>,
    pub(super) move_args: MoveArgs,
}

/// Says what the move means, and writes it once nobody else does and `stands_still` has nothing against
/// it.
pub(super) async fn carry_out(
    config: &Config,
    order: Order,
    stands_still: impl AsyncFnOnce() -> Result<(), PositionError>,
    mut output: impl Write,
) -> Result<(), Failure> {
    let Order { checkpoint, to, server, doubt, forgotten, move_args } = order;
    let MoveArgs { dry_run, yes, force } = move_args;
    let from = checkpoint.as_ref().map(|checkpoint| &checkpoint.position);
    let planned = Move::between(from, &to, &server);
    output.write_all(text::plan(from, &to, &planned, doubt.as_deref()).as_bytes())?;
    for xid in &forgotten {
        writeln!(output, "FORGOTTEN     XA branch {xid}; never published, whatever becomes of it")?;
    }
    if dry_run {
        writeln!(output, "dry run: nothing was written")?;
        return Ok(());
    }
    let needs_yes = planned.needs_yes() || doubt.is_some() || !forgotten.is_empty();
    if needs_yes && !yes && !ask() {
        return Err(PositionError::NotConfirmed.into());
    }
    if !force {
        let (config, known) = (config.clone(), checkpoint.clone());
        in_thread(move || ensure_nobody(&config, known.as_ref())).await?;
    }
    stands_still().await?;
    let config = config.clone();
    in_thread(move || write(&config, checkpoint, &to, force)).await?;
    writeln!(output, "the position is set; a relay goes on from there at its next start")?;
    Ok(())
}

async fn in_thread(
    work: impl FnOnce() -> Result<(), PositionError> + Send + 'static,
) -> Result<(), Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(worked) => Ok(worked?),
        Err(panicked) => Err(Failure::Runtime(io::Error::other(panicked))),
    }
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
pub(super) fn reading() -> impl FnMut(u64) {
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

/// Blocks.
fn ensure_nobody(config: &Config, known: Option<&Checkpoint>) -> Result<(), PositionError> {
    let store = Store::new(&config.publish_settings()?);
    ensure_no_relay(&store, known, config.checkpoint.interval, io::stderr())
}

/// Fences and stores. Blocks.
fn write(
    config: &Config,
    known: Option<Checkpoint>,
    to: &Position,
    force: bool,
) -> Result<(), PositionError> {
    let settings = config.publish_settings()?;
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

//! `rowpost position import`: another product's position becomes the checkpoint.
//!
//! What Debezium, Maxwell or Eventuate wrote down is read where they keep it, found on the server, and set as
//! `rowpost position set` sets a position.
//!
//! Promises:
//! - never a gap: where it is not certain that a row is out, the position is before it;
//! - what is out comes once more only where that is said before, with how many rows at most, and needs
//!   `--yes`;
//! - a position within a transaction is taken over row by row where the source's binlog is the one that the
//!   product read.
//!
//! Not promised: to see that the product is stopped. What it publishes later comes twice.

mod cut;
mod debezium;
mod entry;
mod error;
mod eventuate;
mod foreign;
mod java_map;
mod maxwell;
mod resolve;
#[cfg(test)]
mod tests;
mod topic;
mod wanted;

use std::{fmt, io::Write};

use clap::ValueEnum;

pub use self::error::ImportError;
use self::{foreign::Foreign, resolve::Resolver, wanted::Wanted};
use super::{
    PositionError,
    set::{self, Order},
    text,
};
use crate::{
    cli::PositionImportArgs,
    config::{Config, Delivery},
    failure::Failure,
};

/// Whose position is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Product {
    Debezium,
    Maxwell,
    Eventuate,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debezium => "Debezium",
            Self::Maxwell => "Maxwell",
            Self::Eventuate => "Eventuate",
        })
    }
}

/// Reads the position, finds it on the server, says what it means, and writes it once nobody else does.
pub async fn import(
    config: &Config,
    args: &PositionImportArgs,
    mut output: impl Write,
) -> Result<(), Failure> {
    let wanted = Wanted::new(args).map_err(PositionError::from)?;
    if args.move_args.force && config.delivery == Delivery::AtLeastOnce {
        return Err(PositionError::NothingToFenceWith.into());
    }
    let config = &set::on_one_host(config, &mut output).await?;
    let foreign = wanted.read(config).await.map_err(PositionError::from)?;
    let mut head = String::new();
    text::line(&mut head, "found", &foreign.place);
    text::line(&mut head, args.from.to_string().to_lowercase().as_str(), &foreign);
    output.write_all(head.as_bytes())?;
    let checkpoint = set::read_checkpoint(config).await?;
    let mut resolver = Resolver::open(config).await?;
    let found = resolver.resolve(&foreign).await?;
    let server = resolver.close().await;
    let order = Order {
        checkpoint,
        to: found.position,
        server,
        doubt: found.doubt.map(|doubt| doubt.to_string()),
        forgotten: Vec::new(),
        move_args: args.move_args,
    };
    let stands_still = async || ensure_stands_still(&wanted, config, &foreign).await;
    set::carry_out(config, order, stands_still, output).await
}

/// After the wait for a running relay, a product that runs has mostly moved on.
async fn ensure_stands_still(
    wanted: &Wanted,
    config: &Config,
    before: &Foreign,
) -> Result<(), PositionError> {
    let now = wanted.read(config).await?;
    let is_same = (now.gtids == before.gtids)
        && (now.coordinates == before.coordinates)
        && (now.inside == before.inside);
    if is_same {
        return Ok(());
    }
    Err(ImportError::StillRuns {
        product: wanted.product(),
        before: before.to_string(),
        after: now.to_string(),
    }
    .into())
}

//! The run's relay and services → a plan by which others start them again, to stay.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::Serialize;

use super::DATABASE;
use crate::{relay::RelayConfig, shop::Shop};

/// A program to be started.
#[derive(Debug, Serialize)]
pub(super) struct Kept<'k> {
    name: &'static str,
    program: &'k Path,
    arguments: Vec<String>,
    variables: BTreeMap<&'static str, String>,
    http_port: u16,
}

/// `kept.json` and the relay's configuration. The shop's relay goes on where it was, and takes the rows
/// of the demo's table from there on; without a shop it is the relay of the rows, `alone`.
pub(super) fn write(
    folder: &Path,
    relay: &Path,
    alone: RelayConfig,
    shop: Option<&Shop>,
) -> Result<()> {
    let config = match shop {
        Some(shop) => {
            let mut config = shop.relay.config().clone();
            config.add_outbox(&format!("{{ table = \"{DATABASE}.outbox\" }}"))?;
            config
        }
        None => alone,
    };
    let file = folder.join("rowpost.toml");
    fs::write(&file, config.toml()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut kept = vec![Kept {
        name: "relay",
        program: relay,
        arguments: ["run", "--config", &file.to_string_lossy()].map(str::to_owned).to_vec(),
        variables: BTreeMap::new(),
        http_port: config.http_port(),
    }];
    kept.extend(shop.into_iter().flat_map(Shop::services).map(|service| Kept {
        name: service.name(),
        program: service.binary(),
        arguments: Vec::new(),
        variables: service.variables(),
        http_port: service.port(),
    }));
    fs::write(folder.join("kept.json"), serde_json::to_vec_pretty(&kept)?)?;
    Ok(())
}

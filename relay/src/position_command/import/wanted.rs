//! The command line → where a position is read, and the reading of it.

use std::path::PathBuf;

use super::{
    Product, debezium,
    entry::{Entry, Found, Raw},
    error::ImportError,
    eventuate,
    foreign::Foreign,
    java_map, maxwell, topic,
};
use crate::{cli::PositionImportArgs, config::Config, source::mysql::ConnectOptions};

/// What is asked for, and where that product keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    DebeziumTopic { topic: String, name: Option<String> },
    DebeziumFile { path: PathBuf, name: Option<String> },
    Maxwell(maxwell::Place),
    EventuateTopic { topic: String, name: Option<String> },
}

impl Wanted {
    pub(super) fn new(args: &PositionImportArgs) -> Result<Self, ImportError> {
        const CONNECT_OFFSETS: &str = "connect-offsets";
        const OFFSET_STORE: &str = "offset.storage.topic";
        const MAXWELL: &str = "maxwell";
        let PositionImportArgs { from, topic, file, name, schema, client_id, .. } = args;
        let flags = [
            ("--topic", topic.is_some(), &[Product::Debezium, Product::Eventuate][..]),
            ("--file", file.is_some(), &[Product::Debezium]),
            ("--name", name.is_some(), &[Product::Debezium, Product::Eventuate]),
            ("--schema", schema.is_some(), &[Product::Maxwell]),
            ("--client-id", client_id.is_some(), &[Product::Maxwell]),
        ];
        for (flag, is_given, products) in flags {
            if is_given && !products.contains(from) {
                let products = match products {
                    [Product::Debezium] => "debezium",
                    [Product::Maxwell] => "maxwell",
                    _ => "debezium and eventuate",
                };
                return Err(ImportError::Flag { flag, product: *from, products });
            }
        }
        let topic_or = |usual: &str| topic.clone().unwrap_or_else(|| usual.to_owned());
        let name = name.clone();
        Ok(match (from, file) {
            (Product::Debezium, Some(path)) => Self::DebeziumFile { path: path.clone(), name },
            (Product::Debezium, None) => {
                Self::DebeziumTopic { topic: topic_or(CONNECT_OFFSETS), name }
            }
            (Product::Eventuate, _) => Self::EventuateTopic { topic: topic_or(OFFSET_STORE), name },
            (Product::Maxwell, _) => Self::Maxwell(maxwell::Place {
                schema: schema.clone().unwrap_or_else(|| MAXWELL.to_owned()),
                client_id: client_id.clone().unwrap_or_else(|| MAXWELL.to_owned()),
            }),
        })
    }

    pub(super) fn product(&self) -> Product {
        match self {
            Self::DebeziumTopic { .. } | Self::DebeziumFile { .. } => Product::Debezium,
            Self::Maxwell(_) => Product::Maxwell,
            Self::EventuateTopic { .. } => Product::Eventuate,
        }
    }

    pub(super) async fn read(&self, config: &Config) -> Result<Foreign, ImportError> {
        match self {
            Self::DebeziumTopic { topic, name } => {
                let raw = records(config, topic).await?;
                let found = Found::new(self.product(), in_topic(topic), raw, debezium::names);
                of_debezium(found, name.as_deref())
            }
            Self::DebeziumFile { path, name } => {
                let read = tokio::fs::read(path).await;
                let bytes =
                    read.map_err(|source| ImportError::File { path: path.clone(), source })?;
                of_debezium(in_file(path, &bytes)?, name.as_deref())
            }
            Self::Maxwell(place) => maxwell::read(&ConnectOptions::new(&config.mysql), place).await,
            Self::EventuateTopic { topic, name } => {
                let raw = records(config, topic).await?;
                let found = Found::new(self.product(), in_topic(topic), raw, eventuate::names);
                eventuate::read(found.choose(name.as_deref(), eventuate::is_ours)?)
            }
        }
    }
}

fn in_topic(topic: &str) -> String {
    format!("topic `{topic}`")
}

async fn records(config: &Config, topic: &str) -> Result<Vec<Raw>, ImportError> {
    let settings = config.publish_settings()?;
    let topic = topic.to_owned();
    let read = tokio::task::spawn_blocking(move || topic::newest(&settings, &topic)).await;
    read.map_err(|_| ImportError::BrokeOff)?
}

/// The offsets in the bytes of an offsets file.
pub(super) fn in_file(path: &std::path::Path, bytes: &[u8]) -> Result<Found, ImportError> {
    let entries = java_map::parse(bytes)
        .map_err(|source| ImportError::NoOffsetsFile { path: path.to_owned(), source })?;
    let place = format!("file {}", path.display());
    let raw = |(key, value): (java_map::Bytes, java_map::Bytes)| {
        Some(Raw { key: key?, value: value?, place: place.clone() })
    };
    let raw = entries.into_iter().filter_map(raw).collect();
    Ok(Found::new(Product::Debezium, place.clone(), raw, debezium::names))
}

pub(super) fn of_debezium(found: Found, name: Option<&str>) -> Result<Foreign, ImportError> {
    let entry: Entry = found.choose(name, debezium::is_ours)?;
    debezium::read(entry)
}

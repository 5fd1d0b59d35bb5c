//! Servers from Docker images, where the crate was built with the feature `containers`.
//!
//! Promises: each server keeps its port over a restart; its container is removed when the test process
//! ends, however it ends.
//!
//! Not promised: a Kafka broker to be killed. That is always native (`KafkaBroker::start_killable`).

use std::{
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rowpost_servers::{
    dynamodb, kafka,
    mysql::{self, Options, Version},
    ports,
};
use testcontainers_modules::testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};

use crate::{control::Control, eventually};

/// Pulling an image counts.
const START_LIMIT: Duration = Duration::from_secs(600);
const READY_LIMIT: Duration = Duration::from_secs(240);

/// A running or stopped container.
#[derive(Debug)]
pub struct Container {
    container: ContainerAsync<GenericImage>,
    port: u16,
    probe: fn(u16) -> Option<String>,
}

/// MySQL with root, who has no password, let in from everywhere.
pub(crate) async fn mysql(options: &Options) -> Result<(String, Control)> {
    let tag = match options.version {
        Version::V57 => "5.7",
        Version::V80 => "8.0",
        Version::V9 => "9.7",
    };
    let port = ports::free()?;
    let mut arguments = options.flags.arguments(options.version);
    arguments.extend(options.extra.iter().map(String::as_str));
    let request = GenericImage::new("mysql", tag)
        .with_wait_for(WaitFor::Nothing)
        .with_env_var("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")
        .with_env_var("MYSQL_ROOT_HOST", "%")
        .with_cmd(arguments)
        .with_mapped_port(port, 3306.tcp());
    let container = Container::start_new(request, port, mysql::version_at).await?;
    Ok((format!("mysql://root@127.0.0.1:{port}"), Control::Container(container)))
}

/// Kafka with one listener that the host reaches.
pub(crate) async fn kafka() -> Result<(String, Control)> {
    let port = ports::free()?;
    let mut request = GenericImage::new("apache/kafka", kafka::VERSION)
        .with_wait_for(WaitFor::Nothing)
        .with_mapped_port(port, 9092.tcp());
    for (name, value) in [
        ("NODE_ID", "1".to_owned()),
        ("PROCESS_ROLES", "broker,controller".to_owned()),
        ("LISTENERS", "INSIDE://:19092,HOST://:9092,CONTROLLER://:9093".to_owned()),
        ("ADVERTISED_LISTENERS", format!("INSIDE://localhost:19092,HOST://127.0.0.1:{port}")),
        (
            "LISTENER_SECURITY_PROTOCOL_MAP",
            "CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,HOST:PLAINTEXT".to_owned(),
        ),
        ("INTER_BROKER_LISTENER_NAME", "INSIDE".to_owned()),
        ("CONTROLLER_LISTENER_NAMES", "CONTROLLER".to_owned()),
        ("CONTROLLER_QUORUM_VOTERS", "1@localhost:9093".to_owned()),
        ("NUM_PARTITIONS", "6".to_owned()),
        ("OFFSETS_TOPIC_REPLICATION_FACTOR", "1".to_owned()),
        ("TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1".to_owned()),
        ("TRANSACTION_STATE_LOG_MIN_ISR", "1".to_owned()),
        ("TRANSACTION_STATE_LOG_NUM_PARTITIONS", "1".to_owned()),
        ("GROUP_INITIAL_REBALANCE_DELAY_MS", "0".to_owned()),
    ] {
        request = request.with_env_var(format!("KAFKA_{name}"), value);
    }
    let container = Container::start_new(request, port, kafka::version_at).await?;
    Ok((format!("127.0.0.1:{port}"), Control::Container(container)))
}

/// DynamoDB Local with its tables in a folder: they outlive a kill.
pub(crate) async fn dynamodb(port: u16) -> Result<Control> {
    let request = GenericImage::new("amazon/dynamodb-local", dynamodb::VERSION)
        .with_wait_for(WaitFor::Nothing)
        .with_cmd(["-jar", "DynamoDBLocal.jar", "-sharedDb", "-dbPath", ".", "-disableTelemetry"])
        .with_mapped_port(port, 8000.tcp());
    Ok(Control::Container(Container::start_new(request, port, dynamodb::version_at).await?))
}

impl Container {
    async fn start_new(
        request: ContainerRequest<GenericImage>,
        port: u16,
        probe: fn(u16) -> Option<String>,
    ) -> Result<Self> {
        let request = request.with_startup_timeout(START_LIMIT).with_host_config_modifier(|host| {
            // Published ports are open to the network otherwise, and root has no password.
            let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
            for binding in bindings.flatten().flatten() {
                binding.host_ip = Some("127.0.0.1".to_owned());
            }
        });
        let container = request.start().await.context("cannot start a container")?;
        remove_with_us(container.id())?;
        let container = Self { container, port, probe };
        container.wait_ready().await;
        Ok(container)
    }

    async fn wait_ready(&self) {
        eventually("the container's server answers", READY_LIMIT, async || {
            (self.probe)(self.port).is_some()
        })
        .await;
    }

    /// Docker's stop with no time to stop in.
    pub(crate) async fn kill9(&self) -> Result<()> {
        Ok(self.container.stop_with_timeout(Some(0)).await?)
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        Ok(self.container.stop_with_timeout(Some(60)).await?)
    }

    pub(crate) async fn start(&self) -> Result<()> {
        self.container.start().await?;
        self.wait_ready().await;
        Ok(())
    }

    pub(crate) async fn pause(&self) -> Result<()> {
        Ok(self.container.pause().await?)
    }

    pub(crate) async fn resume(&self) -> Result<()> {
        Ok(self.container.unpause().await?)
    }
}

/// A process of its own waits for the end of a pipe that only we hold open, then removes the
/// container: dropping it does the same sooner, but a static is never dropped and a killed process
/// drops nothing.
fn remove_with_us(id: &str) -> Result<()> {
    static PIPES: Mutex<Vec<ChildStdin>> = Mutex::new(Vec::new());
    let mut watcher = Command::new("setsid")
        .args(["sh", "-c", "cat; docker rm --force --volumes \"$1\"", "sh", id])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run `setsid`: install the package util-linux")?;
    let pipe = watcher.stdin.take().context("a child without its pipe")?;
    PIPES.lock().unwrap_or_else(PoisonError::into_inner).push(pipe);
    Ok(())
}

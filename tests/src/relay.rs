//! The `rowpost` binary under test.

use std::{
    collections::BTreeMap,
    env, fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use rowpost_servers::{
    ports,
    usage::{self, ResidentBytes},
};

use crate::{
    KafkaBroker, MysqlServer, eventually,
    http::{self, Response},
    programs::{RELAY, program},
    tied::TiedProcess,
};

/// The configuration file, as dotted keys and TOML values.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    settings: BTreeMap<String, String>,
    http_port: u16,
}

impl RelayConfig {
    /// Publishes `<database>.outbox` as root, with everything else at its default.
    pub fn new(mysql: &MysqlServer, kafka: &KafkaBroker, database: &str) -> Result<Self> {
        let http_port = ports::free()?;
        let mut config = Self { settings: BTreeMap::new(), http_port };
        config
            .set_text("source", database)
            .set_text("mysql.url", mysql.url())
            .set_text("kafka.bootstrap_servers", kafka.bootstrap())
            .set("outbox", format!("[{{ table = \"{database}.outbox\" }}]"))
            .set_text("http.listen", &format!("127.0.0.1:{http_port}"));
        Ok(config)
    }

    /// `set("publish.slots", 1)`, `set("kafka.properties.\"ssl.ca.location\"", "'/…'")`.
    pub fn set(&mut self, key: &str, toml: impl ToString) -> &mut Self {
        self.settings.insert(key.to_owned(), toml.to_string());
        self
    }

    /// A text value; quoted here.
    pub fn set_text(&mut self, key: &str, text: &str) -> &mut Self {
        self.set(key, format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
    }

    pub fn remove(&mut self, key: &str) -> &mut Self {
        self.settings.remove(key);
        self
    }

    /// One more entry behind those that are there, as an inline table.
    pub fn add_outbox(&mut self, entry: &str) -> Result<()> {
        let entries = self.settings.get_mut("outbox").context("all tables are published")?;
        let end = entries.rfind(']').context("`outbox` is no array")?;
        entries.insert_str(end, &format!(", {entry}"));
        Ok(())
    }

    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    pub(crate) fn toml(&self) -> String {
        self.settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

/// A relay process; it dies with the test.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    binary: PathBuf,
    process: TiedProcess,
}

impl Relay {
    /// Starts `rowpost run --config FILE`; does not wait until it is ready.
    pub async fn start(config: RelayConfig) -> Result<Self> {
        Self::of_binary(program(RELAY).await?, config)
    }

    /// The same, of a binary that is there already.
    pub fn of_binary(binary: PathBuf, config: RelayConfig) -> Result<Self> {
        let mut relay = Self { config, binary, process: TiedProcess::new("relay")? };
        relay.start_again()?;
        Ok(relay)
    }

    /// After `kill9` or `terminate`: with the same configuration.
    pub fn start_again(&mut self) -> Result<()> {
        let file = self.process.directory().join("rowpost.toml");
        fs::write(&file, self.config.toml())?;
        let mut command = command(&self.binary);
        command.args(["run", "--config"]).arg(&file);
        self.process.start(&command)
    }

    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// Changes the configuration for the next start.
    pub fn config_mut(&mut self) -> &mut RelayConfig {
        &mut self.config
    }

    /// Until `/readyz` says so.
    ///
    /// # Panics
    /// When it does not within `limit`, or the relay ends.
    pub async fn wait_ready(&self, limit: Duration) {
        eventually("the relay is ready", limit, async || {
            self.assert_running();
            Ok::<_, anyhow::Error>(self.get("/readyz").await?.status == 200)
        })
        .await;
    }

    /// `/metrics`, `/healthz`, `/readyz`, `/api/status`.
    pub async fn get(&self, path: &str) -> Result<Response> {
        http::get(self.config.http_port, path).await
    }

    /// What `/api/status` answers.
    pub async fn status(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.get("/api/status").await?.body)?)
    }

    pub fn http_port(&self) -> u16 {
        self.config.http_port
    }

    pub fn resident_bytes(&self) -> Result<ResidentBytes> {
        usage::resident_bytes(self.running_id()?)
    }

    /// Since this process began.
    pub fn cpu_seconds(&self) -> Result<f64> {
        usage::cpu_seconds(self.running_id()?)
    }
}

/// What can be done to every process: killed, stopped, looked at.
impl Deref for Relay {
    type Target = TiedProcess;

    fn deref(&self) -> &TiedProcess {
        &self.process
    }
}

impl DerefMut for Relay {
    fn deref_mut(&mut self) -> &mut TiedProcess {
        &mut self.process
    }
}

/// The binary, with nothing of ours in its environment: the harness's own variables (`ROWPOST_SEED`,
/// …) would be taken for settings of the relay.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("ROWPOST_") {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that takes the relay's arguments, and does what `script` says.
    fn stand_in(script: &str) -> Relay {
        use std::os::unix::fs::PermissionsExt;

        use rowpost_servers::{cache::Cache, run_directory};

        let directory = run_directory::subfolder(&Cache::open().unwrap(), "stand-in").unwrap();
        let binary = directory.join("rowpost");
        fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let config = RelayConfig { settings: BTreeMap::new(), http_port: 1 };
        Relay::of_binary(binary, config).unwrap()
    }

    #[tokio::test]
    async fn terminate_lets_the_relay_choose_its_exit_code_and_kill9_does_not() {
        let limit = Duration::from_secs(10);
        let script = "trap 'exit 7' TERM; echo \"$1 $2\"; while :; do sleep 0.02; done";
        let mut relay = stand_in(script);
        eventually("it has started", limit, async || {
            relay.log_text().is_ok_and(|log| log.contains("run --config"))
        })
        .await;

        assert_eq!(relay.terminate(limit).await.unwrap().code(), Some(7));

        relay.start_again().unwrap();
        assert!(relay.resident_bytes().unwrap().now > 0);
        relay.kill9().unwrap();
        assert_eq!(relay.id(), None);
    }

    #[tokio::test]
    async fn relay_that_halts_shows_its_exit_code_and_one_that_hangs_its_log() {
        let mut halted = stand_in("exit 69");
        let status = halted.wait_exit(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(69));

        let mut hanging = stand_in("trap '' TERM; echo stuck; while :; do sleep 0.02; done");
        eventually("it has started", Duration::from_secs(10), async || {
            hanging.log_text().is_ok_and(|log| log.contains("stuck"))
        })
        .await;
        let error = hanging.terminate(Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("stuck"), "{error}");
    }

    #[test]
    fn text_settings_are_quoted() {
        let mut config = RelayConfig { settings: BTreeMap::new(), http_port: 1 };

        config.set_text("mysql.url", r#"a"b\c"#).set("publish.slots", 1);

        assert_eq!(config.toml(), "mysql.url = \"a\\\"b\\\\c\"\npublish.slots = 1\n");
    }
}

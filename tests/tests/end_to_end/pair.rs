//! Two hosts of one replication topology, and a relay that may read either.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Relay, Setup, eventually, relay::RelayConfig};

use crate::stack::{LONG, Stack};

/// A leader and a server that replicates from it.
pub(crate) struct Pair {
    pub(crate) stack: Stack,
    pub(crate) replica: MysqlServer,
}

impl Pair {
    /// The replica cuts the same transactions into other events than its leader, and packs them up.
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let arguments = [
            "--server-id=2",
            "--binlog-row-event-max-size=1024",
            "--binlog-transaction-compression=ON",
        ];
        let (stack, replica) = tokio::try_join!(
            Stack::start(Setup::Current, name),
            MysqlServer::start_with(Setup::Current, &arguments),
        )?;
        replica.follow(&stack.mysql).await?;
        replica.catch_up_with(&stack.mysql).await?;
        Ok(Self { stack, replica })
    }

    /// Names both hosts, the leader first.
    pub(crate) fn hosts_of(&self, config: RelayConfig) -> Result<RelayConfig> {
        of_hosts(config, &[&self.stack.mysql, &self.replica])
    }
}

/// Names these hosts, in this order.
pub(crate) fn of_hosts(mut config: RelayConfig, hosts: &[&MysqlServer]) -> Result<RelayConfig> {
    let ports = hosts.iter().map(|host| host.port()).collect::<Result<Vec<_>>>()?;
    let list: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    config.set_text("mysql.url", &format!("mysql://root@{}", list.join(",")));
    Ok(config)
}

/// Until the status names this host, and the relay is ready.
pub(crate) async fn reads_from(relay: &Relay, host: &MysqlServer) -> Result<()> {
    let expected = format!("127.0.0.1:{}", host.port()?);
    relay.wait_ready(LONG).await;
    eventually("the host is read", LONG, async || {
        Ok::<_, anyhow::Error>(relay.status().await?["source"]["host"] == expected.as_str())
    })
    .await;
    Ok(())
}

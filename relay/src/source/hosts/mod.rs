//! The hosts that `mysql.url` names → the one that is read.
//!
//! Promises:
//! - a host is taken only if it has everything that is published, and whatever may follow on it;
//! - the one that is read stays the one that is read for as long as it can be;
//! - of what cannot be taken, each host is named with its reason.
//!
//! Not promised: to know who the leader is. A replica that has everything is read like its leader.
//!
//! Before this: `config`. After this: `start`, which judges a server, and `reader`.

mod choice;
mod prospect;
mod refusal;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use uuid::Uuid;

pub(super) use self::choice::choose;
pub use self::{
    choice::find_start,
    prospect::Prospect,
    refusal::{NoHost, Refusal},
};
use super::{
    SourceError, StartError,
    mysql::{ConnectOptions, Connection},
    server::ServerFacts,
};
use crate::config::{Config, Mysql};

/// Clones share which of the hosts it is now.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// In the order in which they are tried. Never empty.
    all: Arc<[ConnectOptions]>,
    current: Arc<AtomicUsize>,
}

impl Hosts {
    pub fn new(config: &Mysql) -> Self {
        let all = config.url.hosts().iter().map(|host| ConnectOptions::on(config, host)).collect();
        Self { all, current: Arc::default() }
    }

    /// The host that is read, or was read last.
    pub(super) fn current(&self) -> &ConnectOptions {
        self.all.get(self.index()).expect("only indexes of hosts are taken")
    }

    fn index(&self) -> usize {
        // Nothing else hangs on it: a stale one is asked first and is refused.
        self.current.load(Ordering::Relaxed)
    }

    fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// The current one, those behind it, then those before it.
    fn in_order(&self) -> impl Iterator<Item = (usize, &ConnectOptions)> {
        let (before, from_current) = self.all.split_at(self.index());
        let numbered = from_current.iter().zip(self.index()..);
        numbered.chain(before.iter().zip(0..)).map(|(host, index)| (index, host))
    }

    fn take(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }

    /// The next one is asked first: the current one answers, but something about it is not well.
    pub(super) fn pass_over_current(&self) {
        self.take((self.index() + 1) % self.all.len());
    }
}

/// The configuration of a command, with one host only: the first that answers, or `server_uuid`.
pub async fn settle(config: &Config, server_uuid: Option<Uuid>) -> Result<Config, SourceError> {
    let hosts = config.mysql.url.hosts();
    if hosts.len() == 1 {
        return Ok(config.clone());
    }
    let mut refusals = Vec::new();
    for host in hosts {
        let options = ConnectOptions::on(&config.mysql, host);
        let error = match (Box::pin(who_is(&options)).await, server_uuid) {
            (Err(error), _) => error,
            (Ok(server), Some(expected)) if server.server_uuid != expected => {
                let wanted = server.end.clone();
                let actual = server.server_uuid;
                StartError::OtherServer { expected, actual, wanted }.into()
            }
            (Ok(_), _) => return Ok(config.on(host)),
        };
        refusals.push(Refusal::new(host.to_string(), error, None));
    }
    Err(NoHost::new(refusals).into())
}

async fn who_is(options: &ConnectOptions) -> Result<ServerFacts, SourceError> {
    let mut connection = Connection::open(options).await?;
    let server = ServerFacts::query(&mut connection).await?;
    connection.close().await;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let flags = [("--mysql", "mysql://u@a,b,c"), ("--kafka", "k:1")]
            .map(|(flag, value)| crate::config::Flag { flag, values: vec![value.to_owned()] });
        Hosts::new(&Config::load(None, [], &flags).unwrap().mysql)
    }

    fn order(hosts: &Hosts) -> Vec<String> {
        hosts.in_order().map(|(_, host)| host.address()).collect()
    }

    #[test]
    fn first_host_is_asked_first_and_then_the_one_that_was_taken() {
        let hosts = hosts();
        assert_eq!(order(&hosts), ["a:3306", "b:3306", "c:3306"]);

        hosts.clone().take(1);

        assert_eq!(hosts.current().address(), "b:3306");
        assert_eq!(order(&hosts), ["b:3306", "c:3306", "a:3306"]);
        assert_eq!(hosts.in_order().map(|(index, _)| index).collect::<Vec<_>>(), [1, 2, 0]);
    }

    #[test]
    fn host_that_is_passed_over_is_asked_last() {
        let hosts = hosts();
        hosts.take(2);

        hosts.pass_over_current();

        assert_eq!(order(&hosts), ["a:3306", "b:3306", "c:3306"]);
    }
}

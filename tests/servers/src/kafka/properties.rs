//! What a broker should be → its `server.properties`.

use std::path::Path;

use super::{Ports, Role};

/// What goes beyond one plaintext listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerOptions {
    pub listeners: Vec<Listener>,
    /// Users that the broker knows by SCRAM; written when its storage is formatted.
    pub scram_users: Vec<ScramUser>,
    /// Further properties; they win over the ones before them.
    pub properties: Vec<(String, String)>,
}

/// A listener besides the plaintext one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Upper-case letters: the listener's name in the broker's properties.
    pub name: String,
    pub protocol: Protocol,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramUser {
    pub name: String,
    pub password: String,
}

impl Protocol {
    /// The name that brokers and clients use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }
}

/// The quorum is named by address, not stored, so that formatted storage can be copied to a node on
/// other ports.
const FIXED: &str = "\
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.index.size.max.bytes=1048576
log.retention.ms=-1
num.partitions=6
";

pub(super) const BROKER_NODE: u32 = 1;
pub(super) const CONTROLLER_NODE: u32 = 2;

pub(super) fn text(role: Role, options: &BrokerOptions, data: &Path, ports: &Ports) -> String {
    let controller = format!("CONTROLLER://127.0.0.1:{}", ports.controller);
    let (advertised, protocols) = broker_listeners(options, ports);
    let (roles, node, voter) = match role {
        Role::Combined => ("broker,controller", BROKER_NODE, BROKER_NODE),
        Role::Broker => ("broker", BROKER_NODE, CONTROLLER_NODE),
        Role::Controller => ("controller", CONTROLLER_NODE, CONTROLLER_NODE),
    };
    let listeners = match role {
        Role::Combined => {
            format!("listeners={advertised},{controller}\nadvertised.listeners={advertised}\n")
        }
        Role::Broker => format!("listeners={advertised}\nadvertised.listeners={advertised}\n"),
        Role::Controller => format!("listeners={controller}\n"),
    };
    let mut text = format!(
        "{FIXED}process.roles={roles}\nnode.id={node}\nlog.dirs={}\n{listeners}\
         listener.security.protocol.map={protocols}\n\
         controller.quorum.voters={voter}@127.0.0.1:{}\n",
        data.display(),
        ports.controller,
    );
    for (name, value) in &options.properties {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// The listeners for clients, and the protocol of each listener there is.
fn broker_listeners(options: &BrokerOptions, ports: &Ports) -> (String, String) {
    let mut listeners = vec![format!("PLAINTEXT://127.0.0.1:{}", ports.plaintext)];
    let mut protocols = vec!["PLAINTEXT:PLAINTEXT".to_owned(), "CONTROLLER:PLAINTEXT".to_owned()];
    for Listener { name, protocol, port } in &options.listeners {
        listeners.push(format!("{name}://127.0.0.1:{port}"));
        protocols.push(format!("{name}:{}", protocol.name()));
    }
    (listeners.join(","), protocols.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_listeners_stand_beside_the_plaintext_one() {
        let options = BrokerOptions {
            listeners: vec![Listener {
                name: "SECURE".to_owned(),
                protocol: Protocol::SaslSsl,
                port: 3,
            }],
            properties: vec![("log.segment.bytes".to_owned(), "1048576".to_owned())],
            ..BrokerOptions::default()
        };

        let ports = Ports { plaintext: 1, controller: 2 };
        let text = text(Role::Combined, &options, Path::new("/data"), &ports);

        for line in [
            "advertised.listeners=PLAINTEXT://127.0.0.1:1,SECURE://127.0.0.1:3",
            "controller.quorum.voters=1@127.0.0.1:2",
            "process.roles=broker,controller",
            "log.dirs=/data",
            "log.segment.bytes=1048576",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn broker_and_controller_of_their_own_agree_on_the_quorum() {
        let ports = Ports { plaintext: 1, controller: 2 };
        for role in [Role::Broker, Role::Controller] {
            let text = text(role, &BrokerOptions::default(), Path::new("/data"), &ports);

            assert!(text.contains("controller.quorum.voters=2@127.0.0.1:2\n"), "{text}");
            assert_eq!(text.contains("listeners=CONTROLLER:"), role == Role::Controller);
        }
    }
}

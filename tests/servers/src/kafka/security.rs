//! A broker with TLS and SASL beside its plaintext listener.

use anyhow::Result;

use super::{BrokerOptions, Listener, Protocol, ScramUser};
use crate::{
    certificates::{Authority, Certificate},
    ports,
};

/// Names of the listeners that [`secured`] adds.
pub const TLS: &str = "TLS";
pub const MUTUAL_TLS: &str = "MUTUAL";
pub const SASL: &str = "SASL";
pub const SASL_TLS: &str = "SASLTLS";

/// Four listeners: TLS, TLS with client certificates, SASL, and SASL over TLS. `users` may log in by
/// PLAIN and by SCRAM.
pub fn secured(
    authority: &Authority,
    broker: &Certificate,
    users: &[ScramUser],
) -> Result<BrokerOptions> {
    let mut options = BrokerOptions { scram_users: users.to_vec(), ..BrokerOptions::default() };
    for (name, protocol) in [
        (TLS, Protocol::Ssl),
        (MUTUAL_TLS, Protocol::Ssl),
        (SASL, Protocol::SaslPlaintext),
        (SASL_TLS, Protocol::SaslSsl),
    ] {
        let port = ports::free()?;
        options.listeners.push(Listener { name: name.to_owned(), protocol, port });
    }
    let mut set = |name: &str, value: String| options.properties.push((name.to_owned(), value));
    set("ssl.keystore.type", "PEM".to_owned());
    set("ssl.keystore.location", broker.bundle.display().to_string());
    set("ssl.truststore.type", "PEM".to_owned());
    set("ssl.truststore.location", authority.certificate().display().to_string());
    set("listener.name.mutual.ssl.client.auth", "required".to_owned());
    // SERVER: the broker wants a login configuration per listener and mechanism; the users of PLAIN
    // stand in it, those of SCRAM in the broker's storage.
    let modules = "org.apache.kafka.common.security";
    let known: String =
        users.iter().map(|user| format!(" user_{}=\"{}\"", user.name, user.password)).collect();
    for listener in ["sasl", "sasltls"] {
        let prefix = format!("listener.name.{listener}");
        set(
            &format!("{prefix}.sasl.enabled.mechanisms"),
            "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_owned(),
        );
        set(
            &format!("{prefix}.plain.sasl.jaas.config"),
            format!("{modules}.plain.PlainLoginModule required{known};"),
        );
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            set(
                &format!("{prefix}.{mechanism}.sasl.jaas.config"),
                format!("{modules}.scram.ScramLoginModule required;"),
            );
        }
    }
    Ok(options)
}

impl BrokerOptions {
    /// The address of a further listener.
    pub fn address(&self, listener: &str) -> Option<String> {
        let listener = self.listeners.iter().find(|candidate| candidate.name == listener)?;
        Some(format!("127.0.0.1:{}", listener.port))
    }
}

//! What librdkafka says about its connections while it goes on trying.
//!
//! A call that waits only times out; the reason is told beside it, through the error callback. The
//! same callback is the only sign of a refused login.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaErrorCode};

use super::{error::code_of, fault::Fault};

/// How long a refused login is tried again: a broker that has just started may not know its users yet.
pub(crate) const LOGIN_GRACE: Duration = Duration::from_secs(5);

/// The last trouble of one client.
#[derive(Debug, Default)]
pub(crate) struct Connection(Mutex<Option<Trouble>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    fault: Fault,
    reason: String,
}

impl Connection {
    /// From the error callback.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
        let code = code_of(error);
        // That all brokers are down follows the reason for it, and would hide it.
        if code != RDKafkaErrorCode::AllBrokersDown {
            let trouble = Trouble { fault: Fault::of(code), reason: reason.to_owned() };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        }
    }

    /// librdkafka's words for the last trouble.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.last().map(|trouble| trouble.reason)
    }

    /// The same, if it was a refused login.
    pub(crate) fn refused_login(&self) -> Option<String> {
        self.last()
            .filter(|trouble| trouble.fault == Fault::AuthenticationFailed)
            .map(|trouble| trouble.reason)
    }

    fn last(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// librdkafka's log lines under their own target. What it calls an error it also retries: at most a
/// warning for us, until one of our calls fails.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_of_a_broken_connection_is_not_hidden_by_all_brokers_down() {
        let connection = Connection::default();

        connection.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), "wrong password");
        connection.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 are down");

        assert_eq!(connection.trouble().as_deref(), Some("wrong password"));
        assert_eq!(connection.refused_login().as_deref(), Some("wrong password"));
    }

    #[test]
    fn lost_connection_is_no_refused_login() {
        let connection = Connection::default();
        let lost = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);

        connection.note(&lost, "connection reset");

        assert_eq!(connection.trouble().as_deref(), Some("connection reset"));
        assert_eq!(connection.refused_login(), None);
    }
}

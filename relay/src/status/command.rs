//! `rowpost status`.

use std::io::Write;

use super::{StatusReport, render};
use crate::{
    cli::{StatusArgs, StatusFormat},
    failure::Failure,
    http::{
        Readiness,
        client::{self, ClientError},
    },
};

const DEFAULT_URL: &str = "http://127.0.0.1:9187";

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{url} answered {status} and no status; is it a relay?")]
    NotRelay { url: String, status: u16 },
    #[error("not ready: {reason}")]
    NotReady { reason: String },
}

/// Asks the relay and prints its answer. `listen` is `ROWPOST_HTTP__LISTEN`, if it is set: beside
/// the relay, in its container, the command then needs no flags.
pub fn run(args: &StatusArgs, listen: Option<&str>, mut output: impl Write) -> Result<(), Failure> {
    let url = args.url.clone().unwrap_or_else(|| default_url(listen));
    if args.ready {
        return Ok(ready(&url)?);
    }
    let answer = client::get(&url, "/api/status").map_err(StatusError::from)?;
    let not_relay = || StatusError::NotRelay { url: url.clone(), status: answer.status };
    if answer.status != 200 {
        return Err(not_relay().into());
    }
    let report: StatusReport = serde_json::from_str(&answer.body).map_err(|_| not_relay())?;
    match args.format {
        StatusFormat::Text => output.write_all(render(&report).as_bytes())?,
        StatusFormat::Json => writeln!(output, "{}", answer.body.trim_end())?,
    }
    Ok(())
}

fn ready(url: &str) -> Result<(), StatusError> {
    let answer = client::get(url, "/readyz")?;
    match serde_json::from_str::<Readiness>(&answer.body) {
        Ok(Readiness { ready: true, .. }) => Ok(()),
        Ok(Readiness { reason, .. }) => {
            Err(StatusError::NotReady { reason: reason.unwrap_or_default() })
        }
        Err(_) => Err(StatusError::NotRelay { url: url.to_owned(), status: answer.status }),
    }
}

/// A relay that listens on every address is asked on this machine's own.
fn default_url(listen: Option<&str>) -> String {
    match listen.and_then(|listen| listen.parse::<std::net::SocketAddr>().ok()) {
        Some(address) if address.ip().is_unspecified() => {
            format!("http://127.0.0.1:{}", address.port())
        }
        Some(address) => format!("http://{address}"),
        None => DEFAULT_URL.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relay_of_the_same_container_is_found_by_its_own_variable() {
        assert_eq!(default_url(None), DEFAULT_URL);
        assert_eq!(default_url(Some("off")), DEFAULT_URL);
        assert_eq!(default_url(Some("0.0.0.0:9000")), "http://127.0.0.1:9000");
        assert_eq!(default_url(Some("10.0.0.7:9000")), "http://10.0.0.7:9000");
        assert_eq!(default_url(Some("[::]:9000")), "http://127.0.0.1:9000");
    }
}

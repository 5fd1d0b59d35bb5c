//! A GET over HTTP/1.0, for `rowpost status`: one request to a relay that is usually on this very
//! machine. No TLS, no redirects, no keep-alive; the server closes behind its answer.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// For connecting, and for each read: a relay answers in milliseconds or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than any status; a wrong address could answer without end.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is not of the form http://host:port")]
    Url { url: String },
    #[error(
        "nobody answers at {address}; does the relay run, and is its http.listen this address?"
    )]
    Unreachable { address: String, source: std::io::Error },
    #[error("{address} does not speak HTTP")]
    NotHttp { address: String },
}

/// Fetches `path` of the server at `base` (`http://host:port`).
pub fn get(base: &str, path: &str) -> Result<Answer, ClientError> {
    let authority = authority(base).ok_or_else(|| ClientError::Url { url: base.to_owned() })?;
    let answer = exchange(&authority, path)
        .map_err(|source| ClientError::Unreachable { address: authority.clone(), source })?;
    parse(&answer).ok_or(ClientError::NotHttp { address: authority })
}

/// `host:port` of an `http://` URL.
fn authority(base: &str) -> Option<String> {
    let rest = base.strip_prefix("http://")?;
    let authority = rest.split('/').next().filter(|authority| !authority.is_empty())?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { authority.to_owned() } else { format!("{authority}:80") })
}

fn exchange(authority: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(authority)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The first of the host's addresses that answers: `localhost` has two.
fn connect(authority: &str) -> std::io::Result<TcpStream> {
    let mut error = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:9187", Some("127.0.0.1:9187"))]
    #[case("http://relay:9187/", Some("relay:9187"))]
    #[case("http://relay", Some("relay:80"))]
    #[case("http://[::1]:9187/api", Some("[::1]:9187"))]
    #[case("https://relay:9187", None)]
    #[case("relay:9187", None)]
    #[case("http://", None)]
    fn address_is_read_from_the_url(#[case] url: &str, #[case] expected: Option<&str>) {
        assert_eq!(authority(url).as_deref(), expected);
    }

    #[test]
    fn status_and_body_are_read_from_the_answer() {
        let answer = parse(b"HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\n{}").unwrap();

        assert_eq!(answer, Answer { status: 503, body: "{}".to_owned() });
        assert_eq!(parse(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn address_nobody_listens_on_is_named() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let error = get(&format!("http://{free}"), "/").unwrap_err();

        assert!(error.to_string().contains(&free.to_string()), "{error}");
    }
}

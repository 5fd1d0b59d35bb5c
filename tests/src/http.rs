//! `GET`, as much as the relay's endpoints need; a client for more than that.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(5);

/// Status code and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// A client for all tests of a program. It keeps no connections: they would belong to the runtime of the
/// test that opened them.
pub(crate) fn shared_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().pool_max_idle_per_host(0).timeout(timeout).build()
}

/// Asks `127.0.0.1:port` for `path`.
pub async fn get(port: u16, path: &str) -> Result<Response> {
    let answer = timeout(LIMIT, exchange(port, path)).await.context("no answer within 5 s")??;
    parse(&answer).with_context(|| format!("no HTTP answer to GET {path}: {answer:?}"))
}

/// SERVER: version 1.0 has neither chunks nor connections that stay: the body ends with the stream.
async fn exchange(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer)?)
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_split_into_status_and_body() {
        let answer = "HTTP/1.0 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nnot\n";

        assert_eq!(parse(answer), Some(Response { status: 503, body: "not\n".to_owned() }));
        assert_eq!(parse("garbage"), None);
    }
}

//! A port → whether a DynamoDB-compatible store answers behind it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Nobody's request, which a store refuses in its own words.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Our version: the protocol does not tell the store's.
pub fn version_at(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(REQUEST).ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).ok()?;
    is_of_dynamodb(&answer).then(|| super::VERSION.to_owned())
}

/// SERVER: `{"__type": "com.amazonaws.dynamodb.v20120810#MissingAuthenticationToken", …}`.
fn is_of_dynamodb(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains("com.amazonaws.dynamodb.v20120810#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_servers_are_none() {
        assert!(!is_of_dynamodb(b"HTTP/1.1 400 Bad Request\r\nServer: Jetty(12.0.14)\r\n\r\n"));
        assert!(!is_of_dynamodb(b""));
    }
}

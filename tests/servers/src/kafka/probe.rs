//! A port → whether a Kafka broker serves behind it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// SERVER: an `ApiVersions` request, version 0, without a client id: size, api key 18, version,
/// correlation id, null string. A broker answers it once it serves requests.
const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Our version: the protocol does not tell the broker's.
pub fn version_at(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(&REQUEST).ok()?;
    let mut answer = [0_u8; 10];
    stream.read_exact(&mut answer).ok()?;
    is_success(&answer).then(|| super::VERSION.to_owned())
}

/// Size, our correlation id, error code 0.
fn is_success(answer: &[u8; 10]) -> bool {
    answer.ends_with(&[0, 0, 0, 7, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_with_an_error_code_or_a_foreign_correlation_id_is_none() {
        assert!(is_success(&[0, 0, 1, 0, 0, 0, 0, 7, 0, 0]));
        assert!(!is_success(&[0, 0, 1, 0, 0, 0, 0, 7, 0, 35]));
        assert!(!is_success(&[0, 0, 1, 0, 0, 0, 0, 8, 0, 0]));
    }
}

//! A port → the version of the MySQL server behind it.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// SERVER: the server speaks first: a 4-byte packet header, protocol version 10, its version as
/// text with a zero byte behind. It listens only after recovery, so this text means that it serves.
pub fn version_at(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut greeting = [0_u8; 64];
    let mut filled = 0;
    while filled < greeting.len() {
        match stream.read(greeting.get_mut(filled..)?).ok()? {
            0 => break,
            count => filled += count,
        }
        if let Some(version) = parse(greeting.get(..filled)?) {
            return Some(version);
        }
    }
    None
}

fn parse(greeting: &[u8]) -> Option<String> {
    let (protocol, rest) = greeting.get(4..)?.split_first()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    (*protocol == 10).then(|| String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_gives_the_version() {
        assert_eq!(parse(b"\x4a\0\0\0\x0a9.7.4\0rest"), Some("9.7.4".to_owned()));
    }

    #[test]
    fn error_packet_and_half_a_greeting_give_none() {
        assert_eq!(parse(b"\x17\0\0\0\xff\x10\x04Too many connections\0"), None);
        assert_eq!(parse(b"\x4a\0\0\0\x0a9.7"), None);
    }
}

//! Telling a controller that a killed broker is gone.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::properties::BROKER_NODE;

const LIMIT: Duration = Duration::from_secs(30);
/// SERVER: `UnregisterBroker`, the call behind `kafka-cluster.sh unregister`.
const API_KEY: u16 = 64;
const CORRELATION_ID: u32 = 7;

/// Ends the session of a broker that was killed, so that its next start registers at once, and the
/// partitions it led have no leader until it leads them anew. Without this the controller believes
/// in the dead broker until its session times out.
pub fn forget_killed_broker(controller_port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, controller_port));
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).context("no controller")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&request())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).context("no answer from the controller")?;
    let size = u32::from_be_bytes(size).min(1 << 16);
    let mut answer = vec![0; usize::try_from(size)?];
    stream.read_exact(&mut answer)?;
    match error_code(&answer) {
        Some(0) => Ok(()),
        Some(code) => bail!("the controller refused to forget the broker: Kafka error {code}"),
        None => bail!("the controller's answer is cut short: {answer:?}"),
    }
}

/// Size, header version 2 (no client id, no tagged fields), the broker's id, no tagged fields.
fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(API_KEY.to_be_bytes());
    body.extend(0_u16.to_be_bytes());
    body.extend(CORRELATION_ID.to_be_bytes());
    body.extend([0xff, 0xff, 0]);
    body.extend(BROKER_NODE.to_be_bytes());
    body.push(0);
    let size = u32::try_from(body.len()).expect("a few bytes");
    [size.to_be_bytes().as_slice(), &body].concat()
}

/// Behind the correlation id, an empty list of tagged fields, and the throttle time.
fn error_code(answer: &[u8]) -> Option<i16> {
    let code = answer.get(4 + 1 + 4..)?.first_chunk()?;
    Some(i16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_code_lies_behind_the_throttle_time() {
        assert_eq!(error_code(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 102, 0, 0]), Some(102));
        assert_eq!(error_code(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0]), None);
    }
}

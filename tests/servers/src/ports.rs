//! Free loopback ports.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::SystemTime,
};

use anyhow::{Context, Result};

/// Below the range from which Linux gives ports to outgoing connections (32768 and up): a server
/// that is down for a moment must find its port free when it comes back.
const RANGE: std::ops::Range<u16> = 17_000..32_000;

/// A port on which nothing listens now. Two processes start looking at different places.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = RANGE.end - RANGE.start;
    if NEXT.load(Ordering::Relaxed) == 0 {
        let nanoseconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.subsec_nanos());
        let start =
            (nanoseconds ^ std::process::id().wrapping_mul(2_654_435_761)) % u32::from(span);
        NEXT.store(u16::try_from(start).unwrap_or(1).max(1), Ordering::Relaxed);
    }
    (0..span)
        .map(|_| RANGE.start + NEXT.fetch_add(1, Ordering::Relaxed) % span)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free loopback port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_is_not_given() {
        let mut held = Vec::new();
        for _ in 0..20 {
            let port = free().unwrap();
            assert!(RANGE.contains(&port));
            held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        }
    }
}

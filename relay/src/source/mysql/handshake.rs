//! The first packets of a connection: the server's greeting and our answer.

use crate::source::{bytes::ByteReader, event::EventError};

use super::ConnectionError;

/// Capability flags (protocol manual, "Capabilities Flags").
mod capability {
    pub(super) const LONG_PASSWORD: u32 = 1;
    pub(super) const LONG_FLAG: u32 = 1 << 2;
    pub(super) const PROTOCOL_41: u32 = 1 << 9;
    pub(super) const SSL: u32 = 1 << 11;
    pub(super) const TRANSACTIONS: u32 = 1 << 13;
    pub(super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(super) const CONNECT_ATTRS: u32 = 1 << 20;
    pub(super) const PLUGIN_AUTH_LENENC_DATA: u32 = 1 << 21;
}

const REQUIRED: u32 =
    capability::PROTOCOL_41 | capability::SECURE_CONNECTION | capability::PLUGIN_AUTH;

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) server_version: String,
    pub(super) connection_id: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) plugin: String,
    capabilities: u32,
}

impl Greeting {
    pub(super) fn parse(packet: &[u8]) -> Result<Self, ConnectionError> {
        let greeting = Self::parse_fields(packet)
            .map_err(|_| ConnectionError::Protocol { what: "a greeting that is not MySQL's" })?;
        if greeting.capabilities & REQUIRED != REQUIRED {
            return Err(ConnectionError::Protocol { what: "a server older than MySQL 5.6" });
        }
        Ok(greeting)
    }

    fn parse_fields(packet: &[u8]) -> Result<Self, EventError> {
        const FIRST_NONCE_LENGTH: usize = 8;
        let mut fields = ByteReader::new(packet);
        if fields.u8()? != 10 {
            return Err(EventError::Invalid("a protocol other than version 10"));
        }
        let server_version = String::from_utf8_lossy(fields.until_zero()?).into_owned();
        let connection_id = fields.u32_le()?;
        let mut nonce = fields.take(FIRST_NONCE_LENGTH)?.to_vec();
        let _filler = fields.u8()?;
        let low = fields.u16_le()?;
        let _character_set = fields.u8()?;
        let _status = fields.u16_le()?;
        let high = fields.u16_le()?;
        let nonce_length = usize::from(fields.u8()?);
        fields.take(10)?;
        // The rest of the nonce takes at least 13 bytes with the zero byte that ends it.
        let second = fields.take(nonce_length.saturating_sub(FIRST_NONCE_LENGTH).max(13))?;
        nonce.extend(second.strip_suffix(&[0]).unwrap_or(second));
        let plugin = match fields.until_zero() {
            Ok(name) => name,
            // SERVER: some versions leave the last zero byte out (bug 59453).
            Err(_) => fields.rest(),
        };
        Ok(Self {
            server_version,
            connection_id,
            nonce,
            plugin: String::from_utf8_lossy(plugin).into_owned(),
            capabilities: u32::from(low) | (u32::from(high) << 16),
        })
    }

    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities & capability::SSL != 0
    }
}

/// The fixed part of our answer; alone it asks for TLS.
pub(super) fn answer_head(with_tls: bool) -> Vec<u8> {
    /// The largest there is, so that the server never refuses an event for our sake.
    const MAX_PACKET: u32 = 1 << 30;
    const UTF8MB4_GENERAL_CI: u8 = 45;
    let mut flags = REQUIRED
        | capability::LONG_PASSWORD
        | capability::LONG_FLAG
        | capability::TRANSACTIONS
        | capability::CONNECT_ATTRS
        | capability::PLUGIN_AUTH_LENENC_DATA;
    if with_tls {
        flags |= capability::SSL;
    }
    let mut head = flags.to_le_bytes().to_vec();
    head.extend(MAX_PACKET.to_le_bytes());
    head.push(UTF8MB4_GENERAL_CI);
    head.extend([0; 23]);
    head
}

/// The whole answer: who we are, and the first word of the authentication.
pub(super) fn answer(with_tls: bool, user: &str, plugin: &str, auth_data: &[u8]) -> Vec<u8> {
    /// Shown in `performance_schema.session_connect_attrs`.
    const ATTRIBUTES: [(&str, &str); 3] = [
        ("_client_name", "rowpost"),
        ("_client_version", env!("CARGO_PKG_VERSION")),
        ("program_name", "rowpost"),
    ];
    let mut packet = answer_head(with_tls);
    packet.extend(user.as_bytes());
    packet.push(0);
    put_short(&mut packet, auth_data);
    packet.extend(plugin.as_bytes());
    packet.push(0);
    let mut attributes = Vec::new();
    for (name, value) in ATTRIBUTES {
        put_short(&mut attributes, name.as_bytes());
        put_short(&mut attributes, value.as_bytes());
    }
    put_short(&mut packet, &attributes);
    packet
}

/// Bytes behind their length in one byte.
fn put_short(packet: &mut Vec<u8>, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).ok().filter(|length| *length <= 250);
    packet.push(length.expect("scrambles and attributes are shorter than 251 bytes"));
    packet.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(capabilities: u32) -> Vec<u8> {
        let [c0, c1, c2, c3] = capabilities.to_le_bytes();
        let mut packet = b"\x0a9.7.4\0\x07\0\0\0abcdefgh\0".to_vec();
        packet.extend([c0, c1, 45, 2, 0, c2, c3, 21]);
        packet.extend([0; 10]);
        packet.extend(b"ijklmnopqrst\0caching_sha2_password\0");
        packet
    }

    #[test]
    fn greeting_tells_version_nonce_and_plugin() {
        let greeting = Greeting::parse(&greeting(REQUIRED | capability::SSL)).unwrap();

        assert_eq!(greeting.server_version, "9.7.4");
        assert_eq!(greeting.connection_id, 7);
        assert_eq!(greeting.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.plugin, "caching_sha2_password");
        assert!(greeting.offers_tls());
    }

    #[test]
    fn server_without_authentication_plugins_is_refused() {
        assert!(Greeting::parse(&greeting(capability::PROTOCOL_41)).is_err());
    }

    #[test]
    fn truncated_greeting_is_an_error() {
        let whole = greeting(REQUIRED);
        let needed = whole.len() - "caching_sha2_password\0".len();

        for length in 0..needed {
            assert!(Greeting::parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}

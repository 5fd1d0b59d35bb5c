//! Proving to the server who we are.

use super::{
    ConnectionError,
    handshake::{self, Greeting},
    packet::PacketStream,
    result_set::server_error,
    scramble,
};

const CACHING_SHA2: &str = "caching_sha2_password";
const SHA256: &str = "sha256_password";
const NATIVE: &str = "mysql_native_password";
const CLEAR: &str = "mysql_clear_password";

pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    /// A password may only be sent as it is where nobody else can read it.
    pub(super) is_encrypted: bool,
}

/// Answers the greeting and what follows, to the server's OK. Returns the plugin that was used.
pub(super) async fn authenticate(
    packets: &mut PacketStream,
    greeting: &Greeting,
    account: &Account<'_>,
) -> Result<String, ConnectionError> {
    // SERVER: the greeting's plugin is the server's default; for an account with another one an auth
    // switch follows. A default we do not know must not end the attempt.
    let mut plugin = match greeting.plugin.as_str() {
        known @ (CACHING_SHA2 | SHA256 | NATIVE) => known.to_owned(),
        _ => CACHING_SHA2.to_owned(),
    };
    let mut nonce = greeting.nonce.clone();
    let first = account.first_answer(&plugin, &nonce)?;
    let answer = handshake::answer(account.is_encrypted, account.user, &plugin, &first);
    packets.write(&answer).await?;

    loop {
        let packet = packets.read().await?;
        if let Some(error) = server_error(&packet) {
            return Err(ConnectionError::Refused(error));
        }
        match packet.split_first() {
            Some((0x00, _)) => return Ok(plugin),
            Some((0xfe, switch)) => {
                (plugin, nonce) = parse_switch(switch)?;
                let answer = account.first_answer(&plugin, &nonce)?;
                packets.write(&answer).await?;
            }
            Some((0x01, more)) => {
                if let Some(answer) = account.next_answer(&plugin, &nonce, more)? {
                    packets.write(&answer).await?;
                }
            }
            _ => {
                return Err(ConnectionError::Protocol { what: "an unknown authentication packet" });
            }
        }
    }
}

fn parse_switch(switch: &[u8]) -> Result<(String, Vec<u8>), ConnectionError> {
    let Some(end) = switch.iter().position(|byte| *byte == 0) else {
        // SERVER: an empty switch asks for the scheme of before MySQL 4.1.
        let plugin = "mysql_old_password".to_owned();
        return Err(ConnectionError::AuthenticationPlugin { plugin });
    };
    let (name, nonce) = switch.split_at(end);
    let nonce = nonce.strip_prefix(&[0]).unwrap_or(nonce);
    let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
    Ok((String::from_utf8_lossy(name).into_owned(), nonce.to_vec()))
}

impl Account<'_> {
    fn first_answer(&self, plugin: &str, nonce: &[u8]) -> Result<Vec<u8>, ConnectionError> {
        /// Asks `sha256_password` for its public key.
        const SHA256_KEY: [u8; 1] = [1];
        let password = self.password.as_bytes();
        match plugin {
            CACHING_SHA2 | NATIVE if password.is_empty() => Ok(Vec::new()),
            CACHING_SHA2 => Ok(scramble::caching_sha2(password, nonce)),
            NATIVE => Ok(scramble::native(password, nonce)),
            SHA256 if self.is_encrypted || password.is_empty() => Ok(self.clear_password()),
            SHA256 => Ok(SHA256_KEY.to_vec()),
            CLEAR if self.is_encrypted => Ok(self.clear_password()),
            _ => Err(ConnectionError::AuthenticationPlugin { plugin: plugin.to_owned() }),
        }
    }

    /// To what a plugin says in the middle; `None` waits for its next word.
    fn next_answer(
        &self,
        plugin: &str,
        nonce: &[u8],
        more: &[u8],
    ) -> Result<Option<Vec<u8>>, ConnectionError> {
        const FAST_OK: [u8; 1] = [3];
        const FULL: [u8; 1] = [4];
        /// Asks `caching_sha2_password` for its public key.
        const CACHING_SHA2_KEY: [u8; 1] = [2];
        match (plugin, more) {
            (CACHING_SHA2, more) if more == FAST_OK => Ok(None),
            (CACHING_SHA2, more) if more == FULL && self.is_encrypted => {
                Ok(Some(self.clear_password()))
            }
            (CACHING_SHA2, more) if more == FULL => Ok(Some(CACHING_SHA2_KEY.to_vec())),
            (CACHING_SHA2 | SHA256, public_key) => {
                scramble::encrypt(self.password.as_bytes(), nonce, public_key)
                    .map(Some)
                    .ok_or(ConnectionError::PublicKey)
            }
            _ => Err(ConnectionError::Protocol { what: "an unexpected authentication packet" }),
        }
    }

    fn clear_password(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(is_encrypted: bool) -> Account<'static> {
        Account { user: "relay", password: "secret", is_encrypted }
    }

    #[test]
    fn password_is_sent_as_it_is_only_over_tls() {
        assert_eq!(account(true).first_answer(SHA256, b"nonce").unwrap(), b"secret\0");
        assert_eq!(account(true).first_answer(CLEAR, b"nonce").unwrap(), b"secret\0");
        assert_eq!(
            account(true).next_answer(CACHING_SHA2, b"nonce", &[4]).unwrap().unwrap(),
            b"secret\0"
        );

        assert!(account(false).first_answer(CLEAR, b"nonce").is_err());
        for answer in [
            account(false).first_answer(SHA256, b"nonce").unwrap(),
            account(false).next_answer(CACHING_SHA2, b"nonce", &[4]).unwrap().unwrap(),
        ] {
            assert_eq!(answer.len(), 1, "asks for the public key");
        }
    }

    #[test]
    fn unknown_plugin_is_named() {
        let error = account(true).first_answer("authentication_kerberos_client", b"").unwrap_err();

        assert!(error.to_string().contains("authentication_kerberos_client"));
    }

    #[test]
    fn switch_names_plugin_and_nonce() {
        let (plugin, nonce) = parse_switch(b"mysql_native_password\0abc\0").unwrap();

        assert_eq!(plugin, NATIVE);
        assert_eq!(nonce, b"abc");
        assert!(parse_switch(b"").is_err());
    }
}

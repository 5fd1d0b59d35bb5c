//! Passwords → what goes over the wire.
//!
//! The schemes are the server's: what is written here is how MySQL puts digests and encryption
//! together. These come from OpenSSL, which librdkafka brings along. `mysql_common` has the same
//! schemes, but panics on a public key that is none.

use openssl::{
    pkey::Public,
    rsa::{Padding, Rsa},
    sha::{Sha1, Sha256, sha1, sha256},
};

/// `mysql_native_password`: `SHA1(p) xor SHA1(nonce + SHA1(SHA1(p)))`.
pub(super) fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = sha1(password);
    let mut mask = Sha1::new();
    mask.update(nonce);
    mask.update(&sha1(&once));
    xor(&once, &mask.finish())
}

/// `caching_sha2_password`: `SHA256(p) xor SHA256(SHA256(SHA256(p)) + nonce)`.
pub(super) fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = sha256(password);
    let mut mask = Sha256::new();
    mask.update(&sha256(&once));
    mask.update(nonce);
    xor(&once, &mask.finish())
}

/// The password with its final zero byte, masked by the nonce and encrypted for the server's public
/// key (PEM). `None` if the key is not one, too short to be safe, or too short for the password.
pub(super) fn encrypt(password: &[u8], nonce: &[u8], public_key: &[u8]) -> Option<Vec<u8>> {
    const KEY_BYTES_MIN: usize = 128;
    if nonce.is_empty() {
        return None;
    }
    let masked: Vec<u8> =
        password.iter().chain(&[0]).zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let key: Rsa<Public> = Rsa::public_key_from_pem(public_key).ok()?;
    let key_bytes = usize::try_from(key.size()).ok().filter(|bytes| *bytes >= KEY_BYTES_MIN)?;
    let mut encrypted = vec![0; key_bytes];
    let length = key.public_encrypt(&masked, &mut encrypted, Padding::PKCS1_OAEP).ok()?;
    encrypted.truncate(length);
    Some(encrypted)
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    /// What the server does with `mysql_native_password`: it knows `SHA1(SHA1(p))` only.
    #[test]
    fn native_scramble_proves_the_password_to_a_server_that_knows_its_double_hash() {
        let stored = sha1(&sha1(b"secret"));

        let answer = native(b"secret", NONCE);

        let once = xor(&answer, &sha1(&[NONCE, &stored].concat()));
        assert_eq!(sha1(&once), stored);
    }

    #[test]
    fn caching_sha2_scramble_proves_the_password_to_a_server_that_knows_its_double_hash() {
        let stored = sha256(&sha256(b"secret"));

        let answer = caching_sha2(b"secret", NONCE);

        let once = xor(&answer, &sha256(&[&stored, NONCE].concat()));
        assert_eq!(sha256(&once), stored);
    }

    fn public_key(bits: u32) -> (Rsa<openssl::pkey::Private>, Vec<u8>) {
        let key = Rsa::generate(bits).unwrap();
        let pem = key.public_key_to_pem().unwrap();
        (key, pem)
    }

    #[test]
    fn encrypted_password_is_read_with_the_private_key() {
        let (key, pem) = public_key(2048);

        let encrypted = encrypt(b"secret", NONCE, &pem).unwrap();

        let mut masked = vec![0; encrypted.len()];
        let length = key.private_decrypt(&encrypted, &mut masked, Padding::PKCS1_OAEP).unwrap();
        assert_eq!(xor(&masked[..length], NONCE), b"secret\0");
    }

    #[test]
    fn key_that_is_none_or_too_short_is_refused() {
        let (_, key) = public_key(1024);

        assert!(encrypt(b"secret", NONCE, b"-----BEGIN PUBLIC KEY-----\nAAAA\n").is_none());
        assert!(encrypt(b"secret", NONCE, b"").is_none());
        assert!(encrypt(b"secret", NONCE, &public_key(512).1).is_none(), "anyone can break it");
        assert!(encrypt(&[b'p'; 86], NONCE, &key).is_none(), "longer than the key allows");
        assert!(encrypt(&[b'p'; 85], NONCE, &key).is_some());
    }
}

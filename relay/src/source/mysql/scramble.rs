//! Passwords → what goes over the wire.
//!
//! The schemes are the server's. The hashes and the arithmetic come from libraries; what is written
//! here is how MySQL puts them together, and PKCS #1's OAEP padding, which no library of ours offers.

use num_bigint::BigUint;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// `mysql_native_password`: `SHA1(p) xor SHA1(nonce + SHA1(SHA1(p)))`.
pub(super) fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mask = Sha1::new().chain_update(nonce).chain_update(twice).finalize();
    xor(&once, &mask)
}

/// `caching_sha2_password`: `SHA256(p) xor SHA256(SHA256(SHA256(p)) + nonce)`.
pub(super) fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let mask = Sha256::new().chain_update(twice).chain_update(nonce).finalize();
    xor(&once, &mask)
}

/// The password with its final zero byte, masked by the nonce and encrypted for the server's public
/// key (PEM). `None` if the key is not one, or too short for the password.
pub(super) fn encrypt(password: &[u8], nonce: &[u8], public_key: &[u8]) -> Option<Vec<u8>> {
    if nonce.is_empty() {
        return None;
    }
    let masked: Vec<u8> =
        password.iter().chain(&[0]).zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let mut seed = [0; HASH];
    getrandom::fill(&mut seed).ok()?;
    PublicKey::from_pem(public_key)?.encrypt(&masked, seed)
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

/// Bytes of a SHA-1 digest.
const HASH: usize = 20;

struct PublicKey {
    modulus: BigUint,
    exponent: BigUint,
}

impl PublicKey {
    /// SERVER: writes `-----BEGIN PUBLIC KEY-----`, an X.509 SubjectPublicKeyInfo.
    fn from_pem(pem: &[u8]) -> Option<Self> {
        use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

        const SEQUENCE: u8 = 0x30;
        const INTEGER: u8 = 0x02;
        const BIT_STRING: u8 = 0x03;
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        let mut outer = Der(info.as_ref());
        let mut info = Der(outer.element(SEQUENCE)?);
        let _algorithm = info.element(SEQUENCE)?;
        // A bit string begins with the count of its unused bits.
        let key = info.element(BIT_STRING)?.strip_prefix(&[0])?;
        let mut key = Der(Der(key).element(SEQUENCE)?);
        let modulus = BigUint::from_bytes_be(key.element(INTEGER)?);
        let exponent = BigUint::from_bytes_be(key.element(INTEGER)?);
        (modulus.bits() >= 1024).then_some(Self { modulus, exponent })
    }

    /// RSAES-OAEP with SHA-1 and an empty label (RFC 8017, 7.1.1).
    fn encrypt(&self, message: &[u8], seed: [u8; HASH]) -> Option<Vec<u8>> {
        let key_bytes = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let block_bytes = key_bytes.checked_sub(HASH + 1)?;
        let padding = block_bytes.checked_sub(HASH + 1 + message.len())?;

        let mut block = Sha1::digest([]).to_vec();
        block.resize(HASH + padding, 0);
        block.push(1);
        block.extend(message);
        let block = xor(&block, &mask(&seed, block_bytes));
        let seed = xor(&seed, &mask(&block, HASH));
        let encoded = [&[0], seed.as_slice(), block.as_slice()].concat();

        let encrypted = BigUint::from_bytes_be(&encoded).modpow(&self.exponent, &self.modulus);
        let encrypted = encrypted.to_bytes_be();
        let mut out = vec![0; key_bytes.checked_sub(encrypted.len())?];
        out.extend(encrypted);
        Some(out)
    }
}

/// MGF1 with SHA-1 (RFC 8017, B.2.1).
fn mask(seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + HASH);
    for counter in 0_u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend(Sha1::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize());
    }
    mask.truncate(length);
    mask
}

/// As much of DER as a public key needs.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let rest = self.0.strip_prefix(&[tag])?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the server does with `mysql_native_password`: it knows `SHA1(SHA1(p))` only.
    #[test]
    fn native_scramble_proves_the_password_to_a_server_that_knows_its_double_hash() {
        let stored = Sha1::digest(Sha1::digest(b"secret"));

        let answer = native(b"secret", NONCE);

        let mask = Sha1::new().chain_update(NONCE).chain_update(stored).finalize();
        assert_eq!(Sha1::digest(xor(&answer, &mask)), stored);
    }

    #[test]
    fn caching_sha2_scramble_proves_the_password_to_a_server_that_knows_its_double_hash() {
        let stored = Sha256::digest(Sha256::digest(b"secret"));

        let answer = caching_sha2(b"secret", NONCE);

        let mask = Sha256::new().chain_update(stored).chain_update(NONCE).finalize();
        assert_eq!(Sha256::digest(xor(&answer, &mask)), stored);
    }

    /// Intermediate value of the OAEP example in RSA's pkcs-1v2-1 test vectors.
    #[test]
    fn mask_generation_is_that_of_the_standard() {
        assert_eq!(hex(&mask(b"foo", 3)), "1ac907");
        assert_eq!(hex(&mask(b"foo", 5)), "1ac9075cd4");
        assert_eq!(hex(&mask(b"bar", 5)), "bc0c655e01");
    }

    /// Made for this test.
    const PUBLIC_KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7ef7a9fzCWFfDlvsy6Xroz4qm
kBVsZJP9qNGKlwbFFCUoAdyewT3A982mn9rG7EmDk6oLTvHqVugeoMeB65S6Nqi5
iC3Uo8aNuzzPw1v+yOHg1zUzGH7IxO3IhHeG6d5NbRQZKR2IYGTRq/LIKdmIPhLA
d4rI5/hsUOmBm7TIGwIDAQAB
-----END PUBLIC KEY-----
";
    const PRIVATE_EXPONENT: &[u8] = b"8a00897bc0ab689c032eb4cb007521c6924fabc05024d3fca4324adccbc36dfb\
        2046cce80bec8f7aa66eb982de56a3c4919877098ff93fd8ed50ee652ddbae4408c13c839a036298cd9b1dfd2bfd7e\
        8efb1f84a32e3d68c3d36acc0c31c1859ea06146bffff6620a4c3fa846343545edfba7f17ce56a1cf6c6abeaaacfef\
        75f1";

    #[test]
    fn encrypted_password_is_read_with_the_private_key() {
        let key = PublicKey::from_pem(PUBLIC_KEY).unwrap();

        let encrypted = encrypt(b"secret", NONCE, PUBLIC_KEY).unwrap();

        let private = BigUint::parse_bytes(PRIVATE_EXPONENT, 16).unwrap();
        let encoded = BigUint::from_bytes_be(&encrypted).modpow(&private, &key.modulus);
        // The leading zero byte is not in the number.
        let encoded = encoded.to_bytes_be();
        let (seed, block) = encoded.split_at(HASH);
        let seed = xor(seed, &mask(block, HASH));
        let block = xor(block, &mask(&seed, block.len()));
        assert_eq!(block[..HASH], *Sha1::digest([]));
        let at = HASH + block[HASH..].iter().position(|byte| *byte == 1).unwrap() + 1;
        assert_eq!(xor(&block[at..], NONCE), b"secret\0");
    }

    #[test]
    fn key_that_is_none_is_refused() {
        assert!(encrypt(b"secret", NONCE, b"-----BEGIN PUBLIC KEY-----\nAAAA\n").is_none());
        assert!(encrypt(b"secret", NONCE, b"").is_none());
        assert!(encrypt(&[b'p'; 200], NONCE, PUBLIC_KEY).is_none(), "longer than the key allows");
    }
}

//! Key → partition, as librdkafka's `murmur2_random` and Kafka's Java client choose it.
//!
//! For those who look for a record; the producer chooses by itself (`client_config`).

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The partition of `partitions` that records with this key are in.
///
/// `None` without a partition at all.
pub(crate) fn partition_of(key: &[u8], partitions: usize) -> Option<i32> {
    const POSITIVE: u32 = 0x7fff_ffff;
    let partitions = u32::try_from(partitions).ok()?;
    let partition = (murmur2(key) & POSITIVE).checked_rem(partitions)?;
    i32::try_from(partition).ok()
}

fn murmur2(bytes: &[u8]) -> u32 {
    // The algorithm is defined on 32 bits of the length.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let shifted = rest.iter().zip([0, 8, 16]).map(|(byte, shift)| u32::from(*byte) << shift);
        hash = shifted.fold(hash, |hash, byte| hash ^ byte).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `org.apache.kafka.common.utils.Utils.murmur2` answers.
    #[test]
    fn hash_is_that_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn partition_is_within_those_there_are() {
        assert_eq!(partition_of(b"foobar", 6), Some((-790_332_482_i32 & 0x7fff_ffff) % 6));
        assert_eq!(partition_of(b"", 1), Some(0));
        assert_eq!(partition_of(b"foobar", 0), None);
    }
}

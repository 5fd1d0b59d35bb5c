//! The binary form of a GTID set, in PREVIOUS_GTIDS events and in the dump command.
//!
//! SERVER: `Gtid_set::encode`. The last of the first eight bytes is the form: 0 without tags (the
//! other seven count the sources), 1 with tags (bytes 1 to 6 count pairs of source and tag, each
//! source followed by its tag's length, as the serialization library writes it, and the tag).

use uuid::Uuid;

use super::{EventError, serialized};
use crate::{
    position::{GtidInterval, GtidSet, GtidTag},
    source::bytes::ByteReader,
};

const COUNT_BITS: u32 = 56;
const TAGGED: u64 = 1;

pub fn encode(set: &GtidSet) -> Vec<u8> {
    let is_tagged = set.iter().any(|(_, tag, _)| !tag.is_empty());
    let count = set.iter().count() as u64;
    let head = if is_tagged { (TAGGED << COUNT_BITS) | (count << 8) } else { count };
    let mut bytes = head.to_le_bytes().to_vec();
    for (source, tag, intervals) in set.iter() {
        bytes.extend(source.as_bytes());
        if is_tagged {
            let tag = tag.as_str();
            // One byte holds lengths up to 127; a tag has 32 characters at most.
            let length = u8::try_from(tag.len()).expect("a tag has at most 32 characters");
            bytes.push(length << 1);
            bytes.extend(tag.as_bytes());
        }
        bytes.extend((intervals.len() as u64).to_le_bytes());
        for interval in intervals {
            let half_open = interval.half_open();
            bytes.extend(half_open.start.to_le_bytes());
            bytes.extend(half_open.end.to_le_bytes());
        }
    }
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<GtidSet, EventError> {
    let mut fields = ByteReader::new(bytes);
    let head = fields.u64_le()?;
    let (is_tagged, count) = match head >> COUNT_BITS {
        0 => (false, head),
        TAGGED => (true, (head << 8) >> 16),
        _ => return Err(EventError::Invalid("a form of GTID set that is not known")),
    };
    let mut set = GtidSet::default();
    // The counts are the server's word: nothing is reserved by them, each round reads bytes or fails.
    for _ in 0..count {
        let source = Uuid::from_bytes(fields.array()?);
        let tag = if is_tagged { read_tag(&mut fields)? } else { GtidTag::default() };
        for _ in 0..fields.u64_le()? {
            let (first, end) = (fields.u64_le()?, fields.u64_le()?);
            let interval = end
                .checked_sub(1)
                .and_then(|last| GtidInterval::new(first, last))
                .ok_or(EventError::Invalid("an interval of GTIDs that holds none"))?;
            set.insert_interval(source, tag, interval);
        }
    }
    Ok(set)
}

fn read_tag(fields: &mut ByteReader<'_>) -> Result<GtidTag, EventError> {
    let length = usize::try_from(serialized::unsigned(fields)?)
        .map_err(|_| EventError::Invalid("a tag beyond the address space"))?;
    std::str::from_utf8(fields.take(length)?)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(EventError::Invalid("a GTID tag that is none"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[rstest]
    #[case(String::new())]
    #[case(format!("{A}:1-5:7:9-10"))]
    #[case(format!("{A}:1-5,{B}:3"))]
    #[case(format!("{A}:1-5:mytag:1-2:8,{B}:other:1"))]
    fn set_survives_its_binary_form(#[case] text: String) {
        let set: GtidSet = text.parse().unwrap();

        assert_eq!(decode(&encode(&set)), Ok(set));
    }

    #[test]
    fn untagged_form_is_that_of_every_server_version() {
        let set: GtidSet = format!("{A}:1-5").parse().unwrap();

        let bytes = encode(&set);

        assert_eq!(bytes[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[24..32], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[32..40], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[40..], [6, 0, 0, 0, 0, 0, 0, 0], "the end is half open");
    }

    #[test]
    fn counts_beyond_the_bytes_are_an_error() {
        let mut bytes = encode(&format!("{A}:1-5").parse().unwrap());
        bytes[24..32].copy_from_slice(&(u64::MAX / 2).to_le_bytes());

        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn truncated_set_is_an_error() {
        let whole = encode(&format!("{A}:1-5:mytag:1-2").parse().unwrap());

        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}

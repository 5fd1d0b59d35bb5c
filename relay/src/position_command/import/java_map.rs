//! The file in which Kafka Connect keeps offsets → its keys and values.
//!
//! `FileOffsetBackingStore`, of a standalone worker and of Debezium's embedded engine, writes a
//! `HashMap<byte[], byte[]>` in Java's object serialization format.
//!
//! Promises: no byte is passed over; what is not exactly such a map is refused with the place in the file.

use thiserror::Error;

/// Why the bytes are no such map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{reason} at byte {at}")]
pub struct JavaMapError {
    pub at: usize,
    pub reason: &'static str,
}

/// A key or a value; Java's `null` is `None`.
pub(super) type Bytes = Option<Vec<u8>>;

const MAGIC_AND_VERSION: &[u8] = &[0xac, 0xed, 0, 5];

const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_ARRAY: u8 = 0x75;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;

/// The first object of a stream has this handle, the next one more.
const BASE_HANDLE: u32 = 0x7e_0000;

/// The map's class, with its two fields `loadFactor` and `threshold`, up to their values. SC_WRITE_METHOD
/// and SC_SERIALIZABLE: what the class wrote by itself stands behind them.
const HASH_MAP: &[u8] = b"\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02\
    F\x00\x0aloadFactorI\x00\x09threshold\x78\x70";

/// The class of `byte[]`.
const BYTE_ARRAY: &[u8] = b"\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00\x78\x70";

/// The map's class and the map itself have the first two handles, the array's class has the third.
const BYTE_ARRAY_HANDLE: u32 = BASE_HANDLE + 2;

/// Entries in the order of the file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(Bytes, Bytes)>, JavaMapError> {
    let mut reader = Reader { bytes, at: 0, knows_arrays: false };
    reader.expect(MAGIC_AND_VERSION, "no object of Java's serialization begins")?;
    reader.expect(&[TC_OBJECT, TC_CLASSDESC], "no object with its class stands")?;
    reader.expect(HASH_MAP, "no java.util.HashMap is described")?;
    let _load_factor_and_threshold = reader.take(8)?;
    reader.expect(&[TC_BLOCKDATA, 8], "the map's size does not stand")?;
    let _buckets = reader.u32()?;
    let size_at = reader.at;
    let size = reader.u32()?;
    if i32::try_from(size).is_err() {
        return Err(JavaMapError { at: size_at, reason: "the map's size is negative" });
    }
    let mut entries = Vec::new();
    for _ in 0..size {
        let key = reader.array()?;
        entries.push((key, reader.array()?));
    }
    reader.expect(&[TC_ENDBLOCKDATA], "the map does not end")?;
    if reader.at != bytes.len() {
        return Err(JavaMapError { at: reader.at, reason: "something follows the map" });
    }
    Ok(entries)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The class of `byte[]` was described.
    knows_arrays: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], JavaMapError> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let ended = JavaMapError { at: self.bytes.len(), reason: "the file ends too early" };
        let taken = taken.ok_or(ended)?;
        self.at += count;
        Ok(taken)
    }

    fn expect(&mut self, wanted: &[u8], reason: &'static str) -> Result<(), JavaMapError> {
        let at = self.at;
        if self.take(wanted.len())? == wanted { Ok(()) } else { Err(JavaMapError { at, reason }) }
    }

    fn u32(&mut self) -> Result<u32, JavaMapError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    fn u8(&mut self) -> Result<u8, JavaMapError> {
        Ok(self.take(1)?.first().copied().expect("one byte was taken"))
    }

    /// A `byte[]`, or `null`.
    fn array(&mut self) -> Result<Bytes, JavaMapError> {
        let at = self.at;
        match self.u8()? {
            TC_NULL => return Ok(None),
            TC_ARRAY => {}
            _ => return Err(JavaMapError { at, reason: "neither a byte[] nor null stands" }),
        }
        let at = self.at;
        let no_class = JavaMapError { at, reason: "the array is no byte[]" };
        match (self.u8()?, self.knows_arrays) {
            (TC_CLASSDESC, false) => {
                self.expect(BYTE_ARRAY, no_class.reason)?;
                self.knows_arrays = true;
            }
            (TC_REFERENCE, true) if self.u32()? == BYTE_ARRAY_HANDLE => {}
            (_, _) => return Err(no_class),
        }
        let at = self.at;
        let length = self.u32()?;
        let length = i32::try_from(length).ok().and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(JavaMapError { at, reason: "the array's length is negative" })?;
        Ok(Some(self.take(length)?.to_vec()))
    }
}

//! Character sets: which one a column has, and whether its text can be decoded.

use std::{borrow::Cow, sync::Arc};

use crate::source::bytes::Malformed;

/// The character set of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// Not text: BINARY, VARBINARY, BLOB.
    Binary,
    Text(Encoding),
    /// A character set that is not decoded; the name is for the error message.
    Other(Arc<str>),
}

/// How the bytes of a text value become UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8mb4,
    Utf8mb3,
    Latin1,
    Ascii,
}

impl Encoding {
    /// Bytes of the longest character: a CHAR(n) column has n times as many.
    pub(super) fn bytes_per_character(self) -> usize {
        match self {
            Self::Utf8mb4 => 4,
            Self::Utf8mb3 => 3,
            Self::Latin1 | Self::Ascii => 1,
        }
    }

    /// The text as UTF-8; borrowed where the bytes are UTF-8 already.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
        match self {
            Self::Utf8mb4 | Self::Utf8mb3 => {
                str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed::NotUtf8)
            }
            Self::Ascii if bytes.is_ascii() => {
                str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed::NotAscii)
            }
            Self::Ascii => Err(Malformed::NotAscii),
            Self::Latin1 => Ok(decode_latin1(bytes)),
        }
    }
}

fn decode_latin1(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Cow::Borrowed(text),
        Ok(_) | Err(_) => Cow::Owned(bytes.iter().copied().map(latin1_character).collect()),
    }
}

/// SERVER: MySQL's latin1 is Windows code page 1252, and the five bytes that code page leaves
/// undefined are the control characters of ISO 8859-1 (manual, "West European Character Sets").
fn latin1_character(byte: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    byte.checked_sub(0x80)
        .and_then(|index| FROM_0X80.get(usize::from(index)).copied())
        .unwrap_or(char::from(byte))
}

impl Charset {
    /// The character set a collation id belongs to: what the binlog carries.
    pub fn of_collation(collation: u64) -> Self {
        // SERVER: information_schema.collations of 5.7 and 9.7 together.
        let name = match collation {
            63 => return Self::Binary,
            45 | 46 | 224..=247 | 255..=323 => return Self::Text(Encoding::Utf8mb4),
            33 | 76 | 83 | 192..=215 | 223 => return Self::Text(Encoding::Utf8mb3),
            5 | 8 | 15 | 31 | 47..=49 | 94 => return Self::Text(Encoding::Latin1),
            11 | 65 => return Self::Text(Encoding::Ascii),
            32 | 64 => "armscii8",
            1 | 84 => "big5",
            26 | 34 | 44 | 66 | 99 => "cp1250",
            14 | 23 | 50..=52 => "cp1251",
            57 | 67 => "cp1256",
            29 | 58 | 59 => "cp1257",
            4 | 80 => "cp850",
            40 | 81 => "cp852",
            36 | 68 => "cp866",
            95 | 96 => "cp932",
            3 | 69 => "dec8",
            97 | 98 => "eucjpms",
            19 | 85 => "euckr",
            248..=250 => "gb18030",
            24 | 86 => "gb2312",
            28 | 87 => "gbk",
            92 | 93 => "geostd8",
            25 | 70 => "greek",
            16 | 71 => "hebrew",
            6 | 72 => "hp8",
            37 | 73 => "keybcs2",
            7 | 74 => "koi8r",
            22 | 75 => "koi8u",
            2 | 9 | 21 | 27 | 77 => "latin2",
            30 | 78 => "latin5",
            20 | 41 | 42 | 79 => "latin7",
            38 | 43 => "macce",
            39 | 53 => "macroman",
            13 | 88 => "sjis",
            10 | 82 => "swe7",
            18 | 89 => "tis620",
            35 | 90 | 128..=151 | 159 => "ucs2",
            12 | 91 => "ujis",
            54 | 55 | 101..=124 => "utf16",
            56 | 62 => "utf16le",
            60 | 61 | 160..=183 => "utf32",
            id => return Self::Other(format!("of collation {id}").into()),
        };
        Self::Other(name.into())
    }

    /// The character set called `name`: what information_schema says.
    pub fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "utf8mb4" => Self::Text(Encoding::Utf8mb4),
            // SERVER: `utf8` is what servers before 8.0.30 call utf8mb3.
            "utf8mb3" | "utf8" => Self::Text(Encoding::Utf8mb3),
            "latin1" => Self::Text(Encoding::Latin1),
            "ascii" => Self::Text(Encoding::Ascii),
            "binary" => Self::Binary,
            other => Self::Other(other.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin1_is_code_page_1252_with_control_characters_where_that_is_undefined() {
        let text = Encoding::Latin1.decode(b"caf\xe9 \x80 \x93quoted\x94 \x81\x9d\xff").unwrap();

        assert_eq!(text, "café € “quoted” \u{81}\u{9d}ÿ");
    }

    #[test]
    fn latin1_bytes_that_happen_to_be_utf8_are_still_latin1() {
        let text = Encoding::Latin1.decode("é".as_bytes()).unwrap();

        assert_eq!(text, "Ã©");
    }

    #[test]
    fn text_that_breaks_its_character_set_is_an_error_not_a_replacement_character() {
        assert_eq!(Encoding::Utf8mb4.decode(b"a\xff"), Err(Malformed::NotUtf8));
        assert_eq!(Encoding::Ascii.decode("é".as_bytes()), Err(Malformed::NotAscii));
    }

    #[test]
    fn utf8_text_is_borrowed() {
        let text = Encoding::Utf8mb4.decode("köln".as_bytes()).unwrap();

        assert!(matches!(text, Cow::Borrowed("köln")));
    }

    #[test]
    fn collation_that_no_server_ships_is_not_taken_for_one_that_is_decoded() {
        assert_eq!(Charset::of_collation(2_000), Charset::Other("of collation 2000".into()));
        assert_eq!(Charset::of_collation(28), Charset::Other("gbk".into()));
    }
}

//! Strings as MySQL writes them in JSON text, and base64 as it wraps it.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` in quotes. Quote, backslash and control characters are escaped, nothing else.
pub(super) fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    // Most strings need no escapes; a loop that does not stop early runs many bytes at a time.
    if text.iter().fold(false, |special, byte| special | needs_escape(*byte)) {
        write_escaping(text, out);
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

fn write_escaping(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(special) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, behind) = rest.split_at(special);
        out.extend_from_slice(plain);
        rest = behind;
        if let Some((byte, behind)) = behind.split_first() {
            write_escaped(*byte, out);
            rest = behind;
        }
    }
    out.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend([byte >> 4, byte & 0xf].map(hex_digit));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn hex_digit(half: u8) -> u8 {
    HEX.get(usize::from(half)).copied().unwrap_or(b'0')
}

/// Appends `bytes` in base64. SERVER: a new line follows every 76 characters but the last
/// (`base64_encode`); inside JSON it has to be escaped, which MySQL 5.7 forgets.
pub(super) fn write_base64(bytes: &[u8], line_break: &[u8], out: &mut Vec<u8>) {
    const BYTES_A_LINE: usize = 57;
    for (line_number, line) in bytes.chunks(BYTES_A_LINE).enumerate() {
        if line_number > 0 {
            out.extend_from_slice(line_break);
        }
        for group in line.chunks(3) {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * 3_usize.saturating_sub(group.len()));
            let characters = [18, 12, 6, 0].map(|shift| base64_character(bits >> shift));
            out.extend(characters.into_iter().take(group.len() + 1));
            out.extend(std::iter::repeat_n(b'=', 3_usize.saturating_sub(group.len())));
        }
    }
}

fn base64_character(bits: u32) -> u8 {
    match (bits & 0x3f) as u8 {
        value @ 0..=25 => b'A' + value,
        value @ 26..=51 => b'a' + (value - 26),
        value @ 52..=61 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_base64(bytes, b"\\n", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_quote_backslash_and_control_characters_are_escaped() {
        let mut out = Vec::new();

        write_quoted("a\"b\\c/\u{8}\t\n\u{c}\r\u{1f}\u{7f}ü😀".as_bytes(), &mut out);

        let expected = "\"a\\\"b\\\\c/\\b\\t\\n\\f\\r\\u001f\u{7f}ü😀\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn base64_is_padded_and_broken_after_76_characters() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(&[0xff]), "/w==");
        assert_eq!(base64(&[0xff, 0]), "/wA=");
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(&[0; 57]), "A".repeat(76));
        assert_eq!(base64(&[0; 60]), format!("{}\\nAAAA", "A".repeat(76)));
    }
}

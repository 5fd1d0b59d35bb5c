//! SQL expressions of random JSON documents.

use rowpost_tests::seed::Random;

use crate::literal::{self, hex, one_of};

/// A document: parsed from text, or built by the server's functions, which can put column types
/// into it that JSON text does not have.
pub(crate) fn document(random: &mut Random) -> String {
    match random.below(20) {
        0 => {
            let depth = 1 + random.below(99) as usize;
            parsed(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        }
        // Beyond 64 KiB MySQL counts in four bytes instead of two.
        1 => "json_array(70000, -70000, 7, repeat('x', 70000), true, json_object())".to_owned(),
        2 => "json_object('a', repeat('y', 66000), 'bb', 80000, 'c', null)".to_owned(),
        3..=11 => {
            let text = text(random, 3);
            parsed(&text)
        }
        _ => expression(random, 2),
    }
}

fn parsed(text: &str) -> String {
    format!("cast(_utf8mb4 x'{}' as json)", hex(text.as_bytes()))
}

/// JSON text.
fn text(random: &mut Random, depth: u32) -> String {
    let kinds = if depth == 0 { 6 } else { 9 };
    match random.below(kinds) {
        0 => one_of(random, &["null", "true", "false"]).to_owned(),
        1 => integer(random),
        2 => number(random),
        3 | 4 => string(random),
        5 => one_of(random, &["[]", "{}", "\"\"", "0", "-1"]).to_owned(),
        6 | 7 => {
            let members: Vec<String> = (0..random.below(6))
                .map(|_| format!("{}: {}", string(random), text(random, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        _ => {
            let values: Vec<String> =
                (0..random.below(6)).map(|_| text(random, depth - 1)).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

fn integer(random: &mut Random) -> String {
    let bits = [8, 16, 17, 32, 33, 64][random.below(6) as usize];
    let signed = random.chance(0.5);
    literal::integer(random, signed, bits)
}

/// JSON allows no zeros in front.
fn number(random: &mut Random) -> String {
    let value: f64 = literal::double(random).parse().unwrap_or_default();
    if random.chance(0.5) { format!("{value:e}") } else { format!("{value:?}") }
}

fn string(random: &mut Random) -> String {
    let pieces = ["a", "Zoë", "€", "😀", "\\\"", "\\\\", "\\n", "\\u0001", "/", " ", "\u{7f}", "x"];
    let length = if random.chance(0.1) { random.below(300) } else { random.below(6) };
    let text: String = (0..length).map(|_| one_of(random, &pieces)).collect();
    format!("\"{text}\"")
}

/// A call of the server's functions.
fn expression(random: &mut Random, depth: u32) -> String {
    let values: Vec<String> = (0..1 + random.below(5)).map(|_| value(random, depth)).collect();
    if random.chance(0.5) {
        format!("json_array({})", values.join(", "))
    } else {
        let members: Vec<String> = values
            .into_iter()
            .enumerate()
            .map(|(place, value)| format!("'{}{place}', {value}", "k".repeat(place)))
            .collect();
        format!("json_object({})", members.join(", "))
    }
}

fn value(random: &mut Random, depth: u32) -> String {
    match random.below(if depth == 0 { 9 } else { 10 }) {
        0 => format!("cast({} as decimal(40,12))", literal::decimal(random, 38, 12)),
        1 => format!("cast('{}' as date)", literal::date(random)),
        2 => format!("cast('{}' as time(6))", literal::time(random)),
        3 => format!("cast('{}' as datetime(6))", literal::datetime(random)),
        4 => format!("cast({} as binary)", literal::bytes(random, 130)),
        5 => format!("b'{:b}'", random.below(100_000)),
        6 => parsed(&text(random, 1)),
        7 => "null".to_owned(),
        8 => integer(random),
        _ => expression(random, depth - 1),
    }
}

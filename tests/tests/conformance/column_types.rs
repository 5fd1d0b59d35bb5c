//! Every column type an outbox may have, with its random values.

use rowpost_tests::{mysql_server::Setup, seed::Random};

use crate::{
    json_literal,
    literal::{self, one_of},
};

/// Draws an SQL literal.
type Draw = Box<dyn Fn(&mut Random) -> String>;

pub(crate) struct ColumnType {
    pub(crate) sql: String,
    pub(crate) draw: Draw,
}

const ASCII: &str = "aZ09 ~'\"\\%_\u{0}\u{1}\t\n\r\u{7f}";
/// MySQL's latin1: code page 1252, and control characters in its five holes.
const LATIN1: &str = "aZ ~\u{81}\u{8d}\u{8f}\u{90}\u{9d}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\u{a0}éüßÿ×÷";
const BASIC_PLANE: &str = "aZ é€ЖΩ日本語\u{ffff}\u{301}\u{feff}\u{200d}";
const ANY: &str = "aZ 'é€Ж日本\u{301}😀👩‍🚀\u{10ffff}\u{0}";

const CHARACTERS: [(&str, &str); 4] =
    [("utf8mb4", ANY), ("utf8", BASIC_PLANE), ("latin1", LATIN1), ("ascii", ASCII)];

/// The types that `setup` has.
pub(crate) fn all(setup: Setup) -> Vec<ColumnType> {
    let mut types = Vec::new();
    numbers(&mut types);
    texts(&mut types);
    binaries(&mut types);
    members(&mut types);
    times(&mut types);
    add(&mut types, "json".to_owned(), json_literal::document);
    add(&mut types, "geometry".to_owned(), |random| {
        format!("point({}, {})", literal::decimal(random, 9, 3), random.below(1_000))
    });
    add(&mut types, "linestring".to_owned(), |_| {
        "st_geomfromtext('linestring(0 0, 1.5 -2)')".to_owned()
    });
    if setup == Setup::Current {
        add(&mut types, "vector(3)".to_owned(), |random| {
            format!("string_to_vector('[{}, -1.5, 0]')", random.below(100))
        });
    }
    types
}

fn add(types: &mut Vec<ColumnType>, sql: String, draw: impl Fn(&mut Random) -> String + 'static) {
    types.push(ColumnType { sql, draw: Box::new(draw) });
}

fn numbers(types: &mut Vec<ColumnType>) {
    for (name, bits) in
        [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)]
    {
        add(types, name.to_owned(), move |random| literal::integer(random, true, bits));
        add(types, format!("{name} unsigned"), move |random| literal::integer(random, false, bits));
    }
    add(types, "float".to_owned(), literal::float);
    add(types, "double".to_owned(), literal::double);
    add(types, "float unsigned".to_owned(), literal::float);
    for (precision, scale) in
        [(10, 2), (65, 30), (18, 9), (9, 0), (30, 30), (1, 1), (38, 19), (11, 3), (65, 0)]
    {
        add(types, format!("decimal({precision},{scale})"), move |random| {
            literal::decimal(random, precision, scale)
        });
    }
    add(types, "decimal(20,10) unsigned".to_owned(), |random| literal::decimal(random, 20, 10));
    // Behind the numbers: `special_columns` says why.
    add(types, "year".to_owned(), year);
    for bits in [1, 7, 8, 9, 33, 64] {
        add(types, format!("bit({bits})"), move |random| literal::integer(random, false, bits));
    }
}

fn year(random: &mut Random) -> String {
    match random.below(3) {
        0 => one_of(random, &["0", "1901", "2155"]).to_owned(),
        _ => (1901 + random.below(255)).to_string(),
    }
}

fn texts(types: &mut Vec<ColumnType>) {
    for (charset, characters) in CHARACTERS {
        for (kind, length) in [
            ("char(10)", 10),
            ("char(90)", 90),
            ("varchar(60)", 60),
            ("varchar(300)", 300),
            ("tinytext", 60),
            ("text", 300),
            ("mediumtext", 100),
            ("longtext", 1_000),
        ] {
            add(types, format!("{kind} character set {charset}"), move |random| {
                literal::text(random, characters, length)
            });
        }
    }
}

fn binaries(types: &mut Vec<ColumnType>) {
    for (kind, length) in [
        ("binary(1)", 1),
        ("binary(16)", 16),
        ("binary(255)", 255),
        ("varbinary(255)", 255),
        ("varbinary(300)", 300),
        ("tinyblob", 255),
        ("blob", 600),
        ("mediumblob", 100),
        ("longblob", 100),
        ("char(8) character set binary", 8),
        ("text character set binary", 40),
    ] {
        add(types, kind.to_owned(), move |random| literal::bytes(random, length));
    }
}

fn members(types: &mut Vec<ColumnType>) {
    for charset in ["utf8mb4", "latin1"] {
        let sql = format!("enum('a','ü','c''d','e\\\\f','g,h','') character set {charset}");
        add(types, sql, |random| random.below(7).to_string());
    }
    let many: Vec<String> = (1..=300).map(|member| format!("'m{member}'")).collect();
    add(types, format!("enum({})", many.join(",")), |random| random.below(301).to_string());
    for count in [3_u32, 8, 9, 17, 25, 33, 64] {
        let members = many[..count as usize].join(",");
        add(types, format!("set({members})"), move |random| literal::integer(random, false, count));
    }
}

fn times(types: &mut Vec<ColumnType>) {
    let quoted =
        |draw: fn(&mut Random) -> String| move |random: &mut Random| format!("'{}'", draw(random));
    add(types, "date".to_owned(), quoted(literal::date));
    for digits in 0..=6 {
        add(types, format!("time({digits})"), quoted(literal::time));
        add(types, format!("datetime({digits})"), quoted(literal::datetime));
        add(types, format!("timestamp({digits})"), quoted(literal::timestamp));
    }
}

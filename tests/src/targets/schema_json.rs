//! `schema_json`: a schema in JSON, and a message that it is to read.
//!
//! Must hold: as of `schema_text`.

use mtproto_schema::{json, text};

use super::Seed;
use super::schema_text::{SOURCES, holds, split};

/// An error tells of at most so many characters of the text.
const LONGEST_ERROR: usize = 400;

/// Input: the text, 0, and the message.
pub fn schema_json(data: &[u8]) {
    let (source, message) = split(data);
    match json::parse(&source) {
        Ok(document) => holds(document, &message),
        Err(error) => assert!(error.to_string().chars().count() <= LONGEST_ERROR),
    }
}

/// The sources of `schema_text` in JSON, with their messages, and what is not quite a schema.
pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |name: &str, source: &str, message: &[u8]| {
        let input = [source.as_bytes(), &[0], message].concat();
        seeds.push((name.to_owned(), input));
    };
    for (name, source, message) in SOURCES {
        let document = text::parse(source).expect("TL");
        add(name, &json::write(&document), message);
    }
    let odd = [
        ("empty", r#"{"constructors":[],"methods":[]}"#),
        (
            "layer",
            r#"{"layer":2147483648,"constructors":[],"methods":[]}"#,
        ),
        (
            "escaped",
            r#"{"constructors":[{"id":"+5","predicate":"\u0061","params":[{"name":"x","type":"flags.+3?int"}],"type":"A"}],"methods":[]}"#,
        ),
        (
            "id",
            r#"{"constructors":[{"id":"4294967295","predicate":"a","params":[],"type":"A"}],"methods":[]}"#,
        ),
        (
            "twice",
            r#"{"layer":1,"layer":2,"methods":[{"id":"-1","method":"a.b","params":[{"name":"q","type":"!X"}],"type":"X"}],"constructors":[]}"#,
        ),
        ("deep", "[[[[[[[[[[[[[[[[[[[["),
        (
            "number",
            r#"{"layer":1e400,"constructors":{},"methods":null}"#,
        ),
    ];
    for (name, source) in odd {
        add(name, source, b"");
    }
    seeds
}

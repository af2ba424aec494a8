//! The bytes of known answers, for corpora to begin with.
//!
//! Does: finds them in `vectors/vectors.json` by what the vectors are about.
//! In: the beginnings of ids. Out: names and bytes.
//! Must not know: what they mean; the suites that check the vectors do.
//! Spec: none.

use serde_json::Value;

/// Shorter ones are numbers, longer ones would be most of a corpus.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=700;

/// Every byte string of the vectors whose ids begin like this, with a name.
pub(super) fn vectors(beginnings: &[&str]) -> Vec<(String, Vec<u8>)> {
    let file = include_str!("../../vectors/vectors.json");
    let file: Value = serde_json::from_str(file).expect("it is checked in");
    let all = file["vectors"].as_array().expect("a list");
    let mut found = Vec::new();
    for vector in all {
        let id = vector["id"].as_str().expect("a name");
        if beginnings.iter().any(|begin| id.starts_with(begin)) {
            let before = found.len();
            collect(&vector["inputs"], &mut found);
            collect(&vector["expected"], &mut found);
            for (at, (name, _)) in found.iter_mut().enumerate().skip(before) {
                *name = format!("vector-{id}-{}", at - before);
            }
        }
    }
    found
}

fn collect(value: &Value, found: &mut Vec<(String, Vec<u8>)>) {
    match value {
        Value::String(text) => {
            let bytes = bytes(text).filter(|bytes| LENGTHS.contains(&bytes.len()));
            found.extend(bytes.map(|bytes| (String::new(), bytes)));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let byte = |pair: &[u32]| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8);
    Some(digits.chunks(2).map(byte).collect())
}

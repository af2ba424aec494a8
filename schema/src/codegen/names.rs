//! TL names to Rust identifiers.
//!
//! Does: words of a name, then `CamelCase` and `snake_case`; an acronym is one word.
//! In: `inputCheckPasswordSRP`, `server_DH_params_ok`, `srp_B`. Out: `InputCheckPasswordSrp`,
//! `ServerDhParamsOk`, `srp_b`.
//! Must not know: where a name is used.
//! Spec: Rust API Guidelines, C-CASE.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Keywords that may stand as `r#type`.
const KEYWORDS: [&str; 40] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "true", "type", "use", "where",
];

/// Keywords that may not.
const RESERVED: [&str; 4] = ["self", "super", "crate", "Self"];

fn words(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in name.split('_') {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (i, &c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| chars[i]);
            let starts = c.is_ascii_uppercase()
                && match before {
                    None => false,
                    Some(b) if b.is_ascii_uppercase() => {
                        chars.get(i + 1).is_some_and(char::is_ascii_lowercase)
                    }
                    Some(_) => true,
                };
            if starts {
                out.push(core::mem::take(&mut word));
            }
            word.push(c.to_ascii_lowercase());
        }
        out.push(word);
    }
    out.retain(|w| !w.is_empty());
    out
}

/// The last part of a name, as a Rust type.
pub(super) fn camel(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let mut out = String::new();
    for word in words(last) {
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.extend(chars);
    }
    out
}

/// A field or a module.
pub(super) fn snake(name: &str) -> String {
    let out = words(name).join("_");
    if RESERVED.contains(&out.as_str()) {
        out + "_"
    } else if KEYWORDS.contains(&out.as_str()) {
        String::from("r#") + &out
    } else {
        out
    }
}

/// A variant: the constructor without the name of its type, where that leaves a name.
pub(super) fn variant(type_name: &str, constructor: &str) -> String {
    let full = camel(constructor);
    match full.strip_prefix(&camel(type_name)) {
        Some(rest)
            if rest.starts_with(|c: char| c.is_ascii_uppercase()) && !RESERVED.contains(&rest) =>
        {
            rest.to_string()
        }
        Some(_) | None => full,
    }
}

//! The table as it is stored.
//!
//! Does: reads `conformance.toml`; unknown fields and wrong types are errors.
//! In: the file. Out: rows, in its order.
//! Must not know: which rows there have to be, and which tests exist.
//! Spec: none.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Client,
    Server,
    Both,
}

/// A rule and what holds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: String,
    pub role: Role,
    /// What we do.
    pub rule: String,
    /// The tests that fail when we do not, each as `suite::module::name`; of another crate's suite
    /// as `crate/suite::..`, of a crate's own tests as `crate::module::tests::name`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Whether it is ours to keep.
    #[serde(default = "yes")]
    pub kept: bool,
    /// If not: why.
    pub why: Option<String>,
    /// If it is kept in part: what is missing.
    pub missing: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Row>,
}

pub fn read(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    file.row
}

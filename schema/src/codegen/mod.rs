//! A schema to Rust source.
//!
//! Does: [`generate`]: the files under `src/generated/`, in a stable order.
//! In: a [`Document`], and the names of the idempotent methods. Out: paths and texts.
//! Must not know: the file system; `bin/tl-gen.rs` reads and writes.
//! Spec: "TL Language"; README.md says why the code looks as it does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a developer's tool that runs on reviewed files"
)]

mod emit;
mod layout;
mod names;
mod plan;
pub mod source;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::model::{Document, Kind};

/// Which of the two schemas a document is; they differ in where their code goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The protocol's own types: one file, compiled always.
    Mtproto,
    /// The API layer: one file per namespace, feature `api`.
    Api,
}

/// One generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path below `src/generated/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// The Rust source of a schema.
///
/// # Errors
/// What does not fit: an unknown type, an id that is not the declaration's, two names that become
/// one in Rust.
pub fn generate(
    document: &Document,
    target: Target,
    idempotent: &BTreeSet<String>,
) -> Result<Vec<File>, String> {
    if let Some(d) = document.mismatched_ids().next() {
        let computed = d.computed_id();
        return Err(format!("the id of `{d}` is computed as {computed:08x}"));
    }
    let plan = plan::Plan::new(document, target, idempotent)?;
    Ok(emit::files(&plan))
}

/// The table of the idempotent methods, for who calls by name.
///
/// # Errors
/// The name of one that none of the documents has.
pub fn idempotent_table(
    documents: &[Document],
    idempotent: &BTreeSet<String>,
) -> Result<File, String> {
    let all = || documents.iter().flat_map(|d| &d.definitions);
    let mut text = emit::HEADER.to_string();
    text += "//! Methods that may run twice, from idempotent.txt; sorted.\n\n";
    text += &format!("pub(crate) const NAMES: [&str; {}] = [\n", idempotent.len());
    for name in idempotent {
        if !all().any(|d| d.kind == Kind::Function && *d.name == **name) {
            return Err(format!("{name} is listed as idempotent and is no method"));
        }
        text += &format!("    \"{name}\",\n");
    }
    text += "];\n";
    Ok(File {
        path: "idempotent.rs".to_string(),
        text,
    })
}

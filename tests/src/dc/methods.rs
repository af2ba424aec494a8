//! Which methods the API has.
//!
//! Does: tells a method that the DC does not answer from one that does not exist.
//! In: an id. Out: whether the schema has it.
//! Must not know: what any method does.
//! Spec: "TL schema".

use std::collections::BTreeSet;
use std::sync::LazyLock;

use mtproto_schema::json;
use mtproto_schema::model::Kind;

static METHODS: LazyLock<BTreeSet<u32>> = LazyLock::new(|| {
    let schema = json::parse(include_str!("../../../schema/json/api.json"))
        .expect("the schema of this workspace, which its own tests read");
    let methods = schema
        .definitions
        .iter()
        .filter(|d| d.kind == Kind::Function);
    methods.map(|d| d.id).collect()
});

/// Whether the API's layer has a method with this id.
pub fn is_known(id: u32) -> bool {
    METHODS.contains(&id)
}

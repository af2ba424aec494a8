//! Which methods the API has.
//!
//! Does: tells a method that the DC does not answer from one that does not exist.
//! In: an id. Out: whether the schema has it.
//! Must not know: what any method does.
//! Spec: "TL schema".

use std::sync::LazyLock;

use mtproto_schema::Schema;
use mtproto_schema::model::Kind;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::builtin);

/// Whether there is a method with this id, of the API or of the protocol itself.
pub fn is_known(id: u32) -> bool {
    SCHEMA.by_id(id).is_some_and(|d| d.kind == Kind::Function)
}

/// Reads the schema, which takes a moment, before anybody waits for an answer.
pub fn load() {
    LazyLock::force(&SCHEMA);
}

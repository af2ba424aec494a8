//! Answers and updates for clients of older layers.
//!
//! Does: says the same with the constructors that a client's layer has.
//! In: an object as today's schema has it, and the layer. Out: the object for that layer.
//! Must not know: who asks, what the object is about.
//! Spec: "Calling methods": a server answers in the layer that `invokeWithLayer` names.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bytes::Bytes;
use mtproto_schema::Schema;
use mtproto_schema::model::{Document, Type};

use super::methods::schema;

/// The last layer before a constructor got a field, the constructor, the field. Real clients are
/// the measure: with these, layers from 225 on can read what this DC says.
const FIELDS: [(i32, &str, &str); 2] = [
    (227, "user", "linked_community_id"),
    (227, "channel", "linked_community_id"),
];

/// The schema of the last older layer that is known.
#[expect(
    clippy::expect_used,
    reason = "made of the data that is compiled in, and tested"
)]
static OLDER: LazyLock<Schema> = LazyLock::new(|| {
    // The API's come first; of what the protocol declares again, one is enough.
    let mut names = BTreeSet::new();
    let mut definitions = schema().definitions().to_vec();
    definitions.retain(|d| names.insert((d.kind, d.name.clone())));
    for (_, name, field) in FIELDS {
        for definition in definitions.iter_mut().filter(|d| *d.name == *name) {
            definition.fields.retain(|f| *f.name != *field);
            definition.id = definition.computed_id();
        }
    }
    let older = Document {
        layer: FIELDS.iter().map(|(layer, _, _)| *layer).max(),
        definitions,
    };
    Schema::new([older]).expect("today's schema, less a few fields")
});

/// What a call of this method is answered with, for a client of this layer; unchanged if that
/// layer cannot say it.
pub fn answer(layer: i32, method: u32, body: Bytes) -> Bytes {
    match schema().by_id(method) {
        Some(method) if is_older(layer) => rewrite(&method.result, &body).unwrap_or(body),
        _ => body,
    }
}

/// The same of a boxed `Updates`.
pub fn updates(layer: i32, body: &Bytes) -> Bytes {
    let rewritten = is_older(layer).then(|| -> Option<Bytes> {
        let ty = Type::parse("Updates").ok()?;
        rewrite(&ty, body)
    });
    rewritten.flatten().unwrap_or_else(|| body.clone())
}

/// A client that has not said its layer gets today's.
fn is_older(layer: i32) -> bool {
    OLDER
        .layer()
        .is_some_and(|last| (1..=last).contains(&layer))
}

fn rewrite(ty: &Type, body: &Bytes) -> Option<Bytes> {
    let value = schema().decode_result(ty, body).ok()?;
    OLDER.encode_result(ty, &value).ok()
}

#[cfg(test)]
mod tests {
    use mtproto_schema::api::functions::users::GetUsers;
    use mtproto_schema::{Constructor, Encode, Function};

    use super::super::people::Person;
    use super::*;

    /// As mtcute 0.30, of layer 227, has them.
    const USER_227: u32 = 0x3177_4388;
    const CHANNEL_227: u32 = 0x1c32_b11c;

    #[test]
    fn the_older_constructors_have_the_ids_that_clients_know() {
        for (name, id) in [("user", USER_227), ("channel", CHANNEL_227)] {
            assert_eq!(OLDER.constructor(name).unwrap().id, id);
        }
    }

    #[test]
    fn an_answer_has_the_constructors_of_the_clients_layer() {
        let mut person = Person::new(7, 8, "Ann");
        person.username = Some("ann".into());
        let today = vec![person.boxed_user(7)].to_bytes();
        for layer in [228, 229, 230, 231] {
            assert_eq!(answer(layer, GetUsers::ID, today.clone()), today);
        }
        let older = answer(227, GetUsers::ID, today.clone());
        assert_eq!(older.len(), today.len());
        let at = 8;
        assert_eq!(older[at..at + 4], USER_227.to_le_bytes());
        assert_eq!(older[at + 4..], today[at + 4..]);
        let new = mtproto_schema::api::types::User::ID.to_le_bytes();
        assert_eq!(today[at..at + 4], new);
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        let body = Bytes::from_static(b"nothing");
        assert_eq!(answer(200, GetUsers::ID, body.clone()), body);
        assert_eq!(updates(200, &body), body);
    }
}

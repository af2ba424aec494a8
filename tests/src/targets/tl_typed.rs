//! `tl_typed`: one message, read by the generated code of the type that its id belongs to: any
//! constructor and any function of the protocol and of the layer.
//!
//! Must hold: the generated code and the schema at run time know the same ids, take and refuse the same
//! bytes and write the same again; that is no longer than what was read and is written as it stands
//! from then on.

use mtproto_schema::model::{Definition, Kind, Type};
use mtproto_schema::{Bytes, dispatch};

use super::Seed;
use super::tl_dynamic::{object, schema};
use crate::{Dice, Seed as Number};

/// `message`, which is never boxed: the schema at run time would take its name for that of the API.
const MESSAGE: u32 = 0x5bb8_e511;

/// Input: the message.
pub fn tl_typed(data: &[u8]) {
    let Some(id) = data.first_chunk().map(|id| u32::from_le_bytes(*id)) else {
        return;
    };
    let bytes = Bytes::copy_from_slice(data);
    let typed = dispatch::by_id(id, &bytes);
    let definition = schema().by_id(id).filter(|d| d.id != MESSAGE);
    let (Some(typed), Some(definition)) = (&typed, definition) else {
        let known = id == MESSAGE || (typed.is_none() && definition.is_none());
        assert!(known, "{id:#010x} is known to one side only");
        return;
    };

    let dynamic = dynamic(definition, &bytes);
    match (typed, dynamic) {
        (Ok((again, least)), dynamic) => {
            assert!(again.len() <= data.len(), "no longer than it was");
            assert!(*least <= again.len(), "{least}, which is the least");
            let once_more = dispatch::by_id(id, &Bytes::copy_from_slice(again));
            assert_eq!(once_more, Some(Ok((again.clone(), *least))), "read again");
            match dynamic {
                // The schema reads what the generated code leaves as bytes, and bits of flags that it
                // does not know are gone then.
                Some(dynamic) if is_open(definition) => assert!(dynamic.len() <= again.len()),
                Some(dynamic) => assert_eq!(dynamic, again, "both sides write the same"),
                // What the generated code leaves as bytes may be anything.
                None => assert!(is_open(definition), "read by the generated code only"),
            }
        }
        (Err(error), None) => assert!(!error.to_string().is_empty()),
        (Err(error), Some(_)) => panic!("{error}, but the schema reads it"),
    }
}

/// Reads a message by the schema and writes it again; `None` if it is none.
fn dynamic(definition: &Definition, bytes: &Bytes) -> Option<Bytes> {
    let (value, again) = match definition.kind {
        Kind::Constructor => {
            let value = schema().decode(bytes).ok()?;
            let again = schema().encode(value.as_object()?);
            (value, again)
        }
        Kind::Function => {
            let value = schema().decode_function(bytes).ok()?;
            let again = schema().encode_query(value.as_object()?);
            (value, again.map(|(bytes, _)| bytes))
        }
    };
    Some(again.unwrap_or_else(|error| panic!("{error}: {value:?}")))
}

/// Whether a part is carried to its end by the generated code, without being read.
fn is_open(definition: &Definition) -> bool {
    let open = |ty: &Type| matches!(ty, Type::Object | Type::Query);
    definition.fields.iter().any(|field| open(&field.ty))
        || matches!(&*definition.name, "msg_container" | "msg_copy")
}

/// Random messages of declarations of all kinds.
pub(super) fn seeds() -> Vec<Seed> {
    /// One in so many declarations.
    const STEP: usize = 41;
    /// What the first inputs may have: larger ones are found.
    const LARGEST: usize = 2_000;

    let mut dice = Dice::new(Number(2));
    let mut seeds = Vec::new();
    let all = schema().definitions().iter().filter(|d| d.id != MESSAGE);
    for definition in all.step_by(STEP) {
        let random = object(definition, &mut dice, 4);
        let bytes = match definition.kind {
            Kind::Constructor => schema().encode(&random),
            Kind::Function => schema().encode_query(&random).map(|(bytes, _)| bytes),
        };
        let bytes = bytes.expect("it follows the schema");
        if let Some(Ok((again, _))) = dispatch::by_id(definition.id, &bytes) {
            assert_eq!(again, bytes, "{} is written as it is", definition.name);
        }
        if bytes.len() <= LARGEST {
            seeds.push((definition.name.to_string(), bytes.to_vec()));
        }
    }
    seeds
}

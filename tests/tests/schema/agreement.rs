//! Typed and dynamic agree on every constructor and function of both schemas.

use mtproto_schema::model::{Definition, Kind, Type};
use mtproto_schema::{Bytes, Object, Schema, Value, dispatch};
use serde_json::Value as Json;

use crate::samples::{Dice, Fill, Samples};
use crate::{BUILTIN, SCHEMAS};

/// Another run: `SCHEMA_SEED=… cargo test`.
pub fn seed() -> u64 {
    let seed = std::env::var("SCHEMA_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(7);
    println!("SCHEMA_SEED={seed}");
    seed
}

/// Random values of each declaration, beside the emptiest and the fullest.
const ROUNDS: u64 = 8;

const ROOM: usize = 4;

pub fn fills() -> impl Iterator<Item = Fill> {
    let random = [10, 50, 90].into_iter().cycle().map(Fill::Percent);
    [Fill::Nothing, Fill::Everything]
        .into_iter()
        .chain(random)
        .take(2 + ROUNDS as usize)
}

/// `message` is never boxed, so that the dynamic side has no way to say so.
pub fn is_boxed(d: &Definition) -> bool {
    d.id != 0x5bb8_e511
}

/// One value of each declaration for each fill.
pub fn each(mut f: impl FnMut(&Schema, &Definition, Object, &mut Dice, &str)) -> usize {
    let seed = seed();
    let mut declarations = 0;
    for schema in &*SCHEMAS {
        let samples = Samples::new(schema);
        for d in schema.definitions().iter().filter(|d| is_boxed(d)) {
            declarations += 1;
            for (round, fill) in fills().enumerate() {
                let mut dice = Dice(seed ^ (u64::from(d.id) << 16) ^ round as u64);
                let object = samples.object(d, ROOM, fill, &mut dice);
                let at = format!("SCHEMA_SEED={seed}, {}, round {round}", d.name);
                f(schema, d, object, &mut dice, &at);
            }
        }
    }
    declarations
}

fn encode(schema: &Schema, d: &Definition, object: &Object, at: &str) -> Bytes {
    match d.kind {
        Kind::Constructor => schema.encode(object),
        Kind::Function => schema.encode_query(object).map(|(bytes, _)| bytes),
    }
    .unwrap_or_else(|e| panic!("{at}: {e}\n{object:?}"))
}

fn decode(schema: &Schema, kind: Kind, bytes: &Bytes) -> Result<Value, mtproto_schema::ValueError> {
    match kind {
        Kind::Constructor => schema.decode(bytes),
        Kind::Function => schema.decode_function(bytes),
    }
}

/// Whether a part is carried to the end without being read by the typed side.
pub fn is_open(d: &Definition) -> bool {
    d.fields
        .iter()
        .any(|f| matches!(f.ty, Type::Object | Type::Query))
        || matches!(&*d.name, "msg_container" | "msg_copy")
}

#[test]
fn every_constructor_and_function_is_the_same_typed_and_dynamic() {
    let declarations = each(|schema, d, object, _, at| {
        let bytes = encode(schema, d, &object, at);
        assert_eq!(bytes.len() % 4, 0, "{at}: whole words");
        assert_eq!(bytes[..4], d.id.to_le_bytes(), "{at}");

        let (again, min_size) = dispatch::by_id(d.id, &bytes)
            .unwrap_or_else(|| panic!("{at}: no such type"))
            .unwrap_or_else(|e| panic!("{at}: {e}\n{object:?}"));
        assert_eq!(again, bytes, "{at}: typed, encoded again");
        assert!(
            min_size <= bytes.len(),
            "{at}: {min_size} is more than {}",
            bytes.len()
        );

        let value = decode(schema, d.kind, &bytes).unwrap_or_else(|e| panic!("{at}: {e}"));
        assert_eq!(value, Value::Object(object), "{at}: dynamic, decoded");
    });
    let all: usize = SCHEMAS.iter().map(|s| s.definitions().len()).sum();
    // All but `message`, which no position on the wire can hold boxed.
    assert_eq!(declarations, all - 1);
}

#[test]
fn every_value_goes_through_json_and_its_text_without_loss() {
    each(|schema, d, object, _, at| {
        let json = object.to_json();
        let text = serde_json::to_string(&json).expect("text");
        let read: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{at}: {e}"));
        assert_eq!(read, json, "{at}: text");
        let back = match d.kind {
            Kind::Function => schema.function_from_json(&d.name, &read).map(Value::Object),
            Kind::Constructor if d.result == Type::Bool => return,
            Kind::Constructor => {
                // `gzip_packed` has no type of its own.
                schema.value_from_json(&d.result, &read)
            }
        };
        assert_eq!(back, Ok(Value::Object(object)), "{at}: {text}");
    });
}

#[test]
fn a_value_is_as_long_to_who_skips_it_as_to_who_decodes_it() {
    each(|schema, d, object, _, at| {
        if d.kind == Kind::Function || !matches!(d.result, Type::Boxed(_)) {
            return;
        }
        let bytes = encode(schema, d, &object, at);
        assert_eq!(schema.validate(&d.result, &bytes), Ok(()), "{at}");
        if !is_open(d) {
            let more = Bytes::from([&bytes[..], &[9; 8]].concat());
            let mut r = mtproto_schema::Reader::new(&more);
            assert_eq!(schema.skip(&d.result, &mut r), Ok(()), "{at}");
            assert_eq!(r.remaining(), 8, "{at}");
            assert!(schema.validate(&d.result, &more).is_err(), "{at}");
        }
    });
}

/// What one side takes the other takes, and makes the same of it.
fn agree(schema: &Schema, d: &Definition, bytes: &Bytes, at: &str) {
    let typed = dispatch::by_id(d.id, bytes).unwrap_or_else(|| panic!("{at}: no such type"));
    let dynamic = decode(schema, d.kind, bytes);
    if let (Kind::Constructor, Type::Boxed(_)) = (d.kind, &d.result) {
        let valid = schema.validate(&d.result, bytes);
        assert_eq!(
            valid.is_ok(),
            dynamic.is_ok(),
            "{at}: {valid:?}, {dynamic:?}\n{bytes:02x?}"
        );
    }
    match (typed, dynamic) {
        (Err(_), Err(_)) => {}
        (Ok((typed, _)), Ok(value)) => {
            // The changed bytes may be of another constructor of the type.
            let object = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {value:?}"));
            let again = encode(schema, d, object, at);
            assert_eq!(typed, again, "{at}: {bytes:02x?}");
        }
        (typed, dynamic) => panic!("{at}: {typed:?}, but {dynamic:?}\n{bytes:02x?}"),
    }
}

#[test]
fn both_sides_take_and_refuse_the_same_broken_bytes() {
    /// Changes tried on each value.
    const CHANGES: usize = 6;
    each(|schema, d, object, dice, at| {
        if is_open(d) {
            return;
        }
        let whole = encode(schema, d, &object, at);
        for _ in 0..CHANGES {
            let mut bytes = whole.to_vec();
            // Not the id in front: the one side would look for another type.
            let len = bytes.len();
            if len > 4 {
                let word = 4 + 4 * dice.below((len - 4) / 4);
                match dice.below(4) {
                    0 => bytes[word + dice.below(4)] ^= 1 << dice.below(8),
                    1 => bytes[word..word + 4].fill(0xff),
                    2 => drop(bytes.drain(word..word + 4)),
                    _ => bytes.truncate(word),
                }
            } else {
                bytes.extend_from_slice(&[0; 4]);
            }
            agree(schema, d, &bytes.into(), at);
        }
    });
}

#[test]
fn the_two_schemas_together_read_what_each_reads() {
    let seed = seed();
    for schema in &*SCHEMAS {
        let samples = Samples::new(schema);
        for d in schema.definitions().iter().filter(|d| is_boxed(d)) {
            let at = format!("SCHEMA_SEED={seed}, {}", d.name);
            let object = samples.object(d, ROOM, Fill::Percent(50), &mut Dice(seed));
            let bytes = encode(schema, d, &object, &at);
            let both = decode(&BUILTIN, d.kind, &bytes);
            assert_eq!(both, Ok(Value::Object(object.clone())), "{at}");
            // `message` by name is the API's; in a container the place says which is meant.
            if &*d.name != "rpc_result" {
                assert_eq!(encode(&BUILTIN, d, &object, &at), bytes, "{at}");
            }
        }
    }
}

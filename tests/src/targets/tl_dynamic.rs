//! `tl_dynamic`: one message, read by the schema at run time.
//!
//! Must hold: what was read can be written and read again, through JSON too; checking agrees with
//! reading.

use std::sync::OnceLock;

use mtproto_schema::model::{Definition, Field, Kind, Type};
use mtproto_schema::{Bytes, Object, Schema, Value};

use super::Seed;
use super::input::Input;
use crate::{Dice, Seed as Number};

/// The types that most others are within.
const TYPES: [&str; 12] = [
    "Updates",
    "updates.Difference",
    "messages.Messages",
    "messages.Dialogs",
    "users.UserFull",
    "Message",
    "RichText",
    "PageBlock",
    "JSONValue",
    "Config",
    "auth.SentCode",
    "Vector<long>",
];

/// Input: what to read it as, and the message.
pub fn tl_dynamic(data: &[u8]) {
    let schema = schema();
    let mut input = Input::new(data);
    let (mode, which) = (input.u8(), usize::from(input.u16()));
    let bytes = Bytes::copy_from_slice(input.rest());
    match mode % 4 {
        0 => constructor(schema, &bytes),
        1 => function(schema, &bytes),
        2 => {
            let results = results();
            result(schema, &results[which % results.len()], &bytes);
        }
        _ => {
            let ty = Type::parse(TYPES[which % TYPES.len()]).expect("a type");
            result(schema, &ty, &bytes);
        }
    }
}

/// Reads an object and writes it again.
pub(super) fn constructor(schema: &Schema, bytes: &Bytes) {
    if let Ok(value) = schema.decode(bytes) {
        let object = value.as_object().expect("an object was asked for");
        let again = schema.encode(object).expect("what was read can be written");
        assert_eq!(schema.decode(&again), Ok(value), "read again");
    }
}

/// Reads a call and writes it again, through JSON too.
pub(super) fn function(schema: &Schema, bytes: &Bytes) {
    if let Ok(value) = schema.decode_function(bytes) {
        let object = value.as_object().expect("a function was asked for");
        let (again, _) = schema
            .encode_query(object)
            .expect("what was read can be written");
        let json = value.to_json();
        let parsed = schema.function_from_json(object.name(), &json);
        assert_eq!(parsed.as_ref(), Ok(object), "through JSON: {json}");
        assert_eq!(schema.decode_function(&again), Ok(value), "read again");
    }
}

/// Reads a value of a type and writes it again, in every way.
pub(super) fn result(schema: &Schema, ty: &Type, bytes: &Bytes) {
    let valid = schema.validate(ty, bytes);
    let value = match schema.decode_result(ty, bytes) {
        Ok(value) => value,
        Err(error) => {
            assert!(valid.is_err(), "{ty}: {error}, but it was found valid");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(valid, Ok(()), "{ty} was read");
    let again = schema
        .encode_result(ty, &value)
        .expect("what was read can be written");
    assert!(again.len() <= bytes.len(), "no longer than it was");
    let json = value.to_json();
    let text = json.to_string();
    let parsed = serde_json::from_str(&text).expect("JSON can be read");
    let parsed = schema.value_from_json(ty, &parsed);
    assert_eq!(parsed.as_ref(), Ok(&value), "through JSON: {text}");
    assert_eq!(schema.decode_result(ty, &again), Ok(value), "read again");
}

pub(super) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(Schema::builtin)
}

/// What functions return, each type once.
fn results() -> &'static [Type] {
    static RESULTS: OnceLock<Vec<Type>> = OnceLock::new();
    RESULTS.get_or_init(|| {
        let mut types: Vec<Type> = Vec::new();
        for definition in schema().definitions() {
            let (kind, ty) = (definition.kind, &definition.result);
            if kind == Kind::Function && *ty != Type::Generic && !types.contains(ty) {
                types.push(ty.clone());
            }
        }
        types
    })
}

/// Random values of the types that have a Rust type, of some others, and some calls.
pub(super) fn seeds() -> Vec<Seed> {
    /// What the first inputs may have: larger ones are found.
    const LARGEST: usize = 2_000;

    let mut dice = Dice::new(Number(1));
    let mut seeds = Vec::new();
    let mut add = |name: String, mode: u8, which: usize, bytes: &[u8]| {
        let [low, high] = u16::try_from(which).expect("few types").to_le_bytes();
        seeds.push((name, [&[mode, low, high], bytes].concat()));
    };
    for (which, name) in TYPES.iter().enumerate() {
        let ty = Type::parse(name).expect("a type");
        let made = (0..200).map(|_| random(&ty, &mut dice, 6));
        let mut sized: Vec<_> = made
            .map(|value| {
                schema()
                    .encode_result(&ty, &value)
                    .expect("it follows the schema")
            })
            .filter(|bytes| bytes.len() <= LARGEST)
            .collect();
        sized.sort_by_key(Bytes::len);
        for bytes in [sized.first(), sized.last()].into_iter().flatten() {
            add(format!("{name}-{}", bytes.len()), 3, which, bytes);
            if let (2, Some(value)) = (bytes.len() % 3, schema().decode(bytes).ok()) {
                assert!(value.as_object().is_some());
                add(format!("object-{name}-{}", bytes.len()), 0, 0, bytes);
            }
        }
    }
    for (which, ty) in results().iter().enumerate().step_by(23) {
        let value = random(ty, &mut dice, 3);
        let bytes = schema()
            .encode_result(ty, &value)
            .expect("it follows the schema");
        if bytes.len() <= LARGEST {
            add(format!("result-{which}"), 2, which, &bytes);
        }
    }
    let functions = schema()
        .definitions()
        .iter()
        .filter(|d| d.kind == Kind::Function);
    for definition in functions.step_by(61) {
        let object = object(definition, &mut dice, 3);
        let (bytes, _) = schema()
            .encode_query(&object)
            .expect("it follows the schema");
        if bytes.len() <= LARGEST {
            add(format!("call-{}", definition.name), 1, 0, &bytes);
        }
    }
    seeds
}

/// A random value of a type, `depth` levels deep where it has a choice.
fn random(ty: &Type, dice: &mut Dice, depth: usize) -> Value {
    match ty {
        Type::Int => Value::Int(i32::from_le_bytes(dice.array())),
        Type::Nat => Value::Nat(u32::from_le_bytes(dice.array())),
        Type::Long => Value::Long(i64::from_le_bytes(dice.array())),
        Type::Double => Value::Double(f64::from_bits(u64::from_le_bytes(dice.array()))),
        Type::Int128 => Value::Int128(dice.array()),
        Type::Int256 => Value::Int256(Box::new(dice.array())),
        Type::String => {
            let text: String = (0..dice.index(12))
                .map(|_| *dice.choose(&['a', 'ß', '日']))
                .collect();
            Value::from(&text[..])
        }
        Type::Bytes => {
            let len = dice.index(12);
            Value::Bytes(dice.bytes(len).into())
        }
        Type::Bool => Value::Bool(dice.chance(1, 2)),
        Type::True => Value::True,
        Type::Vector { item, .. } => {
            let count = if depth == 0 { 0 } else { dice.index(3) };
            Value::Vector((0..count).map(|_| random(item, dice, depth - 1)).collect())
        }
        Type::Boxed(name) => Value::Object(boxed(name, dice, depth)),
        Type::Bare(name) => {
            let name = name.trim_start_matches('%');
            let own = schema().constructor(name);
            let definition = own.or_else(|| schema().constructors_of(name).next());
            Value::Object(object(definition.expect("known"), dice, depth))
        }
        Type::Object | Type::Generic => Value::Object(boxed("Bool", dice, 0)),
        Type::Query => {
            let get = schema().function("help.getConfig").expect("known");
            Value::Object(object(get, dice, depth))
        }
    }
}

/// A random object of a type; one with few fields that are themselves objects when it is deep.
fn boxed(ty: &str, dice: &mut Dice, depth: usize) -> Object {
    let mut all: Vec<_> = schema().constructors_of(ty).collect();
    if depth == 0 {
        let compound = |field: &&Field| {
            field.flag.is_none() && matches!(field.ty, Type::Boxed(_) | Type::Bare(_))
        };
        all.sort_by_key(|definition| definition.fields.iter().filter(compound).count());
        all.truncate(1);
    }
    let definition = *dice.choose(&all[..]);
    object(definition, dice, depth.saturating_sub(1))
}

pub(super) fn object(definition: &Definition, dice: &mut Dice, depth: usize) -> Object {
    let mut object = Object::new(definition.name.clone());
    // Fields of one bit are there together.
    let mut bits = std::collections::BTreeMap::new();
    for field in &definition.fields {
        if definition.is_flag_word(field) {
            continue;
        }
        if let Some(flag) = &field.flag {
            let there = bits
                .entry((flag.word.clone(), flag.bit))
                .or_insert_with(|| depth > 0 && dice.chance(1, 3));
            if !*there {
                continue;
            }
        }
        object.push(field.name.clone(), random(&field.ty, dice, depth));
    }
    object
}

pub(super) fn words() -> Vec<(String, Vec<u8>)> {
    let ids = [
        "vector",
        "boolTrue",
        "boolFalse",
        "true",
        "updates",
        "message",
        "user",
        "channel",
        "textPlain",
        "textConcat",
        "gzip_packed",
        "msg_container",
        "rpc_result",
        "error",
        "null",
    ];
    ids.iter()
        .filter_map(|name| {
            Some((
                schema().constructor(name)?.name.to_string(),
                schema().constructor(name)?.id,
            ))
        })
        .map(|(name, id)| (name, id.to_le_bytes().to_vec()))
        .collect()
}

//! Values of a TL schema.
//!
//! Does: values of any type, objects of any constructor, calls of any function.
//! In: a schema, a type, how deep. Out: dynamic values, which the schema encodes.
//! Must not know: generated types; who needs one decodes the bytes.
//! Spec: "TL Language", "Binary Data Serialization".
//!
//! ```
//! use std::sync::Arc;
//!
//! use mtproto_schema::model::Type;
//! use mtproto_schema::Schema;
//! use mtproto_test::strategies::{runner, values};
//!
//! let schema = Arc::new(Schema::from_text("
//!     user#7e001234 flags:# id:long name:flags.0?string friends:Vector<User> = User;
//! ").unwrap());
//! let user = Type::parse("User").unwrap();
//! runner(16).run(&values::value(&schema, &user, 3), |user| {
//!     let bytes = schema.encode(user.as_object().unwrap()).unwrap();
//!     assert_eq!(schema.decode(&bytes).unwrap(), user);
//!     Ok(())
//! }).unwrap();
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use mtproto_schema::model::{Definition, Field, Kind, Type};
use mtproto_schema::{Object, Schema, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// Elements of a vector, at most.
const ELEMENTS: usize = 4;
/// Characters of a string and bytes of a byte field, mostly at most; one in ten is longer than the
/// 253 bytes of a short length.
const SHORT: usize = 16;
const LONG: usize = 400;

/// A value of this type. Up to `depth` levels it has what it may have: optional fields, elements,
/// any constructor. Below it has as little as it can. Types that the schema does not know have no
/// values: such a strategy gives `Value::Raw` of nothing.
pub fn value(schema: &Arc<Schema>, ty: &Type, depth: u32) -> BoxedStrategy<Value> {
    match ty {
        Type::Int => any::<i32>().prop_map(Value::Int).boxed(),
        Type::Nat => any::<u32>().prop_map(Value::Nat).boxed(),
        Type::Long => any::<i64>().prop_map(Value::Long).boxed(),
        Type::Double => any::<u64>()
            .prop_map(|bits| Value::Double(f64::from_bits(bits)))
            .boxed(),
        Type::Int128 => any::<[u8; 16]>().prop_map(Value::Int128).boxed(),
        Type::Int256 => any::<[u8; 32]>()
            .prop_map(|bytes| Value::Int256(Box::new(bytes)))
            .boxed(),
        Type::String => length()
            .prop_flat_map(|len| vec(any::<char>(), len))
            .prop_map(|text| Value::from(&text.into_iter().collect::<String>()[..]))
            .boxed(),
        Type::Bytes => length()
            .prop_flat_map(|len| vec(any::<u8>(), len))
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::True => Just(Value::True).boxed(),
        Type::Vector { item, .. } => {
            let Some(below) = depth.checked_sub(1) else {
                return Just(Value::Vector(Vec::new())).boxed();
            };
            vec(value(schema, item, below), 0..=ELEMENTS)
                .prop_map(Value::Vector)
                .boxed()
        }
        Type::Boxed(name) => boxed(schema, name, depth),
        Type::Bare(name) => {
            let name = name.trim_start_matches('%');
            let own = schema.constructor(name);
            match own.or_else(|| schema.constructors_of(name).next()) {
                Some(definition) => object_of(schema, definition.clone(), depth)
                    .prop_map(Value::Object)
                    .boxed(),
                None => nothing(),
            }
        }
        Type::Object | Type::Generic => {
            let known = schema.constructors_of("Bool").next().is_some();
            if known {
                boxed(schema, "Bool", depth)
            } else {
                nothing()
            }
        }
        Type::Query => {
            let plain = schema.definitions().iter().find(|definition| {
                definition.kind == Kind::Function && definition.fields.is_empty()
            });
            match plain {
                Some(definition) => {
                    Just(Value::Object(Object::new(definition.name.clone()))).boxed()
                }
                None => nothing(),
            }
        }
    }
}

/// A call of this function, for [`Schema::encode_query`]; `None` if the schema has no such function.
pub fn call(schema: &Arc<Schema>, function: &str, depth: u32) -> Option<BoxedStrategy<Object>> {
    let definition = schema.function(function)?;
    Some(object_of(schema, definition.clone(), depth))
}

fn nothing() -> BoxedStrategy<Value> {
    Just(Value::Raw(bytes::Bytes::new())).boxed()
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..SHORT, 1 => 0..LONG]
}

/// One of a type's constructors; where there are no levels left, one that needs the fewest.
fn boxed(schema: &Arc<Schema>, ty: &str, depth: u32) -> BoxedStrategy<Value> {
    let mut all: Vec<Definition> = schema.constructors_of(ty).cloned().collect();
    if all.is_empty() {
        return nothing();
    }
    all.sort_by_key(|definition| definition.fields.iter().filter(|f| is_deep(f)).count());
    if depth == 0 {
        all.truncate(1);
    }
    let schema = schema.clone();
    // Made when it is chosen: types refer to each other without an end.
    (0..all.len())
        .prop_flat_map(move |at| object_of(&schema, all[at].clone(), depth.saturating_sub(1)))
        .prop_map(Value::Object)
        .boxed()
}

/// Whether it must be there and is made of fields.
fn is_deep(field: &Field) -> bool {
    field.flag.is_none() && matches!(field.ty, Type::Boxed(_) | Type::Bare(_))
}

fn object_of(schema: &Arc<Schema>, definition: Definition, depth: u32) -> BoxedStrategy<Object> {
    let bits: BTreeSet<_> = definition
        .fields
        .iter()
        .filter_map(|field| field.flag.as_ref())
        .map(|flag| (flag.word.clone(), flag.bit))
        .collect();
    let chance = if depth == 0 { 0.0 } else { 0.3 };
    let there = vec(proptest::bool::weighted(chance), bits.len());
    let schema = schema.clone();
    there
        .prop_flat_map(move |there| {
            // Fields of one bit are there together.
            let there: BTreeSet<_> = bits
                .iter()
                .zip(&there)
                .filter(|(_, there)| **there)
                .collect();
            let there: BTreeSet<_> = there.into_iter().map(|(bit, _)| bit).collect();
            let mut names = Vec::new();
            let mut values = Vec::new();
            for field in &definition.fields {
                let absent = field
                    .flag
                    .as_ref()
                    .is_some_and(|flag| !there.contains(&(flag.word.clone(), flag.bit)));
                if absent || definition.is_flag_word(field) {
                    continue;
                }
                names.push(field.name.clone());
                values.push(value(&schema, &field.ty, depth));
            }
            let name = definition.name.clone();
            values.prop_map(move |values| {
                let mut object = Object::new(name.clone());
                for (name, value) in names.iter().zip(values) {
                    object.push(name.clone(), value);
                }
                object
            })
        })
        .boxed()
}

//! Values without Rust types: what a schema says at run time.
//!
//! Does: [`Value`] and [`Object`]; their bytes (`decode.rs`, `encode.rs`), their JSON (`json.rs`),
//! and the walk that only checks (`walk.rs`).
//! In: a [`Schema`](crate::Schema) beside bytes, JSON or values. Out: the others of the three.
//! Must not know: the generated types; each is the other's test.
//! Spec: "TL Language", "Binary Data Serialization".
//!
//! # JSON
//!
//! | TL | JSON |
//! | --- | --- |
//! | an object | an object; `_` is the constructor's name |
//! | `int`, `#`, `long` | an exact number; for `long` a string of decimal digits is read too |
//! | `double` | a number; a string where JSON has none: `NaN`, `Infinity`, `-Infinity`, and `0x` with 16 hexadecimal digits for another NaN |
//! | `string` | a string |
//! | `bytes`, `int128`, `int256` | a string in base64, with padding |
//! | `Bool` | `true`, `false` |
//! | a vector | an array |
//! | `flags.N?true` | `true`, or nothing; `false` is read as nothing |
//! | `flags.N?T` | as `T`, or nothing; `null` is read as nothing |
//! | a flag word | nothing; it follows from what is there |
//! | an `Object` or a query of which the schema knows nothing | its bytes in base64 |
//!
//! Fields that share a bit are there together or not at all.

mod decode;
mod encode;
mod error;
mod json;
mod walk;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

pub use error::{ValueError, ValueErrorKind};

use crate::string::Str;

/// Values in one message that are read, at most: fields, elements and objects.
///
/// A byte or two can be a value: 8 bytes of flags are an object of twenty fields, which takes a
/// kilobyte here. So a message of some megabytes could take gigabytes. Telegram's largest answers have
/// some ten thousands of values; as many as this take 64 MiB at most, or while they grow 128.
pub const MAX_VALUES: usize = 1 << 19;

/// A TL value of any type.
///
/// Two doubles are equal if their bits are.
#[derive(Clone, Debug)]
pub enum Value {
    /// `int`
    Int(i32),
    /// `#`
    Nat(u32),
    /// `long`
    Long(i64),
    /// `double`
    Double(f64),
    /// `int128`
    Int128([u8; 16]),
    /// `int256`
    Int256(Box<[u8; 32]>),
    /// `string`
    String(Str),
    /// `bytes`
    Bytes(Bytes),
    /// `Bool`
    Bool(bool),
    /// `true`, where it is there.
    True,
    /// A vector.
    Vector(Vec<Value>),
    /// An object, or a query.
    Object(Object),
    /// The whole of an object or a query of which the schema knows nothing, boxed.
    Raw(Bytes),
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Nat(a), Value::Nat(b)) => a == b,
            (Value::Long(a), Value::Long(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (Value::Int128(a), Value::Int128(b)) => a == b,
            (Value::Int256(a), Value::Int256(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::True, Value::True) => true,
            (Value::Vector(a), Value::Vector(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => a == b,
            (Value::Raw(a), Value::Raw(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Value {
    /// What a value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Int(_) => "int",
            Value::Nat(_) => "#",
            Value::Long(_) => "long",
            Value::Double(_) => "double",
            Value::Int128(_) => "int128",
            Value::Int256(_) => "int256",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Bool(_) => "Bool",
            Value::True => "true",
            Value::Vector(_) => "a vector",
            Value::Object(_) => "an object",
            Value::Raw(_) => "raw bytes",
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        if let Value::Object(object) = self {
            Some(object)
        } else {
            None
        }
    }
}

macro_rules! from {
    ($($ty:ty => |$v:ident| $value:expr),* $(,)?) => {
        $(impl From<$ty> for Value {
            fn from($v: $ty) -> Value {
                $value
            }
        })*
    };
}

from! {
    i32 => |v| Value::Int(v),
    u32 => |v| Value::Nat(v),
    i64 => |v| Value::Long(v),
    f64 => |v| Value::Double(v),
    [u8; 16] => |v| Value::Int128(v),
    [u8; 32] => |v| Value::Int256(Box::new(v)),
    &str => |v| Value::String(v.into()),
    Str => |v| Value::String(v),
    Bytes => |v| Value::Bytes(v),
    bool => |v| Value::Bool(v),
    Vec<Value> => |v| Value::Vector(v),
    Object => |v| Value::Object(v),
}

/// A constructor or a function by name, with its fields by name.
///
/// Optional fields that are absent are not there; nor are flag words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    name: Arc<str>,
    fields: Vec<(Arc<str>, Value)>,
}

impl Object {
    /// An object without fields.
    pub fn new(name: impl Into<Arc<str>>) -> Object {
        Object {
            name: name.into(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn with_capacity(name: Arc<str>, fields: usize) -> Object {
        Object {
            name,
            fields: Vec::with_capacity(fields),
        }
    }

    /// The object with one more field.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Object {
        self.push(name, value);
        self
    }

    /// Adds a field.
    pub fn push(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        self.fields.push((name.into(), value.into()));
    }

    /// The name of the constructor or function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields, in the order in which they were added; after decoding, in that of the schema.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (&**name, value))
    }

    /// The value of a field, if it is there.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(n, _)| **n == *name)
            .map(|(_, value)| value)
    }
}

//! Values to JSON and back.
//!
//! Does: the form that `value/mod.rs` describes, without loss.
//! In: `serde_json::Value`s and the schema. Out: [`Value`]s, and the other way round.
//! Must not know: bytes on the wire.
//! Spec: none; the field names are the schema's.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};

use super::decode::kind_name;
use super::encode::deeper;
use super::{Object, Value, ValueError, ValueErrorKind};
use crate::model::{Kind, Type};
use crate::schema::{Schema, Shape};
use crate::text::quote;

/// The member that names the constructor.
const NAME: &str = "_";

/// Doubles that JSON has no number for.
const NAN: &str = "NaN";
const INFINITY: &str = "Infinity";
const NEGATIVE_INFINITY: &str = "-Infinity";

impl Schema {
    /// The bytes of a function by name with arguments from JSON, and the type of its result.
    ///
    /// ```
    /// use mtproto_schema::Schema;
    /// use serde_json::json;
    ///
    /// let schema = Schema::builtin();
    /// let get = json!({ "_": "contacts.resolveUsername", "username": "telegram" });
    /// let (bytes, result) = schema
    ///     .encode_function("invokeWithLayer", &json!({ "layer": 230, "query": get }))?;
    /// assert_eq!(result.to_string(), "contacts.ResolvedPeer");
    /// assert_eq!(bytes[..8], [0x0d, 0x0d, 0x9b, 0xda, 230, 0, 0, 0]);
    ///
    /// let missing = schema.encode_function("ping", &json!({})).unwrap_err();
    /// assert_eq!(missing.to_string(), "ping_id: missing");
    /// # Ok::<(), mtproto_schema::ValueError>(())
    /// ```
    ///
    /// # Errors
    /// The schema has no such function, or the JSON is not its arguments.
    pub fn encode_function(&self, name: &str, json: &Json) -> Result<(Bytes, Type), ValueError> {
        self.encode_query(&self.function_from_json(name, json)?)
    }

    /// A function by name with arguments from JSON; `_` may be left out.
    ///
    /// # Errors
    /// The schema has no such function, or the JSON is not its arguments.
    pub fn function_from_json(&self, name: &str, json: &Json) -> Result<Object, ValueError> {
        let expected = kind_name(Kind::Function);
        let row = self
            .named(Kind::Function, name)
            .ok_or_else(|| unknown(name, expected))?;
        if json.get(NAME).is_some_and(|given| *given != name) {
            let given = json.get(NAME).and_then(Json::as_str).unwrap_or_default();
            return Err(unknown(given, name));
        }
        self.fields_from_json(row, json, 0)
    }

    /// A value of a type from JSON.
    ///
    /// # Errors
    /// The schema has no such type, or the JSON is no value of it.
    pub fn value_from_json(&self, ty: &Type, json: &Json) -> Result<Value, ValueError> {
        self.parse_at(&self.known(ty)?, json, 0)
    }

    fn parse_at(&self, shape: &Shape, json: &Json, depth: u32) -> Result<Value, ValueError> {
        let expected = shape.kind();
        let wrong = || wrong_kind(expected, json);
        Ok(match shape {
            Shape::Word(_) | Shape::Nat => Value::Nat(integer(json, expected)?),
            Shape::Int | Shape::Length => Value::Int(integer(json, expected)?),
            Shape::Long => Value::Long(match json {
                Json::String(digits) => {
                    digits.parse().map_err(|_| out_of_range(expected, digits))?
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    integer(json, expected)?
                }
            }),
            Shape::Double => Value::Double(double(json)?),
            Shape::Int128 => Value::Int128(array(json, expected)?),
            Shape::Int256 => Value::Int256(Box::new(array(json, expected)?)),
            Shape::String => Value::String(json.as_str().ok_or_else(wrong)?.into()),
            Shape::Bytes => Value::Bytes(base64(json, expected)?.into()),
            Shape::Bool => Value::Bool(json.as_bool().ok_or_else(wrong)?),
            Shape::True => match json {
                Json::Bool(true) => Value::True,
                Json::Null
                | Json::Bool(false)
                | Json::Number(_)
                | Json::String(_)
                | Json::Array(_)
                | Json::Object(_) => return Err(wrong()),
            },
            Shape::Vector { item, .. } => {
                let array = json.as_array().ok_or_else(wrong)?;
                let depth = deeper(depth)?;
                let mut items = Vec::with_capacity(array.len());
                for (i, json) in array.iter().enumerate() {
                    items.push(self.parse_at(item, json, depth).map_err(|e| e.in_item(i))?);
                }
                Value::Vector(items)
            }
            Shape::Boxed(ty) => {
                let name = name_of(json, expected)?;
                let row = self.constructor_named(*ty, name);
                let row = row.ok_or_else(|| unknown(name, self.type_name(*ty)))?;
                Value::Object(self.fields_from_json(row, json, depth)?)
            }
            Shape::Bare(row) => {
                let (given, name) = (json.get(NAME), self.row(*row).map(|(d, _)| &*d.name));
                if let (Some(given), Some(name)) = (given, name)
                    && *given != *name
                {
                    return Err(unknown(given.as_str().unwrap_or_default(), name));
                }
                Value::Object(self.fields_from_json(*row, json, depth)?)
            }
            Shape::Object | Shape::Body | Shape::Query => {
                if json.is_string() {
                    return Ok(Value::Raw(base64(json, expected)?.into()));
                }
                let query = matches!(shape, Shape::Query);
                let kind = if query {
                    Kind::Function
                } else {
                    Kind::Constructor
                };
                let name = name_of(json, expected)?;
                let row = self
                    .named(kind, name)
                    .ok_or_else(|| unknown(name, kind_name(kind)))?;
                Value::Object(self.fields_from_json(row, json, depth)?)
            }
        })
    }

    fn fields_from_json(&self, row: usize, json: &Json, depth: u32) -> Result<Object, ValueError> {
        let members = json
            .as_object()
            .ok_or_else(|| wrong_kind("an object", json))?;
        let Some((d, row)) = self.row(row) else {
            return Err(unknown("", kind_name(Kind::Constructor)));
        };
        let mut object = Object::with_capacity(d.name.clone(), members.len().min(row.ops.len()));
        let mut used = usize::from(members.contains_key(NAME));
        for (op, field) in row.ops.iter().zip(&d.fields) {
            let Some(json) = members.get(&*field.name).filter(|_| !op.shape.is_derived()) else {
                // A field that must be there is missed by the encoder, but says so best here.
                if op.flag.is_none() && !op.shape.is_derived() {
                    return Err(ValueError::new(ValueErrorKind::Missing).in_field(&field.name));
                }
                continue;
            };
            used = used.saturating_add(1);
            let absent = match (op.flag, &op.shape) {
                (None, _) => false,
                (Some(_), Shape::True) => json.is_null() || *json == Json::Bool(false),
                (Some(_), _) => json.is_null(),
            };
            if absent {
                continue;
            }
            let depth = if op.shape.is_compound() {
                deeper(depth)
            } else {
                Ok(depth)
            };
            let value = depth.and_then(|depth| self.parse_at(&op.shape, json, depth));
            object.push(
                field.name.clone(),
                value.map_err(|e| e.in_field(&field.name))?,
            );
        }
        if used < members.len() {
            let known = |key: &str| {
                let mut all = row.ops.iter().zip(&d.fields);
                key == NAME || all.any(|(op, f)| *f.name == *key && !op.shape.is_derived())
            };
            let extra = members.keys().find(|key| !known(key)).map_or("", |key| key);
            return Err(ValueError::new(ValueErrorKind::UnknownField).in_field(&quote(extra)));
        }
        Ok(object)
    }
}

impl Value {
    /// The value as JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Int(v) => (*v).into(),
            Value::Nat(v) => (*v).into(),
            Value::Long(v) => (*v).into(),
            Value::Double(v) => double_to_json(*v),
            Value::Int128(v) => Base64::encode_string(v).into(),
            Value::Int256(v) => Base64::encode_string(&**v).into(),
            Value::String(v) => v.as_str().into(),
            Value::Bytes(v) | Value::Raw(v) => Base64::encode_string(v).into(),
            Value::Bool(v) => (*v).into(),
            Value::True => true.into(),
            Value::Vector(items) => items.iter().map(Value::to_json).collect::<Vec<_>>().into(),
            Value::Object(object) => object.to_json(),
        }
    }
}

impl Object {
    /// The object as JSON, with its name as `_`.
    pub fn to_json(&self) -> Json {
        let mut members = Map::new();
        members.insert(NAME.to_string(), self.name().into());
        members.extend(
            self.fields()
                .map(|(name, value)| (name.to_string(), value.to_json())),
        );
        Json::Object(members)
    }
}

fn name_of<'a>(json: &'a Json, expected: &'static str) -> Result<&'a str, ValueError> {
    let members = json.as_object().ok_or_else(|| wrong_kind(expected, json))?;
    match members.get(NAME) {
        Some(Json::String(name)) => Ok(name),
        Some(other) => Err(wrong_kind("string", other).in_field(NAME)),
        None => Err(ValueError::new(ValueErrorKind::Missing).in_field(NAME)),
    }
}

fn integer<T: TryFrom<i64>>(json: &Json, expected: &'static str) -> Result<T, ValueError> {
    let Json::Number(number) = json else {
        return Err(wrong_kind(expected, json));
    };
    let fits = number.as_i64().and_then(|n| T::try_from(n).ok());
    fits.ok_or_else(|| out_of_range(expected, &number.to_string()))
}

fn double(json: &Json) -> Result<f64, ValueError> {
    const EXPECTED: &str = "double";
    let Json::String(text) = json else {
        return json.as_f64().ok_or_else(|| wrong_kind(EXPECTED, json));
    };
    match text.as_str() {
        NAN => Ok(f64::NAN),
        INFINITY => Ok(f64::INFINITY),
        NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
        text => {
            let digits = text
                .strip_prefix("0x")
                .filter(|d| d.len() == 16 && !d.starts_with('+'));
            let bits = digits.and_then(|d| u64::from_str_radix(d, 16).ok());
            bits.map(f64::from_bits)
                .ok_or_else(|| out_of_range(EXPECTED, text))
        }
    }
}

fn double_to_json(v: f64) -> Json {
    match Number::from_f64(v) {
        Some(number) => Json::Number(number),
        None if v == f64::INFINITY => INFINITY.into(),
        None if v == f64::NEG_INFINITY => NEGATIVE_INFINITY.into(),
        None if v.to_bits() == f64::NAN.to_bits() => NAN.into(),
        None => format!("0x{:016x}", v.to_bits()).into(),
    }
}

fn base64(json: &Json, expected: &'static str) -> Result<Vec<u8>, ValueError> {
    let text = json.as_str().ok_or_else(|| wrong_kind(expected, json))?;
    Base64::decode_vec(text).map_err(|_| ValueError::new(ValueErrorKind::Base64 { expected }))
}

fn array<const N: usize>(json: &Json, expected: &'static str) -> Result<[u8; N], ValueError> {
    let bytes = base64(json, expected)?;
    bytes
        .try_into()
        .map_err(|_| ValueError::new(ValueErrorKind::Base64 { expected }))
}

fn wrong_kind(expected: &'static str, json: &Json) -> ValueError {
    let got = match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    ValueError::new(ValueErrorKind::WrongKind { expected, got })
}

fn out_of_range(expected: &'static str, got: &str) -> ValueError {
    /// A number that does not fit is not repeated in full, however long it is.
    const MAX: usize = 40;
    let got: String = got.chars().take(MAX).collect();
    ValueError::new(ValueErrorKind::OutOfRange { expected, got })
}

fn unknown(name: &str, expected: &str) -> ValueError {
    let (name, expected) = (quote(name), expected.to_string());
    ValueError::new(ValueErrorKind::UnknownName { name, expected })
}

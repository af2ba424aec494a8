//! Bytes to values.
//!
//! Does: decoding by the schema's tables, bounded as the reader is.
//! In: a `Bytes`. Out: a [`Value`] whose strings are slices of it.
//! Must not know: JSON.
//! Spec: "Binary Data Serialization".

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{MAX_VALUES, Object, Value, ValueError, ValueErrorKind};
use crate::error::DecodeError;
use crate::model::{Kind, Type};
use crate::reader::{Reader, reserved};
use crate::schema::{MAX_WORDS, Schema, Shape};

impl Schema {
    /// The object in `bytes`, of any constructor of the schema.
    ///
    /// # Errors
    /// The bytes begin with no constructor's id, are not what follows it, or are more than that.
    pub fn decode(&self, bytes: &Bytes) -> Result<Value, ValueError> {
        self.decode_kind(Kind::Constructor, bytes)
    }

    /// The function with its arguments in `bytes`: what a server receives.
    ///
    /// # Errors
    /// The bytes begin with no function's id, are not what follows it, or are more than that.
    pub fn decode_function(&self, bytes: &Bytes) -> Result<Value, ValueError> {
        self.decode_kind(Kind::Function, bytes)
    }

    /// The answer in `bytes` to a function whose result is `ty`.
    ///
    /// `gzip_packed` and `rpc_error` are the session's business and no answers here.
    ///
    /// # Errors
    /// The schema has no such type; the bytes are not of it, or are more than that.
    pub fn decode_result(&self, ty: &Type, bytes: &Bytes) -> Result<Value, ValueError> {
        let mut r = Reader::new(bytes);
        let value = self.read(&self.known(ty)?, &mut r, &mut Budget::new())?;
        r.finish()?;
        Ok(value)
    }

    pub(super) fn known(&self, ty: &Type) -> Result<Shape, ValueError> {
        let unknown = || ValueError::new(ValueErrorKind::UnknownType { ty: ty.to_string() });
        self.shape(ty).ok_or_else(unknown)
    }

    fn decode_kind(&self, kind: Kind, bytes: &Bytes) -> Result<Value, ValueError> {
        let mut r = Reader::new(bytes);
        let id = r.u32();
        r.check()?;
        let object = match self.find(id) {
            Some((row, k)) if k == kind => self.read_fields(row, &mut r, &mut Budget::new())?,
            Some(_) | None => return Err(unknown_id(id, kind_name(kind))),
        };
        r.finish()?;
        Ok(Value::Object(object))
    }

    fn read(
        &self,
        shape: &Shape,
        r: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Result<Value, ValueError> {
        budget.spend()?;
        let value = match shape {
            // Where a word or a length stands alone it is a number like any other.
            Shape::Word(_) | Shape::Nat => Value::Nat(r.u32()),
            Shape::Int | Shape::Length => Value::Int(r.i32()),
            Shape::Long => Value::Long(r.i64()),
            Shape::Double => Value::Double(r.f64()),
            Shape::Int128 => Value::Int128(r.int128()),
            Shape::Int256 => Value::Int256(Box::new(r.int256())),
            Shape::String => Value::String(r.string()),
            Shape::Bytes => Value::Bytes(r.bytes()),
            Shape::Bool => Value::Bool(r.bool()),
            Shape::True => Value::True,
            Shape::Vector { bare, item } => {
                if !bare {
                    r.vector_id();
                }
                self.read_items(item, r, budget)?
            }
            Shape::Boxed(ty) => {
                let id = r.u32();
                r.check()?;
                match self.made_by(id, *ty) {
                    Some(row) => Value::Object(self.read_fields(row, r, budget)?),
                    None => return Err(unknown_id(id, self.type_name(*ty))),
                }
            }
            Shape::Bare(row) => Value::Object(self.read_fields(*row, r, budget)?),
            Shape::Object | Shape::Body => self.read_any(Kind::Constructor, r, budget)?,
            Shape::Query => self.read_any(Kind::Function, r, budget)?,
        };
        r.check()?;
        Ok(value)
    }

    fn read_items(
        &self,
        item: &Shape,
        r: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Result<Value, ValueError> {
        // On failure the reader keeps the reason.
        let n = r.count(self.min_shape(item)).unwrap_or_default();
        r.enter();
        r.check()?;
        let mut items = Vec::with_capacity(reserved::<Value>(n));
        for i in 0..n {
            items.push(self.read(item, r, budget).map_err(|e| e.in_item(i))?);
        }
        r.leave();
        Ok(Value::Vector(items))
    }

    /// A boxed value of any type; what the schema does not know is left as it is, to the end.
    fn read_any(
        &self,
        kind: Kind,
        r: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Result<Value, ValueError> {
        match r.peek_u32().and_then(|id| self.find(id)) {
            Some((row, k)) if k == kind => {
                r.skip(4);
                Ok(Value::Object(self.read_fields(row, r, budget)?))
            }
            Some(_) | None => Ok(Value::Raw(r.object())),
        }
    }

    fn read_fields(
        &self,
        row: usize,
        r: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Result<Object, ValueError> {
        let Some((d, row)) = self.row(row) else {
            return Err(unknown_id(0, kind_name(Kind::Constructor)));
        };
        let mut words = [0_u32; MAX_WORDS];
        let mut length = 0;
        let mut object = Object::with_capacity(d.name.clone(), row.always);
        for (op, field) in row.ops.iter().zip(&d.fields) {
            if op
                .flag
                .is_some_and(|(word, mask)| words.get(word).is_none_or(|w| w & mask == 0))
            {
                continue;
            }
            let shape = &op.shape;
            if let Shape::Word(word) = shape {
                let value = r.u32();
                words.get_mut(*word).into_iter().for_each(|w| *w = value);
                continue;
            }
            if let Shape::Length = shape {
                length = r.i32();
                continue;
            }
            let value = if let Shape::Body = shape {
                self.read_body(length, r, budget)
            } else if shape.is_compound() {
                r.enter();
                let value = r.check().map_err(ValueError::from);
                let value = value.and_then(|()| self.read(shape, r, budget));
                r.leave();
                value
            } else {
                self.read(shape, r, budget)
            };
            object.push(
                field.name.clone(),
                value.map_err(|e| e.in_field(&field.name))?,
            );
        }
        r.check()?;
        Ok(object)
    }

    /// An object of exactly so many bytes.
    fn read_body(
        &self,
        length: i32,
        r: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Result<Value, ValueError> {
        r.check()?;
        let max = r.remaining();
        let mut body = match usize::try_from(length) {
            Ok(len) if len <= max => r.split(len),
            Ok(_) | Err(_) => {
                return Err(DecodeError::Length {
                    got: i64::from(length),
                    max,
                }
                .into());
            }
        };
        body.enter();
        body.check()?;
        let value = self.read(&Shape::Body, &mut body, budget)?;
        body.finish()?;
        Ok(value)
    }

    pub(super) fn type_name(&self, ty: usize) -> &str {
        self.types.get(ty).map_or("", |ty| &ty.name)
    }
}

/// Values that may still be read out of a message.
struct Budget(usize);

impl Budget {
    fn new() -> Budget {
        Budget(MAX_VALUES)
    }

    fn spend(&mut self) -> Result<(), ValueError> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                let max = MAX_VALUES;
                Err(ValueError::new(ValueErrorKind::TooMany { max }))
            }
        }
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Constructor => "constructor of the schema",
        Kind::Function => "function of the schema",
    }
}

fn unknown_id(id: u32, expected: &str) -> ValueError {
    ValueError::new(ValueErrorKind::UnknownId {
        id,
        expected: expected.to_string(),
    })
}

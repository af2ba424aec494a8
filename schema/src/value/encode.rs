//! Values to bytes.
//!
//! Does: encoding by the schema's tables; flag words follow from what is there.
//! In: an [`Object`] or a [`Value`]. Out: bytes, and a function's result type.
//! Must not know: JSON.
//! Spec: "Binary Data Serialization".

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::decode::kind_name;
use super::{Object, Value, ValueError, ValueErrorKind};
use crate::model::{Kind, Type};
use crate::reader::MAX_DEPTH;
use crate::schema::{MAX_WORDS, Row, Schema, Shape};
use crate::tl;

impl Schema {
    /// The boxed bytes of a constructor with its fields.
    ///
    /// # Errors
    /// The object does not follow the schema.
    pub fn encode(&self, object: &Object) -> Result<Bytes, ValueError> {
        let mut out = Vec::new();
        self.write_named(Kind::Constructor, object, 0, &mut out)?;
        Ok(out.into())
    }

    /// The bytes of a function with its arguments, and the type of its result: of a wrapper, that
    /// of the query inside, and `Object` where that is raw bytes.
    ///
    /// # Errors
    /// The object does not follow the schema.
    pub fn encode_query(&self, object: &Object) -> Result<(Bytes, Type), ValueError> {
        let mut out = Vec::new();
        self.write_named(Kind::Function, object, 0, &mut out)?;
        Ok((out.into(), self.result_of(object)))
    }

    /// The bytes of a value of the type `ty`: what a server answers.
    ///
    /// # Errors
    /// The schema has no such type, or the value is not of it.
    pub fn encode_result(&self, ty: &Type, value: &Value) -> Result<Bytes, ValueError> {
        let mut out = Vec::new();
        self.write(&self.known(ty)?, value, 0, &mut out)?;
        Ok(out.into())
    }

    /// The type of what a function returns.
    fn result_of(&self, object: &Object) -> Type {
        let mut object = object;
        // As deep as was just encoded.
        loop {
            match self.function(object.name()) {
                Some(d) if d.result != Type::Generic => return d.result.clone(),
                Some(d) => {
                    let query = d.fields.iter().find(|f| f.ty == Type::Query);
                    match query.and_then(|f| object.get(&f.name)) {
                        Some(Value::Object(inner)) => object = inner,
                        Some(_) | None => return Type::Object,
                    }
                }
                None => return Type::Object,
            }
        }
    }

    fn write_named(
        &self,
        kind: Kind,
        object: &Object,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        match self.named(kind, object.name()) {
            Some(row) => self.write_boxed(row, object, depth, out),
            None => Err(unknown_name(object, kind_name(kind))),
        }
    }

    fn write_boxed(
        &self,
        row: usize,
        object: &Object,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        tl::put_u32(out, self.row(row).map_or(0, |(d, _)| d.id));
        self.write_fields(row, object, depth, out)
    }

    /// Writes what stands at a place of a shape. Every object and every vector's items are one
    /// level deeper than what holds them, as for the reader.
    fn write(
        &self,
        shape: &Shape,
        value: &Value,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        match (shape, value) {
            (Shape::Word(_) | Shape::Nat, Value::Nat(v)) => tl::put_u32(out, *v),
            (Shape::Int | Shape::Length, Value::Int(v)) => tl::put_i32(out, *v),
            (Shape::Long, Value::Long(v)) => tl::put_i64(out, *v),
            (Shape::Double, Value::Double(v)) => tl::put_f64(out, *v),
            (Shape::Int128, Value::Int128(v)) => tl::put_raw(out, v),
            (Shape::Int256, Value::Int256(v)) => tl::put_raw(out, &**v),
            (Shape::String, Value::String(v)) => tl::put_bytes(out, v.as_bytes()),
            (Shape::Bytes, Value::Bytes(v)) => tl::put_bytes(out, v),
            (Shape::Bool, Value::Bool(v)) => tl::put_bool(out, *v),
            (Shape::True, Value::True) => {}
            (Shape::Vector { bare, item }, Value::Vector(items)) => {
                match bare {
                    true => tl::put_count(out, items.len()),
                    false => tl::put_vector(out, items.len()),
                }
                let depth = deeper(depth)?;
                for (i, value) in items.iter().enumerate() {
                    self.write(item, value, depth, out)
                        .map_err(|e| e.in_item(i))?;
                }
            }
            (Shape::Boxed(ty), Value::Object(object)) => {
                self.write_boxed(self.constructor_of(*ty, object)?, object, depth, out)?;
            }
            (Shape::Bare(row), Value::Object(object)) => {
                match self.row(*row) {
                    Some((d, _)) if *d.name == *object.name() => {}
                    Some((d, _)) => return Err(unknown_name(object, &d.name)),
                    None => return Err(unknown_name(object, kind_name(Kind::Constructor))),
                }
                self.write_fields(*row, object, depth, out)?;
            }
            (Shape::Object | Shape::Body, Value::Object(object)) => {
                self.write_named(Kind::Constructor, object, depth, out)?;
            }
            (Shape::Query, Value::Object(object)) => {
                self.write_named(Kind::Function, object, depth, out)?;
            }
            (Shape::Object | Shape::Body | Shape::Query, Value::Raw(bytes)) => {
                tl::put_raw(out, bytes);
            }
            (shape, value) => {
                let (expected, got) = (shape.kind(), value.kind());
                return Err(ValueError::new(ValueErrorKind::WrongKind { expected, got }));
            }
        }
        Ok(())
    }

    fn write_fields(
        &self,
        row: usize,
        object: &Object,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        let Some((d, row)) = self.row(row) else {
            return Ok(());
        };
        let mut values: Vec<Option<&Value>> = alloc::vec![None; row.ops.len()];
        for (name, value) in object.fields() {
            let at = d.fields.iter().position(|f| *f.name == *name);
            let free = at.filter(|&at| row.ops.get(at).is_some_and(|op| !op.shape.is_derived()));
            match free.and_then(|at| values.get_mut(at)) {
                Some(place @ None) => *place = Some(value),
                Some(Some(_)) | None => {
                    return Err(ValueError::new(ValueErrorKind::UnknownField).in_field(name));
                }
            }
        }
        let words = flag_words(row, &values);
        let mut length_at = 0;
        for ((op, field), value) in row.ops.iter().zip(&d.fields).zip(&values) {
            match (&op.shape, value) {
                (Shape::Word(word), _) => {
                    tl::put_u32(out, words.get(*word).copied().unwrap_or_default());
                }
                (Shape::Length, _) => {
                    length_at = out.len();
                    tl::put_i32(out, 0);
                }
                (shape, Some(value)) => {
                    let depth = if shape.is_compound() {
                        deeper(depth)
                    } else {
                        Ok(depth)
                    };
                    let start = out.len();
                    depth
                        .and_then(|depth| self.write(shape, value, depth, out))
                        .map_err(|e| e.in_field(&field.name))?;
                    if let Shape::Body = shape {
                        let length = u32::try_from(out.len().saturating_sub(start));
                        let length = length.unwrap_or(u32::MAX).to_le_bytes();
                        let place = out.get_mut(length_at..length_at.saturating_add(4));
                        place
                            .into_iter()
                            .for_each(|place| place.copy_from_slice(&length));
                    }
                }
                (_, None) => {
                    let kind = match op.flag {
                        None => ValueErrorKind::Missing,
                        Some((word, mask)) if words.get(word).is_some_and(|w| w & mask != 0) => {
                            let beside = row.ops.iter().zip(&d.fields).zip(&values);
                            let mut beside = beside
                                .filter(|((o, _), value)| o.flag == op.flag && value.is_some());
                            let other = beside.next().map(|((_, f), _)| f.name.to_string());
                            ValueErrorKind::MissingBeside {
                                other: other.unwrap_or_default(),
                            }
                        }
                        Some(_) => continue,
                    };
                    return Err(ValueError::new(kind).in_field(&field.name));
                }
            }
        }
        Ok(())
    }

    /// The constructor of a type that an object names.
    pub(super) fn constructor_of(&self, ty: usize, object: &Object) -> Result<usize, ValueError> {
        let found = self.constructor_named(ty, object.name());
        found.ok_or_else(|| unknown_name(object, self.type_name(ty)))
    }

    pub(super) fn constructor_named(&self, ty: usize, name: &str) -> Option<usize> {
        match self.named(Kind::Constructor, name) {
            Some(row) if self.makes(row, ty) => Some(row),
            // Another document has the name too.
            Some(_) | None => {
                let rows = &self.types.get(ty)?.rows;
                rows.iter()
                    .copied()
                    .find(|&i| self.row(i).is_some_and(|(d, _)| *d.name == *name))
            }
        }
    }
}

fn flag_words(row: &Row, values: &[Option<&Value>]) -> [u32; MAX_WORDS] {
    let mut words = [0; MAX_WORDS];
    for (op, value) in row.ops.iter().zip(values) {
        if let (Some((word, mask)), Some(_)) = (op.flag, value) {
            words.get_mut(word).into_iter().for_each(|w| *w |= mask);
        }
    }
    words
}

pub(super) fn deeper(depth: u32) -> Result<u32, ValueError> {
    match depth {
        MAX_DEPTH.. => Err(ValueError::new(ValueErrorKind::Depth { max: MAX_DEPTH })),
        depth => Ok(depth.saturating_add(1)),
    }
}

fn unknown_name(object: &Object, expected: &str) -> ValueError {
    ValueError::new(ValueErrorKind::UnknownName {
        name: object.name().to_string(),
        expected: expected.to_string(),
    })
}

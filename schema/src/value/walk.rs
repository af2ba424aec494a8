//! Bytes past which one steps, or that are only checked.
//!
//! Does: follows the schema's tables without building a value.
//! In: bytes or a reader. Out: where the value ends, or why it is none.
//! Must not know: values.
//! Spec: "Binary Data Serialization".

use bytes::Bytes;

use super::ValueError;
use crate::error::DecodeError;
use crate::model::{Kind, Type};
use crate::reader::Reader;
use crate::schema::{MAX_WORDS, Schema, Shape};

impl Schema {
    /// Checks that `bytes` are a value of the type `ty`, as decoding would, without building it.
    ///
    /// # Errors
    /// The schema has no such type; the bytes are not of it, or are more than that.
    pub fn validate(&self, ty: &Type, bytes: &Bytes) -> Result<(), ValueError> {
        let mut r = Reader::new(bytes);
        self.walk::<true>(&self.known(ty)?, &mut r);
        Ok(r.finish()?)
    }

    /// Steps over a value of the type `ty`. Strings are not looked into.
    ///
    /// # Errors
    /// The schema has no such type, or the bytes are not of it.
    pub fn skip(&self, ty: &Type, r: &mut Reader<'_>) -> Result<(), ValueError> {
        self.walk::<false>(&self.known(ty)?, r);
        Ok(r.check()?)
    }

    /// `None` once the reader has failed; `Some` does not mean that it has not.
    fn walk<const TEXT: bool>(&self, shape: &Shape, r: &mut Reader<'_>) -> Option<()> {
        match shape {
            Shape::Word(_) | Shape::Int | Shape::Nat | Shape::Length => r.skip(4),
            Shape::Long | Shape::Double => r.skip(8),
            Shape::Int128 => r.skip(16),
            Shape::Int256 => r.skip(32),
            Shape::String if TEXT => r.check_string(),
            Shape::String | Shape::Bytes => r.skip_bytes(),
            Shape::Bool => {
                r.bool();
            }
            Shape::True => {}
            Shape::Vector { bare, item } => {
                if !bare {
                    r.vector_id()?;
                }
                let n = r.count(self.min_shape(item))?;
                match item.fixed_size() {
                    // The count was checked against what is left.
                    Some(size) => r.skip(n.saturating_mul(size)),
                    None => {
                        r.enter()?;
                        for _ in 0..n {
                            self.walk::<TEXT>(item, r)?;
                        }
                        r.leave();
                    }
                }
            }
            Shape::Boxed(ty) => {
                let id = r.u32();
                match self.find(id) {
                    Some((row, Kind::Constructor)) if self.makes(row, *ty) => {
                        self.walk_fields::<TEXT>(row, r)?;
                    }
                    Some(_) | None => return r.unknown(id, "constructor of the type"),
                }
            }
            Shape::Bare(row) => self.walk_fields::<TEXT>(*row, r)?,
            Shape::Object | Shape::Body => self.walk_any::<TEXT>(Kind::Constructor, r)?,
            Shape::Query => self.walk_any::<TEXT>(Kind::Function, r)?,
        }
        Some(())
    }

    fn walk_any<const TEXT: bool>(&self, kind: Kind, r: &mut Reader<'_>) -> Option<()> {
        match r.peek_u32().and_then(|id| self.find(id)) {
            Some((row, k)) if k == kind => {
                r.skip(4);
                self.walk_fields::<TEXT>(row, r)
            }
            Some(_) | None => {
                r.skip(r.remaining());
                Some(())
            }
        }
    }

    fn walk_fields<const TEXT: bool>(&self, row: usize, r: &mut Reader<'_>) -> Option<()> {
        let row = self.rows.get(row)?;
        let mut words = [0_u32; MAX_WORDS];
        let mut length = 0;
        for op in &row.ops {
            if op
                .flag
                .is_some_and(|(word, mask)| words.get(word).is_none_or(|w| w & mask == 0))
            {
                continue;
            }
            let shape = &op.shape;
            if let Shape::Word(word) = shape {
                *words.get_mut(*word)? = r.u32();
            } else if let Shape::Length = shape {
                length = r.i32();
            } else if let Shape::Body = shape {
                self.walk_body::<TEXT>(length, r)?;
            } else if shape.is_compound() {
                r.enter()?;
                self.walk::<TEXT>(shape, r)?;
                r.leave();
            } else {
                self.walk::<TEXT>(shape, r)?;
            }
        }
        Some(())
    }

    fn walk_body<const TEXT: bool>(&self, length: i32, r: &mut Reader<'_>) -> Option<()> {
        let max = r.remaining();
        let mut body = match usize::try_from(length) {
            Ok(len) if len <= max => r.split(len),
            Ok(_) | Err(_) => {
                return r.fail(DecodeError::Length {
                    got: i64::from(length),
                    max,
                });
            }
        };
        body.enter();
        self.walk::<TEXT>(&Shape::Body, &mut body);
        match body.finish() {
            Ok(()) => Some(()),
            Err(e) => r.fail(e),
        }
    }
}

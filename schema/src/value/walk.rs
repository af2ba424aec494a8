//! Bytes past which one steps, or that are only checked.
//!
//! Does: follows the schema's steps without building a value.
//! In: bytes or a reader. Out: where the value ends, or why it is none.
//! Must not know: values, names.
//! Spec: "Binary Data Serialization".

use bytes::Bytes;

use super::ValueError;
use crate::error::DecodeError;
use crate::model::{Kind, Type};
use crate::reader::Reader;
use crate::schema::{MAX_WORDS, Schema};
use crate::steps::{ALWAYS, Code, Program, Step};

impl Schema {
    /// Checks that `bytes` are a value of the type `ty`, as decoding would, without building it; so
    /// there may be more than [`MAX_VALUES`](super::MAX_VALUES) in it.
    ///
    /// # Errors
    /// The schema has no such type; the bytes are not of it, or are more than that.
    pub fn validate(&self, ty: &Type, bytes: &Bytes) -> Result<(), ValueError> {
        let mut r = Reader::new(bytes);
        self.walk_type::<true>(ty, &mut r)?;
        Ok(r.finish()?)
    }

    /// Steps over a value of the type `ty`. Strings are not looked into.
    ///
    /// # Errors
    /// The schema has no such type, or the bytes are not of it.
    pub fn skip(&self, ty: &Type, r: &mut Reader<'_>) -> Result<(), ValueError> {
        self.walk_type::<false>(ty, r)?;
        Ok(r.check()?)
    }

    fn walk_type<const TEXT: bool>(&self, ty: &Type, r: &mut Reader<'_>) -> Result<(), ValueError> {
        let shape = self.known(ty)?;
        let mut top = Program::default();
        if let Some(step) = top.compile_shape(&shape, &|shape| self.min_shape(shape)) {
            // The vectors of this type are in its own program, all others in the schema's.
            Walk::<TEXT> {
                schema: self,
                program: &self.program,
            }
            .step(&top, &step, r);
        }
        Ok(())
    }
}

/// A walk that looks into strings or not.
struct Walk<'a, const TEXT: bool> {
    schema: &'a Schema,
    program: &'a Program,
}

impl<const TEXT: bool> Walk<'_, TEXT> {
    /// Takes a step; the elements of vectors are in `items`. `None` once the reader has failed;
    /// `Some` does not mean that it has not.
    fn step(&self, items: &Program, step: &Step, r: &mut Reader<'_>) -> Option<()> {
        match step.code {
            Code::Skip => r.skip(size(step)),
            Code::Word | Code::Length => r.skip(4),
            Code::String if TEXT => r.check_string(),
            Code::String | Code::Bytes => r.skip_bytes(),
            Code::Bool => {
                r.bool();
            }
            Code::Vector => {
                r.vector_id()?;
                self.items(items, step, r)?;
            }
            Code::BareVector => self.items(items, step, r)?,
            Code::Boxed => {
                let id = r.u32();
                match self.schema.made_by(id, size(step)) {
                    Some(row) => self.row(row, r)?,
                    None => return r.unknown(id, "constructor of the type"),
                }
            }
            Code::Bare => self.row(size(step), r)?,
            Code::Object | Code::Body => self.any(Kind::Constructor, r)?,
            Code::Query => self.any(Kind::Function, r)?,
        }
        Some(())
    }

    fn items(&self, items: &Program, step: &Step, r: &mut Reader<'_>) -> Option<()> {
        let (item, least) = items.item(step.arg)?;
        let n = r.count(*least)?;
        r.enter()?;
        if item.code == Code::Skip {
            // The count was checked against what is left.
            r.skip(n.saturating_mul(size(item)));
        } else {
            for _ in 0..n {
                self.step(items, item, r)?;
            }
        }
        r.leave();
        Some(())
    }

    fn row(&self, row: usize, r: &mut Reader<'_>) -> Option<()> {
        let mut words = [0; MAX_WORDS + 1];
        *words.get_mut(ALWAYS)? = u32::MAX;
        let mut length = 0;
        for step in self.program.row(row)? {
            if words
                .get(usize::from(step.word))
                .is_none_or(|word| word & step.mask == 0)
            {
                continue;
            }
            if step.code == Code::Word {
                *words.get_mut(size(step))? = r.u32();
            } else if step.code == Code::Length {
                length = r.i32();
            } else if step.code == Code::Body {
                self.body(length, r)?;
            } else if step.code.is_compound() {
                r.enter()?;
                self.step(self.program, step, r)?;
                r.leave();
            } else {
                self.step(self.program, step, r)?;
            }
        }
        Some(())
    }

    fn any(&self, kind: Kind, r: &mut Reader<'_>) -> Option<()> {
        match r.peek_u32().and_then(|id| self.schema.find(id)) {
            Some((row, k)) if k == kind => {
                r.skip(4);
                self.row(row, r)
            }
            Some(_) | None => {
                // At least the id of a constructor.
                r.skip(r.remaining().max(4));
                Some(())
            }
        }
    }

    fn body(&self, length: i32, r: &mut Reader<'_>) -> Option<()> {
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
        self.any(Kind::Constructor, &mut body);
        match body.finish() {
            Ok(()) => Some(()),
            Err(e) => r.fail(e),
        }
    }
}

/// A step's argument; an index that no machine has is of nothing.
fn size(step: &Step) -> usize {
    usize::try_from(step.arg).unwrap_or(usize::MAX)
}

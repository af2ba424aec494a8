//! The least that values take on the wire.
//!
//! Does: finds for each declaration how short its values can be, and refuses vectors of what has no
//! bytes at all.
//! In: resolved declarations. Out: sizes against which counts are checked.
//! Must not know: values.
//! Spec: "Binary Data Serialization".

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::schema::{Row, Schema, SchemaError, Shape};

/// The least that anything takes that has bytes: a word.
const WORD: usize = 4;

impl Schema {
    /// Finds the least sizes. They only grow, and are true of what they belong to after each round,
    /// so that it does not matter when types that contain themselves keep the loop from its end.
    pub(crate) fn measure(&mut self) {
        const ROUNDS: usize = 4;
        self.find_bytes();
        for _ in 0..ROUNDS {
            let sizes: Vec<usize> = self.rows.iter().map(|row| self.min_row(row)).collect();
            for (row, size) in self.rows.iter_mut().zip(sizes) {
                row.min_size = row.min_size.max(size);
            }
            // Once for each type, not for each of its uses: both may be many.
            for ty in &mut self.types {
                let sizes = ty.rows.iter().filter_map(|row| self.rows.get(*row));
                ty.min_size = sizes.map(|row| row.min_size).min().unwrap_or_default();
            }
        }
    }

    /// Gives a word to every declaration that has bytes, however deep in bare fields.
    fn find_bytes(&mut self) {
        let mut within: Vec<Vec<usize>> = alloc::vec![Vec::new(); self.rows.len()];
        let mut found = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            for op in row.ops.iter().filter(|op| op.flag.is_none()) {
                if let Shape::Bare(part) = op.shape {
                    within.get_mut(part).into_iter().for_each(|w| w.push(i));
                } else if self.min_shape(&op.shape) > 0 {
                    found.push(i);
                }
            }
        }
        while let Some(i) = found.pop() {
            if let Some(row) = self.rows.get_mut(i)
                && row.min_size == 0
            {
                row.min_size = WORD;
                found.extend(within.get_mut(i).into_iter().flat_map(core::mem::take));
            }
        }
    }

    /// Checks that no field is a vector of elements that take no bytes.
    pub(crate) fn check_vectors(&self) -> Result<(), SchemaError> {
        for (row, d) in self.rows.iter().zip(self.definitions()) {
            for (op, field) in row.ops.iter().zip(&d.fields) {
                if self.is_endless(&op.shape) {
                    return Err(SchemaError::NoBytes {
                        definition: d.name.to_string(),
                        field: field.name.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether a vector, or one within it, has elements that take no bytes: its count would be all
    /// that it costs.
    pub(crate) fn is_endless(&self, shape: &Shape) -> bool {
        let mut shape = shape;
        while let Shape::Vector { item, .. } = shape {
            if self.min_shape(item) == 0 {
                return true;
            }
            shape = item;
        }
        false
    }

    fn min_row(&self, row: &Row) -> usize {
        let always = row.ops.iter().filter(|op| op.flag.is_none());
        always.fold(0, |sum: usize, op| {
            sum.saturating_add(self.min_shape(&op.shape))
        })
    }

    /// Bytes of the shortest value of a shape.
    #[inline]
    pub(crate) fn min_shape(&self, shape: &Shape) -> usize {
        match shape {
            Shape::True | Shape::Body => 0,
            Shape::Word(_)
            | Shape::Int
            | Shape::Nat
            | Shape::String
            | Shape::Bytes
            | Shape::Bool
            | Shape::Object
            | Shape::Query
            | Shape::Length
            | Shape::Vector { bare: true, .. } => WORD,
            Shape::Long | Shape::Double | Shape::Vector { bare: false, .. } => 8,
            Shape::Int128 => 16,
            Shape::Int256 => 32,
            Shape::Bare(row) => self.rows.get(*row).map_or(0, |row| row.min_size),
            Shape::Boxed(ty) => {
                let least = self.types.get(*ty).map_or(0, |ty| ty.min_size);
                least.saturating_add(WORD)
            }
        }
    }
}

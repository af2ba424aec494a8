//! Declarations by their ids.
//!
//! Does: [`Ids`], a table in which no choice of ids makes a search longer than it has to be.
//! In: declarations and the types that they make. Out: indices of both.
//! Must not know: fields.
//! Spec: "Binary Data Serialization": combinator names.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::model::Definition;
use crate::schema::{Row, SchemaError};

/// Declarations by id: buckets by the low bits of the id, sorted within.
///
/// Ids are checksums, so that a bucket has one of them, more or less. But a schema may name any ids,
/// and then all can be in one bucket, where halving finds them still.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    /// In the order of their buckets, and by id in each.
    slots: Vec<Slot>,
    /// Where the slots of each bucket begin, and one more for the end: a power of two, and one.
    starts: Vec<u32>,
}

/// Small, for the table is large and looked up at random.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    id: u32,
    /// The index of the declaration.
    row: u32,
    /// The index of the type that it makes, or `NONE`.
    ty: u32,
}

/// No index.
const NONE: u32 = u32::MAX;

impl Ids {
    /// Of the documents' declarations, the earliest of each id.
    ///
    /// # Errors
    /// Two declarations with one id that are not the same: of all, the first such one.
    pub fn new(definitions: &[Definition], rows: &[Row]) -> Result<Ids, SchemaError> {
        let buckets = definitions.len().max(1).next_power_of_two();
        let index = |i: usize| u32::try_from(i).unwrap_or(NONE);
        let all = definitions.iter().zip(rows).enumerate();
        let mut slots: Vec<Slot> = all
            .map(|(i, (d, row))| Slot {
                id: d.id,
                row: index(i),
                ty: row.ty.map_or(NONE, index),
            })
            .collect();
        slots.sort_unstable_by_key(|slot| (bucket(slot.id, buckets), slot.id, slot.row));

        let mut worst: Option<(&Definition, &Definition)> = None;
        let mut worst_row = usize::MAX;
        slots.dedup_by(|later, earlier| {
            if later.id != earlier.id {
                return false;
            }
            // Documents may repeat each other.
            let both = (definitions.get(earlier.row()), definitions.get(later.row()));
            if let (Some(other), Some(d)) = both
                && other != d
                && later.row() < worst_row
            {
                (worst, worst_row) = (Some((d, other)), later.row());
            }
            true
        });
        if let Some((d, other)) = worst {
            return Err(SchemaError::Duplicate {
                name: d.to_string(),
                other: other.to_string(),
            });
        }

        let mut starts = Vec::with_capacity(buckets.saturating_add(1));
        let mut at = 0;
        for n in 0..=buckets {
            let here = slots.get(at..).unwrap_or_default().iter();
            let before = here.take_while(|slot| bucket(slot.id, buckets) < n).count();
            at = at.saturating_add(before);
            starts.push(index(at));
        }
        Ok(Ids { slots, starts })
    }

    /// The declaration of an id.
    #[inline]
    pub fn find(&self, id: u32) -> Option<Slot> {
        let n = bucket(id, self.starts.len().checked_sub(1)?);
        let place = |i: usize| usize::try_from(*self.starts.get(i)?).ok();
        let slots = self.slots.get(place(n)?..place(n.checked_add(1)?)?)?;
        let at = slots.binary_search_by_key(&id, |slot| slot.id).ok()?;
        slots.get(at).copied()
    }
}

/// The bucket of an id, of a power of two.
#[inline]
fn bucket(id: u32, buckets: usize) -> usize {
    usize::try_from(id).unwrap_or_default() & buckets.wrapping_sub(1)
}

impl Slot {
    /// The index of the declaration.
    #[inline]
    pub fn row(&self) -> usize {
        usize::try_from(self.row).unwrap_or(usize::MAX)
    }

    /// Whether it makes the type of this index.
    #[inline]
    pub fn makes(&self, ty: usize) -> bool {
        usize::try_from(self.ty) == Ok(ty)
    }
}

//! A value that is carried without being read.
//!
//! Does: [`Raw`], the bytes of a boxed value of any type.
//! In: the rest of a reader. Out: the same bytes.
//! Must not know: what is in it.
//! Spec: "TL Language": `Object`, and `!X` of the generic methods.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::reader::Reader;
use crate::traits::{Decode, Encode, Function};

/// A query or an answer left as it is: all the bytes to the end.
///
/// It stands for `Object` and for `!X`, which have no length of their own. A server reads a
/// wrapper as `InvokeWithLayer<Raw>` and looks at the query next; a client can wrap a query that
/// it has as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl Raw {
    /// The constructor's id that the bytes begin with.
    pub fn id(&self) -> Option<u32> {
        self.0.first_chunk().map(|b| u32::from_le_bytes(*b))
    }
}

impl Encode for Raw {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Raw {
    const MIN_SIZE: usize = 4;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Raw(r.object()))
    }
}

/// A query of which nothing is known: `ID` is 0, and it is not repeated.
impl Function for Raw {
    const ID: u32 = 0;
    const NAME: &'static str = "";
    const IDEMPOTENT: bool = false;
    type Response = Raw;
}

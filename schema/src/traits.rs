//! What every TL value can do.
//!
//! Does: [`Encode`], [`Decode`], [`Constructor`], [`Function`], and the first two for primitives
//! and vectors.
//! In: a [`Reader`]. Out: bytes appended to a `Vec`.
//! Must not know: which constructors exist.
//! Spec: "Binary Data Serialization", "TL Language".

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::reader::Reader;
use crate::string::Str;
use crate::tl;

/// A value with a boxed form: its constructor's id, then its fields.
///
/// Encoding cannot fail: what would be inconsistent cannot be built.
pub trait Encode {
    /// Appends the boxed form.
    fn encode(&self, out: &mut Vec<u8>);

    /// The boxed form by itself.
    #[inline]
    fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }
}

/// A value that can be read from its boxed form.
pub trait Decode: Sized {
    /// Bytes of the shortest boxed form.
    const MIN_SIZE: usize;

    /// Takes a value from the reader, as part of a larger one.
    ///
    /// `None` says that the reader has failed. `Some` does not say that it has not: primitives
    /// read as zero then. So whoever owns the reader asks it, as [`decode`](Decode::decode) does.
    fn read(r: &mut Reader<'_>) -> Option<Self>;

    /// Takes a value from the reader; bytes may be left.
    ///
    /// # Errors
    /// The bytes are not such a value, or the reader has failed before.
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = Self::read(r);
        r.succeed(value)
    }

    /// The value in `bytes`, all of them.
    ///
    /// # Errors
    /// The bytes are not such a value, or more than that.
    #[inline]
    fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let value = Self::decode(&mut r)?;
        r.finish()?;
        Ok(value)
    }
}

/// One constructor: an id, and fields that can stand without it.
pub trait Constructor: Sized {
    /// The id in front of the boxed form.
    const ID: u32;
    /// The name in the schema, with its namespace.
    const NAME: &'static str;
    /// Bytes of the shortest bare form.
    const MIN_BARE_SIZE: usize;

    /// Appends the fields.
    fn encode_bare(&self, out: &mut Vec<u8>);

    /// Takes the fields from the reader, as part of a larger value; as [`Decode::read`].
    fn read_bare(r: &mut Reader<'_>) -> Option<Self>;

    /// Takes the fields from the reader; bytes may be left.
    ///
    /// # Errors
    /// The bytes are not such fields, or the reader has failed before.
    #[inline]
    fn decode_bare(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = Self::read_bare(r);
        r.succeed(value)
    }
}

/// A method of the schema.
pub trait Function: Encode {
    /// The id in front of the arguments.
    const ID: u32;
    /// The name in the schema, with its namespace.
    const NAME: &'static str;
    /// Whether running it twice does no more than running it once.
    const IDEMPOTENT: bool;
    /// What the answer is.
    type Response: Decode;
}

impl<T: Constructor> Encode for T {
    fn encode(&self, out: &mut Vec<u8>) {
        tl::put_u32(out, T::ID);
        self.encode_bare(out);
    }
}

impl<T: Constructor> Decode for T {
    const MIN_SIZE: usize = 4 + T::MIN_BARE_SIZE;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        match r.u32() {
            id if id == T::ID => T::read_bare(r),
            id => r.unknown(id, T::NAME),
        }
    }
}

/// A boxed vector.
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        tl::put_vector(out, self.len());
        for item in self {
            item.encode(out);
        }
    }
}

/// A boxed vector.
impl<T: Decode> Decode for Vec<T> {
    const MIN_SIZE: usize = 8;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.vector_id()?;
        Some(r.elements())
    }
}

macro_rules! primitive {
    ($ty:ty, $size:literal, $take:ident, |$v:ident, $out:ident| $put:expr) => {
        impl Encode for $ty {
            #[inline]
            fn encode(&self, $out: &mut Vec<u8>) {
                let $v = self;
                $put
            }
        }

        impl Decode for $ty {
            const MIN_SIZE: usize = $size;

            #[inline]
            fn read(r: &mut Reader<'_>) -> Option<Self> {
                Some(r.$take())
            }
        }
    };
}

primitive!(i32, 4, i32, |v, out| tl::put_i32(out, *v));
primitive!(u32, 4, u32, |v, out| tl::put_u32(out, *v));
primitive!(i64, 8, i64, |v, out| tl::put_i64(out, *v));
primitive!(f64, 8, f64, |v, out| tl::put_f64(out, *v));
primitive!(bool, 4, bool, |v, out| tl::put_bool(out, *v));
primitive!([u8; 16], 16, int128, |v, out| tl::put_raw(out, v));
primitive!([u8; 32], 32, int256, |v, out| tl::put_raw(out, v));
primitive!(Bytes, 4, bytes, |v, out| tl::put_bytes(out, v));
primitive!(Str, 4, string, |v, out| tl::put_bytes(out, v.as_bytes()));

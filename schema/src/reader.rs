//! Bounded reading of TL values.
//!
//! Does: [`Reader`], a cursor over one message. The first failure sticks to it: a primitive then
//! reads as zero, a compound as `None`, and [`Reader::finish`] says why. That keeps the code of two
//! and a half thousand constructors small.
//! In: a `Bytes`. Out: numbers, and slices that share its memory.
//! Must not know: any constructor but `Vector` and `Bool`.
//! Spec: "Binary Data Serialization", "TL Language".

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::string::Str;
use crate::tl;
use crate::traits::{Constructor, Decode};

/// The deepest nesting that is read: an object in a field, or the elements of a vector, are one
/// level deeper than their holder.
///
/// The deepest thing that Telegram sends is a rich text in an instant view in a forwarded story,
/// about 20 levels and two per level of formatting. With 100, the text form of the JSON stays
/// within the 128 levels that serde_json reads, and an unoptimised build within a 2 MiB stack.
pub const MAX_DEPTH: u32 = 100;

/// The memory that the elements of vectors and the objects on the heap of one message take, at most:
/// strings aside, which are slices of it. Four bytes may be an object of 224, so ten megabytes, which
/// deflate makes of twenty kilobytes, could take half a gigabyte. As many bytes of real messages take
/// about 40 MiB. While a vector grows it is held twice, at most.
pub const MAX_MEMORY: usize = 64 << 20;

/// The smallest element that a vector is believed to have: a TL value is made of 4-byte words.
/// Elements of no size would make a count of 2^32 free.
const MIN_ELEMENT: usize = 4;

/// Bytes that a vector reserves before it has read an element, at most. Its count is checked against
/// the bytes left, but these are the same for all vectors within each other that have just begun: a
/// hundred levels that each reserve for all that is left would take a thousand times the message.
const MAX_RESERVED: usize = 4096;

/// Elements to reserve for, of a count that has been checked.
#[inline]
pub(crate) fn reserved<T>(count: usize) -> usize {
    let most = MAX_RESERVED.checked_div(size_of::<T>());
    count.min(most.unwrap_or(count))
}

/// A cursor over the bytes of one message.
///
/// ```
/// use mtproto_schema::{Bytes, DecodeError, Reader};
///
/// let bytes = Bytes::from_static(&[7, 0, 0, 0, 2, b'h', b'i', 0]);
/// let mut r = Reader::new(&bytes);
/// assert_eq!((r.i32(), r.string()), (7, "hi".into()));
/// assert_eq!(r.finish(), Ok(()));
///
/// // The first failure sticks and is reported at the end.
/// assert_eq!(r.i64(), 0);
/// assert_eq!(r.finish(), Err(DecodeError::UnexpectedEnd { needed: 8, left: 0 }));
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    source: &'a Bytes,
    rest: &'a [u8],
    depth: u32,
    /// Bytes of memory that values may still take.
    memory: usize,
    error: Option<DecodeError>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `source`.
    #[inline]
    pub fn new(source: &'a Bytes) -> Self {
        Reader {
            source,
            rest: source,
            depth: 0,
            memory: MAX_MEMORY,
            error: None,
        }
    }

    /// Bytes that have not been read; 0 after a failure.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes of memory that what was read so far takes besides its source: elements of vectors and
    /// objects on the heap, at most [`MAX_MEMORY`].
    pub fn memory(&self) -> usize {
        MAX_MEMORY.saturating_sub(self.memory)
    }

    /// Checks that nothing failed and that nothing is left.
    ///
    /// # Errors
    /// The first failure of this reader, or [`DecodeError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        self.check()?;
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }

    /// Checks that nothing failed so far; bytes may be left.
    ///
    /// # Errors
    /// The first failure of this reader.
    #[inline]
    pub fn check(&self) -> Result<(), DecodeError> {
        match &self.error {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// `value` if nothing failed so far.
    #[inline]
    pub(crate) fn succeed<T>(&self, value: Option<T>) -> Result<T, DecodeError> {
        self.check()?;
        // A value is `None` only after a failure.
        value.ok_or(DecodeError::UnexpectedEnd { needed: 4, left: 0 })
    }

    /// Makes `error` the reader's failure, unless there is an earlier one. Gives `None`, which is
    /// what a failed [`Decode::read`] gives.
    #[cold]
    pub fn fail<T>(&mut self, error: DecodeError) -> Option<T> {
        self.rest = &[];
        self.error.get_or_insert(error);
        None
    }

    /// Fails because `id` is no constructor of `expected`.
    #[cold]
    pub fn unknown<T>(&mut self, id: u32, expected: &'static str) -> Option<T> {
        self.fail(DecodeError::UnknownConstructor { id, expected })
    }

    /// Takes `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                *head
            }
            None => {
                self.short(N);
                [0; N]
            }
        }
    }

    /// Takes a `#` or a constructor's id.
    #[inline]
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Takes an `int`.
    #[inline]
    pub fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.array())
    }

    /// Takes a `long`.
    #[inline]
    pub fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// Takes a `double`.
    #[inline]
    pub fn f64(&mut self) -> f64 {
        f64::from_le_bytes(self.array())
    }

    /// Takes an `int128`, as it stands.
    #[inline]
    pub fn int128(&mut self) -> [u8; 16] {
        self.array()
    }

    /// Takes an `int256`, as it stands.
    #[inline]
    pub fn int256(&mut self) -> [u8; 32] {
        self.array()
    }

    /// Takes a `Bool`.
    #[inline(never)]
    pub fn bool(&mut self) -> bool {
        match self.u32() {
            tl::BOOL_TRUE => true,
            tl::BOOL_FALSE => false,
            id => {
                self.unknown::<()>(id, "Bool");
                false
            }
        }
    }

    /// Takes `bytes` as a slice of the source.
    #[inline(never)]
    pub fn bytes(&mut self) -> Bytes {
        let slice = self.byte_slice();
        self.share(slice)
    }

    /// Takes a `string` as a slice of the source.
    #[inline(never)]
    pub fn string(&mut self) -> Str {
        let slice = self.byte_slice();
        match Str::from_utf8(self.share(slice)) {
            Ok(s) => s,
            Err(e) => {
                let valid_up_to = e.valid_up_to();
                self.fail::<()>(DecodeError::Utf8 { valid_up_to });
                Str::new()
            }
        }
    }

    /// As [`i32`](Reader::i32), if the value is there.
    #[inline]
    pub fn opt_i32(&mut self, present: bool) -> Option<i32> {
        if present { Some(self.i32()) } else { None }
    }

    /// As [`i64`](Reader::i64), if the value is there.
    #[inline]
    pub fn opt_i64(&mut self, present: bool) -> Option<i64> {
        if present { Some(self.i64()) } else { None }
    }

    /// As [`string`](Reader::string), if the value is there.
    #[inline(never)]
    pub fn opt_string(&mut self, present: bool) -> Option<Str> {
        if present { Some(self.string()) } else { None }
    }

    /// As [`bytes`](Reader::bytes), if the value is there.
    #[inline(never)]
    pub fn opt_bytes(&mut self, present: bool) -> Option<Bytes> {
        if present { Some(self.bytes()) } else { None }
    }

    /// Takes `bytes` without touching the source's reference count.
    pub fn byte_slice(&mut self) -> &'a [u8] {
        let Some((&first, rest)) = self.rest.split_first() else {
            self.short(4);
            return &[];
        };
        let (header, len, rest) = match first {
            ..=253 => (1, usize::from(first), rest),
            254 => match rest.split_first_chunk::<3>() {
                Some((&[a, b, c], rest)) => (0, tl::usize_from_le([a, b, c, 0]), rest),
                None => {
                    self.short(4);
                    return &[];
                }
            },
            // Seven bytes of length: TDLib's extension for 16 MiB and more.
            255 => match rest.split_first_chunk::<7>() {
                Some((&[a, b, c, d, 0, 0, 0], rest)) => (0, tl::usize_from_le([a, b, c, d]), rest),
                Some(_) => {
                    self.short(usize::MAX);
                    return &[];
                }
                None => {
                    self.short(8);
                    return &[];
                }
            },
        };
        // What the padding is made of does not matter.
        let padding = tl::padding(len.wrapping_add(header));
        match rest.split_at_checked(len) {
            Some((slice, rest)) if rest.len() >= padding => {
                self.rest = rest.get(padding..).unwrap_or_default();
                slice
            }
            Some(_) | None => {
                self.rest = rest;
                self.short(len.saturating_add(padding));
                &[]
            }
        }
    }

    /// Steps over `bytes`.
    pub fn skip_bytes(&mut self) {
        self.byte_slice();
    }

    /// Steps over a `string`, which has to be UTF-8.
    pub fn check_string(&mut self) {
        if let Err(e) = core::str::from_utf8(self.byte_slice()) {
            let valid_up_to = e.valid_up_to();
            self.fail::<()>(DecodeError::Utf8 { valid_up_to });
        }
    }

    /// Takes `len` bytes as a reader of their own, at the same depth.
    pub fn split(&mut self, len: usize) -> Reader<'a> {
        let mut part = Reader {
            rest: &[],
            ..self.clone()
        };
        match self.rest.split_at_checked(len) {
            Some((head, rest)) => {
                self.rest = rest;
                part.rest = head;
            }
            None => self.short(len),
        }
        part
    }

    /// Takes `len` bytes as a slice of the source.
    pub fn slice(&mut self, len: usize) -> Bytes {
        match self.rest.split_at_checked(len) {
            Some((slice, rest)) => {
                self.rest = rest;
                self.share(slice)
            }
            None => {
                self.short(len);
                Bytes::new()
            }
        }
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Bytes {
        let rest = core::mem::take(&mut self.rest);
        self.share(rest)
    }

    /// Takes all that is left, which is a boxed value: at least the id of its constructor.
    pub fn object(&mut self) -> Bytes {
        match self.peek_u32() {
            Some(_) => self.rest(),
            None => {
                self.short(4);
                Bytes::new()
            }
        }
    }

    /// Skips `len` bytes.
    #[inline]
    pub fn skip(&mut self, len: usize) {
        match self.rest.get(len..) {
            Some(rest) => self.rest = rest,
            None => self.short(len),
        }
    }

    /// The next four bytes, which stay; `None` when fewer are left.
    pub fn peek_u32(&self) -> Option<u32> {
        self.rest.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// Takes a boxed value that is one level deeper.
    #[inline(never)]
    pub fn get<T: Decode>(&mut self) -> Option<T> {
        self.enter()?;
        let value = T::read(self)?;
        self.leave();
        Some(value)
    }

    /// Takes a boxed value that is one level deeper, to the heap.
    #[inline(never)]
    pub fn get_box<T: Decode>(&mut self) -> Option<Box<T>> {
        let value = self.get()?;
        self.spend::<T>(1)?;
        Some(Box::new(value))
    }

    /// Takes a bare value that is one level deeper.
    pub fn get_bare<T: Constructor>(&mut self) -> Option<T> {
        self.enter()?;
        let value = T::read_bare(self)?;
        self.leave();
        Some(value)
    }

    /// Takes the fields of a variant, to the heap.
    #[inline(never)]
    pub fn variant_box<T: Constructor>(&mut self) -> Option<Box<T>> {
        let value = T::read_bare(self)?;
        self.spend::<T>(1)?;
        Some(Box::new(value))
    }

    /// As [`get`](Reader::get), if the value is there.
    #[inline(never)]
    pub fn opt<T: Decode>(&mut self, present: bool) -> Option<T> {
        if present { self.get() } else { None }
    }

    /// As [`get_box`](Reader::get_box), if the value is there.
    #[inline(never)]
    pub fn opt_box<T: Decode>(&mut self, present: bool) -> Option<Box<T>> {
        if present { self.get_box() } else { None }
    }

    /// Takes a `Vector<T>` that is one level deeper; up to the failure, if there is one.
    #[inline(never)]
    pub fn vec<T: Decode>(&mut self) -> Vec<T> {
        let Some(()) = self.enter() else {
            return Vec::new();
        };
        let out = match self.vector_id() {
            Some(()) => self.elements(),
            None => Vec::new(),
        };
        self.leave();
        out
    }

    /// As [`vec`](Reader::vec), if the vector is there.
    #[inline(never)]
    pub fn opt_vec<T: Decode>(&mut self, present: bool) -> Option<Vec<T>> {
        if present { Some(self.vec()) } else { None }
    }

    /// Takes a `vector<T>`: a count and boxed elements, up to the failure, if there is one.
    pub fn elements<T: Decode>(&mut self) -> Vec<T> {
        self.vector(T::MIN_SIZE, T::read)
    }

    /// Takes a `vector<%T>`: a count and bare elements, up to the failure, if there is one.
    pub fn bare_elements<T: Constructor>(&mut self) -> Vec<T> {
        self.vector(T::MIN_BARE_SIZE, T::read_bare)
    }

    /// Takes the id of `Vector`; `None` if it is another id.
    pub fn vector_id(&mut self) -> Option<()> {
        match self.u32() {
            tl::VECTOR => Some(()),
            id => self.unknown(id, "Vector"),
        }
    }

    /// Takes a count of elements of at least `min_size` bytes; `None` if the bytes left cannot
    /// hold as many, so that nothing is allocated for them.
    pub fn count(&mut self, min_size: usize) -> Option<usize> {
        let got = self.u32();
        let smallest = min_size.max(MIN_ELEMENT);
        let max = self.rest.len().checked_div(smallest).unwrap_or_default();
        match usize::try_from(got) {
            Ok(n) if n <= max => Some(n),
            Ok(_) | Err(_) => self.fail(DecodeError::Count { got, max }),
        }
    }

    /// Goes one level deeper; `None` below [`MAX_DEPTH`].
    #[inline]
    pub fn enter(&mut self) -> Option<()> {
        if self.depth >= MAX_DEPTH {
            return self.fail(DecodeError::Depth { max: MAX_DEPTH });
        }
        self.depth = self.depth.wrapping_add(1);
        Some(())
    }

    /// Comes back from [`enter`](Reader::enter).
    #[inline]
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn vector<T>(
        &mut self,
        min_size: usize,
        read: impl Fn(&mut Reader<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(n) = self.count(min_size) else {
            return Vec::new();
        };
        let (Some(()), Some(())) = (self.spend::<T>(n), self.enter()) else {
            return Vec::new();
        };
        let mut out = Vec::with_capacity(reserved::<T>(n));
        while out.len() < n {
            if out.len() == out.capacity() {
                // Twice as many, but none beyond those that are paid for.
                out.reserve_exact(out.len().max(1).min(n.saturating_sub(out.len())));
            }
            match read(self) {
                Some(item) => out.push(item),
                None => break,
            }
        }
        self.leave();
        out
    }

    /// So many values are to take memory of their own; `None` beyond [`MAX_MEMORY`].
    #[inline]
    fn spend<T>(&mut self, count: usize) -> Option<()> {
        let size = count.checked_mul(size_of::<T>());
        match size.and_then(|size| self.memory.checked_sub(size)) {
            Some(left) => {
                self.memory = left;
                Some(())
            }
            None => self.fail(DecodeError::Memory { max: MAX_MEMORY }),
        }
    }

    /// `slice` is a part of the source.
    #[inline]
    fn share(&self, slice: &'a [u8]) -> Bytes {
        self.source.slice_ref(slice)
    }

    #[cold]
    fn short(&mut self, needed: usize) {
        let left = self.rest.len();
        self.fail::<()>(DecodeError::UnexpectedEnd { needed, left });
    }
}

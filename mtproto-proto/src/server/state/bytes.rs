//! Reading and writing the parts of a stored state.
//!
//! Does: [`Sink`] writes little-endian numbers, counts and byte strings, or only measures them;
//! [`Source`] reads them and compares every count with what is left before it believes it.
//! In and out: numbers and bytes.
//! Must not know: what they mean.
//! Spec: none.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use zeroize::Zeroizing;

/// Where bytes go, or are only counted: so that secrets are written into room that is there, and
/// never moved.
pub(super) struct Sink {
    bytes: Zeroizing<Vec<u8>>,
    len: usize,
    measures: bool,
}

impl Sink {
    /// Bytes of what `write` writes.
    pub(super) fn collect(write: impl Fn(&mut Sink)) -> Zeroizing<Vec<u8>> {
        let mut sink = Sink {
            bytes: Zeroizing::new(Vec::new()),
            len: 0,
            measures: true,
        };
        write(&mut sink);
        sink.bytes.reserve_exact(sink.len);
        sink.measures = false;
        write(&mut sink);
        sink.bytes
    }

    /// What was written so far; nothing while it only measures.
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.measures {
            self.len = self.len.saturating_add(bytes.len());
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.put(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.put(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// How many of something follow. There are never more than 2^32: each stands for bytes that a
    /// bound of the server's let in.
    pub(super) fn count(&mut self, count: usize) {
        self.put(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }

    /// Something that may be missing.
    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Sink, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A list with its count.
    pub(super) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Sink, T),
    ) {
        self.count(items.len());
        for item in items {
            write(self, item);
        }
    }
}

/// What is left to be read. `None` anywhere: it is not what it should be.
pub(super) struct Source<'a>(pub(super) &'a [u8]);

impl<'a> Source<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.0.try_get_i32_le().ok()
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.0.try_get_i64_le().ok()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64_le().ok()
    }

    /// A number of things; each takes a byte at least, so there are no more than bytes left.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.0.try_get_u32_le().ok()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let len = self.count()?;
        self.take(len).map(Bytes::copy_from_slice)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Something that may be missing.
    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }

    /// A list with its count. It grows as its items are read, so that memory follows what is
    /// there and not what is announced.
    pub(super) fn list<T, C: Default + Extend<T>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let mut items = C::default();
        for _ in 0..self.count()? {
            items.extend([read(self)?]);
        }
        Some(items)
    }
}

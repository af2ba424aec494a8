//! Bytes that arrived and are no whole frame yet.
//!
//! Does: keeps them so that a frame can be split off without copying it; gives a frame that does
//! not fit its chunk a buffer of its own; lets go of every chunk that is used up.
//! In: slices of the stream. Out: whole frames, as the front of the stream.
//! Must not know: framings, obfuscation.
//! Spec: none; this is where memory is bounded.

use core::mem;

use bytes::{Buf, BytesMut};

/// A frame that is announced but not there yet gets this many bytes at once, and four times what
/// has arrived later: a peer that announces much and sends little holds little. A page, for a server
/// has ten thousand streams and most of them are strangers'.
const CHUNK: usize = 1 << 12;
const GROWTH: usize = 4;

/// The stream from its first byte that no frame has taken.
///
/// While a frame is awaited, `front` holds only bytes of it, and what follows it waits in `back`.
/// Memory: what was fed since the last frame was looked for, and at most
/// `max(CHUNK, GROWTH * received)` of an incomplete frame, never more than the frame.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    front: BytesMut,
    /// Frames were taken out of the memory of `front`.
    shared: bool,
    /// The length of the awaited frame; 0 when its head is not known.
    awaited: usize,
    back: BytesMut,
}

impl Inbox {
    /// Appends a copy of `bytes` and hands the copy to `decode`, in one or two pieces.
    pub(super) fn push(&mut self, bytes: &[u8], mut decode: impl FnMut(&mut [u8])) {
        let (own, rest) = match self.awaited {
            0 => (bytes, &[][..]),
            awaited => {
                let missing = awaited.saturating_sub(self.front.len());
                bytes.split_at_checked(missing).unwrap_or((bytes, &[]))
            }
        };
        if self.awaited > 0 {
            self.make_room(self.front.len().saturating_add(own.len()));
        }
        append(&mut self.front, own, &mut decode);
        append(&mut self.back, rest, &mut decode);
    }

    /// What is there of the next frame, and perhaps of later ones.
    pub(super) fn peek(&self) -> &[u8] {
        &self.front
    }

    /// As [`peek`](Self::peek), for changing it.
    pub(super) fn peek_mut(&mut self) -> &mut [u8] {
        &mut self.front
    }

    /// Drops `n` bytes, which must be there.
    pub(super) fn skip(&mut self, n: usize) {
        let n = n.min(self.front.len());
        self.front.advance(n);
        self.shared = true;
        if self.front.is_empty() {
            self.next_chunk();
        }
    }

    /// Takes a frame of `n` bytes, or awaits it.
    pub(super) fn take(&mut self, n: usize) -> Option<BytesMut> {
        if self.front.len() < n {
            self.awaited = n;
            return None;
        }
        self.awaited = 0;
        if self.front.len() > n {
            self.shared = true;
            return Some(self.front.split_to(n));
        }
        // Nothing follows in this chunk, so it leaves with its last frame.
        Some(self.next_chunk())
    }

    /// Goes on in `back`; what is left of `front`.
    fn next_chunk(&mut self) -> BytesMut {
        self.shared = false;
        mem::replace(&mut self.front, mem::take(&mut self.back))
    }

    /// More has to come before there is a next frame: what is there of it does not keep the memory
    /// of those before.
    pub(super) fn settle(&mut self) {
        if self.shared {
            self.own(self.front.len());
        }
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> BytesMut {
        let Inbox {
            mut front, back, ..
        } = mem::take(self);
        front.unsplit(back);
        front
    }

    /// Bytes of memory that nobody else can use.
    pub(super) fn held(&self) -> usize {
        let (front, back) = (self.front.capacity(), self.back.capacity());
        front.saturating_add(back)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Inbox::default();
    }

    /// Makes room in `front` for the first `n` bytes of the awaited frame.
    fn make_room(&mut self, n: usize) {
        if self.front.capacity() < n {
            self.own(n);
        }
    }

    /// Gives `front`, which is to hold `n` bytes soon, memory of its own.
    fn own(&mut self, n: usize) {
        let room = match self.awaited {
            0 => n,
            awaited => n.saturating_mul(GROWTH).max(CHUNK).min(awaited),
        };
        let mut own = BytesMut::with_capacity(room);
        own.extend_from_slice(&self.front);
        self.front = own;
        self.shared = false;
    }
}

fn append(to: &mut BytesMut, bytes: &[u8], decode: &mut impl FnMut(&mut [u8])) {
    if bytes.is_empty() {
        return;
    }
    let before = to.len();
    to.extend_from_slice(bytes);
    if let Some(new) = to.get_mut(before..) {
        decode(new);
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        reason = "tests"
    )]

    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    const FRAME: usize = 1 << 22;

    fn push(inbox: &mut Inbox, bytes: &[u8]) {
        inbox.push(bytes, |_| ());
    }

    #[test]
    fn what_is_announced_costs_nothing_until_it_arrives() {
        let mut inbox = Inbox::default();
        push(&mut inbox, &[1; 8]);
        assert_eq!(inbox.take(FRAME), None);
        assert!(inbox.held() <= 64);
        push(&mut inbox, &[1; 8]);
        assert_eq!(inbox.take(FRAME), None);
        assert_eq!(inbox.held(), CHUNK);
    }

    #[test]
    fn an_incomplete_frame_holds_a_bounded_multiple_of_what_arrived() {
        for step in [1000, 1400, 4096, CHUNK, 5 * CHUNK] {
            let mut inbox = Inbox::default();
            push(&mut inbox, &[1; 4]);
            let mut received = 4;
            while inbox.take(FRAME).is_none() {
                push(&mut inbox, &vec![1; step]);
                received += step;
                let own = (GROWTH * received).clamp(CHUNK, FRAME);
                let behind = received.saturating_sub(FRAME).max(8); // the least that is allocated
                assert!(inbox.held() <= own + behind, "{step}: {received}");
            }
        }
    }

    #[test]
    fn a_frame_in_its_own_buffer_ends_where_it_ends() {
        let mut inbox = Inbox::default();
        push(&mut inbox, &[1; CHUNK]);
        assert_eq!(inbox.take(3 * CHUNK), None);
        push(&mut inbox, &[2; 3 * CHUNK]);
        let frame = inbox.take(3 * CHUNK).unwrap();
        assert_eq!((frame.len(), frame.capacity()), (3 * CHUNK, 3 * CHUNK));
        assert_eq!((frame[CHUNK - 1], frame[CHUNK]), (1, 2));
        assert_eq!(inbox.peek(), [2; CHUNK]);
    }

    #[test]
    fn frames_of_one_chunk_are_not_copied() {
        let mut inbox = Inbox::default();
        push(&mut inbox, &[1; 1000]);
        let start = inbox.peek().as_ptr();
        for n in 0..10 {
            assert_eq!(
                inbox.take(100).unwrap().as_ptr(),
                start.wrapping_add(100 * n)
            );
        }
    }

    #[test]
    fn nothing_is_held_between_frames() {
        let mut inbox = Inbox::default();
        for len in [100, CHUNK, 3 * CHUNK] {
            push(&mut inbox, &vec![1; len]);
            assert!(inbox.take(len).is_some());
            assert_eq!(inbox.held(), 0);
            push(&mut inbox, &vec![1; len]);
            inbox.skip(len);
            assert_eq!(inbox.held(), 0);
        }
    }

    #[test]
    fn the_beginning_of_a_frame_does_not_keep_the_memory_of_those_before() {
        for (awaited, held) in [(false, 3), (true, CHUNK), (true, 100)] {
            let mut inbox = Inbox::default();
            push(&mut inbox, &vec![1; CHUNK * 16 + 3]);
            for _ in 0..16 {
                assert!(inbox.take(CHUNK).is_some());
            }
            if awaited {
                assert_eq!(inbox.take(held), None);
            }
            inbox.settle();
            assert_eq!((inbox.peek(), inbox.held()), (&[1; 3][..], held));
            push(&mut inbox, &vec![2; held.max(4) - 3]);
            assert_eq!(inbox.take(held.max(4)).unwrap()[..4], [1, 1, 1, 2]);
        }
    }

    #[test]
    fn every_byte_is_decoded_once_and_in_order() {
        let mut inbox = Inbox::default();
        let mut next = 0_u8;
        let mut count = |new: &mut [u8]| {
            for byte in new {
                *byte = next;
                next = next.wrapping_add(1);
            }
        };
        inbox.push(&[0; 10], &mut count);
        assert_eq!(inbox.take(30), None);
        inbox.push(&[0; 35], &mut count);
        inbox.push(&[0; 5], &mut count);
        let frames = [inbox.take(30).unwrap(), inbox.take(20).unwrap()].concat();
        assert_eq!(frames, (0..50).collect::<Vec<u8>>());
    }
}

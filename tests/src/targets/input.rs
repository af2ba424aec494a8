//! A fuzzer's bytes, taken piece by piece.

/// What is left of the input. Past its end there are zeros, so that every prefix means something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Input(data)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// At most `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let head = self.take(N);
        out[..head.len()].copy_from_slice(head);
        out
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.array())
    }

    pub(super) fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// As many bytes as a length of two bytes says.
    pub(super) fn chunk(&mut self) -> &'a [u8] {
        let len = self.u16();
        self.take(len.into())
    }

    /// Edits of `original`: bytes that are changed, then the length.
    pub(super) fn edit(&mut self, mut original: Vec<u8>) -> Vec<u8> {
        let (edits, resize) = (self.u8() & 15, self.u8());
        for _ in 0..edits {
            let (at, value) = (usize::from(self.u16()), self.u8());
            let len = original.len();
            if let Some(byte) = original.get_mut(at % len.max(1)) {
                *byte = value;
            }
        }
        match resize & 3 {
            1 => original.truncate(original.len().saturating_sub(usize::from(resize >> 2))),
            2 => original.extend(self.take((resize >> 2).into())),
            3 => {
                let at = usize::from(self.u16()) % (original.len() + 1);
                let with = self.take((resize >> 2).into());
                original.splice(at..at, with.iter().copied());
            }
            _ => {}
        }
        original
    }
}

//! Sequence numbers: the count of content-related messages, in both directions.
//!
//! Does: numbers ours; in the server's role, judges the client's.
//! In: whether a message is content-related. Out: its `seq_no`, or the notification's code.
//! Must not know: what the messages are.
//! Spec: "Message Sequence Number (msg_seqno)".

/// Makes the sequence numbers of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeqNo {
    content_messages: i32,
}

impl SeqNo {
    pub(crate) fn next(&mut self, content: bool) -> i32 {
        let even = self.content_messages.wrapping_mul(2);
        if content {
            self.content_messages = self.content_messages.wrapping_add(1);
            even.wrapping_add(1)
        } else {
            even
        }
    }

    /// Content-related messages so far.
    pub(crate) fn content_messages(&self) -> i32 {
        self.content_messages
    }

    /// Goes on behind so many content-related messages.
    pub(crate) fn restore(&mut self, content_messages: i32) {
        self.content_messages = content_messages;
    }
}

/// Whether the receiver has to acknowledge a message with this number.
pub(crate) fn is_content(seq_no: i32) -> bool {
    seq_no & 1 == 1
}

/// The highest number seen with the highest id, to notice numbers that run against the ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    newest_id: i64,
    newest_seq_no: i32,
}

impl Incoming {
    /// The notification's code: 32 if a message newer than all before has a lower number, 33 if an
    /// older one has a higher number.
    pub(crate) fn check(&self, msg_id: i64, seq_no: i32) -> Option<i32> {
        if msg_id > self.newest_id {
            (seq_no < self.newest_seq_no & !1).then_some(32)
        } else {
            (seq_no > self.newest_seq_no).then_some(33)
        }
    }

    pub(crate) fn accept(&mut self, msg_id: i64, seq_no: i32) {
        if msg_id > self.newest_id {
            self.newest_id = msg_id;
            self.newest_seq_no = self.newest_seq_no.max(seq_no);
        }
    }

    /// The highest id, and the highest number.
    pub(crate) fn newest(&self) -> (i64, i32) {
        (self.newest_id, self.newest_seq_no)
    }

    /// Takes over what another process knew.
    pub(crate) fn restore(&mut self, (newest_id, newest_seq_no): (i64, i32)) {
        self.newest_id = newest_id;
        self.newest_seq_no = newest_seq_no;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_related_messages_advance_the_count() {
        let mut seq = SeqNo::default();
        let got = [false, true, false, true, true, false].map(|content| seq.next(content));
        assert_eq!(got, [0, 1, 2, 3, 5, 6]);
    }

    #[test]
    fn numbers_that_run_against_the_ids_are_codes_32_and_33() {
        let mut incoming = Incoming::default();
        incoming.accept(100, 7);
        assert_eq!(incoming.check(104, 5), Some(32));
        assert_eq!(incoming.check(104, 6), None);
        assert_eq!(incoming.check(104, 9), None);
        assert_eq!(incoming.check(96, 1), None);
        assert_eq!(incoming.check(96, 9), Some(33));
    }

    #[test]
    fn only_a_newer_id_moves_the_number_and_the_same_id_counts_as_older() {
        let mut incoming = Incoming::default();
        incoming.accept(100, 7);
        assert_eq!(incoming.check(100, 1), None);
        assert_eq!(incoming.check(100, 9), Some(33));
        incoming.accept(100, 9);
        incoming.accept(96, 11);
        assert_eq!(incoming.newest(), (100, 7));
        assert_eq!(incoming.check(96, 7), None);
        incoming.accept(104, 5);
        assert_eq!(incoming.newest(), (104, 7));
    }

    #[test]
    fn content_is_told_by_the_lowest_bit() {
        for seq_no in [1, 3, i32::MAX, -1] {
            assert!(is_content(seq_no), "{seq_no}");
        }
        for seq_no in [0, 2, 4, i32::MIN] {
            assert!(!is_content(seq_no), "{seq_no}");
        }
    }
}

//! Ids and sequence numbers: how a scripted peer makes its own, and checks those of the other.
//!
//! Does: [`Pen`] numbers messages as an honest peer does; [`Conduct`] panics when the machine under
//! test does not.
//! In: the time, what is said. Out: ids, or a panic that names the rule.
//! Must not know: packets' bytes.
//! Spec: "Message Identifier (msg_id)", "Message Sequence Number (msg_seqno)", containers.

use std::collections::BTreeMap;

use mtproto_proto::{MsgId, SessionId, Time};

use super::{Message, Packet};

/// Numbers the messages of a peer's sessions: ids are one sequence for all of them, sequence
/// numbers one for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Pen {
    last: i64,
    content_messages: BTreeMap<SessionId, i32>,
}

impl Pen {
    /// The next message id: the time, above every id before, with this parity.
    pub(super) fn msg_id(&mut self, now: Time, parity: i64) -> MsgId {
        let id = msg_id_at(now, parity).0;
        self.last = id.max((self.last & !3) + 4 + parity);
        MsgId(self.last)
    }

    /// The next id is the time, even if that is lower.
    pub(super) fn clock_was_set(&mut self) {
        self.last = 0;
    }

    /// The next sequence number.
    pub(super) fn seq_no(&mut self, session: SessionId, content: bool) -> i32 {
        let messages = self.content_messages.entry(session).or_default();
        let even = *messages * 2;
        *messages += i32::from(content);
        even + i32::from(content)
    }
}

/// The message id of a moment.
pub fn msg_id_at(time: Time, parity: i64) -> MsgId {
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    let id = (time.unix() << 32 | fraction) as i64;
    MsgId(id & !3 | parity)
}

/// What the machine under test has sent in one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Conduct {
    last: i64,
    content_messages: i32,
    /// Content-related messages, which may be sent again in a container.
    sent: BTreeMap<MsgId, Message>,
}

/// Who is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Client,
    Server,
}

impl Conduct {
    /// Panics unless ids increase and have their sender's parity, a container's id is the greatest,
    /// sequence numbers count content-related messages, and a container keeps its limits.
    pub(super) fn check(&mut self, of: Of, packet: &Packet) {
        let first = packet.messages.first().map(|message| message.msg_id);
        let again = first.is_some_and(|msg_id| self.sent.contains_key(&msg_id));
        for message in &packet.messages {
            let (id, seq_no, said) = (message.msg_id, message.seq_no, message.said());
            let parity_holds = match of {
                Of::Client => id.0 & 3 == 0,
                Of::Server => id.0 & 3 == if said.is_response() { 1 } else { 3 },
            };
            assert!(parity_holds, "parity of {id} {said:?}");
            if packet.is_container && self.sent.get(&id) == Some(message) {
                continue;
            }
            if said.is_content() {
                self.sent.insert(id, message.clone());
            }
            assert!(id.0 > self.last, "{id} comes after {:#x}", self.last);
            self.last = id.0;
            let content = i32::from(said.is_content());
            assert_eq!(seq_no, self.content_messages * 2 + content, "{said:?}");
            self.content_messages += content;
        }
        if packet.is_container {
            assert!(packet.msg_id.0 > self.last, "the container's id");
            assert_eq!(packet.seq_no, self.content_messages * 2, "the container's");
            self.last = packet.msg_id.0;
            let count = packet.messages.len();
            assert!(count <= 1_020, "{count} messages");
            assert!(count >= 2 || again, "one message needs no container");
            let bytes = packet.body_len;
            assert!(bytes <= 1_044_456 || again, "{bytes} bytes");
        }
    }
}

//! Scripted peers: they say exactly what a test wants to a real machine, honest or not.
//!
//! Does: [`RogueServer`] plays a server against a [`ClientConnection`], [`RogueClient`] a client
//! with any number of streams against a [`Server`]. Both start with a key that is known, so no
//! handshake comes first; both run on virtual time.
//! In: messages as [`Said`], fields of packets as [`Plain`], or raw bytes. Out: what the machine
//! sent, opened and checked for the rules that every sender keeps; its events and errors.
//! Must not know: what a machine ought to do with what it is told; tests say that.
//! Spec: "Mobile Protocol: Detailed Description", "Service Messages".
//!
//! ```
//! use mtproto_proto::connection::{ClientConfig, ClientEvent};
//! use mtproto_proto::DcId;
//! use mtproto_test::Seed;
//! use mtproto_test::rogue::{RogueServer, Said};
//!
//! let config = ClientConfig::new(DcId(2), Vec::new());
//! let mut rogue = RogueServer::settled(config, Seed(1));
//! let id = rogue.call(b"a call..");
//! let heard = rogue.hear_one();
//! assert_eq!(heard.said(), [Said::other(b"a call..")]);
//!
//! rogue.say(Said::result(heard.msg_id, b"answered"));
//! assert_eq!(rogue.events(), [ClientEvent::Response { id, body: b"answered"[..].into() }]);
//! ```
//!
//! [`ClientConnection`]: mtproto_proto::connection::ClientConnection
//! [`Server`]: mtproto_proto::server::Server
//! [`Plain`]: crate::tamper::Plain

mod client;
mod pen;
mod said;
mod server;

use bytes::Bytes;
use mtproto_proto::{MsgId, SessionId, Time};

use crate::tamper::{Item, Plain, open_container};

pub use client::RogueClient;
pub use pen::msg_id_at;
pub use said::Said;
pub use server::RogueServer;

/// A packet of the machine under test, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was sent.
    pub at: Time,
    /// `server_salt`.
    pub salt: i64,
    /// `session_id`.
    pub session: SessionId,
    /// The outermost message's id: the container's, or the only message's.
    pub msg_id: MsgId,
    /// The outermost message's sequence number.
    pub seq_no: i32,
    /// Whether the outermost message is a container.
    pub is_container: bool,
    /// The messages, a container's one by one.
    pub messages: Vec<Message>,
    /// Length of the outermost message's body in bytes.
    pub body_len: usize,
    /// Whether a quick acknowledgement is asked for.
    pub quick_ack: bool,
    /// The packet as it travelled, without framing: to send it again, or changed.
    pub sealed: Vec<u8>,
}

/// A message of the machine under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `msg_id`.
    pub msg_id: MsgId,
    /// `seq_no`.
    pub seq_no: i32,
    /// The body.
    pub body: Bytes,
}

impl Message {
    /// What it says.
    pub fn said(&self) -> Said {
        Said::read(&self.body)
    }
}

impl Packet {
    /// What its messages say, in their order.
    pub fn said(&self) -> Vec<Said> {
        self.messages.iter().map(Message::said).collect()
    }

    /// The id of the only message that says this.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub fn id_of(&self, said: &Said) -> MsgId {
        let ids: Vec<_> = self
            .messages
            .iter()
            .filter(|message| message.said() == *said)
            .map(|message| message.msg_id)
            .collect();
        match ids.as_slice() {
            [only] => *only,
            _ => panic!("{said:?} is said {} times by {self:?}", ids.len()),
        }
    }

    pub(crate) fn new(at: Time, plain: Plain, quick_ack: bool, sealed: Vec<u8>) -> Self {
        let items = open_container(&plain.body);
        let is_container = items.is_some();
        let body_len = plain.body.len();
        let items =
            items.unwrap_or_else(|| vec![Item::new(plain.msg_id, plain.seq_no, plain.body)]);
        Packet {
            at,
            salt: plain.salt,
            session: plain.session,
            msg_id: plain.msg_id,
            seq_no: plain.seq_no,
            is_container,
            messages: items
                .into_iter()
                .map(|item| Message {
                    msg_id: item.msg_id,
                    seq_no: item.seq_no,
                    body: item.body.into(),
                })
                .collect(),
            body_len,
            quick_ack,
            sealed,
        }
    }
}

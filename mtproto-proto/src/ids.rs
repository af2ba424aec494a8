//! The protocol's identifiers, each a type of its own.
//!
//! Does: newtypes, so that two ids are never exchanged by mistake.
//! In and out: the integers that travel on the wire.
//! Must not know: how an id is made or judged (`session/msg_id.rs` does).
//! Spec: "Mobile Protocol: Detailed Description", terminology.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty), $fmt:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(", $fmt, ")"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $fmt, self.0)
            }
        }
    };
}

id!(
    /// The 64 lower-order bits of the SHA-1 of an authorization key, as the wire's little-endian integer.
    AuthKeyId(i64), "{:#018x}"
);
id!(
    /// A session of one key: random, chosen by the client, never 0 on the wire.
    SessionId(i64), "{:#018x}"
);
id!(
    /// A message identifier: about Unix time times 2^32; its two low bits tell who sent it.
    MsgId(i64), "{:#018x}"
);
id!(
    /// A request of this process; it stays the same when the request is sent again under another [`MsgId`].
    RequestId(u64), "{}"
);
id!(
    /// A request that a server received and has to answer.
    IncomingId(u64), "{}"
);
id!(
    /// One byte stream of a machine that has many; chosen by the driver, never used again.
    ConnId(u64), "{}"
);
id!(
    /// Where a stream comes from, as the owner of a server groups its clients: an IPv4 address, or the
    /// 64 bits of an IPv6 network. A server only compares them.
    SourceId(u64), "{:#018x}"
);
id!(
    /// A data centre as the wire names it: 1, 2, …; plus 10,000 for test; negative for media only.
    DcId(i16), "{}"
);

impl MsgId {
    /// The Unix time in the id, whole seconds; negative for ids that no clock gives.
    pub const fn unix(self) -> i64 {
        self.0 >> 32
    }
}

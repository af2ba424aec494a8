//! Ids and keys.
//!
//! Does: what an honest peer chooses, and what somebody else may.
//! In: the time. Out: ids.
//! Must not know: what they name.
//! Spec: "Mobile Protocol: Detailed Description", msg_id, seq_no, session.

use mtproto_proto::crypto::AuthKey;
use mtproto_proto::{MsgId, SessionId, Time};
use proptest::prelude::*;

use crate::rogue::msg_id_at;

/// What the specification lets a `msg_id` differ from the receiver's time, seconds: back, …
const BACK: i64 = 300;
/// … and ahead.
const AHEAD: i64 = 30;

/// A key of 256 random bytes. It shrinks to zeros.
pub fn auth_key() -> impl Strategy<Value = AuthKey> + Clone {
    proptest::collection::vec(any::<u8>(), 256).prop_map(|bytes| {
        let bytes = bytes.try_into().unwrap_or([0; 256]);
        AuthKey::from_bytes(&bytes)
    })
}

/// A session that a client may choose: any but 0.
pub fn session_id() -> impl Strategy<Value = SessionId> + Clone {
    any::<i64>().prop_map(|id| SessionId(if id == 0 { 1 } else { id }))
}

/// The id of a client's message that a server at this time takes: not more than 300 s old nor 30 s
/// ahead, divisible by four. Ids of several messages are in no order and may repeat.
pub fn client_msg_id(now: Time) -> impl Strategy<Value = MsgId> + Clone {
    msg_id(now, vec![0])
}

/// The same of a server's message, an answer (1) or not (3).
pub fn server_msg_id(now: Time) -> impl Strategy<Value = MsgId> + Clone {
    msg_id(now, vec![1, 3])
}

fn msg_id(now: Time, parities: Vec<i64>) -> impl Strategy<Value = MsgId> + Clone {
    let at = msg_id_at(now, 0).0;
    let ids = -(BACK << 32)..(AHEAD << 32);
    (ids, proptest::sample::select(parities))
        .prop_map(move |(by, parity)| MsgId(at.saturating_add(by) & !3 | parity))
}

/// Any 64 bits as a `msg_id`, often one that no clock gives: 0, negative, the greatest.
pub fn any_msg_id() -> impl Strategy<Value = MsgId> + Clone {
    let edges = [0, 1, 2, 3, 4, 5, -1, i64::MIN, i64::MAX, i64::MAX - 3];
    prop_oneof![any::<i64>(), proptest::sample::select(edges.to_vec())].prop_map(MsgId)
}

/// Any `seq_no`, mostly small ones.
pub fn seq_no() -> impl Strategy<Value = i32> + Clone {
    prop_oneof![4 => 0..1_000_i32, 1 => any::<i32>()]
}

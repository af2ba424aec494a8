//! What a scrubbed message says, for people.
//!
//! Does: takes containers apart; names what is there; tells which messages it is about.
//! In: a message's bytes, of which anybody may have chosen any. Out: text, ids.
//! Must not know: packets, keys.
//! Spec: "Service Messages"; "Service Messages about Messages".

use std::io::{self, Write};

use bytes::Bytes;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Decode, Function};

use super::names::name;
use super::scrub::{
    INIT_CONNECTION, INVOKE_AFTER_MSG, INVOKE_AFTER_MSGS, INVOKE_WITH_LAYER,
    INVOKE_WITHOUT_UPDATES, ITEM_HEADER, MSG_CONTAINER, RPC_RESULT, constructor,
};

/// Messages of one packet that are shown: a server takes 1,024.
const MAX_MESSAGES: usize = 1_024;
/// Ids that are shown of one message.
const MAX_IDS: usize = 16;

/// A message, or one in a container.
pub(super) struct Said<'a> {
    pub(super) msg_id: i64,
    pub(super) seq_no: i32,
    pub(super) body: &'a [u8],
    /// How deep in containers.
    pub(super) depth: usize,
}

/// A message and, if it is a container, what it holds: one level, there is no other.
pub(super) fn messages(msg_id: i64, seq_no: i32, body: &[u8]) -> Vec<Said<'_>> {
    let mut all = vec![Said {
        msg_id,
        seq_no,
        body,
        depth: 0,
    }];
    if constructor(body) == Some(MSG_CONTAINER) {
        let mut rest = body.get(8..).unwrap_or_default();
        while let Some((item, after)) = item(rest)
            && all.len() <= MAX_MESSAGES
        {
            all.push(item);
            rest = after;
        }
    }
    all
}

fn item(bytes: &[u8]) -> Option<(Said<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(ITEM_HEADER)?;
    let len = usize::try_from(constructor(header.get(12..)?)?).ok()?;
    let (body, rest) = rest.split_at_checked(len)?;
    let said = Said {
        msg_id: long(header, 0)?,
        seq_no: constructor(header.get(8..)?)?.cast_signed(),
        body,
        depth: 1,
    };
    Some((said, rest))
}

fn long(bytes: &[u8], at: usize) -> Option<i64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(i64::from_le_bytes(*bytes))
}

/// Writes a line for the message and for each that it holds.
pub(super) fn write(out: &mut impl Write, msg_id: i64, seq_no: i32, body: &[u8]) -> io::Result<()> {
    for said in messages(msg_id, seq_no, body) {
        let indent = 18 + 2 * said.depth;
        writeln!(
            out,
            "{:>indent$}{} seq_no {} {}, {} bytes",
            "",
            said.msg_id,
            said.seq_no,
            describe(said.body),
            said.body.len()
        )?;
    }
    Ok(())
}

/// The name of what is there, and what it says if the protocol needs it.
fn describe(body: &[u8]) -> String {
    let Some(id) = constructor(body) else {
        return "no constructor".to_owned();
    };
    let mut text = name(id);
    text.push_str(&details(id, body).unwrap_or_default());
    text
}

fn details(id: u32, body: &[u8]) -> Option<String> {
    let bytes = Bytes::copy_from_slice(body);
    let inner = |at: usize| Some(describe(body.get(at..)?));
    macro_rules! typed {
        ($type:ident) => {
            types::$type::from_bytes(&bytes).ok()?
        };
    }
    Some(match id {
        MSG_CONTAINER => format!(" of {}", constructor(body.get(4..)?)?),
        RPC_RESULT => {
            let result = body.get(12..)?;
            let result = match constructor(result) {
                Some(types::RpcError::ID) => {
                    let error =
                        types::RpcError::from_bytes(&Bytes::copy_from_slice(result)).ok()?;
                    let message = error.error_message.to_string();
                    format!("rpc_error {} {}", error.error_code, message.escape_debug())
                }
                _ => describe(result),
            };
            format!(" to {}: {result}", long(body, 4)?)
        }
        INVOKE_WITH_LAYER => format!(" {}: {}", constructor(body.get(4..)?)?, inner(8)?),
        INVOKE_WITHOUT_UPDATES => format!(": {}", inner(4)?),
        INVOKE_AFTER_MSG => format!(" {}: {}", long(body, 4)?, inner(12)?),
        INVOKE_AFTER_MSGS => {
            let count = usize::try_from(constructor(body.get(8..)?)?).ok()?;
            let after = count.checked_mul(8)?.checked_add(12)?;
            let all = body.get(12..after)?.chunks_exact(8);
            let all = all.filter_map(|id| long(id, 0)).collect();
            format!(" {}: {}", ids(all), inner(after)?)
        }
        INIT_CONNECTION => format!(": {}", inner(init_len(&bytes)?)?),
        types::MsgsAck::ID => format!(" {}", ids(typed!(MsgsAck).msg_ids)),
        types::MsgsStateReq::ID => format!(" {}", ids(typed!(MsgsStateReq).msg_ids)),
        types::MsgResendReq::ID => format!(" {}", ids(typed!(MsgResendReq).msg_ids)),
        types::MsgResendAnsReq::ID => format!(" {}", ids(typed!(MsgResendAnsReq).msg_ids)),
        types::BadMsgNotification::ID => {
            let bad = typed!(BadMsgNotification);
            format!(
                " {} (seq_no {}): code {}",
                bad.bad_msg_id, bad.bad_msg_seqno, bad.error_code
            )
        }
        types::BadServerSalt::ID => {
            let bad = typed!(BadServerSalt);
            format!(
                " {} (seq_no {}): code {}, new salt {:016x}",
                bad.bad_msg_id, bad.bad_msg_seqno, bad.error_code, bad.new_server_salt
            )
        }
        types::MsgsStateInfo::ID => {
            let info = typed!(MsgsStateInfo);
            format!(" to {}: {:?}", info.req_msg_id, states(&info.info))
        }
        types::MsgsAllInfo::ID => {
            let info = typed!(MsgsAllInfo);
            format!(" {}: {:?}", ids(info.msg_ids), states(&info.info))
        }
        types::MsgDetailedInfo::ID => {
            let info = typed!(MsgDetailedInfo);
            format!(
                " {}: answer {} of {} bytes, status {}",
                info.msg_id, info.answer_msg_id, info.bytes, info.status
            )
        }
        types::MsgNewDetailedInfo::ID => {
            let info = typed!(MsgNewDetailedInfo);
            format!(
                ": {} of {} bytes, status {}",
                info.answer_msg_id, info.bytes, info.status
            )
        }
        types::Pong::ID => {
            let pong = typed!(Pong);
            format!(" to {}: {}", pong.msg_id, pong.ping_id)
        }
        types::NewSessionCreated::ID => {
            let new = typed!(NewSessionCreated);
            format!(
                " from {} on, unique_id {}, salt {:016x}",
                new.first_msg_id, new.unique_id, new.server_salt
            )
        }
        types::FutureSalts::ID => {
            let salts = typed!(FutureSalts);
            format!(
                " to {}: {} salts, server time {}",
                salts.req_msg_id,
                salts.salts.len(),
                salts.now
            )
        }
        functions::Ping::ID => format!(" {}", long(body, 4)?),
        functions::PingDelayDisconnect::ID => format!(
            " {}, disconnect after {} s",
            long(body, 4)?,
            constructor(body.get(12..)?)?
        ),
        functions::RpcDropAnswer::ID => format!(" {}", long(body, 4)?),
        functions::GetFutureSalts::ID => format!(" {}", constructor(body.get(4..)?)?),
        _ => return None,
    })
}

/// The states of messages, each a byte; more than a few are a number.
fn states(info: &[u8]) -> Vec<u8> {
    info.iter().copied().take(MAX_IDS).collect()
}

fn ids(all: Vec<i64>) -> String {
    let shown: Vec<_> = all.iter().take(MAX_IDS).map(i64::to_string).collect();
    let more = match all.len().checked_sub(MAX_IDS) {
        Some(more) if more > 0 => format!(" and {more} more"),
        _ => String::new(),
    };
    format!("{}{more}", shown.join(" "))
}

/// Length of `initConnection` before the query.
fn init_len(bytes: &Bytes) -> Option<usize> {
    let mut r = mtproto_schema::Reader::new(bytes);
    let (_, flags, _) = (r.u32(), r.u32(), r.i32());
    for _ in 0..6 {
        r.skip_bytes();
    }
    r.check().ok()?;
    (flags == 0).then(|| bytes.len() - r.remaining())
}

/// The messages of the other side that a message is about.
pub(super) fn about(body: &[u8]) -> Vec<i64> {
    let bytes = Bytes::copy_from_slice(body);
    let one = |at| long(body, at).into_iter().collect();
    match constructor(body) {
        Some(types::MsgsAck::ID) => {
            types::MsgsAck::from_bytes(&bytes).map_or(Vec::new(), |ack| ack.msg_ids)
        }
        Some(types::MsgResendReq::ID) => {
            types::MsgResendReq::from_bytes(&bytes).map_or(Vec::new(), |resend| resend.msg_ids)
        }
        Some(RPC_RESULT | types::BadMsgNotification::ID | types::BadServerSalt::ID) => one(4),
        Some(
            types::Pong::ID
            | types::MsgsStateInfo::ID
            | types::MsgDetailedInfo::ID
            | types::FutureSalts::ID,
        ) => one(4),
        _ => Vec::new(),
    }
}

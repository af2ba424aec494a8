//! Messages, of either role.
//!
//! Does: service messages of every kind, about ids that the caller chose; bodies of calls and
//! updates; containers, well formed or nearly.
//! In: a strategy for the ids that messages name. Out: [`Said`], [`Item`]s, bodies.
//! Must not know: who takes them.
//! Spec: "Service Messages", "Service Messages about Messages".

use bytes::Bytes;
use mtproto_proto::{MsgId, SessionId};
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::ids;
use crate::rogue::Said;
use crate::tamper::{Item, container};

/// Ids that one message names, at most.
const IDS: usize = 12;
/// Words of a body, at most.
const WORDS: usize = 64;
/// Messages of a container, at most.
const MESSAGES: usize = 12;

/// The body of a call or an update: 1 to 64 words. It is none of the service messages, nor an
/// object of an API, which [`values`](super::values) makes.
pub fn body() -> impl Strategy<Value = Bytes> + Clone {
    // No constructor of any schema begins with this byte twice.
    vec(any::<u32>(), 0..WORDS).prop_map(|words| {
        let words = [0xeeee_0001].into_iter().chain(words);
        words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into()
    })
}

/// What a server says, about these messages of the client and of its own.
pub fn from_server(ids: impl Strategy<Value = MsgId> + Clone + 'static) -> BoxedStrategy<Said> {
    let req = || ids.clone();
    let some = || vec(ids.clone(), 0..IDS);
    let salts = vec((any::<i32>(), any::<i32>(), any::<i64>()), 0..IDS);
    prop_oneof![
        some().prop_map(Said::Acks),
        (req(), any::<i32>(), code()).prop_map(|(bad, seq_no, code)| Said::BadMsg {
            bad,
            seq_no,
            code
        }),
        (req(), any::<i32>(), any::<i64>()).prop_map(|(bad, seq_no, new_salt)| Said::BadSalt {
            bad,
            seq_no,
            new_salt
        }),
        about_states(ids.clone()),
        (req(), req()).prop_map(|(msg_id, answer)| Said::DetailedInfo { msg_id, answer }),
        req().prop_map(|answer| Said::NewDetailedInfo { answer }),
        (req(), body()).prop_map(|(req, result)| Said::Result { req, result }),
        (req(), any::<i32>(), error_name()).prop_map(|(req, code, message)| Said::Error {
            req,
            code,
            message
        }),
        (req(), any::<bool>()).prop_map(|(req, running)| Said::Dropped { req, running }),
        (req(), req(), any::<i32>(), any::<i32>()).prop_map(|(req, answer, seq_no, bytes)| {
            Said::AnswerDropped {
                req,
                answer,
                seq_no,
                bytes,
            }
        }),
        (req(), any::<i64>()).prop_map(|(req, ping_id)| Said::Pong { req, ping_id }),
        (req(), any::<i32>(), salts).prop_map(|(req, now, salts)| Said::FutureSalts {
            req,
            now,
            salts
        }),
        (req(), any::<i64>(), any::<i64>()).prop_map(|(first, unique_id, salt)| {
            Said::NewSession {
                first,
                unique_id,
                salt,
            }
        }),
        (session(), any::<bool>())
            .prop_map(|(session, found)| Said::SessionDestroyed { session, found }),
        Just(Said::KeyDestroyed(DestroyAuthKeyRes::DestroyAuthKeyOk)),
        body().prop_map(Said::Other),
    ]
    .boxed()
}

/// What a client says.
pub fn from_client(ids: impl Strategy<Value = MsgId> + Clone + 'static) -> BoxedStrategy<Said> {
    prop_oneof![
        vec(ids.clone(), 0..IDS).prop_map(Said::Acks),
        about_states(ids.clone()),
        any::<i64>().prop_map(Said::Ping),
        (any::<i64>(), any::<i32>())
            .prop_map(|(ping_id, delay)| Said::PingDelay { ping_id, delay }),
        any::<i32>().prop_map(Said::GetFutureSalts),
        ids.prop_map(Said::DropAnswer),
        session().prop_map(Said::DestroySession),
        body().prop_map(Said::Other),
    ]
    .boxed()
}

/// What both say of messages. States are as many as the ids, or not.
fn about_states(ids: impl Strategy<Value = MsgId> + Clone + 'static) -> BoxedStrategy<Said> {
    let some = || vec(ids.clone(), 0..IDS);
    let info = || vec(any::<u8>(), 0..IDS);
    prop_oneof![
        some().prop_map(Said::StateReq),
        (ids.clone(), info()).prop_map(|(req, info)| Said::StateInfo { req, info }),
        (some(), info()).prop_map(|(ids, info)| Said::AllInfo { ids, info }),
        some().prop_map(Said::ResendReq),
        some().prop_map(Said::ResendAnsReq),
    ]
    .boxed()
}

/// Codes of `bad_msg_notification`: those that there are, mostly.
fn code() -> impl Strategy<Value = i32> + Clone {
    let known = vec![16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64];
    prop_oneof![8 => proptest::sample::select(known), 1 => any::<i32>()]
}

fn error_name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        (0..100_000_u32).prop_map(|seconds| format!("FLOOD_WAIT_{seconds}")),
        vec(any::<char>(), 0..40).prop_map(|name| name.into_iter().collect()),
    ]
}

fn session() -> impl Strategy<Value = SessionId> + Clone {
    ids::session_id()
}

/// The body of a container that follows the rules, if the ids do, of 1 to 12 messages.
pub fn well_formed_container(
    said: BoxedStrategy<Said>,
    ids: impl Strategy<Value = MsgId> + Clone + 'static,
) -> BoxedStrategy<Vec<u8>> {
    items(said, ids)
        .prop_map(|items| container(&items, None))
        .boxed()
}

/// The body of a container in which something may not be right: its count, a length, an item that
/// is a container itself, its end.
pub fn container_of_any_kind(
    said: BoxedStrategy<Said>,
    ids: impl Strategy<Value = MsgId> + Clone + 'static,
) -> BoxedStrategy<Vec<u8>> {
    let count = proptest::option::weighted(0.2, any::<i32>());
    let wrong_length = proptest::option::weighted(0.2, (any::<usize>(), any::<i32>()));
    let nested = proptest::option::weighted(0.2, any::<usize>());
    let cut = proptest::option::weighted(0.2, any::<prop::sample::Index>());
    (items(said, ids), count, wrong_length, nested, cut)
        .prop_map(|(mut items, count, wrong_length, nested, cut)| {
            let len = items.len();
            if let Some((at, length)) = wrong_length {
                items[at % len].declared_len = Some(length);
            }
            if let Some(at) = nested {
                items[at % len].body = container(&items[..at % len], None);
            }
            let mut body = container(&items, count);
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()) / 4 * 4);
            }
            body
        })
        .boxed()
}

fn items(
    said: BoxedStrategy<Said>,
    ids: impl Strategy<Value = MsgId> + Clone + 'static,
) -> impl Strategy<Value = Vec<Item>> {
    vec((ids, ids::seq_no(), said), 1..MESSAGES).prop_map(|items| {
        let items = items.into_iter();
        items
            .map(|(msg_id, seq_no, said)| Item::new(msg_id, seq_no, said.to_bytes()))
            .collect()
    })
}

/// The same message, compressed or not.
pub fn perhaps_gzipped(bodies: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    (bodies, any::<bool>())
        .prop_map(|(body, gzipped)| {
            if gzipped {
                crate::tamper::gzip_packed(&crate::tamper::gzip(&body))
            } else {
                body
            }
        })
        .boxed()
}

//! What a message says: the service messages of both roles as values.
//!
//! Does: [`Said`] reads a message's body and writes one, so that a test compares and sends values.
//! In: bodies. Out: values, and the other way round.
//! Must not know: packets, who may say what.
//! Spec: "Service Messages", "Service Messages about Messages".

use bytes::Bytes;
use mtproto_proto::{MsgId, SessionId};
use mtproto_schema::mtproto::enums::{DestroyAuthKeyRes, RpcDropAnswer};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Decode, DecodeError, Encode, Function, Raw, Reader, tl};

/// One message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "fields are those of the schema's line in the variant's doc"
)]
pub enum Said {
    /// `msgs_ack`
    Acks(Vec<MsgId>),
    /// `bad_msg_notification`
    BadMsg { bad: MsgId, seq_no: i32, code: i32 },
    /// `bad_server_salt`, code 48
    BadSalt {
        bad: MsgId,
        seq_no: i32,
        new_salt: i64,
    },
    /// `msgs_state_req`
    StateReq(Vec<MsgId>),
    /// `msgs_state_info`
    StateInfo { req: MsgId, info: Vec<u8> },
    /// `msgs_all_info`
    AllInfo { ids: Vec<MsgId>, info: Vec<u8> },
    /// `msg_detailed_info`, of 100 bytes and status 0
    DetailedInfo { msg_id: MsgId, answer: MsgId },
    /// `msg_new_detailed_info`, of 100 bytes and status 0
    NewDetailedInfo { answer: MsgId },
    /// `msg_resend_req`
    ResendReq(Vec<MsgId>),
    /// `msg_resend_ans_req`
    ResendAnsReq(Vec<MsgId>),
    /// `rpc_result` of anything but an error
    Result { req: MsgId, result: Bytes },
    /// `rpc_result` of an `rpc_error`
    Error {
        req: MsgId,
        code: i32,
        message: String,
    },
    /// `rpc_result` of an `rpc_answer_unknown` or `rpc_answer_dropped_running`
    Dropped { req: MsgId, running: bool },
    /// `rpc_result` of an `rpc_answer_dropped`
    AnswerDropped {
        req: MsgId,
        answer: MsgId,
        seq_no: i32,
        bytes: i32,
    },
    /// `ping`
    Ping(i64),
    /// `ping_delay_disconnect`
    PingDelay { ping_id: i64, delay: i32 },
    /// `pong`
    Pong { req: MsgId, ping_id: i64 },
    /// `get_future_salts`
    GetFutureSalts(i32),
    /// `future_salts`: since, until, salt
    FutureSalts {
        req: MsgId,
        now: i32,
        salts: Vec<(i32, i32, i64)>,
    },
    /// `new_session_created`
    NewSession {
        first: MsgId,
        unique_id: i64,
        salt: i64,
    },
    /// `rpc_drop_answer`
    DropAnswer(MsgId),
    /// `destroy_session`
    DestroySession(SessionId),
    /// `destroy_session_ok` and `destroy_session_none`
    SessionDestroyed { session: SessionId, found: bool },
    /// `destroy_auth_key`
    DestroyAuthKey,
    /// `destroy_auth_key_ok`, `_none` and `_fail`
    KeyDestroyed(DestroyAuthKeyRes),
    /// Anything else, and what does not parse: a call, an update.
    Other(Bytes),
}

impl Said {
    /// A call or an update with these bytes.
    pub fn other(body: &[u8]) -> Said {
        Said::Other(Bytes::copy_from_slice(body))
    }

    /// The answer to a call.
    pub fn result(req: MsgId, result: &[u8]) -> Said {
        Said::Result {
            req,
            result: Bytes::copy_from_slice(result),
        }
    }

    /// An error as the answer to a call.
    pub fn error(req: MsgId, code: i32, message: &str) -> Said {
        Said::Error {
            req,
            code,
            message: message.into(),
        }
    }

    /// `bad_msg_notification` of a message whose sequence number does not matter.
    pub fn bad_msg(bad: MsgId, code: i32) -> Said {
        Said::BadMsg {
            bad,
            seq_no: 0,
            code,
        }
    }

    /// `bad_server_salt` of a message whose sequence number does not matter.
    pub fn bad_salt(bad: MsgId, new_salt: i64) -> Said {
        Said::BadSalt {
            bad,
            seq_no: 0,
            new_salt,
        }
    }

    /// Reads a body.
    pub fn read(body: &Bytes) -> Said {
        Said::try_read(body).unwrap_or_else(|_| Said::Other(body.clone()))
    }

    fn try_read(body: &Bytes) -> Result<Said, DecodeError> {
        let mut r = Reader::new(body);
        let id = r.u32();
        let said = match id {
            types::MsgsAck::ID => Said::Acks(ids(types::MsgsAck::decode_bare(&mut r)?.msg_ids)),
            types::BadMsgNotification::ID => {
                let bad = types::BadMsgNotification::decode_bare(&mut r)?;
                Said::BadMsg {
                    bad: MsgId(bad.bad_msg_id),
                    seq_no: bad.bad_msg_seqno,
                    code: bad.error_code,
                }
            }
            types::BadServerSalt::ID => {
                let bad = types::BadServerSalt::decode_bare(&mut r)?;
                Said::BadSalt {
                    bad: MsgId(bad.bad_msg_id),
                    seq_no: bad.bad_msg_seqno,
                    new_salt: bad.new_server_salt,
                }
            }
            types::MsgsStateReq::ID => {
                Said::StateReq(ids(types::MsgsStateReq::decode_bare(&mut r)?.msg_ids))
            }
            types::MsgsStateInfo::ID => {
                let info = types::MsgsStateInfo::decode_bare(&mut r)?;
                Said::StateInfo {
                    req: MsgId(info.req_msg_id),
                    info: info.info.to_vec(),
                }
            }
            types::MsgsAllInfo::ID => {
                let all = types::MsgsAllInfo::decode_bare(&mut r)?;
                Said::AllInfo {
                    ids: ids(all.msg_ids),
                    info: all.info.to_vec(),
                }
            }
            types::MsgDetailedInfo::ID => {
                let info = types::MsgDetailedInfo::decode_bare(&mut r)?;
                Said::DetailedInfo {
                    msg_id: MsgId(info.msg_id),
                    answer: MsgId(info.answer_msg_id),
                }
            }
            types::MsgNewDetailedInfo::ID => {
                let info = types::MsgNewDetailedInfo::decode_bare(&mut r)?;
                Said::NewDetailedInfo {
                    answer: MsgId(info.answer_msg_id),
                }
            }
            types::MsgResendReq::ID => {
                Said::ResendReq(ids(types::MsgResendReq::decode_bare(&mut r)?.msg_ids))
            }
            types::MsgResendAnsReq::ID => {
                Said::ResendAnsReq(ids(types::MsgResendAnsReq::decode_bare(&mut r)?.msg_ids))
            }
            types::RpcResult::ID => {
                let result = types::RpcResult::decode_bare(&mut r)?;
                read_result(MsgId(result.req_msg_id), result.result.0)
            }
            functions::Ping::ID => Said::Ping(r.i64()),
            functions::PingDelayDisconnect::ID => Said::PingDelay {
                ping_id: r.i64(),
                delay: r.i32(),
            },
            types::Pong::ID => Said::Pong {
                req: MsgId(r.i64()),
                ping_id: r.i64(),
            },
            functions::GetFutureSalts::ID => Said::GetFutureSalts(r.i32()),
            types::FutureSalts::ID => {
                let future = types::FutureSalts::decode_bare(&mut r)?;
                Said::FutureSalts {
                    req: MsgId(future.req_msg_id),
                    now: future.now,
                    salts: future
                        .salts
                        .into_iter()
                        .map(|salt| (salt.valid_since, salt.valid_until, salt.salt))
                        .collect(),
                }
            }
            types::NewSessionCreated::ID => Said::NewSession {
                first: MsgId(r.i64()),
                unique_id: r.i64(),
                salt: r.i64(),
            },
            functions::RpcDropAnswer::ID => Said::DropAnswer(MsgId(r.i64())),
            functions::DestroySession::ID => Said::DestroySession(SessionId(r.i64())),
            types::DestroySessionOk::ID | types::DestroySessionNone::ID => Said::SessionDestroyed {
                session: SessionId(r.i64()),
                found: id == types::DestroySessionOk::ID,
            },
            functions::DestroyAuthKey::ID => Said::DestroyAuthKey,
            _ => match DestroyAuthKeyRes::from_bytes(body) {
                Ok(res) => {
                    r.skip(body.len());
                    Said::KeyDestroyed(res)
                }
                Err(_) => return Ok(Said::Other(body.clone())),
            },
        };
        if matches!(said, Said::KeyDestroyed(_)) {
            return Ok(said);
        }
        r.finish()?;
        Ok(said)
    }

    /// The body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.clone() {
            Said::Acks(ids) => types::MsgsAck { msg_ids: raw(ids) }.encode(&mut out),
            Said::BadMsg { bad, seq_no, code } => types::BadMsgNotification {
                bad_msg_id: bad.0,
                bad_msg_seqno: seq_no,
                error_code: code,
            }
            .encode(&mut out),
            Said::BadSalt {
                bad,
                seq_no,
                new_salt,
            } => types::BadServerSalt {
                bad_msg_id: bad.0,
                bad_msg_seqno: seq_no,
                error_code: 48,
                new_server_salt: new_salt,
            }
            .encode(&mut out),
            Said::StateReq(ids) => types::MsgsStateReq { msg_ids: raw(ids) }.encode(&mut out),
            Said::StateInfo { req, info } => types::MsgsStateInfo {
                req_msg_id: req.0,
                info: info.into(),
            }
            .encode(&mut out),
            Said::AllInfo { ids, info } => types::MsgsAllInfo {
                msg_ids: raw(ids),
                info: info.into(),
            }
            .encode(&mut out),
            Said::DetailedInfo { msg_id, answer } => types::MsgDetailedInfo {
                msg_id: msg_id.0,
                answer_msg_id: answer.0,
                bytes: 100,
                status: 0,
            }
            .encode(&mut out),
            Said::NewDetailedInfo { answer } => types::MsgNewDetailedInfo {
                answer_msg_id: answer.0,
                bytes: 100,
                status: 0,
            }
            .encode(&mut out),
            Said::ResendReq(ids) => types::MsgResendReq { msg_ids: raw(ids) }.encode(&mut out),
            Said::ResendAnsReq(ids) => {
                types::MsgResendAnsReq { msg_ids: raw(ids) }.encode(&mut out);
            }
            Said::Result { req, result } => put_result(&mut out, req, &Raw(result)),
            Said::Error { req, code, message } => put_result(
                &mut out,
                req,
                &types::RpcError {
                    error_code: code,
                    error_message: message.into(),
                },
            ),
            Said::Dropped { req, running } => put_result(
                &mut out,
                req,
                &if running {
                    RpcDropAnswer::RpcAnswerDroppedRunning
                } else {
                    RpcDropAnswer::RpcAnswerUnknown
                },
            ),
            Said::AnswerDropped {
                req,
                answer,
                seq_no,
                bytes,
            } => put_result(
                &mut out,
                req,
                &RpcDropAnswer::RpcAnswerDropped(types::RpcAnswerDropped {
                    msg_id: answer.0,
                    seq_no,
                    bytes,
                }),
            ),
            Said::Ping(ping_id) => functions::Ping { ping_id }.encode(&mut out),
            Said::PingDelay { ping_id, delay } => functions::PingDelayDisconnect {
                ping_id,
                disconnect_delay: delay,
            }
            .encode(&mut out),
            Said::Pong { req, ping_id } => types::Pong {
                msg_id: req.0,
                ping_id,
            }
            .encode(&mut out),
            Said::GetFutureSalts(num) => functions::GetFutureSalts { num }.encode(&mut out),
            Said::FutureSalts { req, now, salts } => types::FutureSalts {
                req_msg_id: req.0,
                now,
                salts: salts
                    .into_iter()
                    .map(|(valid_since, valid_until, salt)| types::FutureSalt {
                        valid_since,
                        valid_until,
                        salt,
                    })
                    .collect(),
            }
            .encode(&mut out),
            Said::NewSession {
                first,
                unique_id,
                salt,
            } => types::NewSessionCreated {
                first_msg_id: first.0,
                unique_id,
                server_salt: salt,
            }
            .encode(&mut out),
            Said::DropAnswer(id) => functions::RpcDropAnswer { req_msg_id: id.0 }.encode(&mut out),
            Said::DestroySession(id) => {
                functions::DestroySession { session_id: id.0 }.encode(&mut out);
            }
            Said::SessionDestroyed {
                session,
                found: true,
            } => types::DestroySessionOk {
                session_id: session.0,
            }
            .encode(&mut out),
            Said::SessionDestroyed {
                session,
                found: false,
            } => types::DestroySessionNone {
                session_id: session.0,
            }
            .encode(&mut out),
            Said::DestroyAuthKey => functions::DestroyAuthKey.encode(&mut out),
            Said::KeyDestroyed(res) => res.encode(&mut out),
            Said::Other(body) => out.extend(&body),
        }
        out
    }

    /// Whether an honest sender numbers it as content-related, to be acknowledged.
    pub fn is_content(&self) -> bool {
        match self {
            Said::Result { .. }
            | Said::Error { .. }
            | Said::Dropped { .. }
            | Said::AnswerDropped { .. }
            | Said::NewSession { .. }
            | Said::Other(_) => true,
            Said::Acks(_)
            | Said::BadMsg { .. }
            | Said::BadSalt { .. }
            | Said::StateReq(_)
            | Said::StateInfo { .. }
            | Said::AllInfo { .. }
            | Said::DetailedInfo { .. }
            | Said::NewDetailedInfo { .. }
            | Said::ResendReq(_)
            | Said::ResendAnsReq(_)
            | Said::Ping(_)
            | Said::PingDelay { .. }
            | Said::Pong { .. }
            | Said::GetFutureSalts(_)
            | Said::FutureSalts { .. }
            | Said::DropAnswer(_)
            | Said::DestroySession(_)
            | Said::SessionDestroyed { .. }
            | Said::DestroyAuthKey
            | Said::KeyDestroyed(_) => false,
        }
    }

    /// Whether a server says it because of a client's message.
    pub(crate) fn is_response(&self) -> bool {
        match self {
            Said::Result { .. }
            | Said::Error { .. }
            | Said::Dropped { .. }
            | Said::AnswerDropped { .. }
            | Said::BadMsg { .. }
            | Said::BadSalt { .. }
            | Said::StateInfo { .. }
            | Said::DetailedInfo { .. }
            | Said::Pong { .. }
            | Said::FutureSalts { .. }
            | Said::SessionDestroyed { .. }
            | Said::KeyDestroyed(_) => true,
            Said::Acks(_)
            | Said::StateReq(_)
            | Said::AllInfo { .. }
            | Said::NewDetailedInfo { .. }
            | Said::ResendReq(_)
            | Said::ResendAnsReq(_)
            | Said::Ping(_)
            | Said::PingDelay { .. }
            | Said::GetFutureSalts(_)
            | Said::NewSession { .. }
            | Said::DropAnswer(_)
            | Said::DestroySession(_)
            | Said::DestroyAuthKey
            | Said::Other(_) => false,
        }
    }
}

fn read_result(req: MsgId, result: Bytes) -> Said {
    let error = types::RpcError::from_bytes(&result).ok();
    match (error, RpcDropAnswer::from_bytes(&result).ok()) {
        (Some(error), _) => Said::Error {
            req,
            code: error.error_code,
            message: error.error_message.into(),
        },
        (None, Some(RpcDropAnswer::RpcAnswerUnknown)) => Said::Dropped {
            req,
            running: false,
        },
        (None, Some(RpcDropAnswer::RpcAnswerDroppedRunning)) => {
            Said::Dropped { req, running: true }
        }
        (None, Some(RpcDropAnswer::RpcAnswerDropped(dropped))) => Said::AnswerDropped {
            req,
            answer: MsgId(dropped.msg_id),
            seq_no: dropped.seq_no,
            bytes: dropped.bytes,
        },
        (None, None) => Said::Result { req, result },
    }
}

fn put_result(out: &mut Vec<u8>, req: MsgId, result: &impl Encode) {
    tl::put_u32(out, types::RpcResult::ID);
    tl::put_i64(out, req.0);
    result.encode(out);
}

fn ids(raw: Vec<i64>) -> Vec<MsgId> {
    raw.into_iter().map(MsgId).collect()
}

fn raw(ids: Vec<MsgId>) -> Vec<i64> {
    ids.into_iter().map(|id| id.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each.
    fn all() -> Vec<Said> {
        let id = MsgId(7 << 32 | 4);
        vec![
            Said::Acks(vec![id, MsgId(9)]),
            Said::bad_msg(id, 17),
            Said::bad_salt(id, -3),
            Said::StateReq(vec![id]),
            Said::StateInfo {
                req: id,
                info: vec![4, 1],
            },
            Said::AllInfo {
                ids: vec![id],
                info: vec![4],
            },
            Said::DetailedInfo {
                msg_id: id,
                answer: MsgId(1),
            },
            Said::NewDetailedInfo { answer: id },
            Said::ResendReq(vec![id]),
            Said::ResendAnsReq(vec![id]),
            Said::result(id, b"eight by"),
            Said::error(id, 400, "BAD"),
            Said::Dropped {
                req: id,
                running: true,
            },
            Said::Dropped {
                req: id,
                running: false,
            },
            Said::AnswerDropped {
                req: id,
                answer: MsgId(9),
                seq_no: 3,
                bytes: 20,
            },
            Said::Ping(1),
            Said::PingDelay {
                ping_id: 2,
                delay: 75,
            },
            Said::Pong {
                req: id,
                ping_id: 1,
            },
            Said::GetFutureSalts(64),
            Said::FutureSalts {
                req: id,
                now: 5,
                salts: vec![(1, 2, 3), (4, 5, 6)],
            },
            Said::NewSession {
                first: id,
                unique_id: 1,
                salt: 2,
            },
            Said::DropAnswer(id),
            Said::DestroySession(SessionId(3)),
            Said::SessionDestroyed {
                session: SessionId(3),
                found: true,
            },
            Said::SessionDestroyed {
                session: SessionId(3),
                found: false,
            },
            Said::DestroyAuthKey,
            Said::KeyDestroyed(DestroyAuthKeyRes::DestroyAuthKeyOk),
            Said::other(b"any call"),
        ]
    }

    #[test]
    fn what_is_written_reads_as_the_same_value() {
        for said in all() {
            let bytes = said.to_bytes();
            assert_eq!(bytes.len() % 4, 0, "{said:?}");
            assert_eq!(Said::read(&bytes.into()), said);
        }
    }

    #[test]
    fn what_is_cut_off_is_read_as_something_else() {
        for said in all() {
            let bytes = Bytes::from(said.to_bytes());
            for len in 0..bytes.len() {
                assert_ne!(Said::read(&bytes.slice(..len)), said, "{len}");
            }
        }
    }
}

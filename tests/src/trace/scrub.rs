//! A message without what it says.
//!
//! Does: keeps what bugs of the protocol are made of: containers, service messages, ids, the names
//! of methods and objects, names of errors; overwrites everything else at the same length.
//! In: a message's bytes, of which a peer may have chosen any. Out: the same number of bytes.
//! Must not know: packets, keys, files.
//! Spec: "Service Messages"; "Service Messages about Messages"; "Calling API methods".

use bytes::Bytes;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Decode, Function, Reader};

use super::masks::Masks;

pub(super) const MSG_CONTAINER: u32 = 0x73f1_f8dc;
pub(super) const RPC_RESULT: u32 = 0xf35c_6d01;
pub(super) const GZIP_PACKED: u32 = 0x3072_cfa1;
pub(super) const RPC_ANSWER_UNKNOWN: u32 = 0x5e2a_d36e;
pub(super) const RPC_ANSWER_DROPPED_RUNNING: u32 = 0xcd78_e586;
pub(super) const DESTROY_AUTH_KEY_OK: u32 = 0xf660_e1d4;
pub(super) const DESTROY_AUTH_KEY_NONE: u32 = 0x0a9f_2259;
pub(super) const DESTROY_AUTH_KEY_FAIL: u32 = 0xea10_9b13;
pub(super) const INVOKE_WITH_LAYER: u32 = 0xda9b_0d0d;
pub(super) const INIT_CONNECTION: u32 = 0xc1cd_5ea9;
pub(super) const INVOKE_AFTER_MSG: u32 = 0xcb9f_372d;
pub(super) const INVOKE_AFTER_MSGS: u32 = 0x3dc4_b4f0;
pub(super) const INVOKE_WITHOUT_UPDATES: u32 = 0xbf94_59b7;
const VECTOR: u32 = 0x1cb5_c415;

/// Wrappers and containers in one another: three wrappers in a container are the most that a client
/// makes.
const MAX_DEPTH: u8 = 8;
/// Header of a message in a container: id, sequence number, length.
pub(super) const ITEM_HEADER: usize = 16;
/// Longest name of an error: known ones are below 100 bytes, as long as the core keeps.
const MAX_NAME: usize = 128;
/// Digits in a row that an error may keep: seconds of a wait, the number of a DC. A phone number has
/// more.
const MAX_DIGITS: usize = 7;

/// The constructor of a message.
pub(super) fn constructor(body: &[u8]) -> Option<u32> {
    body.first_chunk().copied().map(u32::from_le_bytes)
}

/// Overwrites what a message says.
pub(super) fn scrub(body: &mut [u8], masks: &mut Masks) {
    Scrubber { masks, depth: 0 }.message(body);
}

struct Scrubber<'a> {
    masks: &'a mut Masks,
    depth: u8,
}

impl Scrubber<'_> {
    fn message(&mut self, body: &mut [u8]) {
        let kept = if self.depth < MAX_DEPTH {
            self.depth += 1;
            let kept = self.structure(body);
            self.depth -= 1;
            kept
        } else {
            None
        };
        if kept.is_none() {
            // The name only.
            let (_, content) = body.split_at_mut(body.len().min(4));
            self.masks.fill(content);
        }
    }

    /// Deals with a message that is known; `None` if it is not, or is not well formed. What was
    /// changed by then was overwritten.
    fn structure(&mut self, body: &mut [u8]) -> Option<()> {
        let id = constructor(body)?;
        match id {
            MSG_CONTAINER => return self.container(body),
            RPC_RESULT => {
                let result = body.get_mut(12..)?;
                if constructor(result)? == types::RpcError::ID {
                    return self.error(result);
                }
                self.message(result);
                return Some(());
            }
            INVOKE_WITH_LAYER => self.message(body.get_mut(8..)?),
            INVOKE_WITHOUT_UPDATES => self.message(body.get_mut(4..)?),
            INVOKE_AFTER_MSG => self.message(body.get_mut(12..)?),
            INVOKE_AFTER_MSGS => {
                if constructor(body.get(4..)?)? != VECTOR {
                    return None;
                }
                let count = usize::try_from(constructor(body.get(8..)?)?).ok()?;
                let ids = count.checked_mul(8)?.checked_add(12)?;
                self.message(body.get_mut(ids..)?);
            }
            INIT_CONNECTION => return self.init(body),
            types::BadServerSalt::ID if body.len() == 28 => self.salt(body, 20)?,
            types::NewSessionCreated::ID if body.len() == 28 => self.salt(body, 20)?,
            types::FutureSalts::ID => {
                let count = usize::try_from(constructor(body.get(16..)?)?).ok()?;
                if count.checked_mul(16)?.checked_add(20)? != body.len() {
                    return None;
                }
                for n in 0..count {
                    self.salt(body, 20 + 16 * n + 8)?;
                }
            }
            functions::DestroySession::ID
            | types::DestroySessionOk::ID
            | types::DestroySessionNone::ID
                if body.len() == 12 =>
            {
                let number = body.get_mut(4..)?.first_chunk_mut()?;
                *number = self
                    .masks
                    .session(i64::from_le_bytes(*number))
                    .to_le_bytes();
            }
            _ if is_service(id, body) => {}
            _ => return None,
        }
        Some(())
    }

    fn container(&mut self, body: &mut [u8]) -> Option<()> {
        // First whether it is one: what is half a container is content.
        let mut items = Vec::new();
        let count = constructor(body.get(4..)?)?;
        let mut at = 8_usize;
        for _ in 0..count {
            let len = constructor(body.get(at.checked_add(12)?..)?)?;
            let from = at.checked_add(ITEM_HEADER)?;
            at = from.checked_add(usize::try_from(len).ok()?)?;
            body.get(from..at)?;
            items.push(from..at);
        }
        if at != body.len() {
            return None;
        }
        for item in items {
            self.message(body.get_mut(item)?);
        }
        Some(())
    }

    /// `rpc_error`: the code, and the text if it is a name.
    fn error(&mut self, body: &mut [u8]) -> Option<()> {
        let error = types::RpcError::from_bytes(&Bytes::copy_from_slice(body)).ok()?;
        let text = error.error_message.to_string();
        let is_name = (1..=MAX_NAME).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        let from = text_at(body.get(8..)?)?.checked_add(8)?;
        let text = body.get_mut(from..from.checked_add(text.len())?)?;
        if is_name {
            hide_digits(text);
        } else {
            text.fill(b'x');
        }
        Some(())
    }

    /// `initConnection`: the texts become as many dashes, so that the query stays where it is.
    fn init(&mut self, body: &mut [u8]) -> Option<()> {
        const TEXTS: usize = 6;
        /// Constructor, flags, `api_id`.
        const HEAD: usize = 12;

        let copy = Bytes::copy_from_slice(body);
        let mut r = Reader::new(&copy);
        let _ = r.u32();
        // Proxy and parameters have other lengths; nobody sends them.
        if r.u32() != 0 {
            return None;
        }
        let _ = r.i32();
        let mut texts = Vec::new();
        let mut at = HEAD;
        for _ in 0..TEXTS {
            let len = r.byte_slice().len();
            r.check().ok()?;
            let from = text_at(body.get(at..)?)?.checked_add(at)?;
            texts.push(from..from.checked_add(len)?);
            at = body.len().checked_sub(r.remaining())?;
        }
        self.masks.fill(body.get_mut(8..HEAD)?);
        for text in texts {
            body.get_mut(text)?.fill(b'-');
        }
        self.message(body.get_mut(at..)?);
        Some(())
    }

    fn salt(&mut self, body: &mut [u8], at: usize) -> Option<()> {
        let salt = body.get_mut(at..)?.first_chunk_mut()?;
        *salt = self.masks.salt(i64::from_le_bytes(*salt)).to_le_bytes();
        Some(())
    }
}

/// Where the bytes of a TL string begin.
fn text_at(string: &[u8]) -> Option<usize> {
    match string.first()? {
        254 => Some(4),
        _ => Some(1),
    }
}

/// Runs of digits that may be somebody's number become zeros.
fn hide_digits(text: &mut [u8]) {
    for run in text.chunk_by_mut(|a, b| a.is_ascii_digit() && b.is_ascii_digit()) {
        if run.len() > MAX_DIGITS {
            run.fill(b'0');
        }
    }
}

/// Whether this is a whole service message that holds nothing but what the protocol needs.
pub(super) fn is_service(id: u32, body: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(body);
    macro_rules! is_one_of {
        ($($type:ident),*) => {
            match id {
                $(types::$type::ID => types::$type::from_bytes(&bytes).is_ok(),)*
                functions::Ping::ID | functions::RpcDropAnswer::ID => body.len() == 12,
                functions::PingDelayDisconnect::ID => body.len() == 16,
                functions::GetFutureSalts::ID => body.len() == 8,
                functions::DestroyAuthKey::ID
                | RPC_ANSWER_UNKNOWN
                | RPC_ANSWER_DROPPED_RUNNING
                | DESTROY_AUTH_KEY_OK
                | DESTROY_AUTH_KEY_NONE
                | DESTROY_AUTH_KEY_FAIL => body.len() == 4,
                _ => false,
            }
        };
    }
    is_one_of!(
        MsgsAck,
        BadMsgNotification,
        MsgsStateReq,
        MsgsStateInfo,
        MsgsAllInfo,
        MsgDetailedInfo,
        MsgNewDetailedInfo,
        MsgResendReq,
        MsgResendAnsReq,
        RpcAnswerDropped,
        Pong,
        HttpWait
    )
}

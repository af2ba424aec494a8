//! The part of Telegram's API that a connection needs before anybody signs in.
//!
//! Does: answers `help.getConfig`, `help.getNearestDc`; knows who may call what, and how refusals
//! are worded. Remembers the layer of each key.
//! In: a request's body and whose key it came under. Out: [`Answer`].
//! Must not know: streams, sessions, the clock.
//! Spec: "Calling methods", "Error handling", "Perfect Forward Secrecy".

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, DcId, Time};
use mtproto_schema::api::functions::auth::{BindTempAuthKey, DropTempAuthKeys, SendCode};
use mtproto_schema::api::functions::help::{GetConfig, GetNearestDc};
use mtproto_schema::api::types::NearestDc;
use mtproto_schema::{Decode, Encode, Function};

use super::config::config;
use super::methods;
use super::wrappers::{Unreadable, peel};

/// Keys whose layer is remembered. Beyond, the key with the lowest id is forgotten, and its client
/// is told `CONNECTION_NOT_INITED`, on which clients initialise again.
const MAX_KEYS: usize = 1 << 16;

/// Whose key a request came under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key as sent.
    pub key: AuthKeyId,
    /// The permanent key that it is, or that it is bound to; `None`: an unbound temporary key.
    pub perm: Option<AuthKeyId>,
}

impl Caller {
    /// The key that remembers: bindings change, the permanent key stays.
    fn identity(&self) -> AuthKeyId {
        self.perm.unwrap_or(self.key)
    }
}

/// What to do about a request.
pub enum Answer {
    /// Answer with this object.
    Result(Bytes),
    /// Answer with an `rpc_error`.
    Error(i32, String),
    /// Bind the temporary key that the request came under.
    Bind(BindTempAuthKey),
    /// Drop the temporary keys of this permanent key, except these.
    DropTempKeys(AuthKeyId, Vec<i64>),
}

impl Answer {
    fn error(code: i32, message: &str) -> Self {
        Answer::Error(code, message.to_owned())
    }
}

/// The API of one DC.
#[derive(Debug)]
pub struct Api {
    dc: i32,
    addr: SocketAddr,
    layers: BTreeMap<AuthKeyId, i32>,
}

impl Api {
    /// The API of a DC that listens on this address.
    pub fn new(dc: DcId, addr: SocketAddr) -> Self {
        methods::load();
        Api {
            dc: i32::from(dc.0).abs(),
            addr,
            layers: BTreeMap::new(),
        }
    }

    /// Forgets a key that is gone.
    pub fn forget(&mut self, key: AuthKeyId) {
        self.layers.remove(&key);
    }

    /// A temporary key is bound: what it said of itself holds for the permanent one.
    pub fn bound(&mut self, temp: AuthKeyId, perm: AuthKeyId) {
        if let Some(layer) = self.layers.remove(&temp) {
            self.remember(perm, layer);
        }
    }

    /// What to do about the request with this body.
    pub fn call(&mut self, now: Time, caller: Caller, body: &Bytes) -> Answer {
        let peeled = match peel(body) {
            Ok(peeled) => peeled,
            Err(unreadable) => return invalid(unreadable),
        };
        if let Some(layer) = peeled.layer {
            if layer <= 0 {
                return Answer::error(400, "CONNECTION_LAYER_INVALID");
            }
            self.remember(caller.identity(), layer);
        }
        if !methods::is_known(peeled.id) {
            return invalid(Unreadable { id: peeled.id });
        }
        // Sent before anything else under a new key, and without a wrapper.
        if peeled.id == BindTempAuthKey::ID {
            return read(&peeled.query, Answer::Bind);
        }
        let public = [GetConfig::ID, GetNearestDc::ID].contains(&peeled.id);
        if caller.perm.is_none() && !public {
            return Answer::error(401, "AUTH_KEY_PERM_EMPTY");
        }
        if !self.layers.contains_key(&caller.identity()) {
            return Answer::error(400, "CONNECTION_NOT_INITED");
        }
        match peeled.id {
            GetConfig::ID => read(&peeled.query, |GetConfig| {
                Answer::Result(config(self.dc, self.addr, now).to_bytes())
            }),
            GetNearestDc::ID => read(&peeled.query, |GetNearestDc| self.nearest_dc()),
            DropTempAuthKeys::ID => read(&peeled.query, |query: DropTempAuthKeys| {
                Answer::DropTempKeys(caller.identity(), query.except_auth_keys)
            }),
            // There are no accounts, so no number is anybody's.
            SendCode::ID => Answer::error(400, "PHONE_NUMBER_INVALID"),
            id if methods::needs_sign_in(id) => Answer::error(401, "AUTH_KEY_UNREGISTERED"),
            _ => Answer::error(400, "METHOD_INVALID"),
        }
    }

    fn remember(&mut self, key: AuthKeyId, layer: i32) {
        self.layers.insert(key, layer);
        if self.layers.len() > MAX_KEYS {
            self.layers.pop_first();
        }
    }

    fn nearest_dc(&self) -> Answer {
        let nearest = NearestDc {
            country: "XX".into(),
            this_dc: self.dc,
            nearest_dc: self.dc,
        };
        Answer::Result(nearest.to_bytes())
    }
}

/// Hands the arguments on, or says that they cannot be read.
fn read<F: Function + Decode>(query: &Bytes, then: impl FnOnce(F) -> Answer) -> Answer {
    match F::from_bytes(query) {
        Ok(arguments) => then(arguments),
        Err(_) => invalid(Unreadable { id: F::ID }),
    }
}

fn invalid(Unreadable { id }: Unreadable) -> Answer {
    Answer::Error(400, format!("INPUT_METHOD_INVALID_{id}_0"))
}

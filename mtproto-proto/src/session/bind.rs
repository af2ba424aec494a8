//! `auth.bindTempAuthKey` as a request: it contains the message id under which it travels.
//!
//! Does: writes the request once its id is known.
//! In: both keys, the nonce, the expiry. Out: the body.
//! Must not know: how the answer is treated (`connection/client.rs` does).
//! Spec: "Perfect Forward Secrecy"; "auth.bindTempAuthKey".

use alloc::vec::Vec;

use mtproto_schema::tl;

use crate::crypto::AuthKey;
use crate::handshake::bind::{BindInner, bind_message};
use crate::ids::{AuthKeyId, MsgId, SessionId};
use crate::rng::Rng;

/// Binds a temporary key to a permanent one.
#[derive(Clone, Debug)]
pub(crate) struct BindRequest {
    pub(crate) perm: AuthKey,
    pub(crate) temp_auth_key_id: AuthKeyId,
    pub(crate) nonce: i64,
    /// Server time, Unix seconds.
    pub(crate) expires_at: i32,
}

impl BindRequest {
    /// The constructor of `auth.bindTempAuthKey`.
    pub(crate) const ID: u32 = 0xcdd4_2a05;
    /// Id, three numbers, and 104 bytes as a TL string.
    pub(crate) const LEN: usize = 4 + 8 + 8 + 4 + 108;

    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        msg_id: MsgId,
        session: SessionId,
        rng: &mut Rng,
    ) {
        let inner = BindInner {
            nonce: self.nonce,
            temp_auth_key_id: self.temp_auth_key_id,
            perm_auth_key_id: self.perm.id(),
            temp_session_id: session,
            expires_at: self.expires_at,
        };
        let message = bind_message(&self.perm, msg_id, &inner, rng);
        tl::put_u32(out, Self::ID);
        tl::put_i64(out, self.perm.id().0);
        tl::put_i64(out, self.nonce);
        tl::put_i32(out, self.expires_at);
        tl::put_bytes(out, &message);
    }
}

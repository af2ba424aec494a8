//! What an error of the server means.
//!
//! Does: classes of errors by code and name.
//! In: [`RpcError`]. Out: [`RpcKind`].
//! Must not know: what is done about it (`answers.rs` does).
//! Spec: "Handling API errors".

use core::time::Duration;

use crate::client::SignedOut;
use crate::client::dc::dc_id;
use crate::error::RpcError;
use crate::ids::DcId;

/// The longest pause that is believed: TDLib's number, 14 days.
const MAX_WAIT_SECS: u64 = 14 * 24 * 3600;
/// What comes before the seconds in errors of code 420.
const WAITS: [&str; 6] = [
    "FLOOD_WAIT_",
    "FLOOD_PREMIUM_WAIT_",
    "SLOWMODE_WAIT_",
    "2FA_CONFIRM_WAIT_",
    "TAKEOUT_INIT_DELAY_",
    "FLOOD_TEST_PHONE_WAIT_",
];

/// What an error of the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RpcKind {
    /// 303: elsewhere.
    Migrate(Migrate),
    /// 420: later, after 1 s to 14 days. `FLOOD_WAIT_0` is a second.
    Wait(Duration),
    /// 401, and 406 `AUTH_KEY_DUPLICATED`: the account is not signed in here any more, or never was.
    SignedOut(SignedOut),
    /// `AUTH_KEY_PERM_EMPTY`: the temporary key is not bound.
    NotBound,
    /// `SESSION_PASSWORD_NEEDED`.
    PasswordNeeded,
    /// `CONNECTION_NOT_INITED`, `CONNECTION_LAYER_INVALID`.
    NotInitialized,
    /// 500, -503 and the like, `MSG_WAIT_FAILED`: the server's trouble; try again.
    Server,
    /// Everything else: the call is wrong or forbidden.
    Other,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrate {
    /// PHONE_MIGRATE_X, NETWORK_MIGRATE_X, USER_MIGRATE_X: the account lives there.
    Account(DcId),
    /// FILE_MIGRATE_X, STATS_MIGRATE_X: only this call.
    Call(DcId),
}

impl RpcError {
    /// What it means.
    pub fn kind(&self) -> RpcKind {
        let name = self.message.as_str();
        match name {
            // 400 by the documentation, other codes were seen.
            "CONNECTION_NOT_INITED" | "CONNECTION_LAYER_INVALID" => return RpcKind::NotInitialized,
            "MSG_WAIT_FAILED" | "MSG_WAIT_TIMEOUT" => return RpcKind::Server,
            "SESSION_PASSWORD_NEEDED" => return RpcKind::PasswordNeeded,
            "AUTH_KEY_PERM_EMPTY" => return RpcKind::NotBound,
            _ => {}
        }
        match self.code {
            303 => migration(name).map_or(RpcKind::Other, RpcKind::Migrate),
            401 => signed_out(name).map_or(RpcKind::Other, RpcKind::SignedOut),
            406 if name == "AUTH_KEY_DUPLICATED" => RpcKind::SignedOut(SignedOut::KeyDuplicated),
            420 => wait(name).map_or(RpcKind::Other, RpcKind::Wait),
            // It is an error of the conversation: sign-in has to begin again.
            500 if name.starts_with("AUTH_RESTART") => RpcKind::Other,
            500 => RpcKind::Server,
            ..0 => RpcKind::Server,
            _ => RpcKind::Other,
        }
    }

    /// A pause that all calls of the method share. That of a chat's slow mode is the chat's.
    pub(super) fn is_of_method(&self) -> bool {
        self.message.starts_with("FLOOD_WAIT_") || self.message.starts_with("FLOOD_PREMIUM_WAIT_")
    }

    /// The call was to come after another one, which the server did not execute (in time).
    pub(super) fn is_of_order(&self) -> bool {
        matches!(
            self.message.as_str(),
            "MSG_WAIT_FAILED" | "MSG_WAIT_TIMEOUT"
        )
    }

    /// A timeout inside the server: the call may have been executed.
    pub(super) fn is_timeout(&self) -> bool {
        self.code == -503
    }
}

fn migration(name: &str) -> Option<Migrate> {
    let (kind, dc) = name.split_once("_MIGRATE_")?;
    let dc = dc_id(dc.parse().ok()?)?;
    match kind {
        "PHONE" | "NETWORK" | "USER" => Some(Migrate::Account(dc)),
        "FILE" | "STATS" => Some(Migrate::Call(dc)),
        _ => None,
    }
}

fn wait(name: &str) -> Option<Duration> {
    let secs = WAITS
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?
        .parse::<u64>()
        .ok()?;
    Some(Duration::from_secs(secs.clamp(1, MAX_WAIT_SECS)))
}

fn signed_out(name: &str) -> Option<SignedOut> {
    match name {
        "AUTH_KEY_UNREGISTERED" | "SESSION_REVOKED" => Some(SignedOut::Revoked),
        "SESSION_EXPIRED" => Some(SignedOut::Expired),
        "USER_DEACTIVATED" => Some(SignedOut::Deactivated),
        "USER_DEACTIVATED_BAN" => Some(SignedOut::Banned),
        "AUTH_KEY_INVALID" => Some(SignedOut::KeyInvalid),
        "AUTH_KEY_DUPLICATED" => Some(SignedOut::KeyDuplicated),
        _ => None,
    }
}

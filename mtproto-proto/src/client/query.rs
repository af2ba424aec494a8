//! What a call is, by its first bytes.
//!
//! Does: finds the method behind wrappers; knows which methods sign in, need no user, are files'.
//! In: boxed functions. Out: ids and facts about them.
//! Must not know: where calls go (`machine.rs` does).
//! Spec: "Calling methods"; "User authorization"; "Uploading and Downloading Files".

use bytes::Bytes;
use mtproto_schema::api::functions::{auth, help, langpack, upload};
use mtproto_schema::{Function, Reader, api, mtproto};

/// Wrappers around wrappers; clients use up to three.
const MAX_WRAPPERS: usize = 8;

const BIND_TEMP_AUTH_KEY: u32 = auth::BindTempAuthKey::ID;
/// `auth.logOut`.
pub(super) const LOG_OUT: u32 = auth::LogOut::ID;

/// Methods that are answered to somebody who is not signed in, but for `auth.*`. Those keep a call
/// from waiting for an authorization that it does not need, or that it is part of.
const WITHOUT_USER: [u32; 17] = [
    help::GetConfig::ID,
    help::GetNearestDc::ID,
    help::GetAppConfig::ID,
    help::GetCountriesList::ID,
    help::GetCdnConfig::ID,
    langpack::GetLangPack::ID,
    langpack::GetStrings::ID,
    langpack::GetDifference::ID,
    langpack::GetLanguages::ID,
    langpack::GetLanguage::ID,
    api::functions::account::GetPassword::ID,
    mtproto::functions::DestroyAuthKey::ID,
    mtproto::functions::DestroySession::ID,
    mtproto::functions::Ping::ID,
    mtproto::functions::PingDelayDisconnect::ID,
    mtproto::functions::GetFutureSalts::ID,
    upload::GetCdnFile::ID,
];

/// `auth.*` that is answered to somebody who is not signed in.
const SIGNING_IN: [u32; 26] = [
    auth::SendCode::ID,
    auth::SignUp::ID,
    auth::SignIn::ID,
    auth::ImportAuthorization::ID,
    BIND_TEMP_AUTH_KEY,
    auth::ImportBotAuthorization::ID,
    auth::CheckPassword::ID,
    auth::RequestPasswordRecovery::ID,
    auth::RecoverPassword::ID,
    auth::ResendCode::ID,
    auth::CancelCode::ID,
    auth::DropTempAuthKeys::ID,
    auth::ExportLoginToken::ID,
    auth::ImportLoginToken::ID,
    auth::CheckRecoveryPassword::ID,
    auth::ImportWebTokenAuthorization::ID,
    auth::RequestFirebaseSms::ID,
    auth::ResetLoginEmail::ID,
    auth::ReportMissingCode::ID,
    auth::CheckPaidAuth::ID,
    auth::InitPasskeyLogin::ID,
    auth::FinishPasskeyLogin::ID,
    auth::CancelWebTokenAuthorization::ID,
    auth::InitFirebasePnvLogin::ID,
    auth::FinishFirebasePnvLogin::ID,
    auth::FirebasePnvSignUp::ID,
];

const FILES: [u32; 8] = [
    upload::SaveFilePart::ID,
    upload::GetFile::ID,
    upload::SaveBigFilePart::ID,
    upload::GetWebFile::ID,
    upload::GetCdnFile::ID,
    upload::ReuploadCdnFile::ID,
    upload::GetCdnFileHashes::ID,
    upload::GetFileHashes::ID,
];

/// The id in front of a boxed object.
pub(super) fn constructor(body: &Bytes) -> u32 {
    body.first_chunk().map_or(0, |id| u32::from_le_bytes(*id))
}

/// The call itself, without what is wrapped around it.
pub(super) fn unwrapped(body: &Bytes) -> Bytes {
    let mut query = body.clone();
    for _ in 0..MAX_WRAPPERS {
        match inner(&query) {
            Some(inner) if inner.len() >= 4 => query = inner,
            Some(_) | None => break,
        }
    }
    query
}

/// What is inside the outermost wrapper; `None` if there is none.
fn inner(query: &Bytes) -> Option<Bytes> {
    let mut r = Reader::new(query);
    match r.u32() {
        // invokeAfterMsg, invokeWithTakeout
        0xcb9f_372d | 0xaca9_fd2e => r.skip(8),
        // invokeAfterMsgs
        0x3dc4_b4f0 => {
            r.vector_id()?;
            let count = r.count(8)?;
            r.skip(count.saturating_mul(8));
        }
        // initConnection
        0xc1cd_5ea9 => {
            let flags = r.u32();
            r.skip(4);
            for _ in 0..6 {
                r.skip_bytes();
            }
            if flags & 1 != 0 {
                let _: api::types::InputClientProxy = r.get()?;
            }
            if flags & 2 != 0 {
                let _: api::enums::JsonValue = r.get()?;
            }
        }
        // invokeWithLayer
        0xda9b_0d0d => r.skip(4),
        // invokeWithoutUpdates
        0xbf94_59b7 => {}
        // invokeWithMessagesRange: a boxed messageRange of two ints
        0x3652_75f2 => r.skip(12),
        // invokeWithBusinessConnection, invokeWithReCaptcha
        0xdd28_9f8e | 0xadbb_0f94 => r.skip_bytes(),
        // invokeWithGooglePlayIntegrity, invokeWithApnsSecret
        0x1df9_2984 | 0x0dae_54f8 => {
            r.skip_bytes();
            r.skip_bytes();
        }
        _ => return None,
    }
    let rest = r.rest();
    r.check().ok()?;
    Some(rest)
}

/// Whether the method is answered only to somebody who is signed in.
pub(super) fn needs_user(method: u32) -> bool {
    !WITHOUT_USER.contains(&method) && !SIGNING_IN.contains(&method)
}

/// Whether the answer may be that somebody is signed in here. Not `auth.importAuthorization`:
/// its account lives elsewhere.
pub(super) fn may_sign_in(method: u32) -> bool {
    SIGNING_IN.contains(&method) && method != auth::ImportAuthorization::ID
}

/// Whether the method is about the bytes of files.
pub(super) fn is_file(method: u32) -> bool {
    FILES.contains(&method)
}

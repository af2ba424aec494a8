//! `invokeWithLayer(initConnection(..))` around calls.
//!
//! Does: the bytes that go before a call until the server has answered one.
//! In: what the application says of itself. Out: a prefix.
//! Must not know: when it is needed (`session/outgoing.rs` does), the API's types.
//! Spec: "Calling API methods"; "invokeWithLayer"; "initConnection".

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::tl;

const INVOKE_WITH_LAYER: u32 = 0xda9b_0d0d;
const INIT_CONNECTION: u32 = 0xc1cd_5ea9;

/// What an application says of itself when a connection begins.
///
/// ```
/// use mtproto_proto::connection::InitParams;
///
/// let mut init = InitParams::new(12345, 230);
/// init.device_model = "Kitchen display".into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitParams {
    /// The application's `api_id`, from my.telegram.org.
    pub api_id: i32,
    /// The API layer whose types the application understands.
    pub layer: i32,
    /// The device, shown in the list of sessions.
    pub device_model: String,
    /// The operating system, shown in the list of sessions.
    pub system_version: String,
    /// The application's version, shown in the list of sessions.
    pub app_version: String,
    /// The system's language, ISO 639-1.
    pub system_lang_code: String,
    /// Empty but for official applications.
    pub lang_pack: String,
    /// The application's language, ISO 639-1.
    pub lang_code: String,
}

impl InitParams {
    /// Neutral values, to be changed field by field.
    pub fn new(api_id: i32, layer: i32) -> Self {
        InitParams {
            api_id,
            layer,
            device_model: "Unknown".into(),
            system_version: "Unknown".into(),
            app_version: env!("CARGO_PKG_VERSION").into(),
            system_lang_code: "en".into(),
            lang_pack: String::new(),
            lang_code: "en".into(),
        }
    }

    /// Everything that stands before the call itself.
    pub fn prefix(&self) -> Bytes {
        let mut out = Vec::new();
        tl::put_u32(&mut out, INVOKE_WITH_LAYER);
        tl::put_i32(&mut out, self.layer);
        tl::put_u32(&mut out, INIT_CONNECTION);
        // Neither proxy nor params.
        tl::put_u32(&mut out, 0);
        tl::put_i32(&mut out, self.api_id);
        for text in [
            &self.device_model,
            &self.system_version,
            &self.app_version,
            &self.system_lang_code,
            &self.lang_pack,
            &self.lang_code,
        ] {
            tl::put_bytes(&mut out, text.as_bytes());
        }
        out.into()
    }
}

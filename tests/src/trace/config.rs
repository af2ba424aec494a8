//! Configurations as words of a line.
//!
//! Does: every field of what machines are made from, by name, and back. What a trace cannot hold
//! is refused when it is recorded, not discovered when it is replayed.
//! In: configurations, or pairs. Out: the other one.
//! Must not know: what the fields do.
//! Spec: none.

use std::fmt::Debug;

use mtproto_proto::DcId;
use mtproto_proto::connection::{ClientConfig, InitParams};
use mtproto_proto::server::ServerConfig;
use mtproto_proto::session::{self, SendOptions};

use super::text::{Pairs, put};

/// Something that a machine is made from.
pub(super) trait Stored: Sized + Debug {
    /// Appends ` name=value` for each field, every name behind `prefix`.
    fn put(&self, prefix: &str, out: &mut String);
    /// Takes it out of the pairs.
    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self>;

    /// The words, if what they read as is this.
    fn words(&self) -> Option<String> {
        let mut out = String::new();
        self.put("", &mut out);
        // A field that this file does not name would be lost without a word.
        let mut pairs = Pairs::read(out.split(' ').filter(|word| !word.is_empty()))?;
        let again = Self::take("", &mut pairs)?;
        (format!("{again:?}") == format!("{self:?}")).then_some(out)
    }
}

/// Fields that are words, written and read by name.
macro_rules! fields {
    ($put:ident, $take:ident, $type:ty: $($field:ident),* $(,)?) => {
        fn $put(value: &$type, prefix: &str, out: &mut String) {
            $(put(out, &format!("{prefix}{}", stringify!($field)), &value.$field);)*
        }

        fn $take(value: &mut $type, prefix: &str, pairs: &mut Pairs<'_>) -> Option<()> {
            $(pairs.take(&format!("{prefix}{}", stringify!($field)), &mut value.$field)?;)*
            Some(())
        }
    };
}
#[cfg(feature = "client")]
pub(super) use fields;

fields!(put_session, take_session, session::Config:
    request_timeout, max_retries, max_requests, ack_delay, ping_interval, ping_interval_busy,
    ping_interval_online, pong_timeout, pong_timeout_online, compress_from, max_notices,
    max_notice_bytes, state_after, max_request_bytes,
);

fields!(put_limits, take_limits, session::Limits:
    packet, container_items, inflated, inflate_ratio, acks, unwanted_bytes, update_bytes,
    answer_bytes, calls, call_bytes,
);

impl Stored for session::Config {
    fn put(&self, prefix: &str, out: &mut String) {
        put_session(self, prefix, out);
        put_limits(&self.limits, &format!("{prefix}limits."), out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let mut config = session::Config::default();
        take_session(&mut config, prefix, pairs)?;
        take_limits(&mut config.limits, &format!("{prefix}limits."), pairs)?;
        Some(config)
    }
}

fields!(put_init, take_init, InitParams:
    api_id, layer, device_model, system_version, app_version, system_lang_code, lang_pack,
    lang_code,
);

/// There is none without this name.
const API_ID: &str = "init.api_id";

impl Stored for Option<InitParams> {
    fn put(&self, prefix: &str, out: &mut String) {
        if let Some(init) = self {
            put_init(init, &format!("{prefix}init."), out);
        }
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let mut init = InitParams::new(0, 0);
        let mut api_id = None;
        pairs.take(&format!("{prefix}{API_ID}"), &mut api_id)?;
        let Some(api_id) = api_id else {
            return Some(None);
        };
        init.api_id = api_id;
        take_init(&mut init, &format!("{prefix}init."), pairs)?;
        Some(Some(init))
    }
}

fields!(put_client, take_client, ClientConfig:
    framing, obfuscation, public_keys, pfs, handshake_timeout,
);

impl Stored for ClientConfig {
    fn put(&self, prefix: &str, out: &mut String) {
        put(out, &format!("{prefix}dc"), &self.dc);
        put_client(self, prefix, out);
        self.init.put(prefix, out);
        self.session.put(&format!("{prefix}session."), out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let dc: DcId = pairs.need(&format!("{prefix}dc"))?;
        let mut config = ClientConfig::new(dc, Vec::new());
        take_client(&mut config, prefix, pairs)?;
        config.init = Stored::take(prefix, pairs)?;
        config.session = Stored::take(&format!("{prefix}session."), pairs)?;
        Some(config)
    }
}

fields!(put_server, take_server, ServerConfig:
    keys, secrets, fallback, handshake_timeout, idle_timeout, session_timeout, max_streams,
    max_refused_streams, max_streams_per_key, max_streams_per_source, max_input_bytes, max_headers,
    handshakes_per_second, source_handshakes_per_minute, max_half_open, max_keys,
    forget_unkept_keys, max_temp_keys_per_key, max_sessions_per_key, max_sessions, external_keys,
    journal, max_unacked_bytes, max_running_bytes,
);

impl Stored for ServerConfig {
    fn put(&self, prefix: &str, out: &mut String) {
        put(out, &format!("{prefix}dc"), &self.dc);
        put_server(self, prefix, out);
        self.session.put(&format!("{prefix}session."), out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let dc: DcId = pairs.need(&format!("{prefix}dc"))?;
        let mut config = ServerConfig::new(dc, Vec::new());
        take_server(&mut config, prefix, pairs)?;
        config.session = Stored::take(&format!("{prefix}session."), pairs)?;
        Some(config)
    }
}

fields!(put_options, take_options, SendOptions:
    deadline, quick_ack, max_retries, idempotent, after,
);

impl Stored for SendOptions {
    fn put(&self, prefix: &str, out: &mut String) {
        put_options(self, prefix, out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let mut options = SendOptions::default();
        take_options(&mut options, prefix, pairs)?;
        Some(options)
    }
}

//! The configuration that every client asks for first.
//!
//! Does: `help.getConfig` of a network of test DCs.
//! In: the DCs and where they listen, the time. Out: [`Config`].
//! Must not know: who asks.
//! Spec: "Client configuration".

use std::net::SocketAddr;

use mtproto_proto::DcId;
use mtproto_schema::api::types::{Config, DcOption};

/// How long clients may use a configuration, in seconds: they ask again after an hour.
const LIFETIME: i32 = 3600;

/// The configuration of a network of these DCs, as one of them, `this`, gives it.
///
/// Limits and periods are of the size that clients expect; nothing here enforces them.
pub fn config(this: DcId, dcs: &[(DcId, SocketAddr)], date: i32) -> Config {
    Config {
        default_p2p_contacts: false,
        preload_featured_stickers: false,
        revoke_pm_inbox: true,
        blocked_mode: false,
        force_try_ipv6: false,
        date,
        expires: date.saturating_add(LIFETIME),
        test_mode: false,
        this_dc: this.0.into(),
        dc_options: dcs.iter().map(|(dc, addr)| option(*dc, *addr)).collect(),
        dc_txt_domain_name: "localhost".into(),
        chat_size_max: 200,
        megagroup_size_max: 200_000,
        forwarded_count_max: 100,
        online_update_period_ms: 210_000,
        offline_blur_timeout_ms: 5_000,
        offline_idle_timeout_ms: 30_000,
        online_cloud_timeout_ms: 300_000,
        notify_cloud_delay_ms: 30_000,
        notify_default_delay_ms: 1_500,
        push_chat_period_ms: 60_000,
        push_chat_limit: 2,
        edit_time_limit: 172_800,
        revoke_time_limit: i32::MAX,
        revoke_pm_time_limit: i32::MAX,
        rating_e_decay: 2_419_200,
        stickers_recent_limit: 200,
        channels_read_media_period: 604_800,
        tmp_sessions: None,
        call_receive_timeout_ms: 20_000,
        call_ring_timeout_ms: 90_000,
        call_connect_timeout_ms: 30_000,
        call_packet_timeout_ms: 10_000,
        me_url_prefix: "http://localhost/".into(),
        autoupdate_url_prefix: None,
        gif_search_username: None,
        venue_search_username: None,
        img_search_username: None,
        static_maps_provider: None,
        caption_length_max: 1_024,
        message_length_max: 4_096,
        webfile_dc_id: this.0.into(),
        suggested_lang_code: None,
        reactions_default: None,
        autologin_token: None,
    }
}

fn option(dc: DcId, addr: SocketAddr) -> DcOption {
    DcOption {
        ipv6: addr.is_ipv6(),
        media_only: false,
        tcpo_only: false,
        cdn: false,
        r#static: false,
        this_port_only: true,
        id: dc.0.into(),
        ip_address: addr.ip().to_string().into(),
        port: i32::from(addr.port()),
        secret: None,
    }
}

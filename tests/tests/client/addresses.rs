//! Where DCs are, and in which order their addresses are tried.

use std::net::SocketAddr;

use mtproto_proto::client::{Action, CallOptions, Client, DcOption, DcTable, Route};
use mtproto_proto::transport::{Framing, Obfuscation, ProxySecret};
use mtproto_proto::{DcId, Fate};
use mtproto_test::Dice;
use mtproto_test::pair::START;

use crate::net::{Net, SECRET, addr, config};
use crate::queries::{open_call, unknown};
use crate::secs;

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Where a client without luck tries to connect to, in its first attempts.
fn tried(
    dcs: DcTable,
    route: Route,
    change: impl FnOnce(&mut mtproto_proto::client::Config),
) -> Vec<SocketAddr> {
    let mut config = config();
    config.dcs = dcs;
    change(&mut config);
    let mut client = Client::new(
        std::sync::Arc::new(config),
        Default::default(),
        Dice::from_env_or(1).rng(),
        START,
    )
    .unwrap();
    let mut now = START;
    let options = CallOptions::default().route(route).deadline(secs(3_600));
    client.send(now, open_call(), &options).unwrap();
    let mut tried = Vec::new();
    while tried.len() < 12 {
        while let Some(action) = client.poll_action() {
            if let Action::Connect { conn, target, .. } = action {
                let mtproto_proto::client::Target::Tcp(to) = target else {
                    panic!("{target:?}")
                };
                tried.push(to);
                client.handle_connect_failed(now, conn);
            }
        }
        now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
    }
    tried
}

/// Without what repeats.
fn round(tried: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let again = tried[1..].iter().position(|to| *to == tried[0]).unwrap();
    tried[..=again].to_vec()
}

#[test]
fn addresses_are_tried_in_turn_and_ports_after_them() {
    let mut dcs = DcTable::empty();
    for text in ["10.0.2.1:443", "10.0.2.2:443", "[::2]:443"] {
        dcs.add(DcOption::new(DcId(2), at(text)));
    }
    let mut fixed = DcOption::new(DcId(2), at("10.0.2.3:80"));
    fixed.this_port_only = true;
    dcs.add(fixed);
    for unused in ["10.9.9.9:443", "10.9.9.8:443", "10.9.9.7:443"] {
        let mut option = DcOption::new(DcId(2), at(unused));
        option.cdn = unused.contains(".9:");
        option.is_static = unused.contains(".8:");
        option.media_only = unused.contains(".7:");
        dcs.add(option);
    }
    let v4_first: Vec<SocketAddr> = [
        "10.0.2.1:443",
        "10.0.2.2:443",
        "10.0.2.3:80",
        "[::2]:443",
        "10.0.2.1:80",
        "10.0.2.2:80",
        "[::2]:80",
        "10.0.2.1:5222",
        "10.0.2.2:5222",
        "[::2]:5222",
    ]
    .map(at)
    .into();
    assert_eq!(round(tried(dcs.clone(), Route::Main, |_| {})), v4_first);
    let v6 = tried(dcs.clone(), Route::Main, |config| config.prefer_ipv6 = true);
    assert_eq!(v6[..2], [at("[::2]:443"), at("10.0.2.1:443")]);
    let media = tried(dcs, Route::Media(DcId(2)), |_| {});
    assert_eq!(media[..2], [at("10.9.9.7:443"), at("10.0.2.1:443")]);
}

#[test]
fn an_address_of_ones_own_is_not_tried_at_other_ports() {
    let mut dcs = DcTable::empty();
    dcs.set(DcId(2), at("127.0.0.1:4430"));
    assert_eq!(
        round(tried(dcs, Route::Main, |_| {})),
        [at("127.0.0.1:4430")]
    );
}

#[test]
fn telegrams_own_addresses_and_keys_are_known() {
    let config = mtproto_proto::client::Config::production(1, "hash");
    let prints = |config: &mtproto_proto::client::Config| {
        let keys = config.public_keys.iter();
        keys.map(|key| key.fingerprint().cast_unsigned())
            .collect::<Vec<_>>()
    };
    assert_eq!(prints(&config), [0xd09d_1d85_de64_fd85]);
    assert_eq!(config.dcs.iter().count(), 11);
    for dc in 1..=5 {
        assert!(config.dcs.get(DcId(dc)).any(|o| o.addr.is_ipv4()));
        assert!(config.dcs.get(DcId(dc)).any(|o| o.addr.is_ipv6()));
    }
    let config = mtproto_proto::client::Config::test(1, "hash");
    assert_eq!(prints(&config), [0xb258_98df_208d_2603]);
    assert!(config.test_mode);
    assert_eq!(config.dcs.iter().count(), 6);
    assert_eq!(
        config.dcs.get(DcId(2)).next().unwrap().addr,
        at("149.154.167.40:443")
    );
}

#[test]
fn a_table_survives_its_bytes_and_what_is_told_replaces_only_what_it_names() {
    let mut table = DcTable::production();
    let mut option = DcOption::new(DcId(4), at("[2001:db8::1]:5222"));
    (option.media_only, option.tcpo_only) = (true, true);
    option.secret = Some(vec![0xdd; 17]);
    table.add(option);
    let bytes = table.to_bytes().into();
    assert_eq!(DcTable::from_bytes(&bytes), Some(table.clone()));
    for cut in 1..bytes.len() {
        let part = DcTable::from_bytes(&bytes.slice(..cut));
        assert!(part.is_none_or(|part| part != table), "cut at {cut}");
    }
    let told = crate::queries::config_answer(START, 2);
    table.merge(&told);
    let dc = |id| table.get(DcId(id)).map(|o| o.addr).collect::<Vec<_>>();
    assert_eq!(dc(2), [addr(2)]);
    assert_eq!(dc(4), [addr(4)]);
    assert_eq!(dc(5).len(), 2, "not named, not changed");
}

#[test]
fn what_the_server_tells_of_dcs_is_used_and_stored() {
    let mut config = config();
    let mut dcs = DcTable::empty();
    dcs.set(DcId(2), addr(2));
    config.dcs = dcs;
    let mut net = Net::new(config.clone(), 41);
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(open_call(), &to_4);
    assert_eq!(net.answer(id), Err(unknown(4, Fate::NotSent)));
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.run(secs(1));
    let id = net.send_raw(open_call(), &to_4);
    assert!(net.answer(id).is_ok());
    net.restart(config);
    assert_eq!(net.client.dcs().iter().count(), 3);
}

#[test]
fn addresses_that_want_obfuscation_get_it() {
    let mut config = config();
    config.framing = Framing::Full;
    let mut dcs = DcTable::empty();
    let mut option = DcOption::new(DcId(2), addr(2));
    option.tcpo_only = true;
    dcs.add(option);
    config.dcs = dcs;
    // A full framing cannot be obfuscated; the server finds out by itself what comes.
    let mut net = Net::new(config, 42);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
}

#[test]
fn addresses_behind_fake_tls_get_it_and_those_of_unknown_secrets_are_left_alone() {
    let secret: ProxySecret = SECRET.parse().unwrap();
    let mut option = DcOption::new(DcId(2), addr(2));
    option.secret = Some(secret.to_bytes().to_vec());
    let mut config = config();
    config.dcs = DcTable::empty();
    config.dcs.add(option);
    let mut net = Net::new(config.clone(), 43);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());

    // The same when the secret is the account's own, and the address says nothing of it.
    let mut own = crate::net::config();
    own.obfuscation = Some(Obfuscation {
        secret: Some(secret),
        dc: None,
    });
    for config in [config.clone(), own] {
        let rng = Dice::from_env_or(1).rng();
        let mut client =
            Client::new(std::sync::Arc::new(config), Default::default(), rng, START).unwrap();
        let options = CallOptions::default();
        client.send(START, open_call(), &options).unwrap();
        let Some(Action::Connect { conn, .. }) = client.poll_action() else {
            panic!("no connection");
        };
        client.handle_connected(START, conn);
        assert_eq!(client.poll_action(), Some(Action::Transmit { conn }));
        let mut out = Vec::new();
        assert!(client.poll_transmit(START, conn, &mut out));
        assert!(out.starts_with(&[0x16, 3, 1]));
        assert!(out.windows(10).any(|bytes| bytes == b"google.com"));
        // Until that is answered there is nothing to write, and nobody is told that there is.
        assert!(!client.poll_transmit(START, conn, &mut out));
        client.send(START, open_call(), &options).unwrap();
        assert_eq!(client.poll_action(), None);
    }

    let mut unknown = DcOption::new(DcId(2), addr(2));
    unknown.secret = Some([&[0xee; 17][..], &[b'd'; 183]].concat());
    config.dcs = DcTable::empty();
    config.dcs.add(unknown);
    let mut net = Net::new(config, 44);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(
        net.answer(id),
        Err(crate::queries::unknown(2, Fate::NotSent))
    );
}

#[test]
fn a_told_table_without_an_address_for_calls_takes_none_away() {
    let mut told = crate::queries::config_answer(START, 2);
    for option in &mut told.dc_options {
        option.media_only = true;
        option.ip_address = "10.7.7.7".into();
    }
    told.dc_options[0].ip_address = "no address".into();
    let mut table = crate::net::table();
    table.merge(&told);
    for dc in [1, 2, 4] {
        assert!(table.get(DcId(dc)).any(|o| o.addr == addr(dc)), "DC {dc}");
    }
    assert_eq!(table.get(DcId(4)).count(), 2);
    // However much is told, it is bounded.
    let one = told.dc_options[1].clone();
    for id in 1..=9 {
        let mut many = told.clone();
        many.dc_options = (0..1_000)
            .map(|n| {
                let mut option = one.clone();
                option.id = id * 1_000 + n;
                option
            })
            .collect();
        table.merge(&many);
    }
    assert!(table.iter().count() <= 512);
    assert!(table.get(DcId(2)).any(|o| o.addr == addr(2)));
}

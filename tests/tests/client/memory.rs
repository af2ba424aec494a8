//! What a client costs that does nothing.

use std::sync::Arc;

use mtproto_proto::client::{CallOptions, Client, Snapshot};
use mtproto_test::Dice;
use mtproto_test::alloc::held;
use mtproto_test::pair::START;

use crate::net::{Net, config};
use crate::queries::user_call;
use crate::secs;

/// Bytes of an account that is stored, loaded and not connected: two keys with their salts, a few
/// KiB.
const IDLE: isize = 12 << 10;

#[test]
fn a_thousand_idle_accounts_are_cheap() {
    let mut net = Net::new(config(), 81);
    net.sign_in();
    let to_4 =
        CallOptions::default().route(mtproto_proto::client::Route::Dc(mtproto_proto::DcId(4)));
    let id = net.send_raw(user_call(1), &to_4);
    assert!(net.answer(id).is_ok());
    net.run(secs(120));
    let stored = net.client.snapshot();
    let config = Arc::new(config());
    let mut dice = Dice::from_env_or(81);
    let before = held();
    let clients: Vec<Client> = (0..1_000)
        .map(|_| Client::new(config.clone(), stored.clone(), dice.rng(), START).unwrap())
        .collect();
    let each = (held() - before) / 1_000;
    assert!(clients.iter().all(|client| client.account().is_some()));
    println!("{each} bytes each");
    assert!(each < IDLE, "{each} bytes each");
    assert!(clients.iter().all(|client| client.poll_timeout().is_none()));
}

#[test]
fn a_client_whose_streams_were_closed_keeps_no_sessions() {
    let mut net = Net::new(config(), 82);
    net.sign_in();
    net.run(secs(400));
    assert_eq!(net.open_streams(), [0_i16; 0]);
    let before = held();
    let client = std::mem::replace(
        &mut net.client,
        Client::new(
            Arc::new(config()),
            Snapshot::new(),
            Dice::from_env_or(1).rng(),
            START,
        )
        .unwrap(),
    );
    drop(client);
    let kept = before - held();
    assert!(kept < IDLE, "{kept} bytes");
}

//! Several DCs: where an account is at home, and how its login goes elsewhere.

use bytes::Bytes;
use mtproto_proto::handshake::client;
use mtproto_proto::transport::Framing;
use mtproto_proto::{DcId, Time};
use mtproto_schema::Encode;
use mtproto_schema::api::functions::InvokeWithoutUpdates;
use mtproto_schema::api::functions::auth::{ExportAuthorization, ImportAuthorization, LogOut};
use mtproto_schema::api::functions::help::{GetConfig, GetNearestDc};
use mtproto_schema::api::types::auth::ExportedAuthorization;
use mtproto_schema::mtproto::functions::DestroyAuthKey;
use mtproto_test::{Dice, Line, Seed, TestDc, peer};

use super::support::{
    ANN, BEN, BOT, UNREGISTERED, ann, bot_sign_in, client, code, send_code, try_sign_in, update,
    user, who_am_i, world,
};
use crate::by_hand::{Client, door};

#[test]
fn every_dc_names_all_of_them_with_their_addresses() {
    let dc = world(|_| {});
    let expected: Vec<_> = dc
        .dcs()
        .iter()
        .map(|(id, addr)| {
            (
                i32::from(id.0),
                "127.0.0.1".to_owned(),
                i32::from(addr.port()),
            )
        })
        .collect();
    assert_eq!(expected.len(), 2);
    assert_eq!(dc.addrs(), [dc.dcs()[0].1, dc.dcs()[1].1]);
    assert_eq!((dc.addr(), dc.dc()), (dc.addrs()[0], DcId(2)));
    for id in [2, 4] {
        let mut client = Client::new(door(&dc, id), 1);
        let config = client.initialize();
        assert_eq!(config.this_dc, i32::from(id));
        let told: Vec<_> = config
            .dc_options
            .iter()
            .map(|dc| (dc.id, dc.ip_address.to_string(), dc.port))
            .collect();
        assert_eq!(told, expected);
        let nearest = client.call(&GetNearestDc).unwrap();
        assert_eq!(
            (nearest.this_dc, nearest.nearest_dc),
            (i32::from(id), 2),
            "clients begin at the first one"
        );
    }
}

#[test]
fn a_handshake_names_the_dc_also_for_media_and_for_test_and_no_other() {
    let dc = world(|_| {});
    let made = |named: i16| {
        let mut dice = Dice::new(Seed(5));
        let rng = dice.rng();
        let mut line = Line::connect(dc.addrs()[1], Framing::Abridged, None, rng).unwrap();
        let config = client::Config::new(vec![dc.public_key()], DcId(named));
        let mut refused = false;
        let made = peer::make_key(config, Time::ZERO, &mut dice.rng(), |packet| {
            line.exchange(packet).unwrap_or_else(|_| {
                refused = true;
                Vec::new()
            })
        });
        made.is_ok() && !refused
    };
    for named in [4, -4, 10_004, -10_004] {
        assert!(made(named), "{named}");
    }
    for named in [2, -2, 10_002, 5] {
        assert!(!made(named), "{named}");
    }
}

#[test]
fn whoever_is_at_home_elsewhere_is_sent_there() {
    let dc = world(|_| {});
    let (mut two, mut four) = (client(&dc, 1), client(door(&dc, 4), 2));
    assert_eq!(
        two.call(&send_code(BEN)).unwrap_err(),
        "303 PHONE_MIGRATE_4"
    );
    let hash = code(&mut four, BEN).phone_code_hash;
    assert_eq!(
        super::support::say(&mut two, BEN, &hash, "22222").unwrap_err(),
        "303 PHONE_MIGRATE_4"
    );
    assert_eq!(
        four.call(&send_code(ANN)).unwrap_err(),
        "303 PHONE_MIGRATE_2"
    );
    assert_eq!(
        four.call(&bot_sign_in(BOT)).unwrap_err(),
        "303 USER_MIGRATE_2"
    );
    let ben = user(try_sign_in(&mut four, BEN, "22222").unwrap());
    assert_eq!(ben.id, 12, "configured for DC 4, whatever the number says");
    assert_eq!(
        two.call(&send_code("+9996641234")).unwrap_err(),
        "303 PHONE_MIGRATE_4",
        "an unknown test number says where it belongs"
    );
    assert_eq!(
        four.call(&send_code("+9996631234")).unwrap_err(),
        "303 PHONE_MIGRATE_2",
        "and to the first DC if that is not there"
    );
}

#[test]
fn a_network_may_belong_to_a_dc() {
    let dc = world(|config| config.network_dc = Some(DcId(4)));
    let (mut two, mut four) = (client(&dc, 1), client(door(&dc, 4), 2));
    assert_eq!(
        two.call(&send_code("+4915112345678")).unwrap_err(),
        "303 NETWORK_MIGRATE_4"
    );
    assert!(four.call(&send_code("+4915112345678")).is_ok());
    assert!(two.call(&send_code(ANN)).is_ok(), "she is at home here");
    assert_eq!(two.call(&GetNearestDc).unwrap().nearest_dc, 4);
}

fn export(client: &mut Client, dc_id: i32) -> Result<ExportedAuthorization, String> {
    client.call(&ExportAuthorization { dc_id })
}

fn import(client: &mut Client, exported: &ExportedAuthorization) -> Result<i64, String> {
    let query = ImportAuthorization {
        id: exported.id,
        bytes: exported.bytes.clone(),
    };
    client.call(&query).map(|imported| user(imported).id)
}

#[test]
fn a_login_is_taken_to_another_dc_for_files_and_ends_with_the_first_one() {
    let dc = world(|_| {});
    let (mut two, mut four) = (ann(&dc, 1), client(door(&dc, 4), 2));
    let exported = export(&mut two, 4).unwrap();
    assert_eq!(exported.id, 11);
    assert_eq!(import(&mut four, &exported), Ok(11));
    assert_eq!(
        who_am_i(&mut four).unwrap_err(),
        "303 USER_MIGRATE_2",
        "talk at home only"
    );
    assert_eq!(
        export(&mut four, 2).unwrap_err(),
        "303 USER_MIGRATE_2",
        "not from there"
    );
    assert_eq!(who_am_i(&mut two), Ok(11));
    assert_eq!(two.call(&LogOut).map(|_| ()), Ok(()));
    assert_eq!(who_am_i(&mut four).unwrap_err(), "401 SESSION_REVOKED");
}

#[test]
fn wrong_transfers_are_refused_by_name() {
    let dc = world(|_| {});
    let (mut two, mut four) = (ann(&dc, 1), client(door(&dc, 4), 2));
    for dc_id in [0, 2, 5, -4] {
        assert_eq!(export(&mut two, dc_id).unwrap_err(), "400 DC_ID_INVALID");
    }
    assert_eq!(export(&mut four, 2).unwrap_err(), UNREGISTERED);
    let exported = export(&mut two, 4).unwrap();
    let invalid = "400 AUTH_BYTES_INVALID";
    for bytes in [
        Bytes::new(),
        Bytes::from(vec![0; 128]),
        exported.bytes.slice(1..),
    ] {
        let wrong = ExportedAuthorization {
            id: exported.id,
            bytes,
        };
        assert_eq!(import(&mut four, &wrong).unwrap_err(), invalid);
    }
    assert_eq!(
        import(&mut two, &exported).unwrap_err(),
        invalid,
        "for another DC"
    );
    let other = ExportedAuthorization {
        id: 12,
        bytes: exported.bytes.clone(),
    };
    assert_eq!(
        import(&mut four, &other).unwrap_err(),
        "400 USER_ID_INVALID"
    );
    assert_eq!(import(&mut four, &exported), Ok(11));
    assert_eq!(
        import(&mut four, &exported).unwrap_err(),
        invalid,
        "used up"
    );
    let late = export(&mut two, 4).unwrap();
    two.call(&LogOut).unwrap();
    assert_eq!(
        import(&mut four, &late).unwrap_err(),
        invalid,
        "of a login that ended"
    );
}

#[test]
fn updates_reach_the_account_at_home_and_nobody_else() {
    let dc = world(|_| {});
    let mut one = ann(&dc, 1);
    let mut two = ann(&dc, 2);
    let mut stranger = client(&dc, 3);
    let mut abroad = client(door(&dc, 4), 4);
    let exported = export(&mut one, 4).unwrap();
    import(&mut abroad, &exported).unwrap();
    let mut quiet = one.sibling(&dc, 5);
    quiet
        .call(&InvokeWithoutUpdates { query: GetConfig })
        .unwrap();
    assert_eq!(dc.push_to(11, update()), 2);
    assert_eq!(dc.push_to(12, update()), 0, "Ben is not there");
    assert_eq!(dc.push_to(99, update()), 0);
    for (client, hears) in [
        (&mut one, true),
        (&mut two, true),
        (&mut stranger, false),
        (&mut abroad, false),
    ] {
        assert_eq!(client.has_heard(&update()), hears);
    }
    quiet.call(&GetConfig).unwrap();
    assert_eq!(dc.push_to(11, update()), 3, "now it wants updates");
}

#[test]
fn a_login_belongs_to_the_permanent_key() {
    let dc = world(|_| {});
    let mut perm = client(&dc, 1);
    let mut temp = Client::temporary(&dc, 2);
    assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true));
    user(try_sign_in(&mut temp, ANN, "22222").unwrap());
    assert_eq!(who_am_i(&mut perm), Ok(11));
    let mut next = Client::temporary(&dc, 3);
    assert_eq!(next.bind(&perm.peer, |_| {}), Ok(true));
    assert_eq!(who_am_i(&mut next), Ok(11));
    assert_eq!(dc.push_to(11, update()), 3);
    assert!(next.has_heard(&update()));
}

#[test]
fn a_destroyed_key_ends_its_login() {
    let dc = world(|_| {});
    let mut gone = ann(&dc, 1);
    let other = ann(&dc, 2);
    assert_eq!(dc.push_to(11, update()), 2);
    let item = gone
        .peer
        .item(gone.now, true, DestroyAuthKey.to_bytes().to_vec());
    gone.send_item(&item);
    let _: mtproto_schema::mtproto::enums::DestroyAuthKeyRes = gone.update();
    assert_eq!(dc.push_to(11, update()), 1);
    assert_eq!(dc.revoke(11), 1, "the other one was left");
    drop(other);
}

#[test]
fn an_account_that_moves_is_sent_after_and_takes_its_login_along() {
    let dc = world(|_| {});
    let (mut two, mut four) = (ann(&dc, 1), client(door(&dc, 4), 2));
    dc.move_to(11, DcId(4)).unwrap();
    assert_eq!(who_am_i(&mut two).unwrap_err(), "303 USER_MIGRATE_4");
    let exported = export(&mut two, 4).unwrap();
    assert_eq!(import(&mut four, &exported), Ok(11));
    assert_eq!(who_am_i(&mut four), Ok(11));
    assert_eq!(dc.push_to(11, update()), 1, "updates follow");
    assert!(four.has_heard(&update()));
    for (user, to) in [(11, 5), (99, 2)] {
        assert!(dc.move_to(user, DcId(to)).is_err());
    }
}

#[test]
fn all_streams_break_and_the_session_goes_on_over_another_one() {
    let dc = world(|_| {});
    let mut ann = ann(&dc, 1);
    assert_eq!(dc.cut(), 1);
    assert!(ann.line.recv().is_err());
    assert_eq!(dc.push_to(11, update()), 0);
    let rng = Dice::new(Seed(2)).rng();
    ann.line = Line::connect(dc.addr(), Framing::Intermediate, None, rng).unwrap();
    assert_eq!(who_am_i(&mut ann), Ok(11));
    assert_eq!(dc.push_to(11, update()), 1);
}

/// A client's stream to a DC from this address.
fn from(address: &str, dc: &TestDc) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind(format!("{address}:0").parse().unwrap())
            .unwrap();
        let stream = socket.connect(dc.addr()).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    })
}

#[test]
fn a_key_that_is_used_from_two_addresses_dies_only_if_it_is_to() {
    for refused in [false, true] {
        let dc = world(|config| config.refuse_duplicated_keys = refused);
        let mut here = ann(&dc, 1);
        let mut same = here.sibling(&dc, 2);
        assert_eq!(who_am_i(&mut same), Ok(11), "the same address");
        let mut there = here.sibling(&dc, 3);
        let rng = Dice::new(Seed(4)).rng();
        let stream = from("127.0.0.2", &dc);
        there.line = Line::over(stream, Framing::Intermediate, None, rng).unwrap();
        let duplicated = Err("406 AUTH_KEY_DUPLICATED".to_owned());
        let expected = if refused { duplicated } else { Ok(11) };
        assert_eq!(who_am_i(&mut there), expected);
        assert_eq!(who_am_i(&mut here), expected, "everywhere");
    }
}

//! Accounts that talk, over several DCs and a restart.

use std::fs;

use mtproto_proto::transport::Framing;
use mtproto_schema::api::enums::messages::Messages;
use mtproto_schema::api::enums::{InputPeer, Message, Peer, Updates, User};
use mtproto_schema::api::functions::contacts::ResolveUsername;
use mtproto_schema::api::functions::messages::{GetHistory, SendMessage};
use mtproto_schema::api::types::InputPeerUser;
use mtproto_test::{Dice, Line, Seed};

use super::state::scratch;
use super::support::{BEN, ann, client, try_sign_in, user, world};
use crate::by_hand::{Client, door};

/// How the client names another account.
fn resolve(client: &mut Client, username: &str) -> InputPeer {
    let query = ResolveUsername {
        username: username.into(),
        referer: None,
    };
    let resolved = client.call(&query).unwrap();
    let (Peer::User(peer), [User::User(user)]) = (&resolved.peer, &resolved.users[..]) else {
        panic!("{resolved:?}");
    };
    InputPeer::User(InputPeerUser {
        user_id: peer.user_id,
        access_hash: user.access_hash.unwrap(),
    })
}

pub fn message(peer: InputPeer, text: &str) -> SendMessage {
    SendMessage {
        no_webpage: false,
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to: None,
        message: text.into(),
        random_id: 7,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
        rich_message: None,
    }
}

fn history(client: &mut Client, peer: InputPeer) -> Vec<String> {
    let query = GetHistory {
        peer,
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 10,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    let Messages::Messages(history) = client.call(&query).unwrap() else {
        panic!("all of it fits");
    };
    let text = |message: &Message| {
        let Message::Message(message) = message else {
            panic!("nothing else was said");
        };
        message.message.to_string()
    };
    history.messages.iter().map(text).collect()
}

#[test]
fn a_message_reaches_another_dc_at_once_and_is_still_there_after_a_restart() {
    let path = scratch("talk.json");
    let start = || {
        world(|config| {
            config.accounts[1].username = Some("ben_at_four".into());
            config.state = Some(path.clone());
        })
    };
    let dc = start();
    let mut ann = ann(&dc, 1);
    let mut ben = client(door(&dc, 4), 2);
    user(try_sign_in(&mut ben, BEN, "22222").unwrap());
    let to_ben = resolve(&mut ann, "ben_at_four");
    ann.call(&message(to_ben, "hello over there")).unwrap();
    let heard = format!("{:?}", ben.update::<Updates>());
    assert!(heard.contains("hello over there"), "{heard}");
    drop(dc);

    let dc = start();
    let mut ben = ben.sibling(door(&dc, 4), 3);
    let ann_ = resolve(&mut ben, "ann_lee");
    assert_eq!(history(&mut ben, ann_), ["hello over there"]);
    let mut ann = ann.sibling(&dc, 4);
    let to_ben = resolve(&mut ann, "ben_at_four");
    assert_eq!(history(&mut ann, to_ben), ["hello over there"]);
    drop(dc);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_session_without_a_stream_misses_a_push_and_the_next_one_finds_it() {
    let dc = world(|config| config.accounts[1].dc = Some(2));
    let mut ann = ann(&dc, 1);
    let mut ben = client(&dc, 2);
    user(try_sign_in(&mut ben, BEN, "22222").unwrap());
    let to_ann = resolve(&mut ben, "ann_lee");
    assert_eq!(dc.cut(), 2);
    let again = |seed| {
        let rng = Dice::new(Seed(seed)).rng();
        Line::connect(dc.addr(), Framing::Intermediate, None, rng).unwrap()
    };
    ben.line = again(3);
    ben.call(&message(to_ann, "are you there?")).unwrap();
    ann.line = again(4);
    let query = mtproto_schema::api::functions::updates::GetDifference {
        pts_limit: None,
        pts: 1,
        pts_total_limit: None,
        date: 1,
        qts: 0,
        qts_limit: None,
    };
    let difference = format!("{:?}", ann.call(&query).unwrap());
    assert!(difference.contains("are you there?"), "{difference}");
}

//! Saying something, reading it back, taking it back.

use mtproto_schema::Encode;
use mtproto_schema::api::functions::messages::{
    DeleteHistory, DeleteMessages, GetDialogs, GetMessages, GetPeerDialogs, ReadHistory,
    ReadMessageContents, Search, SendMedia, SetTyping,
};
use mtproto_schema::api::{enums, types};

use super::follower::{edit, marked};
use super::stage::{
    ANNA, BERT, CLEO, Refused, Stage, chat_peer, forward, history, id_and_text, long, message,
    messages_of, new_id, refused, reply, updates_of,
};

fn delete(id: &[i32], revoke: bool) -> DeleteMessages {
    DeleteMessages {
        revoke,
        id: id.to_vec(),
    }
}

fn search(peer: enums::InputPeer, q: &str, filter: enums::MessagesFilter) -> Search {
    Search {
        peer,
        q: q.into(),
        from_id: None,
        saved_peer_id: None,
        saved_reaction: None,
        top_msg_id: None,
        filter,
        min_date: 0,
        max_date: 0,
        offset_id: 0,
        add_offset: 0,
        limit: 100,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}

fn dialogs(offset: Option<(i32, i32, enums::InputPeer)>, limit: i32) -> GetDialogs {
    let (offset_date, offset_id, offset_peer) = offset.unwrap_or((0, 0, enums::InputPeer::Empty));
    GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date,
        offset_id,
        offset_peer,
        limit,
        hash: 0,
    }
}

fn media(
    stage: &mut Stage,
    me: i64,
    to: &enums::InputPeer,
    media: enums::InputMedia,
) -> Result<enums::Updates, Refused> {
    let random_id = stage.random_id();
    let query = SendMedia {
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer: to.clone(),
        reply_to: None,
        media,
        message: "look".into(),
        random_id,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
    };
    stage.call(me, &query)
}

#[test]
fn text_to_a_user_is_answered_in_short_and_pushed_with_who_is_who() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let answer = stage.say(ANNA, &bert, "hello").unwrap();
    let enums::Updates::UpdateShortSentMessage(sent) = answer else {
        panic!("text in a private chat")
    };
    assert_eq!(
        (sent.id, sent.pts, sent.pts_count, sent.out),
        (1, 2, 1, true)
    );
    let pushes = stage.pushes();
    let to: Vec<i64> = pushes.iter().map(|push| push.user_id).collect();
    assert_eq!(to, [ANNA, BERT]);
    assert_eq!(
        pushes[0].except,
        Some(Stage::origin(ANNA)),
        "who asked knows"
    );
    assert_eq!(pushes[1].except, None);
    let enums::Updates::Updates(updates) = &pushes[1].updates else {
        panic!("Bert does not know Anna yet")
    };
    let known = updates.users.iter().map(|user| match user {
        enums::User::User(user) => user.id,
        enums::User::Empty(_) => panic!("nobody"),
    });
    assert_eq!((updates.seq, known.collect()), (0, vec![ANNA]));
    let [enums::Update::NewMessage(new)] = &updates.updates[..] else {
        panic!("one message")
    };
    assert_eq!((new.pts, new.pts_count), (2, 1));
    let got = long(&new.message);
    assert!(!got.out && got.from_id.is_none());
    assert_eq!(marked(&got.peer_id), ANNA);

    stage.said(ANNA, &bert, "are you there?");
    let pushes = stage.pushes();
    assert!(
        matches!(&pushes[1].updates, enums::Updates::UpdateShortMessage(short)
            if short.user_id == ANNA && short.pts == 3 && short.id == 2),
        "in short, for by now Bert knows Anna"
    );
}

#[test]
fn ids_are_of_each_account_alone() {
    let mut stage = Stage::new();
    let (anna, bert, cleo) = (stage.peer(ANNA), stage.peer(BERT), stage.peer(CLEO));
    assert_eq!(stage.said(ANNA, &cleo, "to Cleo"), 1);
    assert_eq!(stage.said(ANNA, &bert, "to Bert"), 2);
    assert_eq!(stage.said(BERT, &anna, "back"), 2);
    assert_eq!(stage.history(ANNA, &bert)[0], (3, "back".to_owned()));
    assert_eq!(stage.history(BERT, &anna)[1], (1, "to Bert".to_owned()));
}

#[test]
fn the_same_random_id_is_the_same_message() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let query = message(&bert, "once", 77);
    let first = stage.call(ANNA, &query).unwrap();
    stage.pushes();
    let second = stage.call(ANNA, &query).unwrap();
    assert_eq!(first.to_bytes(), second.to_bytes());
    assert!(stage.pushes().is_empty());
    assert_eq!(stage.history(ANNA, &bert).len(), 1);
    let other = stage
        .call(BERT, &message(&stage.peer(ANNA), "mine", 77))
        .unwrap();
    assert_eq!(new_id(&other), 2, "somebody else's number");
    refused(
        stage.call(ANNA, &message(&bert, "x", 0)),
        400,
        "RANDOM_ID_EMPTY",
    );
}

#[test]
fn what_cannot_be_sent_is_refused_as_the_real_server_does() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    refused(stage.say(ANNA, &bert, " \n"), 400, "MESSAGE_EMPTY");
    refused(
        stage.say(ANNA, &bert, &"x".repeat(4097)),
        400,
        "MESSAGE_TOO_LONG",
    );
    // Length counts UTF-16 units, of which a face has two.
    refused(
        stage.say(ANNA, &bert, &"😀".repeat(2049)),
        400,
        "MESSAGE_TOO_LONG",
    );
    stage.said(ANNA, &bert, &"😀".repeat(2048));
    refused(
        stage.say(ANNA, &enums::InputPeer::Empty, "x"),
        400,
        "PEER_ID_INVALID",
    );
    let wrong = enums::InputPeer::User(types::InputPeerUser {
        user_id: BERT,
        access_hash: 1,
    });
    refused(stage.say(ANNA, &wrong, "x"), 400, "PEER_ID_INVALID");
    refused(stage.say(ANNA, &chat_peer(9), "x"), 400, "PEER_ID_INVALID");
    let channel = enums::InputPeer::Channel(types::InputPeerChannel {
        channel_id: 9,
        access_hash: 1,
    });
    refused(stage.say(ANNA, &channel, "x"), 400, "CHANNEL_INVALID");
    let random_id = stage.random_id();
    refused(
        stage.call(ANNA, &reply(&bert, 55, "x", random_id)),
        400,
        "REPLY_TO_INVALID",
    );
    let bold = enums::MessageEntity::Bold(types::MessageEntityBold {
        offset: 0,
        length: 9,
    });
    let mut query = message(&bert, "short", stage.random_id());
    query.entities = Some(vec![bold]);
    refused(stage.call(ANNA, &query), 400, "ENTITY_BOUNDS_INVALID");
    // Whatever the link's length, as long as the packet.
    let link = enums::MessageEntity::TextUrl(types::MessageEntityTextUrl {
        offset: 0,
        length: 5,
        url: "x".repeat(9_000).as_str().into(),
    });
    query.entities = Some(vec![link]);
    refused(stage.call(ANNA, &query), 400, "ENTITIES_TOO_LONG");
    query.entities = None;
    query.schedule_date = Some(stage.now + 60);
    refused(stage.call(ANNA, &query), 400, "SCHEDULE_DATE_INVALID");
}

#[test]
fn saved_messages_are_in_one_box_and_read() {
    let mut stage = Stage::new();
    let id = stage.said(ANNA, &enums::InputPeer::InputPeerSelf, "a note");
    let pushes = stage.pushes();
    assert_eq!(pushes.len(), 1, "to Anna's other sessions");
    let me = stage.peer(ANNA);
    let messages = messages_of(stage.call(ANNA, &history(&me)).unwrap());
    assert_eq!(id_and_text(&messages[0]), (id, "a note".to_owned()));
    assert!(!long(&messages[0]).out);
    let answer = stage.call(ANNA, &dialogs(None, 10)).unwrap();
    let enums::messages::Dialogs::Dialogs(answer) = answer else {
        panic!("all of them")
    };
    let [enums::Dialog::Dialog(dialog)] = &answer.dialogs[..] else {
        panic!("one dialog")
    };
    assert_eq!((marked(&dialog.peer), dialog.unread_count), (ANNA, 0));
}

#[test]
fn a_reply_names_the_message_under_everybodys_own_id() {
    let mut stage = Stage::new();
    let (anna, bert, cleo) = (stage.peer(ANNA), stage.peer(BERT), stage.peer(CLEO));
    stage.said(ANNA, &cleo, "so that the ids differ");
    let question = stage.said(ANNA, &bert, "question");
    assert_eq!(question, 2);
    let random_id = stage.random_id();
    stage
        .call(BERT, &reply(&anna, 1, "answer", random_id))
        .unwrap();
    let header = |stage: &mut Stage, me: i64, peer: &enums::InputPeer| {
        let messages = messages_of(stage.call(me, &history(peer)).unwrap());
        match long(&messages[0]).reply_to.as_ref().unwrap() {
            enums::MessageReplyHeader::MessageReplyHeader(header) => header.reply_to_msg_id,
            enums::MessageReplyHeader::MessageReplyStoryHeader(_) => None,
        }
    };
    assert_eq!(header(&mut stage, ANNA, &bert), Some(2));
    assert_eq!(header(&mut stage, BERT, &anna), Some(1));
    let original = GetMessages {
        id: vec![enums::InputMessage::ReplyTo(types::InputMessageReplyTo {
            id: 2,
        })],
    };
    let original = messages_of(stage.call(BERT, &original).unwrap());
    assert_eq!(id_and_text(&original[0]), (1, "question".to_owned()));
}

#[test]
fn edits_reach_every_box_and_only_the_author_makes_them() {
    let mut stage = Stage::new();
    let (anna, bert) = (stage.peer(ANNA), stage.peer(BERT));
    let id = stage.said(ANNA, &bert, "helo");
    stage.pushes();
    let answer = stage.call(ANNA, &edit(&bert, id, "hello")).unwrap();
    let answered = updates_of(answer);
    assert!(matches!(&answered[..], [enums::Update::EditMessage(edit)] if edit.pts == 3));
    let pushed = stage.pushed_to(BERT);
    let [enums::Update::EditMessage(edited)] = &pushed[..] else {
        panic!("one edit")
    };
    assert_eq!(long(&edited.message).message, "hello");
    assert_eq!(long(&edited.message).edit_date, Some(stage.now));

    refused(
        stage.call(ANNA, &edit(&bert, id, "hello")),
        400,
        "MESSAGE_NOT_MODIFIED",
    );
    refused(
        stage.call(ANNA, &edit(&bert, 99, "x")),
        400,
        "MESSAGE_ID_INVALID",
    );
    refused(stage.call(ANNA, &edit(&bert, id, "")), 400, "MESSAGE_EMPTY");
    refused(
        stage.call(BERT, &edit(&anna, 1, "mine")),
        403,
        "MESSAGE_AUTHOR_REQUIRED",
    );
    stage.now += 172_801;
    refused(
        stage.call(ANNA, &edit(&bert, id, "late")),
        400,
        "MESSAGE_EDIT_TIME_EXPIRED",
    );
}

#[test]
fn history_pages_by_id_date_and_offset() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    for n in 1..=10 {
        stage.now += 10;
        stage.said(ANNA, &bert, &n.to_string());
    }
    let base = history(&bert);
    let start = stage.now - 90;
    let mut ids = |change: &dyn Fn(&mut mtproto_schema::api::functions::messages::GetHistory)| {
        let mut query = history(&bert);
        change(&mut query);
        let page = stage.call(ANNA, &query).unwrap();
        messages_of(page)
            .iter()
            .map(|m| id_and_text(m).0)
            .collect::<Vec<i32>>()
    };
    assert_eq!(ids(&|q| q.limit = 3), [10, 9, 8]);
    assert_eq!(ids(&|q| (q.limit, q.offset_id) = (3, 8)), [7, 6, 5]);
    assert_eq!(
        ids(&|q| (q.limit, q.offset_id, q.add_offset) = (3, 8, 1)),
        [6, 5, 4]
    );
    assert_eq!(
        ids(&|q| (q.limit, q.offset_id, q.add_offset) = (4, 8, -2)),
        [9, 8, 7, 6]
    );
    assert_eq!(
        ids(&|q| (q.limit, q.offset_id, q.add_offset) = (4, 10, -3)),
        [10, 9],
        "none newer"
    );
    assert_eq!(
        ids(&|q| (q.limit, q.offset_id, q.add_offset) = (4, 0, -9)),
        [0_i32; 0]
    );
    assert_eq!(ids(&|q| q.offset_date = start + 25), [3, 2, 1]);
    assert_eq!(ids(&|q| (q.max_id, q.min_id) = (6, 3)), [5, 4]);
    assert_eq!(ids(&|q| q.limit = 0), [0_i32; 0]);
    assert_eq!(ids(&|q| q.limit = -5), [0_i32; 0]);
    assert_eq!(ids(&|q| q.add_offset = i32::MIN), [0_i32; 0]);
    assert_eq!(ids(&|q| q.add_offset = i32::MAX), [0_i32; 0]);
    assert!(matches!(
        stage.call(ANNA, &base).unwrap(),
        enums::messages::Messages::Messages(all) if all.messages.len() == 10
    ));
    let part = stage.call(
        ANNA,
        &mtproto_schema::api::functions::messages::GetHistory { limit: 1, ..base },
    );
    assert!(matches!(part.unwrap(), enums::messages::Messages::Slice(part) if part.count == 10));
}

#[test]
fn messages_that_are_not_there_are_empty() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    stage.said(ANNA, &bert, "one");
    let by_id = |id| enums::InputMessage::Id(types::InputMessageId { id });
    let query = GetMessages {
        id: vec![by_id(5), by_id(1), enums::InputMessage::Pinned],
    };
    let messages = messages_of(stage.call(ANNA, &query).unwrap());
    let seen: Vec<_> = messages.iter().map(id_and_text).collect();
    assert_eq!(seen[0], (5, "[gone]".to_owned()));
    assert_eq!(seen[1], (1, "one".to_owned()));
    assert_eq!(seen[2], (0, "[gone]".to_owned()));
    let none = GetMessages { id: Vec::new() };
    refused(stage.call(ANNA, &none), 400, "MESSAGE_IDS_EMPTY");
}

#[test]
fn dialogs_come_newest_first_and_in_pages() {
    let mut stage = Stage::new();
    let everybody = [BERT, CLEO, super::stage::BOT];
    for user in everybody {
        stage.now += 1;
        let peer = stage.peer(user);
        stage.said(ANNA, &peer, "hello");
    }
    let mut offset = None;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = stage.call(ANNA, &dialogs(offset.take(), 1)).unwrap();
        let enums::messages::Dialogs::Slice(page) = answer else {
            panic!("a part")
        };
        assert_eq!(
            (page.count, page.dialogs.len(), page.messages.len()),
            (3, 1, 1)
        );
        let top = long(&page.messages[0]);
        let user = marked(&top.peer_id);
        assert!(
            page.users
                .iter()
                .any(|u| matches!(u, enums::User::User(u) if u.id == user))
        );
        seen.push(user);
        offset = Some((top.date, top.id, stage.peer(user)));
    }
    assert_eq!(seen, [super::stage::BOT, CLEO, BERT]);
    let end = stage.call(ANNA, &dialogs(offset, 1)).unwrap();
    assert!(matches!(end, enums::messages::Dialogs::Slice(page) if page.dialogs.is_empty()));
    let archive = GetDialogs {
        folder_id: Some(1),
        ..dialogs(None, 10)
    };
    let archive = stage.call(ANNA, &archive).unwrap();
    assert!(matches!(archive, enums::messages::Dialogs::Dialogs(all) if all.dialogs.is_empty()));
}

#[test]
fn reading_clears_the_counter_and_the_author_sees_it() {
    let mut stage = Stage::new();
    let (anna, bert) = (stage.peer(ANNA), stage.peer(BERT));
    for text in ["one", "two", "three"] {
        stage.said(ANNA, &bert, text);
    }
    let of_anna = GetPeerDialogs {
        peers: vec![enums::InputDialogPeer::InputDialogPeer(
            types::InputDialogPeer { peer: anna.clone() },
        )],
    };
    let unread = |stage: &mut Stage| {
        let answer = stage.call(BERT, &of_anna).unwrap();
        match &answer.dialogs[0] {
            enums::Dialog::Dialog(dialog) => (dialog.unread_count, answer.state.unread_count),
            _ => panic!("a dialog"),
        }
    };
    assert_eq!(unread(&mut stage), (3, 3));
    stage.pushes();
    let read = |max_id| ReadHistory {
        peer: anna.clone(),
        max_id,
    };
    let affected = stage.call(BERT, &read(2)).unwrap();
    assert_eq!((affected.pts, affected.pts_count), (5, 1));
    assert_eq!(unread(&mut stage), (1, 1));
    let told = stage.pushed_to(ANNA);
    let [enums::Update::ReadHistoryOutbox(told)] = &told[..] else {
        panic!("one update")
    };
    assert_eq!((told.max_id, told.pts, told.pts_count), (2, 5, 1));
    let again = stage.call(BERT, &read(1)).unwrap();
    assert_eq!((again.pts, again.pts_count), (5, 0), "nothing new");
    stage.call(BERT, &read(0)).unwrap();
    assert_eq!(unread(&mut stage), (0, 0));
}

#[test]
fn mentions_wait_until_they_are_looked_at() {
    let mut stage = Stage::new();
    let chat = chat_peer(stage.chat(ANNA, &[BERT], "two"));
    let name = mtproto_schema::api::functions::account::UpdateUsername {
        username: "bert_1".into(),
    };
    stage.call(BERT, &name).unwrap();
    stage.said(ANNA, &chat, "hey, @Bert_1!");
    let messages = messages_of(stage.call(BERT, &history(&chat)).unwrap());
    assert!(long(&messages[0]).mentioned && long(&messages[0]).media_unread);
    let seen = stage.history(BERT, &chat)[0].0;
    let mine = search(
        chat.clone(),
        "",
        enums::MessagesFilter::InputMessagesFilterMyMentions,
    );
    assert_eq!(messages_of(stage.call(BERT, &mine).unwrap()).len(), 1);
    assert_eq!(messages_of(stage.call(ANNA, &mine).unwrap()).len(), 0);

    let look = ReadMessageContents { id: vec![seen, 99] };
    let affected = stage.call(BERT, &look).unwrap();
    assert_eq!(affected.pts_count, 1);
    let messages = messages_of(stage.call(BERT, &history(&chat)).unwrap());
    assert!(long(&messages[0]).mentioned && !long(&messages[0]).media_unread);
}

#[test]
fn messages_are_deleted_for_oneself_or_for_everybody() {
    let mut stage = Stage::new();
    let (anna, bert) = (stage.peer(ANNA), stage.peer(BERT));
    for text in ["one", "two"] {
        stage.said(ANNA, &bert, text);
    }
    stage.pushes();
    let affected = stage.call(ANNA, &delete(&[1, 9], false)).unwrap();
    assert_eq!((affected.pts, affected.pts_count), (4, 1));
    assert!(stage.pushed_to(BERT).is_empty());
    assert_eq!(stage.history(BERT, &anna).len(), 2);

    stage.call(BERT, &delete(&[2], true)).unwrap();
    let told = stage.pushed_to(ANNA);
    assert!(matches!(&told[..], [enums::Update::DeleteMessages(told)] if told.messages == [2]));
    assert!(stage.history(ANNA, &bert).is_empty());

    let chat = chat_peer(stage.chat(ANNA, &[BERT], "two"));
    let id = stage.said(ANNA, &chat, "the boss's");
    let theirs = stage.history(BERT, &chat)[0].0;
    refused(
        stage.call(BERT, &delete(&[theirs], true)),
        403,
        "MESSAGE_DELETE_FORBIDDEN",
    );
    stage.call(BERT, &delete(&[theirs], false)).unwrap();
    assert_eq!(stage.history(ANNA, &chat)[0].0, id);
}

#[test]
fn a_long_history_is_deleted_in_parts() {
    let mut stage = Stage::new();
    let (anna, bert) = (stage.peer(ANNA), stage.peer(BERT));
    for n in 0..1_003 {
        stage.said(ANNA, &bert, &n.to_string());
    }
    let query = DeleteHistory {
        just_clear: false,
        revoke: true,
        peer: bert.clone(),
        max_id: 0,
        min_date: None,
        max_date: None,
    };
    let first = stage.call(ANNA, &query).unwrap();
    assert_eq!((first.pts_count, first.offset), (1_000, 3));
    let second = stage.call(ANNA, &query).unwrap();
    assert_eq!((second.pts_count, second.offset), (3, 0));
    assert!(stage.history(BERT, &anna).is_empty());
}

#[test]
fn forwards_say_where_they_come_from() {
    let mut stage = Stage::new();
    let (anna, bert, cleo) = (stage.peer(ANNA), stage.peer(BERT), stage.peer(CLEO));
    stage.said(ANNA, &bert, "one");
    stage.said(ANNA, &bert, "two");
    stage.now += 5;
    stage.pushes();
    let answer = stage
        .call(BERT, &forward(&anna, &[1, 2], &cleo, vec![5, 6]))
        .unwrap();
    let ids = updates_of(answer)
        .into_iter()
        .filter_map(|update| match update {
            enums::Update::MessageId(id) => Some((id.id, id.random_id)),
            _ => None,
        });
    assert_eq!(ids.collect::<Vec<_>>(), [(3, 5), (4, 6)]);
    let got = messages_of(stage.call(CLEO, &history(&bert)).unwrap());
    let header = long(&got[0]).fwd_from.as_ref().unwrap();
    assert_eq!(header.from_id.as_ref().map(marked), Some(ANNA));
    assert_eq!(header.date, stage.now - 5);

    // Forwarded on, it is still Anna's; saved, it knows the place.
    let me = enums::InputPeer::InputPeerSelf;
    stage
        .call(CLEO, &forward(&bert, &[2], &me, vec![7]))
        .unwrap();
    let cleo_herself = stage.peer(CLEO);
    let saved = messages_of(stage.call(CLEO, &history(&cleo_herself)).unwrap());
    let header = long(&saved[0]).fwd_from.as_ref().unwrap();
    assert_eq!(header.from_id.as_ref().map(marked), Some(ANNA));
    let place = header.saved_from_peer.as_ref().unwrap();
    assert_eq!(
        (marked(&place.saved_from_peer), place.saved_from_msg_id),
        (BERT, 2)
    );

    let query = forward(&anna, &[1, 2], &cleo, vec![8]);
    refused(stage.call(BERT, &query), 400, "RANDOM_ID_INVALID");
    let query = forward(&anna, &[77], &cleo, vec![9]);
    refused(stage.call(BERT, &query), 400, "MESSAGE_ID_INVALID");
    let query = forward(&anna, &[], &cleo, vec![]);
    refused(stage.call(BERT, &query), 400, "MESSAGE_IDS_EMPTY");
}

#[test]
fn contacts_places_and_dice_can_be_sent_and_found() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let card = enums::InputMedia::Contact(Box::new(types::InputMediaContact {
        phone_number: "+9996620003".into(),
        first_name: "Cleo".into(),
        last_name: "".into(),
        vcard: "".into(),
    }));
    media(&mut stage, ANNA, &bert, card).unwrap();
    let place = |lat: f64| {
        enums::InputMedia::GeoPoint(types::InputMediaGeoPoint {
            geo_point: enums::InputGeoPoint::InputGeoPoint(types::InputGeoPoint {
                lat,
                long: 13.4,
                accuracy_radius: None,
            }),
        })
    };
    media(&mut stage, ANNA, &bert, place(52.5)).unwrap();
    refused(
        media(&mut stage, ANNA, &bert, place(91.0)),
        400,
        "GEO_POINT_INVALID",
    );
    refused(
        media(&mut stage, ANNA, &bert, place(f64::NAN)),
        400,
        "GEO_POINT_INVALID",
    );
    let dice = |emoticon: &str| {
        enums::InputMedia::Dice(types::InputMediaDice {
            emoticon: emoticon.into(),
        })
    };
    for _ in 0..50 {
        media(&mut stage, ANNA, &bert, dice("🎲")).unwrap();
    }
    refused(
        media(&mut stage, ANNA, &bert, dice("x")),
        400,
        "EMOTICON_INVALID",
    );
    refused(
        media(&mut stage, ANNA, &bert, enums::InputMedia::Empty),
        400,
        "MEDIA_EMPTY",
    );

    let anna = stage.peer(ANNA);
    let all = messages_of(stage.call(BERT, &history(&anna)).unwrap());
    let mut values: Vec<i32> = all
        .iter()
        .filter_map(|m| match long(m).media.as_deref() {
            Some(enums::MessageMedia::Dice(dice)) => Some(dice.value),
            _ => None,
        })
        .collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values, [1, 2, 3, 4, 5, 6]);
    let contacts = enums::MessagesFilter::InputMessagesFilterContacts;
    let found = stage
        .call(BERT, &search(anna.clone(), "", contacts))
        .unwrap();
    let found = messages_of(found);
    assert!(matches!(long(&found[0]).media.as_deref(),
        Some(enums::MessageMedia::Contact(card)) if card.user_id == CLEO));
    let geo = enums::MessagesFilter::InputMessagesFilterGeo;
    assert_eq!(
        messages_of(stage.call(BERT, &search(anna, "", geo)).unwrap()).len(),
        1
    );
}

#[test]
fn search_finds_words_in_one_dialog_or_in_all() {
    let mut stage = Stage::new();
    let (bert, cleo) = (stage.peer(BERT), stage.peer(CLEO));
    stage.said(ANNA, &bert, "The Needle");
    stage.said(ANNA, &bert, "hay");
    stage.said(ANNA, &cleo, "another needle, see https://example.org");
    let everything = enums::MessagesFilter::InputMessagesFilterEmpty;
    let found = stage
        .call(ANNA, &search(bert, "NEEDLE", everything))
        .unwrap();
    assert_eq!(id_and_text(&messages_of(found)[0]).0, 1);
    let everything = enums::MessagesFilter::InputMessagesFilterEmpty;
    let all = search(enums::InputPeer::Empty, "needle", everything);
    assert_eq!(messages_of(stage.call(ANNA, &all).unwrap()).len(), 2);
    let links = enums::MessagesFilter::InputMessagesFilterUrl;
    let links = search(enums::InputPeer::Empty, "", links);
    assert_eq!(messages_of(stage.call(ANNA, &links).unwrap()).len(), 1);
}

#[test]
fn typing_is_seen_by_the_other_side_and_kept_nowhere() {
    let mut stage = Stage::new();
    let typing = |peer| SetTyping {
        peer,
        top_msg_id: None,
        action: enums::SendMessageAction::SendMessageTypingAction,
    };
    assert!(stage.call(ANNA, &typing(stage.peer(BERT))).unwrap());
    let pushes = stage.pushes();
    assert_eq!(pushes.len(), 1);
    assert!(
        matches!(&pushes[0].updates, enums::Updates::UpdateShort(short)
        if matches!(&short.update, enums::Update::UserTyping(typing) if typing.user_id == ANNA))
    );
    let chat = stage.chat(ANNA, &[BERT, CLEO], "three");
    stage.pushes();
    stage.call(ANNA, &typing(chat_peer(chat))).unwrap();
    let to: Vec<i64> = stage.pushes().iter().map(|push| push.user_id).collect();
    assert_eq!(to, [BERT, CLEO]);
    // It is told to each member at once, so it is short.
    let seen = types::SendMessageEmojiInteractionSeen {
        emoticon: "x".repeat(2_000).as_str().into(),
    };
    let long = SetTyping {
        action: enums::SendMessageAction::SendMessageEmojiInteractionSeen(seen),
        ..typing(chat_peer(chat))
    };
    refused(stage.call(ANNA, &long), 400, "SENDMESSAGE_TYPE_INVALID");
    assert!(stage.pushes().is_empty());
}

//! What a client has missed.

use mtproto_schema::api::functions::updates::{GetChannelDifference, GetDifference, GetState};
use mtproto_schema::api::{enums, types};

use super::stage::{ANNA, BERT, CLEO, Stage, channel_peer, id_and_text, input, refused};

fn since(pts: i32, date: i32) -> GetDifference {
    GetDifference {
        pts,
        pts_limit: None,
        pts_total_limit: None,
        date,
        qts: 0,
        qts_limit: None,
    }
}

fn channel_since(channel: &types::InputChannel, pts: i32, limit: i32) -> GetChannelDifference {
    GetChannelDifference {
        force: false,
        channel: input(channel),
        filter: enums::ChannelMessagesFilter::Empty,
        pts,
        limit,
    }
}

fn texts(messages: &[enums::Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| id_and_text(message).1)
        .collect()
}

#[test]
fn a_new_account_has_a_state_and_missed_nothing() {
    let mut stage = Stage::new();
    let state = stage.call(ANNA, &GetState).unwrap();
    assert_eq!(
        (state.pts, state.qts, state.seq, state.unread_count),
        (1, 0, 1, 0)
    );
    assert_eq!(state.date, stage.now);
    let answer = stage.call(ANNA, &since(1, state.date)).unwrap();
    assert!(matches!(answer, enums::updates::Difference::Empty(empty) if empty.seq == 1));
}

#[test]
fn a_place_where_the_box_never_was_is_refused() {
    let mut stage = Stage::new();
    let now = stage.now;
    refused(
        stage.call(ANNA, &since(0, now)),
        400,
        "PERSISTENT_TIMESTAMP_EMPTY",
    );
    refused(
        stage.call(ANNA, &since(2, now)),
        400,
        "PERSISTENT_TIMESTAMP_INVALID",
    );
    refused(
        stage.call(ANNA, &since(-1, now)),
        400,
        "PERSISTENT_TIMESTAMP_INVALID",
    );
    refused(
        stage.call(ANNA, &since(i32::MIN, now)),
        400,
        "PERSISTENT_TIMESTAMP_INVALID",
    );
    refused(stage.call(ANNA, &since(1, 0)), 400, "DATE_EMPTY");
    let group = stage.channel(ANNA, "talk", true);
    let query = channel_since(&group, 0, 10);
    refused(stage.call(ANNA, &query), 400, "PERSISTENT_TIMESTAMP_EMPTY");
    let query = channel_since(&group, 99, 10);
    refused(
        stage.call(ANNA, &query),
        400,
        "PERSISTENT_TIMESTAMP_INVALID",
    );
    let query = channel_since(&group, 1, 0);
    refused(stage.call(ANNA, &query), 400, "LIMIT_INVALID");
    let query = channel_since(&group, 1, 10);
    refused(stage.call(BERT, &query), 400, "CHANNEL_PRIVATE");
}

#[test]
fn a_difference_comes_in_slices_that_end_at_the_state() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let date = stage.now;
    for n in 1..=5 {
        stage.said(ANNA, &bert, &n.to_string());
    }
    stage.now += 10;
    let mut query = since(1, date);
    query.pts_limit = Some(2);
    let mut seen = Vec::new();
    for pts in [3, 5] {
        let enums::updates::Difference::Slice(slice) = stage.call(BERT, &query).unwrap() else {
            panic!("there is more")
        };
        assert_eq!(
            (slice.intermediate_state.pts, slice.intermediate_state.date),
            (pts, date)
        );
        seen.extend(texts(&slice.new_messages));
        query.pts = slice.intermediate_state.pts;
    }
    let enums::updates::Difference::Difference(last) = stage.call(BERT, &query).unwrap() else {
        panic!("the rest")
    };
    seen.extend(texts(&last.new_messages));
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
    assert_eq!(
        (last.state.pts, last.state.date, last.state.unread_count),
        (6, stage.now, 5)
    );
    query.pts = last.state.pts;
    query.date = last.state.date;
    let end = stage.call(BERT, &query).unwrap();
    assert!(matches!(end, enums::updates::Difference::Empty(_)));
}

#[test]
fn who_wants_less_than_there_is_is_told_so() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let date = stage.now;
    for n in 1..=5 {
        stage.said(ANNA, &bert, &n.to_string());
    }
    let mut query = since(1, date);
    query.pts_total_limit = Some(4);
    let answer = stage.call(BERT, &query).unwrap();
    assert!(matches!(answer, enums::updates::Difference::TooLong(long) if long.pts == 6));
    query.pts_total_limit = Some(5);
    let answer = stage.call(BERT, &query).unwrap();
    assert!(matches!(answer, enums::updates::Difference::Difference(_)));
}

#[test]
fn what_the_log_has_forgotten_is_too_long() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let date = stage.now;
    // The log has 10,000 events.
    for n in 0..10_001 {
        stage.said(ANNA, &bert, &n.to_string());
        stage.talk.poll_push();
        stage.talk.poll_push();
    }
    let answer = stage.call(BERT, &since(1, date)).unwrap();
    assert!(matches!(answer, enums::updates::Difference::TooLong(long) if long.pts == 10_002));
    let answer = stage.call(BERT, &since(2, date)).unwrap();
    assert!(matches!(answer, enums::updates::Difference::Slice(slice)
        if slice.new_messages.len() == 500));
}

#[test]
fn slices_of_long_texts_are_short() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let date = stage.now;
    for _ in 0..100 {
        stage.said(ANNA, &bert, &"я".repeat(4_096));
    }
    let enums::updates::Difference::Slice(slice) = stage.call(BERT, &since(1, date)).unwrap()
    else {
        panic!("800 KiB")
    };
    assert_eq!(slice.new_messages.len(), 33);
    let query = super::stage::history(&stage.peer(ANNA));
    let page = stage.call(BERT, &query).unwrap();
    assert_eq!(super::stage::messages_of(page).len(), 32);
}

#[test]
fn a_difference_tells_what_is_and_not_what_was() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    let date = stage.now;
    let id = stage.said(ANNA, &bert, "helo");
    let other = stage.said(ANNA, &bert, "never mind");
    stage
        .call(ANNA, &super::follower::edit(&bert, id, "hello"))
        .unwrap();
    let delete = mtproto_schema::api::functions::messages::DeleteMessages {
        revoke: true,
        id: vec![other],
    };
    stage.call(ANNA, &delete).unwrap();
    let answer = stage.call(BERT, &since(1, date)).unwrap();
    let enums::updates::Difference::Difference(all) = answer else {
        panic!("all of it")
    };
    assert_eq!(texts(&all.new_messages), ["hello"]);
    let [enums::Update::DeleteMessages(gone)] = &all.other_updates[..] else {
        panic!("that one is gone")
    };
    assert_eq!((&gone.messages[..], gone.pts), (&[2][..], 5));
}

#[test]
fn what_has_no_pts_is_in_the_difference_too() {
    let mut stage = Stage::new();
    let date = stage.now;
    stage.now += 5;
    let block = mtproto_schema::api::functions::contacts::Block {
        my_stories_from: false,
        id: stage.peer(BERT),
    };
    stage.call(ANNA, &block).unwrap();
    let group = stage.channel(CLEO, "talk", true);
    let invite = mtproto_schema::api::functions::channels::InviteToChannel {
        channel: input(&group),
        users: vec![stage.user(ANNA)],
    };
    stage.call(CLEO, &invite).unwrap();
    let answer = stage.call(ANNA, &since(1, date)).unwrap();
    let enums::updates::Difference::Difference(all) = answer else {
        panic!("all of it")
    };
    let [
        enums::Update::PeerBlocked(_),
        enums::Update::Channel(_),
        enums::Update::ChannelTooLong(long),
    ] = &all.other_updates[..]
    else {
        panic!("three things")
    };
    assert_eq!((long.channel_id, long.pts), (group.channel_id, Some(3)));
    assert_eq!(all.state.seq, 3, "two containers");
    stage.now += 1;
    let answer = stage.call(ANNA, &since(1, stage.now)).unwrap();
    assert!(
        matches!(answer, enums::updates::Difference::Empty(_)),
        "once"
    );
}

#[test]
fn a_channel_has_a_difference_of_its_own() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    let peer = channel_peer(&group);
    for n in 1..=4 {
        stage.said(ANNA, &peer, &n.to_string());
    }
    let mut pts = 1;
    let mut seen = Vec::new();
    for last in [false, false, true] {
        let answer = stage.call(ANNA, &channel_since(&group, pts, 2)).unwrap();
        let enums::updates::ChannelDifference::ChannelDifference(part) = answer else {
            panic!("there is something")
        };
        assert_eq!((part.r#final, part.timeout.is_some()), (last, last));
        assert_eq!(part.chats.len(), 1);
        seen.extend(texts(&part.new_messages));
        pts = part.pts;
    }
    assert_eq!(seen, ["[channel talk]", "1", "2", "3", "4"]);
    let answer = stage.call(ANNA, &channel_since(&group, pts, 2)).unwrap();
    assert!(
        matches!(answer, enums::updates::ChannelDifference::Empty(end)
        if end.r#final && end.pts == pts && end.timeout == Some(30))
    );
}

#[test]
fn who_is_far_behind_in_a_channel_gets_the_newest() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    let peer = channel_peer(&group);
    for n in 0..2_000 {
        stage.said(ANNA, &peer, &n.to_string());
    }
    let answer = stage.call(ANNA, &channel_since(&group, 1, 100)).unwrap();
    let enums::updates::ChannelDifference::TooLong(long) = answer else {
        panic!("2,001 events")
    };
    let enums::Dialog::Dialog(dialog) = &long.dialog else {
        panic!("a dialog")
    };
    assert_eq!((dialog.pts, dialog.top_message), (Some(2_002), 2_001));
    assert_eq!(texts(&long.messages)[..2], ["1999", "1998"]);
    let answer = stage.call(ANNA, &channel_since(&group, 2, 100)).unwrap();
    assert!(
        matches!(answer, enums::updates::ChannelDifference::ChannelDifference(part)
        if !part.r#final && part.new_messages.len() == 100)
    );
}

#[test]
fn a_world_goes_on_where_it_was_saved() {
    let mut stage = Stage::new();
    let bert = stage.peer(BERT);
    stage.said(ANNA, &bert, "before");
    let group = stage.channel(ANNA, "talk", true);
    let query = super::stage::message(&bert, "once", 4242);
    let first = stage.call(ANNA, &query).unwrap();
    let saved = stage.talk.save();
    // As the file has it.
    let text = saved.to_string();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    stage.talk = mtproto_test::dc::talk::Talk::load(&read).unwrap();
    assert_eq!(stage.talk.save(), saved);
    assert_eq!(stage.said(ANNA, &bert, "after"), 3);
    stage.said(ANNA, &channel_peer(&group), "here too");
    let again = stage.call(ANNA, &query).unwrap();
    assert_eq!(super::stage::new_id(&again), super::stage::new_id(&first));

    let error = mtproto_test::dc::talk::Talk::load(&serde_json::json!({})).unwrap_err();
    assert!(error.contains("version"), "{error}");
    let broken = serde_json::json!({ "version": 1, "world": { "accounts": 7 } });
    assert!(mtproto_test::dc::talk::Talk::load(&broken).is_err());
}

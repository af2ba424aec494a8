//! Chats, channels, supergroups: who belongs to them, who may what, links.

use mtproto_schema::api::functions::channels::{
    DeleteChannel, DeleteMessages, EditAdmin, EditBanned, EditTitle, GetChannels, GetFullChannel,
    GetMessages, GetParticipant, GetParticipants, InviteToChannel, JoinChannel, LeaveChannel,
    ReadHistory, UpdateUsername,
};
use mtproto_schema::api::functions::contacts::{Block, ResolveUsername};
use mtproto_schema::api::functions::messages::{
    AddChatUser, CheckChatInvite, CreateChat, DeleteChatUser, EditChatAdmin, EditChatPhoto,
    EditChatTitle, ExportChatInvite, GetChats, GetFullChat, ImportChatInvite,
};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Decode};

use super::follower::{edit, marked};
use super::stage::{
    ANNA, BERT, CLEO, Refused, Stage, channel_peer, chat_peer, create_channel, forward, history,
    id_and_text, input, long, messages_of, refused, related, updates_of,
};

fn members(stage: &mut Stage, me: i64, chat_id: i64) -> Option<Vec<i64>> {
    let full = stage.call(me, &GetFullChat { chat_id }).unwrap();
    let enums::ChatFull::ChatFull(full) = full.full_chat else {
        panic!("a chat")
    };
    match full.participants {
        enums::ChatParticipants::ChatParticipants(members) => {
            let ids = members.participants.iter().map(|member| match member {
                enums::ChatParticipant::ChatParticipant(member) => member.user_id,
                enums::ChatParticipant::Creator(member) => member.user_id,
                enums::ChatParticipant::Admin(member) => member.user_id,
            });
            Some(ids.collect())
        }
        enums::ChatParticipants::Forbidden(_) => None,
    }
}

fn add(
    stage: &mut Stage,
    me: i64,
    chat_id: i64,
    user: i64,
) -> Result<types::messages::InvitedUsers, Refused> {
    let user_id = stage.user(user);
    let query = AddChatUser {
        chat_id,
        user_id,
        fwd_limit: 0,
    };
    stage.call(me, &query)
}

fn remove(stage: &mut Stage, me: i64, chat_id: i64, user: i64) -> Result<enums::Updates, Refused> {
    let user_id = stage.user(user);
    let query = DeleteChatUser {
        revoke_history: false,
        chat_id,
        user_id,
    };
    stage.call(me, &query)
}

fn join(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
) -> Result<enums::messages::ChatInviteJoinResult, Refused> {
    let channel = input(channel);
    stage.call(me, &JoinChannel { channel })
}

fn invite(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
    users: &[i64],
) -> Result<types::messages::InvitedUsers, Refused> {
    let users = users.iter().map(|user| stage.user(*user)).collect();
    let channel = input(channel);
    stage.call(me, &InviteToChannel { channel, users })
}

fn publish(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
    username: &str,
) -> Result<bool, Refused> {
    let query = UpdateUsername {
        channel: input(channel),
        username: username.into(),
    };
    stage.call(me, &query)
}

fn ban(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
    user: i64,
    banned: bool,
) -> Result<enums::Updates, Refused> {
    let mut bytes = types::ChatBannedRights::ID.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    let mut banned_rights = types::ChatBannedRights::from_bytes(&bytes.into()).unwrap();
    banned_rights.view_messages = banned;
    let query = EditBanned {
        channel: input(channel),
        participant: stage.peer(user),
        banned_rights,
    };
    stage.call(me, &query)
}

fn promote(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
    user: i64,
    up: bool,
) -> Result<enums::Updates, Refused> {
    let mut bytes = types::ChatAdminRights::ID.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    let mut admin_rights = types::ChatAdminRights::from_bytes(&bytes.into()).unwrap();
    admin_rights.post_messages = up;
    let query = EditAdmin {
        channel: input(channel),
        user_id: stage.user(user),
        admin_rights,
        rank: None,
    };
    stage.call(me, &query)
}

fn participants(
    stage: &mut Stage,
    me: i64,
    channel: &types::InputChannel,
    filter: enums::ChannelParticipantsFilter,
) -> Result<Vec<i64>, Refused> {
    let query = GetParticipants {
        channel: input(channel),
        filter,
        offset: 0,
        limit: 100,
        hash: 0,
    };
    let answer = stage.call(me, &query)?;
    let enums::channels::ChannelParticipants::ChannelParticipants(answer) = answer else {
        panic!("nothing is known yet")
    };
    let ids = answer
        .participants
        .iter()
        .map(|participant| match participant {
            enums::ChannelParticipant::ChannelParticipant(p) => p.user_id,
            enums::ChannelParticipant::ChannelParticipantSelf(p) => p.user_id,
            enums::ChannelParticipant::Creator(p) => p.user_id,
            enums::ChannelParticipant::Admin(p) => p.user_id,
            enums::ChannelParticipant::Banned(p) => marked(&p.peer),
            enums::ChannelParticipant::Left(p) => marked(&p.peer),
        });
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    Ok(ids)
}

fn export(
    stage: &mut Stage,
    me: i64,
    peer: enums::InputPeer,
    revoke: bool,
) -> Result<String, Refused> {
    let query = ExportChatInvite {
        legacy_revoke_permanent: revoke,
        request_needed: false,
        peer,
        expire_date: None,
        usage_limit: None,
        title: None,
        subscription_pricing: None,
    };
    let enums::ExportedChatInvite::ChatInviteExported(invite) = stage.call(me, &query)? else {
        panic!("a link")
    };
    Ok(invite
        .link
        .strip_prefix("https://t.me/+")
        .unwrap()
        .to_owned())
}

fn follow(
    stage: &mut Stage,
    me: i64,
    hash: &str,
) -> Result<enums::messages::ChatInviteJoinResult, Refused> {
    let hash = hash.into();
    stage.call(me, &ImportChatInvite { hash })
}

#[test]
fn a_new_chat_is_told_to_all_its_members() {
    let mut stage = Stage::new();
    let chat = stage.chat(ANNA, &[BERT, CLEO], "  three  ");
    for push in stage.pushes() {
        let updates = updates_of(push.updates);
        let [
            enums::Update::ChatParticipants(_),
            enums::Update::NewMessage(new),
        ] = &updates[..]
        else {
            panic!("who belongs to it, and that it was made")
        };
        assert_eq!(id_and_text(&new.message).1, "[chat three]");
    }
    assert_eq!(members(&mut stage, BERT, chat).unwrap(), [ANNA, BERT, CLEO]);
    let query = CreateChat {
        users: Vec::new(),
        title: "alone".into(),
        ttl_period: None,
    };
    refused(stage.call(ANNA, &query), 400, "USERS_TOO_FEW");
    let query = CreateChat {
        users: vec![stage.user(BERT)],
        title: " ".into(),
        ttl_period: None,
    };
    refused(stage.call(ANNA, &query), 400, "CHAT_TITLE_EMPTY");
    refused(
        stage.call(ANNA, &GetChats { id: vec![99] }),
        400,
        "CHAT_ID_INVALID",
    );
    refused(
        stage.call(ANNA, &GetFullChat { chat_id: 99 }),
        400,
        "CHAT_ID_INVALID",
    );
}

#[test]
fn who_has_blocked_one_is_not_brought_into_a_chat() {
    let mut stage = Stage::new();
    let block = Block {
        my_stories_from: false,
        id: stage.peer(ANNA),
    };
    stage.call(CLEO, &block).unwrap();
    let query = CreateChat {
        users: vec![stage.user(BERT), stage.user(CLEO)],
        title: "three".into(),
        ttl_period: None,
    };
    let created = stage.call(ANNA, &query).unwrap();
    assert_eq!(created.missing_invitees.len(), 1);
    assert_eq!(created.missing_invitees[0].user_id, CLEO);
    let (_, chats) = related(created.updates);
    let [enums::Chat::Chat(chat)] = &chats[..] else {
        panic!("a chat")
    };
    assert_eq!(members(&mut stage, ANNA, chat.id).unwrap(), [ANNA, BERT]);
    let added = add(&mut stage, ANNA, chat.id, CLEO).unwrap();
    assert_eq!(added.missing_invitees.len(), 1);
}

#[test]
fn members_of_a_chat_come_and_go() {
    let mut stage = Stage::new();
    let chat = stage.chat(ANNA, &[BERT], "group");
    add(&mut stage, BERT, chat, CLEO).unwrap();
    refused(
        add(&mut stage, ANNA, chat, CLEO),
        400,
        "USER_ALREADY_PARTICIPANT",
    );
    let seen = stage.history(CLEO, &chat_peer(chat));
    assert_eq!(
        seen,
        [(1, format!("[add [{CLEO}]]"))],
        "nothing from before"
    );
    refused(
        remove(&mut stage, CLEO, chat, BERT),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    remove(&mut stage, BERT, chat, CLEO).unwrap();
    refused(
        stage.say(CLEO, &chat_peer(chat), "x"),
        403,
        "CHAT_WRITE_FORBIDDEN",
    );
    assert_eq!(
        stage.history(CLEO, &chat_peer(chat))[0].1,
        format!("[remove {CLEO}]")
    );
    let gone = stage.call(CLEO, &GetChats { id: vec![chat] }).unwrap();
    let enums::messages::Chats::Chats(gone) = gone else {
        panic!("all of them")
    };
    assert!(
        matches!(&gone.chats[..], [enums::Chat::Forbidden(_)]),
        "put out"
    );

    remove(&mut stage, BERT, chat, BERT).unwrap();
    let left = stage.call(BERT, &GetChats { id: vec![chat] }).unwrap();
    let enums::messages::Chats::Chats(left) = left else {
        panic!("all of them")
    };
    assert!(matches!(&left.chats[..], [enums::Chat::Chat(chat)] if chat.left));
    assert_eq!(members(&mut stage, ANNA, chat).unwrap(), [ANNA]);
    assert_eq!(members(&mut stage, BERT, chat), None);
    refused(
        remove(&mut stage, ANNA, chat, BERT),
        400,
        "USER_NOT_PARTICIPANT",
    );
}

#[test]
fn a_chat_has_a_title_and_admins_and_no_photo() {
    let mut stage = Stage::new();
    let chat_id = stage.chat(ANNA, &[BERT, CLEO], "old");
    let title = |title: &str| EditChatTitle {
        chat_id,
        title: title.into(),
    };
    stage.call(BERT, &title("new")).unwrap();
    refused(stage.call(BERT, &title("new")), 400, "CHAT_NOT_MODIFIED");
    assert_eq!(stage.history(CLEO, &chat_peer(chat_id))[0].1, "[title new]");
    let photo = EditChatPhoto {
        chat_id,
        photo: enums::InputChatPhoto::InputChatPhoto(types::InputChatPhoto {
            id: enums::InputPhoto::Empty,
        }),
    };
    refused(stage.call(ANNA, &photo), 400, "PHOTO_INVALID");

    let admin = EditChatAdmin {
        chat_id,
        user_id: stage.user(BERT),
        is_admin: true,
    };
    refused(stage.call(CLEO, &admin), 400, "CHAT_ADMIN_REQUIRED");
    stage.call(ANNA, &admin).unwrap();
    remove(&mut stage, BERT, chat_id, CLEO).unwrap();
}

#[test]
fn a_supergroup_is_joined_by_its_name_and_says_who_comes_and_goes() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    refused(join(&mut stage, BERT, &group), 400, "CHANNEL_PRIVATE");
    publish(&mut stage, ANNA, &group, "the_talk").unwrap();
    let resolve = ResolveUsername {
        username: "the_talk".into(),
        referer: None,
    };
    let found = stage.call(BERT, &resolve).unwrap();
    assert!(matches!(&found.chats[..], [enums::Chat::Channel(c)] if c.left && c.megagroup));
    stage.pushes();
    join(&mut stage, BERT, &group).unwrap();
    refused(
        join(&mut stage, BERT, &group),
        400,
        "USER_ALREADY_PARTICIPANT",
    );
    let told = stage.pushed_to(ANNA);
    assert!(matches!(&told[..], [enums::Update::NewChannelMessage(new)]
        if id_and_text(&new.message).1 == format!("[add [{BERT}]]")));
    let peer = channel_peer(&group);
    let id = stage.said(BERT, &peer, "hello");
    assert_eq!(
        stage.history(ANNA, &peer)[0],
        (id, "hello".to_owned()),
        "one id for all"
    );
    let leave = LeaveChannel {
        channel: input(&group),
    };
    stage.call(BERT, &leave).unwrap();
    refused(stage.call(BERT, &leave), 400, "USER_NOT_PARTICIPANT");
    refused(stage.call(ANNA, &leave), 400, "USER_CREATOR");
    refused(stage.say(BERT, &peer, "x"), 403, "CHAT_WRITE_FORBIDDEN");
    assert_eq!(
        stage.history(BERT, &peer).len(),
        4,
        "a public one may be read by anybody"
    );
}

#[test]
fn only_admins_speak_in_a_broadcast_and_it_speaks_for_itself() {
    let mut stage = Stage::new();
    let news = stage.channel(ANNA, "news", false);
    invite(&mut stage, ANNA, &news, &[BERT, CLEO]).unwrap();
    let peer = channel_peer(&news);
    refused(stage.say(BERT, &peer, "x"), 403, "CHAT_WRITE_FORBIDDEN");
    refused(
        invite(&mut stage, BERT, &news, &[CLEO]),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    let id = stage.said(ANNA, &peer, "today");
    let seen = messages_of(stage.call(BERT, &history(&peer)).unwrap());
    assert!(long(&seen[0]).post && long(&seen[0]).from_id.is_none() && !long(&seen[0]).out);

    refused(
        promote(&mut stage, BERT, &news, CLEO, true),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    promote(&mut stage, ANNA, &news, BERT, true).unwrap();
    stage
        .call(BERT, &edit(&peer, id, "today, corrected"))
        .unwrap();
    stage.said(BERT, &peer, "tomorrow");
    promote(&mut stage, ANNA, &news, BERT, false).unwrap();
    refused(stage.say(BERT, &peer, "x"), 403, "CHAT_WRITE_FORBIDDEN");

    let to = stage.peer(CLEO);
    stage
        .call(BERT, &forward(&peer, &[id], &to, vec![1]))
        .unwrap();
    let bert = stage.peer(BERT);
    let got = messages_of(stage.call(CLEO, &history(&bert)).unwrap());
    let header = long(&got[0]).fwd_from.as_ref().unwrap();
    assert_eq!(header.channel_post, Some(id));
    assert_eq!(
        header.from_id.as_ref().map(marked),
        Some(-1_000_000_000_000 - news.channel_id)
    );
}

#[test]
fn members_are_listed_for_those_who_may_see_them() {
    let mut stage = Stage::new();
    let news = stage.channel(ANNA, "news", false);
    invite(&mut stage, ANNA, &news, &[BERT, CLEO]).unwrap();
    let recent = || enums::ChannelParticipantsFilter::ChannelParticipantsRecent;
    let admins = || enums::ChannelParticipantsFilter::ChannelParticipantsAdmins;
    let all = participants(&mut stage, ANNA, &news, recent()).unwrap();
    assert_eq!(all, [ANNA, BERT, CLEO]);
    refused(
        participants(&mut stage, BERT, &news, recent()),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    promote(&mut stage, ANNA, &news, BERT, true).unwrap();
    assert_eq!(
        participants(&mut stage, BERT, &news, admins()).unwrap(),
        [ANNA, BERT]
    );
    let wanted = enums::ChannelParticipantsFilter::ChannelParticipantsSearch(
        types::ChannelParticipantsSearch { q: "cle".into() },
    );
    assert_eq!(
        participants(&mut stage, BERT, &news, wanted).unwrap(),
        [CLEO]
    );
    let one = |stage: &mut Stage, me: i64, user: i64| {
        let query = GetParticipant {
            channel: input(&news),
            participant: stage.peer(user),
        };
        stage.call(me, &query)
    };
    let itself = one(&mut stage, CLEO, CLEO).unwrap().participant;
    assert!(matches!(
        itself,
        enums::ChannelParticipant::ChannelParticipantSelf(_)
    ));
    refused(one(&mut stage, CLEO, ANNA), 400, "CHAT_ADMIN_REQUIRED");
    let stranger = super::stage::BOT;
    refused(one(&mut stage, ANNA, stranger), 400, "USER_NOT_PARTICIPANT");
}

#[test]
fn who_is_banned_sees_nothing_until_pardoned() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    publish(&mut stage, ANNA, &group, "the_talk").unwrap();
    join(&mut stage, BERT, &group).unwrap();
    refused(
        ban(&mut stage, BERT, &group, ANNA, true),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    refused(
        ban(&mut stage, ANNA, &group, ANNA, true),
        400,
        "USER_ADMIN_INVALID",
    );
    stage.pushes();
    ban(&mut stage, ANNA, &group, BERT, true).unwrap();
    let told = stage.pushed_to(BERT);
    assert!(
        told.iter()
            .any(|update| matches!(update, enums::Update::Channel(_)))
    );
    let peer = channel_peer(&group);
    refused(stage.call(BERT, &history(&peer)), 400, "CHANNEL_PRIVATE");
    refused(join(&mut stage, BERT, &group), 400, "CHANNEL_PRIVATE");
    refused(
        invite(&mut stage, ANNA, &group, &[BERT]),
        400,
        "USER_KICKED",
    );
    let named = GetChannels {
        id: vec![input(&group)],
    };
    let enums::messages::Chats::Chats(seen) = stage.call(BERT, &named).unwrap() else {
        panic!("all of them")
    };
    assert!(matches!(
        &seen.chats[..],
        [enums::Chat::ChannelForbidden(_)]
    ));
    let kicked = enums::ChannelParticipantsFilter::ChannelParticipantsKicked(
        types::ChannelParticipantsKicked { q: "".into() },
    );
    assert_eq!(
        participants(&mut stage, ANNA, &group, kicked).unwrap(),
        [BERT]
    );
    ban(&mut stage, ANNA, &group, BERT, false).unwrap();
    join(&mut stage, BERT, &group).unwrap();
}

#[test]
fn a_channel_is_named_with_its_access_hash() {
    let mut stage = Stage::new();
    let mut group = stage.channel(ANNA, "talk", true);
    group.access_hash ^= 1;
    let full = GetFullChannel {
        channel: input(&group),
    };
    refused(stage.call(ANNA, &full), 400, "CHANNEL_INVALID");
    let none = GetFullChannel {
        channel: enums::InputChannel::Empty,
    };
    refused(stage.call(ANNA, &none), 400, "CHANNEL_INVALID");
    refused(
        stage.call(ANNA, &create_channel(" ", true)),
        400,
        "CHAT_TITLE_EMPTY",
    );
}

#[test]
fn messages_of_a_channel_are_read_counted_and_deleted() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    invite(&mut stage, ANNA, &group, &[BERT]).unwrap();
    let peer = channel_peer(&group);
    let first = stage.said(ANNA, &peer, "one");
    let second = stage.said(ANNA, &peer, "two");
    let full = |stage: &mut Stage| {
        let query = GetFullChannel {
            channel: input(&group),
        };
        match stage.call(BERT, &query).unwrap().full_chat {
            enums::ChatFull::ChannelFull(full) => full,
            _ => panic!("a channel"),
        }
    };
    // That Bert was added came after he was.
    assert_eq!(full(&mut stage).unread_count, 3);
    stage.pushes();
    let read = ReadHistory {
        channel: input(&group),
        max_id: first,
    };
    assert!(stage.call(BERT, &read).unwrap());
    assert_eq!(
        (
            full(&mut stage).unread_count,
            full(&mut stage).read_inbox_max_id
        ),
        (1, first)
    );
    let pushes = stage.pushes();
    let told: Vec<_> = pushes
        .iter()
        .map(|push| (push.user_id, push.except.is_some()))
        .collect();
    assert_eq!(
        told,
        [(ANNA, false), (BERT, false)],
        "the answer says nothing of it"
    );
    let outbox = updates_of(pushes[0].updates.clone());
    assert!(
        matches!(&outbox[..], [enums::Update::ReadChannelOutbox(read)] if read.max_id == first)
    );

    let delete = |id: &[i32]| DeleteMessages {
        channel: input(&group),
        id: id.to_vec(),
    };
    refused(
        stage.call(BERT, &delete(&[first])),
        403,
        "MESSAGE_DELETE_FORBIDDEN",
    );
    let affected = stage.call(ANNA, &delete(&[first, second, 99])).unwrap();
    assert_eq!(affected.pts_count, 2);
    let by_id = GetMessages {
        channel: input(&group),
        id: vec![enums::InputMessage::Id(types::InputMessageId { id: first })],
    };
    let gone = messages_of(stage.call(BERT, &by_id).unwrap());
    assert_eq!(id_and_text(&gone[0]), (first, "[gone]".to_owned()));
}

#[test]
fn titles_change_and_a_deleted_channel_is_forbidden() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    invite(&mut stage, ANNA, &group, &[BERT]).unwrap();
    let title = EditTitle {
        channel: input(&group),
        title: "chat".into(),
    };
    refused(stage.call(BERT, &title), 400, "CHAT_ADMIN_REQUIRED");
    stage.call(ANNA, &title).unwrap();
    refused(stage.call(ANNA, &title), 400, "CHAT_NOT_MODIFIED");
    let delete = DeleteChannel {
        channel: input(&group),
    };
    refused(stage.call(BERT, &delete), 400, "CHAT_ADMIN_REQUIRED");
    stage.pushes();
    stage.call(ANNA, &delete).unwrap();
    let pushes = stage.pushes();
    let (_, chats) = related(pushes[1].updates.clone());
    assert!(matches!(&chats[..], [enums::Chat::ChannelForbidden(_)]));
    refused(
        stage.call(BERT, &history(&channel_peer(&group))),
        400,
        "CHANNEL_PRIVATE",
    );
}

#[test]
fn names_of_channels_and_people_are_one_set() {
    let mut stage = Stage::new();
    let group = stage.channel(ANNA, "talk", true);
    let name = |name: &str| mtproto_schema::api::functions::account::UpdateUsername {
        username: name.into(),
    };
    stage.call(BERT, &name("taken")).unwrap();
    refused(
        publish(&mut stage, ANNA, &group, "TAKEN"),
        400,
        "USERNAME_OCCUPIED",
    );
    publish(&mut stage, ANNA, &group, "also_taken").unwrap();
    refused(
        stage.call(BERT, &name("also_taken")),
        400,
        "USERNAME_OCCUPIED",
    );
    refused(
        publish(&mut stage, ANNA, &group, "also_taken"),
        400,
        "USERNAME_NOT_MODIFIED",
    );
}

#[test]
fn links_let_people_in_until_they_are_revoked() {
    let mut stage = Stage::new();
    let chat = stage.chat(ANNA, &[BERT], "group");
    refused(
        export(&mut stage, BERT, chat_peer(chat), false),
        400,
        "CHAT_ADMIN_REQUIRED",
    );
    let hash = export(&mut stage, ANNA, chat_peer(chat), false).unwrap();
    let again = export(&mut stage, ANNA, chat_peer(chat), false).unwrap();
    assert_eq!(hash, again);
    let check = |stage: &mut Stage, hash: &str| {
        let hash = hash.into();
        stage.call(CLEO, &CheckChatInvite { hash })
    };
    let enums::ChatInvite::ChatInvite(seen) = check(&mut stage, &hash).unwrap() else {
        panic!("not a member yet")
    };
    assert_eq!(
        (&*seen.title, seen.participants_count, seen.channel),
        ("group", 2, false)
    );
    follow(&mut stage, CLEO, &hash).unwrap();
    assert_eq!(
        stage.history(CLEO, &chat_peer(chat))[0].1,
        format!("[link of {ANNA}]")
    );
    let already = check(&mut stage, &hash).unwrap();
    assert!(matches!(already, enums::ChatInvite::Already(_)));
    refused(
        follow(&mut stage, CLEO, &hash),
        400,
        "USER_ALREADY_PARTICIPANT",
    );
    remove(&mut stage, ANNA, chat, CLEO).unwrap();
    refused(follow(&mut stage, CLEO, &hash), 400, "INVITE_HASH_EXPIRED");

    let news = stage.channel(ANNA, "news", false);
    let old = export(&mut stage, ANNA, channel_peer(&news), false).unwrap();
    let new = export(&mut stage, ANNA, channel_peer(&news), true).unwrap();
    refused(follow(&mut stage, CLEO, &old), 400, "INVITE_HASH_EXPIRED");
    follow(&mut stage, CLEO, &new).unwrap();
    refused(follow(&mut stage, CLEO, ""), 400, "INVITE_HASH_EMPTY");
    assert_eq!(
        stage.history(CLEO, &channel_peer(&news)).len(),
        1,
        "a broadcast stays silent"
    );
}

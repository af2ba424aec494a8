//! Everybody does everything at random; whoever follows ends with what the server has.

use std::collections::{BTreeMap, BTreeSet};

use mtproto_schema::api::functions::channels::{
    DeleteMessages as DeleteChannelMessages, EditBanned, InviteToChannel, JoinChannel,
    LeaveChannel, ReadHistory as ReadChannelHistory, UpdateUsername,
};
use mtproto_schema::api::functions::contacts::{
    AddContact, Block, DeleteContacts, GetBlocked, GetContacts, Unblock,
};
use mtproto_schema::api::functions::messages::{
    AddChatUser, CreateChat, DeleteChatUser, DeleteHistory, DeleteMessages, EditChatTitle,
    GetDialogs, GetFullChat, ReadHistory,
};
use mtproto_schema::api::functions::users::GetUsers;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Decode, Function};
use mtproto_test::dc::talk::Talk;
use mtproto_test::{Dice, Seed};

use super::follower::{Follower, edit, marked};
use super::machine::Machine;
use super::stage::{
    Refused, Stage, chat_peer, create_channel, forward, history, id_and_text, input, message,
    messages_of, reply,
};

const PEOPLE: [i64; 5] = [11, 12, 13, 14, 15];

struct Play {
    stage: Stage,
    dice: Dice,
    /// Per account: the session that asks, and one that only listens.
    followers: BTreeMap<i64, [Follower; 2]>,
    /// Per account, as the client has it: the session that asks, always there, and one that
    /// listens and may be away.
    machines: BTreeMap<i64, [Machine; 2]>,
    chats: Vec<i64>,
    channels: Vec<types::InputChannel>,
}

#[test]
fn whoever_follows_pushes_and_differences_ends_with_what_the_server_has() {
    let first = Seed::from_env_or(1).0;
    for seed in first..first + 25 {
        let mut play = Play::new(Seed(seed));
        for step in 0..250 {
            play.step(&format!("seed {seed}, step {step}"));
        }
        play.everybody_agrees(&format!("seed {seed}, at the end"));
        play.machines_agree(&format!("seed {seed}, at the end"));
    }
}

impl Play {
    fn new(seed: Seed) -> Self {
        let mut stage = Stage::empty(seed.0 as u8);
        for id in PEOPLE {
            stage.person(id, &format!("P{id}"), false);
        }
        let both = |stage: &mut Stage, id| [Follower::start(stage, id), Follower::start(stage, id)];
        let followers = PEOPLE.into_iter().map(|id| (id, both(&mut stage, id)));
        let followers = followers.collect();
        let both = |stage: &mut Stage, me| {
            let id = PEOPLE.into_iter().map(|id| stage.user(id)).collect();
            let users = stage.call(me, &GetUsers { id }).unwrap();
            let mut asks = Machine::start(stage, me);
            asks.meet(&users);
            [asks, Machine::start(stage, me)]
        };
        let machines = PEOPLE.into_iter().map(|id| (id, both(&mut stage, id)));
        let machines = machines.collect();
        Play {
            stage,
            dice: Dice::new(seed),
            followers,
            machines,
            chats: Vec::new(),
            channels: Vec::new(),
        }
    }

    fn step(&mut self, how: &str) {
        self.stage.now += self.dice.range(0..=2) as i32;
        if self.dice.chance(1, 40) {
            let saved = self.stage.talk.save();
            self.stage.talk = Talk::load(&saved).unwrap();
            assert_eq!(self.stage.talk.save(), saved, "{how}");
        }
        let me = *self.dice.choose(&PEOPLE);
        // A session that was away asks what it missed, in slices of any size.
        let which = self.dice.index(2);
        let session = &mut self.followers.get_mut(&me).unwrap()[which];
        if session.online && self.dice.chance(1, 8) {
            session.online = false;
        } else if !session.online {
            let limit = self
                .dice
                .chance(1, 2)
                .then(|| self.dice.range(1..=5) as i32);
            let mut follower = session.clone();
            follower.catch_up(&mut self.stage, limit, how);
            *session = follower;
        }
        self.wake(me, how);
        let listens = &mut self.machines.get_mut(&me).unwrap()[1];
        if listens.online && self.dice.chance(1, 8) {
            listens.online = false;
        } else if !listens.online {
            listens.back(&mut self.stage, how);
        }
        self.stage.answers.clear();
        self.act(me, how);
        self.deliver(me, how);
    }

    /// The session that asks is there.
    fn wake(&mut self, me: i64, how: &str) {
        let session = &mut self.followers.get_mut(&me).unwrap()[0];
        if !session.online {
            let mut follower = session.clone();
            follower.catch_up(&mut self.stage, None, how);
            *session = follower;
        }
    }

    /// What `me` asked for is answered, and everybody is told.
    fn deliver(&mut self, me: i64, how: &str) {
        let answers = std::mem::take(&mut self.stage.answers);
        let [asks, _] = self.machines.get_mut(&me).unwrap();
        for (query, answer) in answers {
            asks.answered(&mut self.stage, &query, &answer, how);
        }
        for push in self.stage.pushes() {
            let origin = Stage::origin(push.user_id);
            let [asks, listens] = self.machines.get_mut(&push.user_id).unwrap();
            if push.except != Some(origin) {
                asks.pushed(&mut self.stage, &push.body, how);
            }
            if listens.online {
                listens.pushed(&mut self.stage, &push.body, how);
            }
            let [asks, listens] = self.followers.get_mut(&push.user_id).unwrap();
            if asks.online && push.except != Some(origin) {
                asks.take(&mut self.stage, push.updates.clone(), how);
            }
            if listens.online {
                listens.take(&mut self.stage, push.updates, how);
            }
        }
    }

    fn answered(
        &mut self,
        me: i64,
        answer: Result<enums::Updates, Refused>,
        sent: &str,
        how: &str,
    ) {
        let updates = match answer {
            Ok(updates) => updates,
            Err((code, text)) => {
                assert!(code == 400 || code == 403, "{how}: {code} {text}");
                return;
            }
        };
        let session = &mut self.followers.get_mut(&me).unwrap()[0];
        if let enums::Updates::UpdateShortSentMessage(short) = updates {
            session.moved(short.pts, short.pts_count, how);
            let (peer, text) = sent.split_once(' ').unwrap();
            let seen: (i64, _, _) = (peer.parse().unwrap(), text.to_owned(), None);
            session.users.insert(seen.0);
            session.messages.insert(short.id, seen);
        } else {
            session.take(&mut self.stage, updates, how);
        }
    }

    /// An own message in the common box, or any.
    fn some_id(&mut self, me: i64) -> Option<(i32, enums::InputPeer)> {
        let session = &self.followers[&me][0];
        let ids: Vec<(i32, i64)> = session.messages.iter().map(|(id, m)| (*id, m.0)).collect();
        if ids.is_empty() {
            return None;
        }
        let (id, peer) = *self.dice.choose(&ids);
        let peer = if peer < 0 {
            chat_peer(-peer)
        } else {
            self.stage.peer(peer)
        };
        Some((id, peer))
    }

    fn some_channel(&mut self) -> Option<types::InputChannel> {
        (!self.channels.is_empty()).then(|| self.dice.choose(&self.channels).clone())
    }

    fn act(&mut self, me: i64, how: &str) {
        let other = *self.dice.choose(&PEOPLE);
        let text = format!("{how} by {me}");
        let random_id = self.stage.random_id();
        match self.dice.range(0..=25) {
            0..=4 => {
                let peer = self.stage.peer(other);
                let answer = self.stage.call(me, &message(&peer, &text, random_id));
                self.answered(me, answer, &format!("{other} {text}"), how);
            }
            5 | 6 => {
                let Some((id, peer)) = self.some_id(me) else {
                    return;
                };
                let answer = self.stage.call(me, &reply(&peer, id, &text, random_id));
                let to = self.followers[&me][0].messages[&id].0;
                self.answered(me, answer, &format!("{to} {text}"), how);
            }
            7 | 8 if !self.chats.is_empty() => {
                let chat = *self.dice.choose(&self.chats);
                let answer = self
                    .stage
                    .call(me, &message(&chat_peer(chat), &text, random_id));
                self.answered(me, answer, "", how);
            }
            9 | 10 => {
                let Some(channel) = self.some_channel() else {
                    return;
                };
                let peer = super::stage::channel_peer(&channel);
                let answer = self.stage.call(me, &message(&peer, &text, random_id));
                self.answered(me, answer, "", how);
            }
            11 => {
                let Some((id, peer)) = self.some_id(me) else {
                    return;
                };
                let answer = self
                    .stage
                    .call(me, &edit(&peer, id, &format!("{text} edited")));
                self.answered(me, answer, "", how);
            }
            12 => {
                let Some((id, _)) = self.some_id(me) else {
                    return;
                };
                let Some((second, _)) = self.some_id(me) else {
                    return;
                };
                let query = DeleteMessages {
                    revoke: self.dice.chance(1, 2),
                    id: vec![id, second, 1_000_000],
                };
                if let Ok(affected) = self.stage.call(me, &query) {
                    let session = &mut self.followers.get_mut(&me).unwrap()[0];
                    session.moved(affected.pts, affected.pts_count, how);
                    session.messages.retain(|id, _| !query.id.contains(id));
                }
            }
            13 | 14 => {
                let Some((id, peer)) = self.some_id(me) else {
                    return;
                };
                let place = self.followers[&me][0].messages[&id].0;
                let query = ReadHistory { peer, max_id: id };
                if let Ok(affected) = self.stage.call(me, &query) {
                    let session = &mut self.followers.get_mut(&me).unwrap()[0];
                    session.moved(affected.pts, affected.pts_count, how);
                    if affected.pts_count > 0 {
                        session.read_inbox.insert(place, id);
                    }
                }
            }
            15 => {
                let peer = self.stage.peer(other);
                let query = DeleteHistory {
                    just_clear: false,
                    revoke: self.dice.chance(1, 2),
                    peer,
                    max_id: 0,
                    min_date: None,
                    max_date: None,
                };
                if self.dice.chance(1, 2) {
                    return;
                }
                let affected = self.stage.call(me, &query).unwrap();
                let session = &mut self.followers.get_mut(&me).unwrap()[0];
                session.moved(affected.pts, affected.pts_count, how);
                session.messages.retain(|_, (peer, ..)| *peer != other);
            }
            16 => {
                let Some((id, from)) = self.some_id(me) else {
                    return;
                };
                let to = self.stage.peer(other);
                let answer = self
                    .stage
                    .call(me, &forward(&from, &[id], &to, vec![random_id]));
                self.answered(me, answer, "", how);
            }
            17 => {
                let users = (0..2).map(|_| self.stage.user(*self.dice.choose(&PEOPLE)));
                let query = CreateChat {
                    users: users.collect(),
                    title: text.as_str().into(),
                    ttl_period: None,
                };
                let created = self.stage.call(me, &query).unwrap();
                if let enums::Updates::Updates(updates) = &created.updates
                    && let [enums::Chat::Chat(chat)] = &updates.chats[..]
                {
                    self.chats.push(chat.id);
                }
                self.answered(me, Ok(created.updates), "", how);
            }
            18 if !self.chats.is_empty() => {
                let chat_id = *self.dice.choose(&self.chats);
                let user_id = self.stage.user(other);
                let added = self.stage.call(
                    me,
                    &AddChatUser {
                        chat_id,
                        user_id,
                        fwd_limit: 0,
                    },
                );
                self.answered(me, added.map(|added| added.updates), "", how);
            }
            19 if !self.chats.is_empty() => {
                let chat_id = *self.dice.choose(&self.chats);
                let user_id = self.stage.user(other);
                let query = DeleteChatUser {
                    revoke_history: false,
                    chat_id,
                    user_id,
                };
                let answer = self.stage.call(me, &query);
                self.answered(me, answer, "", how);
                let title = text.as_str().into();
                let answer = self.stage.call(me, &EditChatTitle { chat_id, title });
                self.answered(me, answer, "", how);
            }
            20 => self.contact_or_block(me, other, how),
            21 => {
                let megagroup = self.dice.chance(2, 3);
                let created = self
                    .stage
                    .call(me, &create_channel(&text, megagroup))
                    .unwrap();
                let enums::Updates::Updates(updates) = &created else {
                    panic!("{how}")
                };
                let [enums::Chat::Channel(channel)] = &updates.chats[..] else {
                    panic!("{how}")
                };
                let named = types::InputChannel {
                    channel_id: channel.id,
                    access_hash: channel.access_hash.unwrap(),
                };
                self.answered(me, Ok(created), "", how);
                self.deliver(me, how);
                let query = UpdateUsername {
                    channel: input(&named),
                    username: format!("channel{}", named.channel_id).into(),
                };
                assert!(self.stage.call(me, &query).unwrap());
                self.channels.push(named);
            }
            22 => {
                let Some(channel) = self.some_channel() else {
                    return;
                };
                let channel = input(&channel);
                let joined = self.stage.call(me, &JoinChannel { channel });
                let updates = joined.map(|joined| match joined {
                    enums::messages::ChatInviteJoinResult::Ok(ok) => ok.updates,
                    enums::messages::ChatInviteJoinResult::WebView(_) => panic!("{how}"),
                });
                self.answered(me, updates, "", how);
            }
            23 => self.in_channel(me, other, how),
            24 => {
                let Some(channel) = self.some_channel() else {
                    return;
                };
                let query = LeaveChannel {
                    channel: input(&channel),
                };
                let answer = self.stage.call(me, &query);
                self.answered(me, answer, "", how);
            }
            _ => {
                let Some(channel) = self.some_channel() else {
                    return;
                };
                let channel = input(&channel);
                let max_id = self.dice.range(0..=30) as i32;
                let _ = self.stage.call(me, &ReadChannelHistory { channel, max_id });
            }
        }
    }

    fn contact_or_block(&mut self, me: i64, other: i64, how: &str) {
        let (user, peer) = (self.stage.user(other), self.stage.peer(other));
        match self.dice.range(0..=3) {
            0 => {
                let query = AddContact {
                    add_phone_privacy_exception: false,
                    id: user,
                    first_name: "Friend".into(),
                    last_name: "".into(),
                    phone: "".into(),
                    note: None,
                };
                let answer = self.stage.call(me, &query);
                self.answered(me, answer, "", how);
            }
            1 => {
                let answer = self.stage.call(me, &DeleteContacts { id: vec![user] });
                self.answered(me, answer, "", how);
            }
            2 => {
                let _ = self.stage.call(
                    me,
                    &Block {
                        my_stories_from: false,
                        id: peer,
                    },
                );
            }
            _ => {
                let _ = self.stage.call(
                    me,
                    &Unblock {
                        my_stories_from: false,
                        id: peer,
                    },
                );
            }
        }
    }

    fn in_channel(&mut self, me: i64, other: i64, how: &str) {
        let Some(channel) = self.some_channel() else {
            return;
        };
        match self.dice.range(0..=3) {
            0 | 1 => {
                let users = vec![self.stage.user(other)];
                let channel = input(&channel);
                let invited = self.stage.call(me, &InviteToChannel { channel, users });
                self.answered(me, invited.map(|invited| invited.updates), "", how);
            }
            2 => {
                let id: Vec<i32> = (0..3).map(|_| self.dice.range(1..=20) as i32).collect();
                let query = DeleteChannelMessages {
                    channel: input(&channel),
                    id,
                };
                if let Ok(affected) = self.stage.call(me, &query) {
                    // The session that asked moves on by the answer.
                    let session = &mut self.followers.get_mut(&me).unwrap()[0];
                    if let Some(followed) = session.channels.get_mut(&channel.channel_id)
                        && followed.joined
                        && followed.pts + affected.pts_count == affected.pts
                    {
                        followed.pts = affected.pts;
                        followed.messages.retain(|id, _| !query.id.contains(id));
                    }
                }
            }
            _ => {
                let mut rights = types::ChatBannedRights::from_bytes(
                    &[types::ChatBannedRights::ID.to_le_bytes(), [0; 4], [0; 4]]
                        .concat()
                        .into(),
                )
                .unwrap();
                rights.view_messages = self.dice.chance(1, 2);
                let query = EditBanned {
                    channel: input(&channel),
                    participant: self.stage.peer(other),
                    banned_rights: rights,
                };
                let answer = self.stage.call(me, &query);
                self.answered(me, answer, "", how);
            }
        }
    }

    /// Answers and pushes fit so well that the session that asks never had to ask what it missed,
    /// and the one that was away has all.
    fn machines_agree(&mut self, how: &str) {
        for me in PEOPLE {
            let how = format!("{how}, a client of {me}");
            let [asks, listens] = self.machines.get_mut(&me).unwrap();
            asks.minute(&mut self.stage, &how);
            assert_eq!(asks.differences, 0, "{how}");
            if !listens.online {
                listens.back(&mut self.stage, &how);
            }
            listens.minute(&mut self.stage, &how);
            let (messages, posts) = (listens.messages.clone(), listens.posts.clone());
            let mut all = BTreeMap::new();
            for dialog in self.dialogs(me) {
                let place = marked(&dialog.peer);
                let channel = -1_000_000_000_000 - place;
                let peer = match self.channels.iter().find(|c| c.channel_id == channel) {
                    Some(channel) => super::stage::channel_peer(channel),
                    None if place < 0 => chat_peer(-place),
                    None => self.stage.peer(place),
                };
                for (id, text, _) in self.whole_history(me, &peer) {
                    if channel < 0 {
                        all.insert(id, (place, text));
                    } else if let Some(post) = posts.get(&(channel, id)) {
                        // Not all: what was before one came is not an update.
                        assert_eq!(post, &text, "{how}: {id} in channel {channel}");
                    }
                }
            }
            assert_eq!(messages, all, "{how}");
        }
    }

    fn everybody_agrees(&mut self, how: &str) {
        for me in PEOPLE {
            for which in 0..2 {
                let mut follower = self.followers[&me][which].clone();
                follower.catch_up(&mut self.stage, None, how);
                self.agrees(&follower, &format!("{how}, session {which} of {me}"));
            }
        }
    }

    fn agrees(&mut self, follower: &Follower, how: &str) {
        let me = follower.me;
        let dialogs = self.dialogs(me);
        let mut messages = BTreeMap::new();
        let mut joined = BTreeSet::new();
        for dialog in dialogs {
            let place = marked(&dialog.peer);
            if place <= -1_000_000_000_000 {
                joined.insert(-1_000_000_000_000 - place);
                self.channel_agrees(follower, &dialog, how);
                continue;
            }
            let peer = if place < 0 {
                chat_peer(-place)
            } else {
                self.stage.peer(place)
            };
            for (id, text, edited) in self.whole_history(me, &peer) {
                messages.insert(id, (place, text, edited));
            }
            let inbox = follower.read_inbox.get(&place).copied().unwrap_or(0);
            assert_eq!(inbox, dialog.read_inbox_max_id, "{how}: inbox of {place}");
            let outbox = follower.read_outbox.get(&place).copied().unwrap_or(0);
            assert_eq!(
                outbox, dialog.read_outbox_max_id,
                "{how}: outbox of {place}"
            );
        }
        assert_eq!(follower.messages, messages, "{how}");
        let mine = follower
            .channels
            .iter()
            .filter(|(_, channel)| channel.joined);
        let mine: BTreeSet<i64> = mine.map(|(id, _)| *id).collect();
        assert_eq!(mine, joined, "{how}: channels");

        let blocked = GetBlocked {
            my_stories_from: false,
            offset: 0,
            limit: 100,
        };
        let enums::contacts::Blocked::Blocked(blocked) = self.stage.call(me, &blocked).unwrap()
        else {
            panic!("{how}: five people fit")
        };
        let blocked = blocked
            .blocked
            .iter()
            .map(|blocked| marked(&blocked.peer_id));
        assert_eq!(follower.blocked, blocked.collect(), "{how}: blocked");

        let contacts = self.stage.call(me, &GetContacts { hash: 0 }).unwrap();
        let enums::contacts::Contacts::Contacts(contacts) = contacts else {
            panic!("{how}: nothing is known yet")
        };
        let contacts = contacts.contacts.iter().map(|contact| contact.user_id);
        assert_eq!(follower.contacts, contacts.collect(), "{how}: contacts");

        for chat_id in self.chats.clone() {
            let full = self.stage.call(me, &GetFullChat { chat_id });
            let members = full.ok().and_then(|full| match full.full_chat {
                enums::ChatFull::ChatFull(full) => match full.participants {
                    enums::ChatParticipants::ChatParticipants(members) => Some(members),
                    enums::ChatParticipants::Forbidden(_) => None,
                },
                _ => panic!("{how}: a chat"),
            });
            let known = follower.members.get(&chat_id).map(|(_, ids)| ids.len());
            let members = members.map(|members| members.participants.len());
            assert_eq!(known, members, "{how}: members of {chat_id}");
        }
    }

    fn dialogs(&mut self, me: i64) -> Vec<types::Dialog> {
        let query = GetDialogs {
            exclude_pinned: false,
            folder_id: None,
            offset_date: 0,
            offset_id: 0,
            offset_peer: enums::InputPeer::Empty,
            limit: 100,
            hash: 0,
        };
        let dialogs = match self.stage.call(me, &query).unwrap() {
            enums::messages::Dialogs::Dialogs(dialogs) => dialogs.dialogs,
            enums::messages::Dialogs::Slice(dialogs) => dialogs.dialogs,
            enums::messages::Dialogs::NotModified(_) => panic!("nothing is known yet"),
        };
        let dialogs = dialogs.into_iter().map(|dialog| match dialog {
            enums::Dialog::Dialog(dialog) => *dialog,
            _ => panic!("nobody has folders"),
        });
        dialogs.collect()
    }

    fn channel_agrees(&mut self, follower: &Follower, dialog: &types::Dialog, how: &str) {
        let id = -1_000_000_000_000 - marked(&dialog.peer);
        let named = self
            .channels
            .iter()
            .find(|channel| channel.channel_id == id);
        let peer = super::stage::channel_peer(named.unwrap());
        let messages = self.whole_history(follower.me, &peer).into_iter();
        let messages: BTreeMap<_, _> = messages
            .map(|(id, text, edit)| (id, (text, edit)))
            .collect();
        let followed = &follower.channels[&id];
        assert_eq!(followed.messages, messages, "{how}: channel {id}");
        assert_eq!(Some(followed.pts), dialog.pts, "{how}: channel {id}");
    }

    fn whole_history(
        &mut self,
        me: i64,
        peer: &enums::InputPeer,
    ) -> Vec<(i32, String, Option<i32>)> {
        let mut all = Vec::new();
        let mut query = history(peer);
        query.limit = 7;
        loop {
            let page = messages_of(self.stage.call(me, &query).unwrap());
            let Some(last) = page.last() else { return all };
            query.offset_id = id_and_text(last).0;
            all.extend(page.iter().map(|message| {
                let (id, text) = id_and_text(message);
                let edited = match message {
                    enums::Message::Message(message) => message.edit_date,
                    _ => None,
                };
                (id, text, edited)
            }));
        }
    }
}

#[test]
fn what_is_no_method_of_the_talk_is_left_to_others() {
    let mut stage = Stage::empty(1);
    stage.person(11, "Anna", false);
    let query = GetUsers { id: Vec::new() };
    let body = mtproto_schema::Encode::to_bytes(&query);
    assert!(stage.raw(11, 1, &body).is_none());
    let refused = stage
        .raw(11, GetUsers::ID, &body.slice(..5))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        refused,
        (400, format!("INPUT_METHOD_INVALID_{}_0", GetUsers::ID))
    );
}

//! The stage: some people, their talk, a clock.

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, DcId, Rng, SessionId};
use mtproto_schema::api::functions::channels::CreateChannel;
use mtproto_schema::api::functions::messages::{
    CreateChat, ForwardMessages, GetHistory, SendMessage,
};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Decode, Encode, Function};
use mtproto_test::dc::people::{People, Person};
use mtproto_test::dc::talk::{Cx, Origin, Talk};

/// Three people and a bot.
pub const ANNA: i64 = 5_000_000_001;
pub const BERT: i64 = 5_000_000_002;
pub const CLEO: i64 = 5_000_000_003;
pub const BOT: i64 = 5_000_000_009;

/// What was pushed, to whom.
pub struct Pushed {
    pub user_id: i64,
    pub body: Bytes,
    pub updates: enums::Updates,
    pub except: Option<Origin>,
}

/// An error of the DC.
pub type Refused = (i32, String);

pub struct Stage {
    pub people: People,
    pub talk: Talk,
    pub rng: Rng,
    pub now: i32,
    /// Queries and their answers, but for what followers ask.
    pub answers: Vec<(Bytes, Bytes)>,
    next_random_id: i64,
}

impl Stage {
    pub fn new() -> Self {
        let mut stage = Stage::empty(7);
        for (id, name) in [
            (ANNA, "Anna"),
            (BERT, "Bert"),
            (CLEO, "Cleo"),
            (BOT, "Robot"),
        ] {
            stage.person(id, name, id == BOT);
        }
        stage
    }

    pub fn empty(seed: u8) -> Self {
        Stage {
            people: People::new(),
            talk: Talk::new(),
            rng: Rng::from_seed([seed; 32]),
            now: 1_800_000_000,
            answers: Vec::new(),
            next_random_id: 1,
        }
    }

    /// Adds somebody, whose number ends with the last digits of the id.
    pub fn person(&mut self, id: i64, name: &str, bot: bool) {
        let mut person = Person::new(id, id ^ 0x5eed, name);
        if !bot {
            person.phone = format!("999662{:04}", id % 10_000);
        }
        person.bot = bot;
        self.people.insert(person).unwrap();
        self.with(id, |talk, cx| talk.joined(cx, id));
    }

    /// The session that somebody asks from.
    pub fn origin(me: i64) -> Origin {
        Origin {
            dc: DcId(2),
            key: AuthKeyId(me),
            session: SessionId(me),
        }
    }

    fn with<T>(&mut self, me: i64, then: impl FnOnce(&mut Talk, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            people: &mut self.people,
            me,
            now: self.now,
            rng: &mut self.rng,
            origin: Stage::origin(me),
        };
        then(&mut self.talk, &mut cx)
    }

    /// The answer as it is sent; `None`: not a method of the talk.
    pub fn raw(&mut self, me: i64, id: u32, query: &Bytes) -> Option<Result<Bytes, Refused>> {
        self.with(me, |talk, cx| talk.call(cx, id, query))
    }

    pub fn call<F: Function>(&mut self, me: i64, query: &F) -> Result<F::Response, Refused> {
        let answer = self.raw(me, F::ID, &query.to_bytes());
        let answer = answer.unwrap_or_else(|| panic!("{} is not answered", F::NAME))?;
        if !F::NAME.starts_with("updates.") {
            self.answers.push((query.to_bytes(), answer.clone()));
        }
        Ok(F::Response::from_bytes(&answer).unwrap_or_else(|e| panic!("{}: {e}", F::NAME)))
    }

    /// What is pushed since this was asked last.
    pub fn pushes(&mut self) -> Vec<Pushed> {
        let pushes = std::iter::from_fn(|| self.talk.poll_push());
        let pushed = pushes.map(|push| Pushed {
            user_id: push.user_id,
            updates: enums::Updates::from_bytes(&push.body).unwrap(),
            body: push.body,
            except: push.except,
        });
        pushed.collect()
    }

    /// The updates that are pushed to somebody's sessions besides the one that asks.
    pub fn pushed_to(&mut self, user: i64) -> Vec<enums::Update> {
        let pushes = self
            .pushes()
            .into_iter()
            .filter(|push| push.user_id == user);
        pushes.flat_map(|push| updates_of(push.updates)).collect()
    }

    pub fn hash(&self, user: i64) -> i64 {
        self.people.get(user).unwrap().access_hash
    }

    pub fn peer(&self, user: i64) -> enums::InputPeer {
        enums::InputPeer::User(types::InputPeerUser {
            user_id: user,
            access_hash: self.hash(user),
        })
    }

    pub fn user(&self, user: i64) -> enums::InputUser {
        enums::InputUser::InputUser(types::InputUser {
            user_id: user,
            access_hash: self.hash(user),
        })
    }

    pub fn random_id(&mut self) -> i64 {
        self.next_random_id += 1;
        self.next_random_id
    }

    pub fn say(
        &mut self,
        me: i64,
        to: &enums::InputPeer,
        text: &str,
    ) -> Result<enums::Updates, Refused> {
        let query = message(to, text, self.random_id());
        self.call(me, &query)
    }

    /// Says something; the message's id.
    pub fn said(&mut self, me: i64, to: &enums::InputPeer, text: &str) -> i32 {
        let answer = self.say(me, to, text).unwrap();
        new_id(&answer)
    }

    /// Makes a chat with these users; its id.
    pub fn chat(&mut self, me: i64, users: &[i64], title: &str) -> i64 {
        let users = users.iter().map(|user| self.user(*user)).collect();
        let created = self
            .call(
                me,
                &CreateChat {
                    users,
                    title: title.into(),
                    ttl_period: None,
                },
            )
            .unwrap();
        let (_, chats) = related(created.updates);
        match &chats[..] {
            [enums::Chat::Chat(chat)] => chat.id,
            _ => panic!("one chat is made"),
        }
    }

    /// Makes a channel; what names it.
    pub fn channel(&mut self, me: i64, title: &str, megagroup: bool) -> types::InputChannel {
        let created = self.call(me, &create_channel(title, megagroup)).unwrap();
        let (_, chats) = related(created);
        match &chats[..] {
            [enums::Chat::Channel(channel)] => types::InputChannel {
                channel_id: channel.id,
                access_hash: channel.access_hash.unwrap(),
            },
            _ => panic!("one channel is made"),
        }
    }

    /// The texts of a dialog, newest first, with their ids.
    pub fn history(&mut self, me: i64, peer: &enums::InputPeer) -> Vec<(i32, String)> {
        let messages = self.call(me, &history(peer)).unwrap();
        messages_of(messages).iter().map(id_and_text).collect()
    }
}

pub fn chat_peer(chat_id: i64) -> enums::InputPeer {
    enums::InputPeer::Chat(types::InputPeerChat { chat_id })
}

pub fn channel_peer(channel: &types::InputChannel) -> enums::InputPeer {
    enums::InputPeer::Channel(types::InputPeerChannel {
        channel_id: channel.channel_id,
        access_hash: channel.access_hash,
    })
}

pub fn input(channel: &types::InputChannel) -> enums::InputChannel {
    enums::InputChannel::InputChannel(types::InputChannel {
        channel_id: channel.channel_id,
        access_hash: channel.access_hash,
    })
}

pub fn create_channel(title: &str, megagroup: bool) -> CreateChannel {
    CreateChannel {
        broadcast: !megagroup,
        megagroup,
        for_import: false,
        forum: false,
        title: title.into(),
        about: "".into(),
        geo_point: None,
        ttl_period: None,
    }
}

pub fn message(to: &enums::InputPeer, text: &str, random_id: i64) -> SendMessage {
    SendMessage {
        no_webpage: false,
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer: to.clone(),
        reply_to: None,
        message: text.into(),
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
        rich_message: None,
    }
}

pub fn reply(to: &enums::InputPeer, id: i32, text: &str, random_id: i64) -> SendMessage {
    let reply_to = types::InputReplyToMessage {
        reply_to_msg_id: id,
        top_msg_id: None,
        reply_to_peer_id: None,
        quote_text: None,
        quote_entities: None,
        quote_offset: None,
        monoforum_peer_id: None,
        todo_item_id: None,
        poll_option: None,
    };
    SendMessage {
        reply_to: Some(Box::new(enums::InputReplyTo::Message(Box::new(reply_to)))),
        ..message(to, text, random_id)
    }
}

pub fn forward(
    from: &enums::InputPeer,
    ids: &[i32],
    to: &enums::InputPeer,
    random_ids: Vec<i64>,
) -> ForwardMessages {
    ForwardMessages {
        silent: false,
        background: false,
        with_my_score: false,
        drop_author: false,
        drop_media_captions: false,
        noforwards: false,
        allow_paid_floodskip: false,
        from_ephemeral: false,
        from_peer: from.clone(),
        id: ids.to_vec(),
        random_id: random_ids,
        to_peer: to.clone(),
        top_msg_id: None,
        reply_to: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        video_timestamp: None,
        allow_paid_stars: None,
        suggested_post: None,
    }
}

pub fn history(peer: &enums::InputPeer) -> GetHistory {
    GetHistory {
        peer: peer.clone(),
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 100,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}

/// The updates in a container, the short forms as if they had been long.
pub fn updates_of(updates: enums::Updates) -> Vec<enums::Update> {
    match updates {
        enums::Updates::Updates(updates) => updates.updates,
        enums::Updates::UpdateShort(short) => vec![short.update],
        enums::Updates::UpdateShortMessage(short) => {
            let message: types::Message = blank_message(
                short.id,
                enums::Peer::User(types::PeerUser {
                    user_id: short.user_id,
                }),
                short.date,
                &short.message,
                short.out,
            );
            vec![enums::Update::NewMessage(types::UpdateNewMessage {
                message: enums::Message::Message(Box::new(message)),
                pts: short.pts,
                pts_count: short.pts_count,
            })]
        }
        _ => panic!("not a form that the DC uses for pushes"),
    }
}

fn blank_message(id: i32, peer: enums::Peer, date: i32, text: &str, out: bool) -> types::Message {
    let mut bytes = <types::Message as mtproto_schema::Constructor>::ID
        .to_le_bytes()
        .to_vec();
    0_i64.encode(&mut bytes);
    id.encode(&mut bytes);
    peer.encode(&mut bytes);
    date.encode(&mut bytes);
    mtproto_schema::Str::from(text).encode(&mut bytes);
    let mut message = types::Message::from_bytes(&bytes.into()).unwrap();
    message.out = out;
    message
}

pub fn related(updates: enums::Updates) -> (Vec<enums::User>, Vec<enums::Chat>) {
    match updates {
        enums::Updates::Updates(updates) => (updates.users, updates.chats),
        _ => (Vec::new(), Vec::new()),
    }
}

/// The id of the first message that an answer tells of.
pub fn new_id(answer: &enums::Updates) -> i32 {
    match answer {
        enums::Updates::UpdateShortSentMessage(sent) => sent.id,
        enums::Updates::Updates(updates) => {
            let mut ids = updates.updates.iter().filter_map(|update| match update {
                enums::Update::NewMessage(new) => Some(id_and_text(&new.message).0),
                enums::Update::NewChannelMessage(new) => Some(id_and_text(&new.message).0),
                _ => None,
            });
            ids.next().unwrap()
        }
        _ => panic!("not an answer to a message"),
    }
}

pub fn id_and_text(message: &enums::Message) -> (i32, String) {
    match message {
        enums::Message::Message(message) => (message.id, message.message.to_string()),
        enums::Message::Service(message) => (message.id, format!("[{}]", action(&message.action))),
        enums::Message::Empty(message) => (message.id, "[gone]".to_owned()),
    }
}

fn action(action: &enums::MessageAction) -> String {
    match action {
        enums::MessageAction::ChatCreate(action) => format!("chat {}", action.title),
        enums::MessageAction::ChannelCreate(action) => format!("channel {}", action.title),
        enums::MessageAction::ChatEditTitle(action) => format!("title {}", action.title),
        enums::MessageAction::ChatAddUser(action) => format!("add {:?}", action.users),
        enums::MessageAction::ChatDeleteUser(action) => format!("remove {}", action.user_id),
        enums::MessageAction::ChatJoinedByLink(action) => format!("link of {}", action.inviter_id),
        _ => panic!("nobody does that here"),
    }
}

/// Where a message is.
pub fn place_of(message: &enums::Message) -> &enums::Peer {
    match message {
        enums::Message::Message(message) => &message.peer_id,
        enums::Message::Service(message) => &message.peer_id,
        enums::Message::Empty(_) => panic!("an update is never empty"),
    }
}

pub fn messages_of(messages: enums::messages::Messages) -> Vec<enums::Message> {
    match messages {
        enums::messages::Messages::Messages(messages) => messages.messages,
        enums::messages::Messages::Slice(messages) => messages.messages,
        enums::messages::Messages::ChannelMessages(messages) => messages.messages,
        enums::messages::Messages::NotModified(_) => panic!("nothing is known yet"),
    }
}

pub fn long(message: &enums::Message) -> &types::Message {
    match message {
        enums::Message::Message(message) => message,
        _ => panic!("not somebody's words"),
    }
}

pub fn refused<T>(result: Result<T, Refused>, code: i32, text: &str) {
    match result {
        Ok(_) => panic!("not refused with {text}"),
        Err(refused) => assert_eq!(refused, (code, text.to_owned())),
    }
}

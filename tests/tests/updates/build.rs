//! Objects of the API as a server makes them, as short as they can be.

use mtproto_schema::api::{enums, types};
use mtproto_schema::{Bytes, Constructor, Decode, Encode, tl};

/// The account of all tests.
pub const ME: i64 = 777;

fn object(id: u32, fields: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    tl::put_u32(&mut out, id);
    fields(&mut out);
    out.into()
}

/// A user with an access hash of its id, or a `min` one.
pub fn user(id: i64, min: bool) -> enums::User {
    user_with(id, Some(id * 1_000), min)
}

pub fn user_with(id: i64, access_hash: Option<i64>, min: bool) -> enums::User {
    let bytes = object(types::User::ID, |out| {
        tl::put_u32(out, u32::from(access_hash.is_some()) | u32::from(min) << 20);
        tl::put_u32(out, 0);
        tl::put_i64(out, id);
        if let Some(hash) = access_hash {
            tl::put_i64(out, hash);
        }
    });
    enums::User::from_bytes(&bytes).unwrap()
}

/// A channel with an access hash of its id, or a `min` one.
pub fn channel(id: i64, min: bool) -> enums::Chat {
    channel_with(id, Some(id * 1_000), min)
}

pub fn channel_with(id: i64, access_hash: Option<i64>, min: bool) -> enums::Chat {
    let bytes = object(types::Channel::ID, |out| {
        tl::put_u32(
            out,
            u32::from(access_hash.is_some()) << 13 | u32::from(min) << 12,
        );
        tl::put_u32(out, 0);
        tl::put_i64(out, id);
        if let Some(hash) = access_hash {
            tl::put_i64(out, hash);
        }
        tl::put_bytes(out, b"");
        enums::ChatPhoto::Empty.encode(out);
        tl::put_i32(out, 0);
    });
    enums::Chat::from_bytes(&bytes).unwrap()
}

/// A basic group.
pub fn group(id: i64) -> enums::Chat {
    enums::Chat::Forbidden(types::ChatForbidden {
        id,
        title: "".into(),
    })
}

pub fn peer_user(user_id: i64) -> enums::Peer {
    enums::Peer::User(types::PeerUser { user_id })
}

pub fn peer_channel(channel_id: i64) -> enums::Peer {
    enums::Peer::Channel(types::PeerChannel { channel_id })
}

/// A message that is known by its id alone.
pub fn message(id: i32, peer: enums::Peer) -> enums::Message {
    enums::Message::Empty(types::MessageEmpty {
        id,
        peer_id: Some(peer),
    })
}

pub fn new_message(id: i32, pts: i32, pts_count: i32) -> enums::Update {
    let message = message(id, peer_user(1));
    enums::Update::NewMessage(types::UpdateNewMessage {
        message,
        pts,
        pts_count,
    })
}

pub fn delete_messages(id: i32, pts: i32, pts_count: i32) -> enums::Update {
    let messages = vec![id];
    enums::Update::DeleteMessages(types::UpdateDeleteMessages {
        messages,
        pts,
        pts_count,
    })
}

pub fn web_page(pts: i32) -> enums::Update {
    let webpage = enums::WebPage::Empty(types::WebPageEmpty { id: 1, url: None });
    enums::Update::WebPage(types::UpdateWebPage {
        webpage,
        pts,
        pts_count: 0,
    })
}

pub fn channel_message(channel_id: i64, id: i32, pts: i32, pts_count: i32) -> enums::Update {
    let message = message(id, peer_channel(channel_id));
    enums::Update::NewChannelMessage(types::UpdateNewChannelMessage {
        message,
        pts,
        pts_count,
    })
}

pub fn delete_channel(channel_id: i64, id: i32, pts: i32, pts_count: i32) -> enums::Update {
    let messages = vec![id];
    let update = types::UpdateDeleteChannelMessages {
        channel_id,
        messages,
        pts,
        pts_count,
    };
    enums::Update::DeleteChannelMessages(update)
}

pub fn channel_too_long(channel_id: i64, pts: Option<i32>) -> enums::Update {
    enums::Update::ChannelTooLong(types::UpdateChannelTooLong { channel_id, pts })
}

pub fn encrypted(tag: i32) -> enums::EncryptedMessage {
    enums::EncryptedMessage::Service(types::EncryptedMessageService {
        random_id: i64::from(tag),
        chat_id: 1,
        date: 1,
        bytes: Bytes::new(),
    })
}

pub fn new_encrypted(tag: i32, qts: i32) -> enums::Update {
    let message = encrypted(tag);
    enums::Update::NewEncryptedMessage(types::UpdateNewEncryptedMessage { message, qts })
}

pub fn bot_stopped(tag: i32, qts: i32) -> enums::Update {
    let user_id = i64::from(tag);
    enums::Update::BotStopped(types::UpdateBotStopped {
        user_id,
        date: 1,
        stopped: true,
        qts,
    })
}

/// An update without a counter.
pub fn phone(tag: i32) -> enums::Update {
    let user_id = i64::from(tag);
    enums::Update::UserPhone(types::UpdateUserPhone {
        user_id,
        phone: "".into(),
    })
}

/// `updates` without users and chats.
pub fn updates(updates: Vec<enums::Update>, seq: i32, date: i32) -> Bytes {
    updates_with(updates, vec![], vec![], seq, date)
}

pub fn updates_with(
    updates: Vec<enums::Update>,
    users: Vec<enums::User>,
    chats: Vec<enums::Chat>,
    seq: i32,
    date: i32,
) -> Bytes {
    types::Updates {
        updates,
        users,
        chats,
        date,
        seq,
    }
    .to_bytes()
}

pub fn combined(updates: Vec<enums::Update>, seq_start: i32, seq: i32, date: i32) -> Bytes {
    let (users, chats) = (vec![], vec![]);
    types::UpdatesCombined {
        updates,
        users,
        chats,
        date,
        seq_start,
        seq,
    }
    .to_bytes()
}

pub fn short(update: enums::Update) -> Bytes {
    types::UpdateShort { update, date: 1 }.to_bytes()
}

pub fn short_message(id: i32, user_id: i64, pts: i32, pts_count: i32) -> Bytes {
    types::UpdateShortMessage {
        out: false,
        mentioned: false,
        media_unread: false,
        silent: true,
        id,
        user_id,
        message: "text".into(),
        pts,
        pts_count,
        date: 5,
        fwd_from: None,
        via_bot_id: None,
        reply_to: None,
        entities: None,
        ttl_period: None,
    }
    .to_bytes()
}

pub fn short_chat_message(id: i32, from_id: i64, chat_id: i64, pts: i32) -> Bytes {
    types::UpdateShortChatMessage {
        out: false,
        mentioned: true,
        media_unread: false,
        silent: false,
        id,
        from_id,
        chat_id,
        message: "text".into(),
        pts,
        pts_count: 1,
        date: 5,
        fwd_from: None,
        via_bot_id: None,
        reply_to: None,
        entities: None,
        ttl_period: None,
    }
    .to_bytes()
}

pub fn short_sent(id: i32, pts: i32, pts_count: i32) -> Bytes {
    types::UpdateShortSentMessage {
        out: true,
        id,
        pts,
        pts_count,
        date: 5,
        media: None,
        entities: None,
        ttl_period: None,
    }
    .to_bytes()
}

pub fn too_long() -> Bytes {
    enums::Updates::TooLong.to_bytes()
}

pub fn state(pts: i32, qts: i32, date: i32, seq: i32) -> types::updates::State {
    types::updates::State {
        pts,
        qts,
        date,
        seq,
        unread_count: 0,
    }
}

pub fn difference_empty(date: i32, seq: i32) -> Bytes {
    types::updates::DifferenceEmpty { date, seq }.to_bytes()
}

pub fn difference_too_long(pts: i32) -> Bytes {
    types::updates::DifferenceTooLong { pts }.to_bytes()
}

/// A `difference`, or a slice of one.
#[derive(Default)]
pub struct Difference {
    pub messages: Vec<enums::Message>,
    pub encrypted: Vec<enums::EncryptedMessage>,
    pub others: Vec<enums::Update>,
    pub chats: Vec<enums::Chat>,
    pub users: Vec<enums::User>,
}

impl Difference {
    pub fn last(self, state: types::updates::State) -> Bytes {
        types::updates::Difference {
            new_messages: self.messages,
            new_encrypted_messages: self.encrypted,
            other_updates: self.others,
            chats: self.chats,
            users: self.users,
            state,
        }
        .to_bytes()
    }

    pub fn slice(self, intermediate_state: types::updates::State) -> Bytes {
        types::updates::DifferenceSlice {
            new_messages: self.messages,
            new_encrypted_messages: self.encrypted,
            other_updates: self.others,
            chats: self.chats,
            users: self.users,
            intermediate_state,
        }
        .to_bytes()
    }
}

pub fn channel_empty(pts: i32, last: bool, timeout: Option<i32>) -> Bytes {
    types::updates::ChannelDifferenceEmpty {
        r#final: last,
        pts,
        timeout,
    }
    .to_bytes()
}

pub fn channel_difference(
    (pts, last, timeout): (i32, bool, Option<i32>),
    new_messages: Vec<enums::Message>,
    other_updates: Vec<enums::Update>,
) -> Bytes {
    types::updates::ChannelDifference {
        r#final: last,
        pts,
        timeout,
        new_messages,
        other_updates,
        chats: vec![],
        users: vec![],
    }
    .to_bytes()
}

pub fn channel_difference_too_long(id: i64, pts: i32, last: bool) -> Bytes {
    let dialog = object(types::Dialog::ID, |out| {
        tl::put_u32(out, 1);
        peer_channel(id).encode(out);
        for _ in 0..7 {
            tl::put_i32(out, 0);
        }
        tl::put_u32(out, types::PeerNotifySettings::ID);
        tl::put_u32(out, 0);
        tl::put_i32(out, pts);
    });
    types::updates::ChannelDifferenceTooLong {
        r#final: last,
        timeout: None,
        dialog: enums::Dialog::from_bytes(&dialog).unwrap(),
        messages: vec![],
        chats: vec![],
        users: vec![],
    }
    .to_bytes()
}

pub fn affected(pts: i32, pts_count: i32) -> Bytes {
    types::messages::AffectedMessages { pts, pts_count }.to_bytes()
}

pub fn affected_history(pts: i32, pts_count: i32) -> Bytes {
    types::messages::AffectedHistory {
        pts,
        pts_count,
        offset: 0,
    }
    .to_bytes()
}

/// A body of a newer layer.
pub fn unreadable() -> Bytes {
    object(0xdead_beef, |out| tl::put_i64(out, 1))
}

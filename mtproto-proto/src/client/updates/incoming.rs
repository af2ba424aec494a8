//! One update on its way to the application, and where its place is.
//!
//! Does: keeps an update's bytes, its type and who came with it together; says which counter
//! orders it.
//! In: decoded updates. Out: [`Incoming`], [`Place`].
//! Must not know: the counters' values.
//! Spec: "Working with updates", "Update sequences".

use alloc::sync::Arc;

use bytes::Bytes;
use mtproto_schema::api::enums;

use super::Related;

/// An update that has not been handed out yet.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    /// The boxed `Update`.
    pub raw: Bytes,
    /// The same, if it could be read.
    pub parsed: Option<enums::Update>,
    /// Who came with it; one `Arc` per body, so that it also tells bodies apart.
    pub peers: Arc<Related>,
    /// Bytes of the body that brought it, and of what that was read into: it keeps all of the one
    /// alive, and much of the other.
    pub weight: usize,
}

/// What orders an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The common box.
    Pts { pts: i32, count: i32 },
    /// The box of secret chats and of bots' events.
    Qts(i32),
    /// A channel's box.
    Channel { id: i64, pts: i32, count: i32 },
    /// Says that a channel has more than is told here.
    ChannelTooLong { id: i64, pts: Option<i32> },
    /// Says that the common box has a new counter.
    PtsChanged,
    /// Nothing but `seq` of its container.
    Other,
}

impl Incoming {
    /// A body that cannot be read, to be told as it is.
    pub fn unread(body: Bytes) -> Self {
        Incoming {
            weight: body.len(),
            raw: body,
            parsed: None,
            peers: Arc::default(),
        }
    }

    /// What orders it.
    pub fn place(&self) -> Place {
        self.parsed.as_ref().map_or(Place::Other, place)
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a layer has 170 kinds of updates, and few are ordered by a counter of their own"
)]
fn place(update: &enums::Update) -> Place {
    use enums::Update as U;
    let pts = |pts, count| Place::Pts { pts, count };
    let channel = |id, pts, count| Place::Channel { id, pts, count };
    match update {
        U::NewMessage(u) => pts(u.pts, u.pts_count),
        U::EditMessage(u) => pts(u.pts, u.pts_count),
        U::DeleteMessages(u) => pts(u.pts, u.pts_count),
        U::ReadHistoryInbox(u) => pts(u.pts, u.pts_count),
        U::ReadHistoryOutbox(u) => pts(u.pts, u.pts_count),
        U::ReadMessagesContents(u) => pts(u.pts, u.pts_count),
        U::WebPage(u) => pts(u.pts, u.pts_count),
        U::FolderPeers(u) => pts(u.pts, u.pts_count),
        U::PinnedMessages(u) => pts(u.pts, u.pts_count),

        U::NewChannelMessage(u) => match channel_of(&u.message) {
            Some(id) => channel(id, u.pts, u.pts_count),
            None => Place::Other,
        },
        U::EditChannelMessage(u) => match channel_of(&u.message) {
            Some(id) => channel(id, u.pts, u.pts_count),
            None => Place::Other,
        },
        U::DeleteChannelMessages(u) => channel(u.channel_id, u.pts, u.pts_count),
        U::ChannelWebPage(u) => channel(u.channel_id, u.pts, u.pts_count),
        U::PinnedChannelMessages(u) => channel(u.channel_id, u.pts, u.pts_count),
        U::ChannelTooLong(u) => Place::ChannelTooLong {
            id: u.channel_id,
            pts: u.pts,
        },

        U::NewEncryptedMessage(u) => qts(u.qts),
        U::MessagePollVote(u) => qts(u.qts),
        U::ChatParticipant(u) => qts(u.qts),
        U::ChannelParticipant(u) => qts(u.qts),
        U::BotStopped(u) => qts(u.qts),
        U::BotChatInviteRequester(u) => qts(u.qts),
        U::BotChatBoost(u) => qts(u.qts),
        U::BotMessageReaction(u) => qts(u.qts),
        U::BotMessageReactions(u) => qts(u.qts),
        U::BotBusinessConnect(u) => qts(u.qts),
        U::BotNewBusinessMessage(u) => qts(u.qts),
        U::BotEditBusinessMessage(u) => qts(u.qts),
        U::BotDeleteBusinessMessage(u) => qts(u.qts),
        U::BotPurchasedPaidMedia(u) => qts(u.qts),
        U::ManagedBot(u) => qts(u.qts),
        U::BotGuestChatQuery(u) => qts(u.qts),
        U::BotStarsSubscription(u) => qts(u.qts),

        U::PtsChanged => Place::PtsChanged,
        _ => Place::Other,
    }
}

/// An event that the server did not number (`qts` 0) has no place among those that it did.
fn qts(qts: i32) -> Place {
    if qts == 0 {
        Place::Other
    } else {
        Place::Qts(qts)
    }
}

/// The channel that a message is in.
pub(super) fn channel_of(message: &enums::Message) -> Option<i64> {
    let peer = match message {
        enums::Message::Message(m) => &m.peer_id,
        enums::Message::Service(m) => &m.peer_id,
        enums::Message::Empty(m) => m.peer_id.as_ref()?,
    };
    match peer {
        enums::Peer::Channel(c) => Some(c.channel_id),
        enums::Peer::User(_) | enums::Peer::Chat(_) => None,
    }
}

//! Messages in their short form, which leaves out what the receiver can know.
//!
//! Does: fills in what was left out; says who has to be known for that to make sense.
//! In: `updateShortMessage`, `updateShortChatMessage`. Out: `updateNewMessage`.
//! Must not know: who is known.
//! Spec: "Working with updates", "updateShortMessage".

use alloc::boxed::Box;
use alloc::vec::Vec;

use mtproto_schema::api::{enums, types};

use crate::client::{PeerId, Peers};

/// Somebody that a short form names by its id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known(PeerId);

impl Known {
    /// Whether enough is known to make use of the id.
    pub fn is_in(self, peers: &Peers, me: i64) -> bool {
        self.0 == PeerId::User(me) || peers.get(self.0).is_some()
    }
}

/// The message of a private chat with its sender; `me` is the account's user.
pub(super) fn message(short: types::UpdateShortMessage, me: i64) -> enums::Update {
    let from = if short.out { me } else { short.user_id };
    new_message(
        types::Message {
            out: short.out,
            mentioned: short.mentioned,
            media_unread: short.media_unread,
            silent: short.silent,
            fwd_from: short.fwd_from,
            via_bot_id: short.via_bot_id,
            reply_to: short.reply_to,
            entities: short.entities,
            ttl_period: short.ttl_period,
            ..bare(
                short.id,
                short.date,
                short.message,
                from,
                user(short.user_id),
            )
        },
        short.pts,
        short.pts_count,
    )
}

/// The message of a basic group.
pub(super) fn chat_message(short: types::UpdateShortChatMessage) -> enums::Update {
    let chat = enums::Peer::Chat(types::PeerChat {
        chat_id: short.chat_id,
    });
    new_message(
        types::Message {
            out: short.out,
            mentioned: short.mentioned,
            media_unread: short.media_unread,
            silent: short.silent,
            fwd_from: short.fwd_from,
            via_bot_id: short.via_bot_id,
            reply_to: short.reply_to,
            entities: short.entities,
            ttl_period: short.ttl_period,
            ..bare(short.id, short.date, short.message, short.from_id, chat)
        },
        short.pts,
        short.pts_count,
    )
}

/// Whom the message of a private chat names.
pub(super) fn known_to(short: &types::UpdateShortMessage) -> Vec<Known> {
    let mut known = Vec::from([Known(PeerId::User(short.user_id))]);
    named(
        &mut known,
        short.via_bot_id,
        short.fwd_from.as_deref(),
        short.entities.as_deref(),
    );
    known
}

/// Whom the message of a group names.
pub(super) fn known_to_chat(short: &types::UpdateShortChatMessage) -> Vec<Known> {
    let mut known = Vec::from([
        Known(PeerId::User(short.from_id)),
        Known(PeerId::Chat(short.chat_id)),
    ]);
    named(
        &mut known,
        short.via_bot_id,
        short.fwd_from.as_deref(),
        short.entities.as_deref(),
    );
    known
}

fn named(
    known: &mut Vec<Known>,
    via_bot: Option<i64>,
    forward: Option<&types::MessageFwdHeader>,
    entities: Option<&[enums::MessageEntity]>,
) {
    known.extend(via_bot.map(|id| Known(PeerId::User(id))));
    let from = forward.and_then(|forward| forward.from_id.as_ref());
    known.extend(from.map(|peer| Known(PeerId::from(peer))));
    for entity in entities.unwrap_or_default() {
        if let enums::MessageEntity::MentionName(mention) = entity {
            known.push(Known(PeerId::User(mention.user_id)));
        }
    }
}

fn user(user_id: i64) -> enums::Peer {
    enums::Peer::User(types::PeerUser { user_id })
}

fn new_message(message: types::Message, pts: i32, pts_count: i32) -> enums::Update {
    let message = enums::Message::Message(Box::new(message));
    enums::Update::NewMessage(types::UpdateNewMessage {
        message,
        pts,
        pts_count,
    })
}

/// A message with nothing in it but text.
fn bare(
    id: i32,
    date: i32,
    message: mtproto_schema::Str,
    from: i64,
    peer_id: enums::Peer,
) -> types::Message {
    types::Message {
        out: false,
        mentioned: false,
        media_unread: false,
        silent: false,
        post: false,
        from_scheduled: false,
        legacy: false,
        edit_hide: false,
        pinned: false,
        noforwards: false,
        invert_media: false,
        offline: false,
        video_processing_pending: false,
        paid_suggested_post_stars: false,
        paid_suggested_post_ton: false,
        id,
        from_id: Some(user(from)),
        from_boosts_applied: None,
        from_rank: None,
        peer_id,
        saved_peer_id: None,
        fwd_from: None,
        via_bot_id: None,
        via_business_bot_id: None,
        guestchat_via_from: None,
        reply_to: None,
        date,
        message,
        media: None,
        reply_markup: None,
        entities: None,
        views: None,
        replies: None,
        edit_date: None,
        post_author: None,
        grouped_id: None,
        reactions: None,
        restriction_reason: None,
        ttl_period: None,
        quick_reply_shortcut_id: None,
        effect: None,
        factcheck: None,
        report_delivery_until_date: None,
        paid_message_stars: None,
        suggested_post: None,
        schedule_repeat_period: None,
        summary_from_language: None,
        rich_message: None,
    }
}

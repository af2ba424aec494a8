//! Finding messages.
//!
//! Does: `messages.search` in one dialog, or in all private chats and basic groups.
//! In: words, an author, a kind, a time. Out: messages, newest first.
//! Must not know: how pages are cut.
//! Spec: "Search: messages.search".

use mtproto_schema::api::enums::messages::Messages;
use mtproto_schema::api::enums::{InputPeer, MessageEntity, MessageMedia, MessagesFilter};
use mtproto_schema::api::functions::messages::Search;

use super::history::Window;
use super::peer::Peer;
use super::refusal::Outcome;
use super::world::{Body, Post, World};
use super::{Cx, Talk};

pub fn search(talk: &mut Talk, cx: &mut Cx<'_>, query: Search) -> Outcome<Messages> {
    let everywhere = matches!(query.peer, InputPeer::Empty);
    let peer = if everywhere {
        Peer::User(cx.me)
    } else {
        talk.peer(cx, &query.peer)?
    };
    let author = query.from_id.as_ref().map(|from| talk.peer(cx, from));
    let author = author.transpose()?;
    let owner = World::owner(cx.me, peer);
    let ids = match talk.world.mailbox(owner) {
        Some(mailbox) if everywhere => mailbox.held.keys().copied().collect(),
        Some(_) | None => talk.world.ids(cx.me, peer),
    };
    let wanted = query.q.to_lowercase();
    let fits = |id: &i32| {
        let Some(post) = talk.world.post(owner, *id) else {
            return false;
        };
        let held = talk.world.mailbox(owner).and_then(|m| m.held.get(id));
        let by_author = author.is_none_or(|author| author == Peer::User(post.from));
        let in_time = (query.min_date <= 0 || post.date > query.min_date)
            && (query.max_date <= 0 || post.date < query.max_date);
        let mentioned = held.is_some_and(|held| held.mentioned);
        by_author && in_time && says(post, &wanted) && is_kind(post, &query.filter, mentioned)
    };
    let found = ids.into_iter().filter(fits).collect();
    let window = Window {
        offset_id: query.offset_id,
        offset_date: 0,
        add_offset: query.add_offset,
        limit: query.limit,
        max_id: query.max_id,
        min_id: query.min_id,
        hash: query.hash,
    };
    Ok(talk.page(cx, peer, found, &window))
}

fn says(post: &Post, wanted: &str) -> bool {
    match &post.body {
        Body::Said(said) => said.text.to_lowercase().contains(wanted),
        Body::Did(_) => wanted.is_empty(),
    }
}

/// Whether a message is of the kind that is looked for. Kinds that nobody here can send are never
/// found.
fn is_kind(post: &Post, filter: &MessagesFilter, mentioned: bool) -> bool {
    let said = match &post.body {
        Body::Said(said) => Some(said),
        Body::Did(_) => None,
    };
    let media = said
        .and_then(|said| said.media.as_ref())
        .map(|media| &media.0);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "kinds of messages that nobody here can send"
    )]
    match filter {
        MessagesFilter::InputMessagesFilterEmpty => true,
        MessagesFilter::InputMessagesFilterMyMentions => mentioned,
        MessagesFilter::InputMessagesFilterGeo => {
            matches!(media, Some(MessageMedia::Geo(_) | MessageMedia::Venue(_)))
        }
        MessagesFilter::InputMessagesFilterContacts => {
            matches!(media, Some(MessageMedia::Contact(_)))
        }
        MessagesFilter::InputMessagesFilterUrl => said.is_some_and(|said| {
            let mut entities = said.entities.0.iter();
            entities.any(|e| matches!(e, MessageEntity::Url(_) | MessageEntity::TextUrl(_)))
        }),
        _ => false,
    }
}

//! Taking messages back.
//!
//! Does: `messages.deleteMessages`, `messages.deleteHistory`, `channels.deleteMessages`.
//! In: ids. Out: how far `pts` moved; whoever had the messages is told.
//! Must not know: what they say.
//! Spec: "messages.deleteMessages", "messages.deleteHistory".

use mtproto_schema::api::functions::channels::DeleteMessages as DeleteChannelMessages;
use mtproto_schema::api::functions::messages::{DeleteHistory, DeleteMessages};
use mtproto_schema::api::types::messages::{AffectedHistory, AffectedMessages};

use super::limits::{DELETED_AT_ONCE, IDS};
use super::peer::Peer;
use super::refusal::{Outcome, bad, ensure, forbidden};
use super::view::count;
use super::world::{Post, Role};
use super::{Cx, Talk};

pub fn messages(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: DeleteMessages,
) -> Outcome<AffectedMessages> {
    ensure(query.id.len() <= IDS, bad("MESSAGES_TOO_MUCH"))?;
    let owner = Peer::User(cx.me);
    let before = talk.pts(owner);
    let mut posts = query.id.iter().filter_map(|id| talk.world.post(owner, *id));
    let allowed = posts.all(|post| talk.may_revoke(cx, post));
    ensure(
        !query.revoke || allowed,
        forbidden("MESSAGE_DELETE_FORBIDDEN"),
    )?;
    talk.delete(cx, query.id, query.revoke);
    Ok(talk.affected(cx, owner, before))
}

pub fn history(talk: &mut Talk, cx: &mut Cx<'_>, query: DeleteHistory) -> Outcome<AffectedHistory> {
    let peer = talk.peer(cx, &query.peer)?;
    let is_channel = matches!(peer, Peer::Channel(_));
    ensure(!is_channel, bad("PEER_ID_INVALID"))?;
    // What is not only one's own goes from the other side of a private chat alone.
    let revoke = query.revoke && matches!(peer, Peer::User(_));
    let owner = Peer::User(cx.me);
    let before = talk.pts(owner);
    let is_meant = |id: &i32| {
        let date = talk.world.post(owner, *id).map_or(0, |post| post.date);
        (query.max_id <= 0 || *id <= query.max_id)
            && query.min_date.is_none_or(|min| date >= min)
            && query.max_date.is_none_or(|max| date <= max)
    };
    let ids = talk.world.ids(cx.me, peer);
    let mut ids: Vec<i32> = ids.into_iter().filter(is_meant).collect();
    let rest = ids.split_off(ids.len().min(DELETED_AT_ONCE));
    talk.delete(cx, ids, revoke);
    let affected = talk.affected(cx, owner, before);
    Ok(AffectedHistory {
        pts: affected.pts,
        pts_count: affected.pts_count,
        // More than 0: the client is to ask again.
        offset: count(rest.len()),
    })
}

pub fn channel_messages(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: DeleteChannelMessages,
) -> Outcome<AffectedMessages> {
    ensure(query.id.len() <= IDS, bad("MESSAGES_TOO_MUCH"))?;
    let id = talk.channel(cx, &query.channel)?;
    let owner = Peer::Channel(id);
    let belongs = talk.open(cx, id)?.role(cx.me).is_some();
    let mut posts = query.id.iter().filter_map(|id| talk.world.post(owner, *id));
    let allowed = belongs && posts.all(|post| talk.may_revoke(cx, post));
    ensure(allowed, forbidden("MESSAGE_DELETE_FORBIDDEN"))?;
    let before = talk.pts(owner);
    talk.erase(owner, query.id);
    Ok(talk.affected(cx, owner, before))
}

impl Talk {
    /// Takes messages out of the caller's box, and out of all others.
    fn delete(&mut self, cx: &Cx<'_>, ids: Vec<i32>, revoke: bool) {
        let owner = Peer::User(cx.me);
        let mut others: std::collections::BTreeMap<Peer, Vec<i32>> = Default::default();
        for id in ids.iter().filter(|_| revoke) {
            let post = self.world.post(owner, *id);
            let holders = post.into_iter().flat_map(|post| &post.holders);
            for (holder, id) in holders.filter(|(holder, _)| *holder != owner) {
                others.entry(*holder).or_default().push(*id);
            }
        }
        self.erase(owner, ids);
        for (holder, ids) in others {
            self.erase(holder, ids);
        }
    }

    /// Whether the caller may delete a message for everybody.
    fn may_revoke(&self, cx: &Cx<'_>, post: &Post) -> bool {
        let runs = |role: Option<Role>| role.is_some_and(|role| role != Role::Member);
        match post.to {
            Peer::User(_) => true,
            Peer::Chat(id) => {
                let role = self.world.chats.get(&id).and_then(|chat| chat.role(cx.me));
                runs(role) || post.from == cx.me
            }
            Peer::Channel(id) => {
                let channel = self.world.channels.get(&id);
                let role = channel.and_then(|channel| channel.role(cx.me));
                // What somebody did stays, for whom it is not one's own.
                runs(role) || role.is_some() && post.from == cx.me
            }
        }
    }
}

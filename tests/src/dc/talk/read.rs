//! Who has read what.
//!
//! Does: `messages.readHistory`, `readMessageContents`, `receivedMessages`, `channels.readHistory`.
//! In: a dialog and an id. Out: how far `pts` moved; authors learn that they were read.
//! Must not know: what the messages say.
//! Spec: "messages.readHistory", "updateReadHistoryInbox", "updateReadHistoryOutbox".

use std::collections::BTreeMap;

use mtproto_schema::api::functions::channels::ReadHistory as ReadChannelHistory;
use mtproto_schema::api::functions::messages::{
    ReadHistory, ReadMessageContents, ReceivedMessages,
};
use mtproto_schema::api::types::ReceivedNotifyMessage;
use mtproto_schema::api::types::messages::AffectedMessages;

use super::boxes::Event;
use super::facts::Fact;
use super::limits::IDS;
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure};
use super::world::World;
use super::{Cx, Talk};

pub fn history(talk: &mut Talk, cx: &mut Cx<'_>, query: ReadHistory) -> Outcome<AffectedMessages> {
    let peer = talk.peer(cx, &query.peer)?;
    let is_channel = matches!(peer, Peer::Channel(_));
    // Channels have a method of their own.
    ensure(!is_channel, bad("PEER_ID_INVALID"))?;
    let before = talk.pts(Peer::User(cx.me));
    let (read, _) = talk.world.read_up_to(cx.me, peer);
    let authors = talk.unread_authors(cx, peer, read, query.max_id);
    let up_to = talk.read_to(cx, peer, query.max_id);
    if up_to > read {
        let dialogs = &mut talk.world.account(cx.me).dialogs;
        dialogs.entry(peer).or_default().read_inbox = up_to;
        talk.record(Peer::User(cx.me), Event::ReadInbox(peer, up_to));
        for (author, id) in authors {
            let theirs = match peer {
                Peer::User(_) => Peer::User(cx.me),
                Peer::Chat(_) | Peer::Channel(_) => peer,
            };
            let dialogs = &mut talk.world.account(author).dialogs;
            let dialog = dialogs.entry(theirs).or_default();
            if dialog.read_outbox < id {
                dialog.read_outbox = id;
                talk.record(Peer::User(author), Event::ReadOutbox(theirs, id));
            }
        }
    }
    Ok(talk.affected(cx, Peer::User(cx.me), before))
}

pub fn contents(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ReadMessageContents,
) -> Outcome<AffectedMessages> {
    ensure(query.id.len() <= IDS, bad("LIMIT_INVALID"))?;
    let owner = Peer::User(cx.me);
    let before = talk.pts(owner);
    let mailbox = &mut talk.world.account(cx.me).mailbox;
    let mut looked_at = Vec::new();
    for id in query.id {
        if let Some(held) = mailbox.held.get_mut(&id).filter(|held| held.unread_mention) {
            held.unread_mention = false;
            looked_at.push(id);
        }
    }
    if !looked_at.is_empty() {
        talk.record(owner, Event::Contents(looked_at));
    }
    Ok(talk.affected(cx, owner, before))
}

pub fn received(
    _: &mut Talk,
    _: &mut Cx<'_>,
    _: ReceivedMessages,
) -> Outcome<Vec<ReceivedNotifyMessage>> {
    // There are no push notifications to take back.
    Ok(Vec::new())
}

pub fn channel_history(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ReadChannelHistory,
) -> Outcome<bool> {
    let id = talk.channel(cx, &query.channel)?;
    let peer = Peer::Channel(id);
    let (read, _) = talk.world.read_up_to(cx.me, peer);
    let authors = talk.unread_authors(cx, peer, read, query.max_id);
    let up_to = talk.read_to(cx, peer, query.max_id);
    let Some(channel) = talk.world.channels.get_mut(&id) else {
        return Err(bad("CHANNEL_INVALID"));
    };
    if up_to <= read {
        return Ok(false);
    }
    let Some(member) = channel.members.get_mut(&cx.me) else {
        // Who only looks in leaves no trace.
        return Ok(true);
    };
    member.read_inbox = up_to;
    let mut told = Vec::new();
    for (author, id) in authors {
        let member = channel.members.get_mut(&author);
        if let Some(member) = member.filter(|member| member.read_outbox < id) {
            member.read_outbox = id;
            told.push(author);
        }
    }
    talk.tell(cx.me, Fact::ChannelRead(id));
    for author in told {
        talk.tell(author, Fact::ChannelReadByOthers(id));
    }
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

impl Talk {
    /// The newest message of a dialog up to `max_id`; 0 means all.
    fn read_to(&self, cx: &Cx<'_>, peer: Peer, max_id: i32) -> i32 {
        let top = self.world.top(cx.me, peer).unwrap_or(0);
        if max_id <= 0 { top } else { top.min(max_id) }
    }

    /// Whose messages lie between, and the newest of each, under the author's own id for it.
    fn unread_authors(
        &self,
        cx: &Cx<'_>,
        peer: Peer,
        read: i32,
        max_id: i32,
    ) -> BTreeMap<i64, i32> {
        let owner = World::owner(cx.me, peer);
        let up_to = self.read_to(cx, peer, max_id);
        let mut authors = BTreeMap::new();
        let unread = self.world.ids_after(cx.me, peer, read);
        for id in unread.take_while(|id| *id <= up_to) {
            let Some(post) = self.world.post(owner, id).filter(|post| post.from != cx.me) else {
                continue;
            };
            let theirs = match peer {
                Peer::Channel(_) => Some(id),
                Peer::User(_) | Peer::Chat(_) => post.id_in(Peer::User(post.from)),
            };
            authors.extend(theirs.map(|id| (post.from, id)));
        }
        authors
    }

    /// How far a box has come.
    pub(super) fn pts(&self, owner: Peer) -> i32 {
        self.world.mailbox(owner).map_or(1, |mailbox| mailbox.pts)
    }

    /// Tells what happened, and says by how much it moved a box that was at `before`.
    pub(super) fn affected(
        &mut self,
        cx: &mut Cx<'_>,
        owner: Peer,
        before: i32,
    ) -> AffectedMessages {
        let pts = self.pts(owner);
        self.publish(cx, Told::InOtherWords);
        AffectedMessages {
            pts,
            pts_count: pts.saturating_sub(before),
        }
    }
}

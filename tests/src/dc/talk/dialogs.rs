//! What an account sees first: its dialogs.
//!
//! Does: `messages.getDialogs`, `getPeerDialogs`, `getPinnedDialogs`, `getPeerSettings`.
//! In: where to go on. Out: dialogs, newest first, with their newest messages.
//! Must not know: older messages.
//! Spec: "Pagination in the API", "Folders": 0 is the main list, 1 the archive, which is empty.

use mtproto_schema::api::enums::messages::Dialogs;
use mtproto_schema::api::enums::{Dialog, InputDialogPeer, InputPeer, Message};
use mtproto_schema::api::functions::messages::{
    GetDialogs, GetPeerDialogs, GetPeerSettings, GetPinnedDialogs,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::messages::{PeerDialogs, PeerSettings};

use super::bare::{OFF, bare};
use super::limits::{DIALOGS_PAGE, IDS};
use super::peer::Peer;
use super::refusal::{Outcome, bad, ensure};
use super::view::{View, count};
use super::world::World;
use super::{Cx, Talk};

pub fn get(talk: &mut Talk, cx: &mut Cx<'_>, query: GetDialogs) -> Outcome<Dialogs> {
    let limit = usize::try_from(query.limit).map_err(|_| bad("LIMIT_INVALID"))?;
    let limit = limit.min(DIALOGS_PAGE);
    let is_main = query.folder_id.unwrap_or(0) == 0;
    let dialogs = talk.sorted_dialogs(cx).into_iter().filter(|_| is_main);
    let dialogs: Vec<_> = dialogs.collect();
    let offset_peer = (!matches!(query.offset_peer, InputPeer::Empty))
        .then(|| talk.peer(cx, &query.offset_peer))
        .transpose()?;
    // A dialog that moved up meanwhile is still after the place where the client stopped.
    let is_after = |&(date, id, peer): &(i32, i32, Peer)| {
        if query.offset_date <= 0 && query.offset_id <= 0 {
            return true;
        }
        let offset_date = if query.offset_date > 0 {
            query.offset_date
        } else {
            i32::MAX
        };
        let offset_id = if query.offset_id > 0 {
            query.offset_id
        } else {
            i32::MAX
        };
        match offset_peer {
            Some(offset_peer) => (date, id, peer) < (offset_date, offset_id, offset_peer),
            None => (date, id) < (offset_date, offset_id),
        }
    };
    let total = dialogs.len();
    let page: Vec<Peer> = dialogs
        .into_iter()
        .filter(is_after)
        .take(limit)
        .map(|(_, _, peer)| peer)
        .collect();
    let mut view = talk.view(cx);
    let (dialogs, messages) = view.dialogs(&page);
    let (users, chats) = view.related();
    Ok(if dialogs.len() == total {
        Dialogs::Dialogs(types::messages::Dialogs {
            dialogs,
            messages,
            chats,
            users,
        })
    } else {
        Dialogs::Slice(types::messages::DialogsSlice {
            count: count(total),
            dialogs,
            messages,
            chats,
            users,
        })
    })
}

pub fn get_of_peers(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetPeerDialogs,
) -> Outcome<PeerDialogs> {
    ensure(query.peers.len() <= IDS, bad("LIMIT_INVALID"))?;
    let mut peers = Vec::new();
    for named in &query.peers {
        match named {
            InputDialogPeer::InputDialogPeer(named) => peers.push(talk.peer(cx, &named.peer)?),
            InputDialogPeer::Folder(folder) if folder.folder_id == 0 => {
                let all = talk.sorted_dialogs(cx).into_iter().take(DIALOGS_PAGE);
                peers.extend(all.map(|(_, _, peer)| peer));
            }
            InputDialogPeer::Folder(_) => {}
            InputDialogPeer::Community(_) => return Err(bad("PEER_ID_INVALID")),
        }
    }
    Ok(talk.peer_dialogs(cx, &peers))
}

pub fn get_pinned(talk: &mut Talk, cx: &mut Cx<'_>, _: GetPinnedDialogs) -> Outcome<PeerDialogs> {
    Ok(talk.peer_dialogs(cx, &[]))
}

pub fn get_settings(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetPeerSettings,
) -> Outcome<PeerSettings> {
    let peer = talk.peer(cx, &query.peer)?;
    let mut view = talk.view(cx);
    view.name(peer);
    let settings = match peer {
        Peer::User(id) => view.settings(id),
        Peer::Chat(_) | Peer::Channel(_) => bare(&[OFF]),
    };
    let (users, chats) = view.related();
    Ok(PeerSettings {
        settings,
        chats,
        users,
    })
}

impl Talk {
    /// The caller's dialogs, the one with the newest message first: date, id, peer.
    fn sorted_dialogs(&self, cx: &Cx<'_>) -> Vec<(i32, i32, Peer)> {
        let newest = |peer: Peer| {
            let id = self.world.top(cx.me, peer).unwrap_or(0);
            let post = self.world.post(World::owner(cx.me, peer), id);
            let made = match peer {
                Peer::Channel(id) => self.world.channels.get(&id).map(|channel| channel.date),
                Peer::User(_) | Peer::Chat(_) => None,
            };
            let date = post.map(|post| post.date).or(made);
            (date.unwrap_or(0), id, peer)
        };
        let dialogs = self.world.dialogs(cx.me).into_iter();
        let mut dialogs: Vec<_> = dialogs.map(newest).collect();
        dialogs.sort_unstable_by(|a, b| b.cmp(a));
        dialogs
    }

    fn peer_dialogs(&self, cx: &Cx<'_>, peers: &[Peer]) -> PeerDialogs {
        let mut view = self.view(cx);
        let (dialogs, messages) = view.dialogs(peers);
        let (users, chats) = view.related();
        PeerDialogs {
            dialogs,
            messages,
            chats,
            users,
            state: self.state(cx),
        }
    }
}

impl View<'_> {
    /// These dialogs and their newest messages.
    pub fn dialogs(&mut self, peers: &[Peer]) -> (Vec<Dialog>, Vec<Message>) {
        let (mut dialogs, mut messages) = (Vec::new(), Vec::new());
        for peer in peers {
            dialogs.push(Dialog::Dialog(Box::new(self.dialog(*peer))));
            if let Some(top) = self.world.top(self.me, *peer) {
                messages.extend(self.message(World::owner(self.me, *peer), top));
            }
        }
        (dialogs, messages)
    }

    /// One dialog.
    pub fn dialog(&mut self, peer: Peer) -> types::Dialog {
        self.name(peer);
        let (inbox, outbox) = self.world.read_up_to(self.me, peer);
        let top = self.world.top(self.me, peer).unwrap_or(0);
        let unread = self.world.unread(self.me, peer);
        let mentions = self.world.unread_mentions(self.me, peer);
        let pts = match peer {
            Peer::Channel(_) => self.world.mailbox(peer).map(|mailbox| mailbox.pts),
            Peer::User(_) | Peer::Chat(_) => None,
        };
        let settings: types::PeerNotifySettings = bare(&[OFF]);
        types::Dialog {
            pts,
            ..bare(&[
                OFF,
                &peer.api(),
                &top,
                &inbox,
                &outbox,
                &unread,
                &mentions,
                &0,
                &0,
                &settings,
            ])
        }
    }
}

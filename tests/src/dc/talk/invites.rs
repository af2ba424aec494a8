//! Links that let people in.
//!
//! Does: `messages.exportChatInvite`, `checkChatInvite`, `importChatInvite`. A chat or a channel has
//! one link, which does not expire, until it is revoked for another.
//! In: a group, or the end of a link. Out: the link; whoever follows it is a member.
//! Must not know: messages.
//! Spec: "Invite links and join requests".

use mtproto_schema::api::enums::messages::ChatInviteJoinResult;
use mtproto_schema::api::enums::{ChatInvite, ExportedChatInvite, Photo};
use mtproto_schema::api::functions::messages::{
    CheckChatInvite, ExportChatInvite, ImportChatInvite,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::messages::ChatInviteJoinResultOk;

use super::bare::{OFF, bare};
use super::limits::CHAT_MEMBERS;
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure};
use super::view::{count, text};
use super::world::{Action, Invite, Role};
use super::{Cx, Talk};

pub fn export(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ExportChatInvite,
) -> Outcome<ExportedChatInvite> {
    let peer = talk.peer(cx, &query.peer)?;
    // The one link lasts for everybody and for ever.
    let is_special = query.request_needed
        || query.expire_date.is_some()
        || query.usage_limit.is_some()
        || query.subscription_pricing.is_some();
    ensure(!is_special, bad("CHAT_INVITE_PERMANENT"))?;
    let new = Invite {
        hash: format!("{:016x}", u64::from_le_bytes(cx.rng.array())),
        admin: cx.me,
        date: cx.now,
    };
    let (role, invite) = match peer {
        Peer::User(_) => return Err(bad("PEER_ID_INVALID")),
        Peer::Chat(id) => {
            let chat = talk.world.chats.get_mut(&id);
            let chat = chat.ok_or_else(|| bad("CHAT_ID_INVALID"))?;
            (chat.role(cx.me), &mut chat.invite)
        }
        Peer::Channel(id) => {
            let channel = talk.world.channels.get_mut(&id);
            let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
            (channel.role(cx.me), &mut channel.invite)
        }
    };
    let runs = role.is_some_and(|role| role != Role::Member);
    ensure(runs, bad("CHAT_ADMIN_REQUIRED"))?;
    if query.legacy_revoke_permanent {
        *invite = None;
    }
    Ok(exported(invite.get_or_insert(new)))
}

pub fn check(talk: &mut Talk, cx: &mut Cx<'_>, query: CheckChatInvite) -> Outcome<ChatInvite> {
    let peer = talk.invited_to(cx, &query.hash)?;
    let view = talk.view(cx);
    let (members, title, about, broadcast) = match peer {
        Peer::Channel(id) => {
            let channel = talk.world.channels.get(&id);
            let channel = channel.ok_or_else(|| bad("INVITE_HASH_EXPIRED"))?;
            (
                &channel.members,
                &channel.title,
                channel.about.as_str(),
                channel.broadcast,
            )
        }
        Peer::User(id) | Peer::Chat(id) => {
            let chat = talk.world.chats.get(&id);
            let chat = chat.ok_or_else(|| bad("INVITE_HASH_EXPIRED"))?;
            (&chat.members, &chat.title, "", false)
        }
    };
    if members.contains_key(&cx.me) {
        let chat = view.group(peer);
        return Ok(ChatInvite::Already(Box::new(types::ChatInviteAlready {
            chat,
        })));
    }
    let is_channel = matches!(peer, Peer::Channel(_));
    let photo = Photo::Empty(types::PhotoEmpty { id: 0 });
    let invite: types::ChatInvite =
        bare(&[OFF, &text(title), &photo, &count(members.len()), &0_i32]);
    Ok(ChatInvite::ChatInvite(Box::new(types::ChatInvite {
        channel: is_channel,
        broadcast: is_channel && broadcast,
        megagroup: is_channel && !broadcast,
        about: (!about.is_empty()).then(|| text(about)),
        ..invite
    })))
}

pub fn import(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ImportChatInvite,
) -> Outcome<ChatInviteJoinResult> {
    match talk.invited_to(cx, &query.hash)? {
        Peer::Channel(id) => {
            let admin = talk.world.channels.get(&id).and_then(|c| c.invite.as_ref());
            let admin = admin.map_or(cx.me, |invite| invite.admin);
            talk.join_channel(cx, id, Action::ByLink(admin))?;
        }
        Peer::User(id) | Peer::Chat(id) => {
            let chat = talk.world.chats.get(&id);
            let chat = chat.ok_or_else(|| bad("INVITE_HASH_EXPIRED"))?;
            let is_there = chat.role(cx.me).is_some();
            ensure(!is_there, bad("USER_ALREADY_PARTICIPANT"))?;
            ensure(chat.members.len() < CHAT_MEMBERS, bad("USERS_TOO_MUCH"))?;
            let admin = chat.invite.as_ref().map_or(cx.me, |invite| invite.admin);
            talk.add_to_chat(cx, id, cx.me, admin);
            talk.act(cx, Peer::Chat(id), Action::ByLink(admin));
        }
    }
    let updates = talk.publish(cx, Told::InAnswer);
    Ok(ChatInviteJoinResult::Ok(ChatInviteJoinResultOk { updates }))
}

impl Talk {
    /// Where a link leads, for whom it does: those who were put out stay out.
    fn invited_to(&self, cx: &Cx<'_>, hash: &str) -> Outcome<Peer> {
        ensure(!hash.is_empty(), bad("INVITE_HASH_EMPTY"))?;
        let is_it = |invite: &Option<Invite>| invite.as_ref().is_some_and(|i| i.hash == hash);
        let mut chats = self.world.chats.iter();
        let chat = chats.find(|(_, chat)| is_it(&chat.invite));
        if let Some((id, chat)) = chat {
            let put_out = chat.gone.get(&cx.me) == Some(&true);
            ensure(!put_out, bad("INVITE_HASH_EXPIRED"))?;
            return Ok(Peer::Chat(*id));
        }
        let mut channels = self.world.channels.iter();
        let channel = channels.find(|(_, channel)| is_it(&channel.invite));
        let channel = channel.filter(|(_, channel)| !channel.banned.contains_key(&cx.me));
        let (id, _) = channel.ok_or_else(|| bad("INVITE_HASH_EXPIRED"))?;
        Ok(Peer::Channel(*id))
    }
}

/// A link, as the API has it.
pub fn exported(invite: &Invite) -> ExportedChatInvite {
    let link = format!("https://t.me/+{}", invite.hash);
    ExportedChatInvite::ChatInviteExported(Box::new(types::ChatInviteExported {
        permanent: true,
        ..bare(&[OFF, &text(&link), &invite.admin, &invite.date])
    }))
}

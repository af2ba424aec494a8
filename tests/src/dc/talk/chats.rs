//! Basic groups.
//!
//! Does: `messages.createChat`, `getChats`, `getFullChat`, `editChatTitle`, `editChatPhoto`,
//! `editChatAdmin`, `addChatUser`, `deleteChatUser`.
//! In: users, titles. Out: updates; all members are told.
//! Must not know: supergroups, into which nothing here turns.
//! Spec: "Channels, supergroups, gigagroups and basic groups".

use std::collections::BTreeMap;

use mtproto_schema::api::enums::messages::Chats;
use mtproto_schema::api::enums::{InputChatPhoto, InputUser, Updates};
use mtproto_schema::api::functions::messages::{
    AddChatUser, CreateChat, DeleteChatUser, EditChatAdmin, EditChatPhoto, EditChatTitle, GetChats,
    GetFullChat,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::messages::{ChatFull, InvitedUsers};

use super::bare::{OFF, bare};
use super::facts::Fact;
use super::limits::{CHAT_MEMBERS, GROUPS, IDS, TITLE_LENGTH};
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure};
use super::world::{Action, Chat, Member, Role};
use super::{Cx, Talk};

pub fn get(talk: &mut Talk, cx: &mut Cx<'_>, query: GetChats) -> Outcome<Chats> {
    ensure(query.id.len() <= IDS, bad("LIMIT_INVALID"))?;
    let view = talk.view(cx);
    let mut chats = Vec::new();
    for id in query.id {
        talk.chat_known(cx, id)?;
        chats.push(view.group(Peer::Chat(id)));
    }
    Ok(Chats::Chats(types::messages::Chats { chats }))
}

pub fn get_full(talk: &mut Talk, cx: &mut Cx<'_>, query: GetFullChat) -> Outcome<ChatFull> {
    talk.chat_known(cx, query.chat_id)?;
    let mut view = talk.view(cx);
    let full_chat = view.full_chat(query.chat_id);
    let (users, chats) = view.related();
    Ok(ChatFull {
        full_chat,
        chats,
        users,
    })
}

pub fn create(talk: &mut Talk, cx: &mut Cx<'_>, query: CreateChat) -> Outcome<InvitedUsers> {
    let title = title(&query.title)?;
    ensure(!query.users.is_empty(), bad("USERS_TOO_FEW"))?;
    ensure(query.users.len() < CHAT_MEMBERS, bad("USERS_TOO_MUCH"))?;
    ensure(talk.world.chats.len() < GROUPS, bad("CHANNELS_TOO_MUCH"))?;
    let (invited, missing) = talk.invited(cx, &query.users)?;
    let invited: Vec<i64> = invited.into_iter().filter(|id| *id != cx.me).collect();

    let member = |id: i64, role: Role| {
        let member = Member {
            role,
            inviter: cx.me,
            date: cx.now,
            read_inbox: 0,
            read_outbox: 0,
        };
        (id, member)
    };
    let others = invited.iter().map(|id| member(*id, Role::Member));
    let members = std::iter::once(member(cx.me, Role::Creator)).chain(others);
    talk.world.last_group = talk.world.last_group.saturating_add(1);
    let id = talk.world.last_group;
    let chat = Chat {
        title: title.clone(),
        date: cx.now,
        version: 1,
        members: members.collect(),
        gone: BTreeMap::new(),
        invite: None,
    };
    talk.world.chats.insert(id, chat);
    talk.tell_members(id);
    talk.act(cx, Peer::Chat(id), Action::ChatCreate(title, invited));
    Ok(InvitedUsers {
        updates: talk.publish(cx, Told::InAnswer),
        missing_invitees: missing,
    })
}

pub fn edit_title(talk: &mut Talk, cx: &mut Cx<'_>, query: EditChatTitle) -> Outcome<Updates> {
    let title = title(&query.title)?;
    let is_new = talk.chat_of_member(cx, query.chat_id)?.title != title;
    ensure(is_new, bad("CHAT_NOT_MODIFIED"))?;
    if let Some(chat) = talk.world.chats.get_mut(&query.chat_id) {
        chat.title.clone_from(&title);
        chat.version = chat.version.saturating_add(1);
    }
    talk.act(cx, Peer::Chat(query.chat_id), Action::Title(title));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn edit_photo(talk: &mut Talk, cx: &mut Cx<'_>, query: EditChatPhoto) -> Outcome<Updates> {
    talk.chat_of_member(cx, query.chat_id)?;
    Err(match query.photo {
        // There is none to take away.
        InputChatPhoto::Empty => bad("CHAT_NOT_MODIFIED"),
        InputChatPhoto::InputChatUploadedPhoto(_) | InputChatPhoto::InputChatPhoto(_) => {
            bad("PHOTO_INVALID")
        }
    })
}

pub fn add_user(talk: &mut Talk, cx: &mut Cx<'_>, query: AddChatUser) -> Outcome<InvitedUsers> {
    let user = talk.user(cx, &query.user_id)?;
    let chat = talk.chat_of_member(cx, query.chat_id)?;
    let is_there = chat.role(user).is_some();
    ensure(!is_there, bad("USER_ALREADY_PARTICIPANT"))?;
    ensure(chat.members.len() < CHAT_MEMBERS, bad("USERS_TOO_MUCH"))?;
    let (_, missing) = talk.invited(cx, std::slice::from_ref(&query.user_id))?;
    if missing.is_empty() {
        talk.add_to_chat(cx, query.chat_id, user, cx.me);
        talk.act(cx, Peer::Chat(query.chat_id), Action::Add(vec![user]));
    }
    Ok(InvitedUsers {
        updates: talk.publish(cx, Told::InAnswer),
        missing_invitees: missing,
    })
}

pub fn delete_user(talk: &mut Talk, cx: &mut Cx<'_>, query: DeleteChatUser) -> Outcome<Updates> {
    let user = talk.user(cx, &query.user_id)?;
    let chat = talk.chat_of_member(cx, query.chat_id)?;
    let member = chat.members.get(&user);
    let member = member.ok_or_else(|| bad("USER_NOT_PARTICIPANT"))?;
    let may = user == cx.me
        || match chat.role(cx.me) {
            Some(Role::Creator) => true,
            Some(Role::Admin) => member.role == Role::Member,
            Some(Role::Member) => member.role == Role::Member && member.inviter == cx.me,
            None => false,
        };
    ensure(may, bad("CHAT_ADMIN_REQUIRED"))?;
    // Who goes still learns of it.
    talk.act(cx, Peer::Chat(query.chat_id), Action::Remove(user));
    if let Some(chat) = talk.world.chats.get_mut(&query.chat_id) {
        chat.members.remove(&user);
        chat.gone.insert(user, user != cx.me);
        chat.version = chat.version.saturating_add(1);
    }
    talk.tell_members(query.chat_id);
    talk.tell(user, Fact::Members(query.chat_id));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn edit_admin(talk: &mut Talk, cx: &mut Cx<'_>, query: EditChatAdmin) -> Outcome<bool> {
    let user = talk.user(cx, &query.user_id)?;
    let chat = talk.chat_of_member(cx, query.chat_id)?;
    let is_creator = chat.role(cx.me) == Some(Role::Creator);
    ensure(is_creator && user != cx.me, bad("CHAT_ADMIN_REQUIRED"))?;
    let chat = talk.world.chats.get_mut(&query.chat_id);
    let Some(chat) = chat else {
        return Err(bad("CHAT_ID_INVALID"));
    };
    let member = chat.members.get_mut(&user);
    let member = member.ok_or_else(|| bad("USER_NOT_PARTICIPANT"))?;
    member.role = if query.is_admin {
        Role::Admin
    } else {
        Role::Member
    };
    chat.version = chat.version.saturating_add(1);
    talk.tell_members(query.chat_id);
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

impl Talk {
    /// The chat with this id, if the caller belongs to it or once did.
    fn chat_known(&self, cx: &Cx<'_>, id: i64) -> Outcome<()> {
        let chat = self.world.chats.get(&id);
        let known = chat.is_some_and(|chat| chat.knows(cx.me));
        ensure(known, bad("CHAT_ID_INVALID"))
    }

    /// Who can be brought in, and who cannot: bringing in whom has blocked one is not possible.
    pub(super) fn invited(
        &self,
        cx: &Cx<'_>,
        users: &[InputUser],
    ) -> Outcome<(Vec<i64>, Vec<types::MissingInvitee>)> {
        let users = users.iter().map(|user| self.user(cx, user));
        let users = users.collect::<Outcome<std::collections::BTreeSet<i64>>>()?;
        let (missing, invited) = users
            .into_iter()
            .partition::<Vec<i64>, _>(|user| self.world.has_blocked(*user, cx.me));
        let missing = missing.into_iter().map(|user_id| bare(&[OFF, &user_id]));
        Ok((invited, missing.collect()))
    }

    /// Makes a user a member of a chat; all members learn it.
    pub(super) fn add_to_chat(&mut self, cx: &Cx<'_>, id: i64, user: i64, inviter: i64) {
        if let Some(chat) = self.world.chats.get_mut(&id) {
            let member = Member {
                role: Role::Member,
                inviter,
                date: cx.now,
                read_inbox: 0,
                read_outbox: 0,
            };
            chat.members.insert(user, member);
            chat.gone.remove(&user);
            chat.version = chat.version.saturating_add(1);
        }
        self.tell_members(id);
    }

    /// Tells the members of a chat who its members are.
    fn tell_members(&mut self, id: i64) {
        let chat = self.world.chats.get(&id);
        let members: Vec<i64> = chat
            .into_iter()
            .flat_map(|c| c.members.keys().copied())
            .collect();
        for member in members {
            self.tell(member, Fact::Members(id));
        }
    }
}

/// A title as it is kept.
pub fn title(title: &str) -> Outcome<String> {
    let title = title.trim();
    ensure(!title.is_empty(), bad("CHAT_TITLE_EMPTY"))?;
    Ok(title.chars().take(TITLE_LENGTH).collect())
}

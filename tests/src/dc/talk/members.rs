//! Who belongs to a channel.
//!
//! Does: `channels.joinChannel`, `leaveChannel`, `inviteToChannel`, `editAdmin`, `editBanned`,
//! `getParticipants`, `getParticipant`.
//! In: users. Out: updates, lists of members. A supergroup says who comes and goes, a broadcast does
//! not.
//! Must not know: messages.
//! Spec: "Channels", "Admin, banned and default rights". An admin here has all rights or none, and
//! who is banned may not even look.

use mtproto_schema::Encode;
use mtproto_schema::api::enums::channels::ChannelParticipants;
use mtproto_schema::api::enums::messages::ChatInviteJoinResult;
use mtproto_schema::api::enums::{
    ChannelParticipant, ChannelParticipantsFilter, InputPeer, Updates,
};
use mtproto_schema::api::functions::channels::{
    EditAdmin, EditBanned, GetParticipant, GetParticipants, InviteToChannel, JoinChannel,
    LeaveChannel,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::messages::{ChatInviteJoinResultOk, InvitedUsers};

use super::bare::{OFF, bare};
use super::contacts::hash_of;
use super::facts::Fact;
use super::limits::{CHANNEL_MEMBERS, IDS, MEMBERS_PAGE};
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure, forbidden};
use super::view::{View, channel_rights, count, full_ban};
use super::world::{Action, Channel, Member, Role};
use super::{Cx, Talk};

pub fn join(talk: &mut Talk, cx: &mut Cx<'_>, query: JoinChannel) -> Outcome<ChatInviteJoinResult> {
    let id = talk.channel(cx, &query.channel)?;
    talk.join_channel(cx, id, Action::Add(vec![cx.me]))?;
    let updates = talk.publish(cx, Told::InAnswer);
    Ok(ChatInviteJoinResult::Ok(ChatInviteJoinResultOk { updates }))
}

pub fn leave(talk: &mut Talk, cx: &mut Cx<'_>, query: LeaveChannel) -> Outcome<Updates> {
    let id = talk.channel(cx, &query.channel)?;
    let role = talk.world.channels.get(&id).and_then(|c| c.role(cx.me));
    match role {
        None => return Err(bad("USER_NOT_PARTICIPANT")),
        Some(Role::Creator) => return Err(bad("USER_CREATOR")),
        Some(Role::Admin | Role::Member) => {}
    }
    talk.remove(cx, id, cx.me);
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn invite(talk: &mut Talk, cx: &mut Cx<'_>, query: InviteToChannel) -> Outcome<InvitedUsers> {
    ensure(query.users.len() <= IDS, bad("USERS_TOO_MUCH"))?;
    let id = talk.channel(cx, &query.channel)?;
    let (invited, missing) = talk.invited(cx, &query.users)?;
    let channel = talk.open(cx, id)?;
    match channel.role(cx.me) {
        Some(Role::Creator | Role::Admin) => {}
        Some(Role::Member) if !channel.broadcast => {}
        Some(Role::Member) => return Err(bad("CHAT_ADMIN_REQUIRED")),
        None => return Err(forbidden("CHAT_WRITE_FORBIDDEN")),
    }
    let is_bot = |id: &i64| cx.people.get(*id).is_some_and(|person| person.bot);
    let has_bot = channel.broadcast && invited.iter().any(is_bot);
    ensure(!has_bot, bad("USER_BOT"))?;
    let is_banned = invited.iter().any(|user| channel.banned.contains_key(user));
    ensure(!is_banned, bad("USER_KICKED"))?;
    let is_new = |user: &i64| channel.role(*user).is_none();
    let new: Vec<i64> = invited.into_iter().filter(is_new).collect();
    let some = !new.is_empty() || !missing.is_empty();
    ensure(some, bad("USER_ALREADY_PARTICIPANT"))?;
    let room = channel.members.len().saturating_add(new.len()) <= CHANNEL_MEMBERS;
    ensure(room, bad("USERS_TOO_MUCH"))?;
    if !new.is_empty() {
        talk.add_to_channel(cx, id, &new, Action::Add(new.clone()));
    }
    Ok(InvitedUsers {
        updates: talk.publish(cx, Told::InAnswer),
        missing_invitees: missing,
    })
}

pub fn edit_admin(talk: &mut Talk, cx: &mut Cx<'_>, query: EditAdmin) -> Outcome<Updates> {
    let id = talk.channel_of_admin(cx, &query.channel)?;
    let user = talk.user(cx, &query.user_id)?;
    // A rights object without a right is what takes them away.
    let promoted =
        query.admin_rights.to_bytes() != bare::<types::ChatAdminRights>(&[OFF]).to_bytes();
    let channel = talk.world.channels.get_mut(&id);
    let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
    let is_creator = channel.role(cx.me) == Some(Role::Creator);
    ensure(is_creator, forbidden("RIGHT_FORBIDDEN"))?;
    ensure(user != cx.me, bad("USER_CREATOR"))?;
    let member = channel.members.get_mut(&user);
    let member = member.ok_or_else(|| bad("USER_NOT_PARTICIPANT"))?;
    member.role = if promoted { Role::Admin } else { Role::Member };
    talk.tell(user, Fact::Channel(id));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn edit_banned(talk: &mut Talk, cx: &mut Cx<'_>, query: EditBanned) -> Outcome<Updates> {
    let id = talk.channel_of_admin(cx, &query.channel)?;
    let user = talk.participant(cx, &query.participant)?;
    let rights = types::ChatBannedRights {
        until_date: 0,
        ..query.banned_rights
    };
    let none = bare::<types::ChatBannedRights>(&[OFF, &0]);
    let is_ban = rights.view_messages;
    let is_pardon = rights.to_bytes() == none.to_bytes();
    ensure(is_ban || is_pardon, bad("BANNED_RIGHTS_INVALID"))?;
    let channel = talk.world.channels.get(&id);
    let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
    let is_protected = match channel.role(user) {
        Some(Role::Creator) => true,
        Some(Role::Admin) => channel.role(cx.me) != Some(Role::Creator),
        Some(Role::Member) | None => false,
    };
    ensure(!is_protected && user != cx.me, bad("USER_ADMIN_INVALID"))?;
    if is_ban && channel.role(user).is_some() {
        talk.remove(cx, id, user);
    }
    if let Some(channel) = talk.world.channels.get_mut(&id) {
        if is_ban {
            channel.banned.insert(user, (cx.me, cx.now));
        } else {
            channel.banned.remove(&user);
        }
    }
    talk.tell(user, Fact::Channel(id));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn get(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetParticipants,
) -> Outcome<ChannelParticipants> {
    let id = talk.channel(cx, &query.channel)?;
    let offset = usize::try_from(query.offset).map_err(|_| bad("OFFSET_INVALID"))?;
    let limit = usize::try_from(query.limit).map_err(|_| bad("LIMIT_INVALID"))?;
    let channel = talk.open(cx, id)?;
    let runs = channel.role(cx.me).is_some_and(|role| role != Role::Member);
    ensure(runs || !channel.broadcast, bad("CHAT_ADMIN_REQUIRED"))?;

    let named = |user: i64, wanted: &str| {
        let wanted = wanted.trim().to_lowercase();
        cx.people.get(user).is_some_and(|person| {
            let name = format!("{} {}", person.first_name, person.last_name).to_lowercase();
            let username = person.username.as_deref().unwrap_or_default();
            name.contains(&wanted) || username.to_lowercase().starts_with(&wanted)
        })
    };
    let is_bot = |user: i64| cx.people.get(user).is_some_and(|person| person.bot);
    let is_contact = |user: i64| talk.world.has_contact(cx.me, user);
    let fits = |user: i64, member: &Member| match &query.filter {
        ChannelParticipantsFilter::ChannelParticipantsRecent => true,
        ChannelParticipantsFilter::ChannelParticipantsAdmins => member.role != Role::Member,
        ChannelParticipantsFilter::ChannelParticipantsBots => is_bot(user),
        ChannelParticipantsFilter::ChannelParticipantsSearch(filter) => named(user, &filter.q),
        ChannelParticipantsFilter::ChannelParticipantsContacts(filter) => {
            is_contact(user) && named(user, &filter.q)
        }
        ChannelParticipantsFilter::ChannelParticipantsMentions(filter) => {
            named(user, filter.q.as_deref().unwrap_or_default())
        }
        // Of those who are no members below; nobody is a member with fewer rights.
        ChannelParticipantsFilter::ChannelParticipantsKicked(_)
        | ChannelParticipantsFilter::ChannelParticipantsBanned(_) => false,
    };
    let users: Vec<i64> =
        if let ChannelParticipantsFilter::ChannelParticipantsKicked(filter) = &query.filter {
            let banned = channel.banned.keys().copied().filter(|_| runs);
            banned.filter(|user| named(*user, &filter.q)).collect()
        } else {
            let members = channel.members.iter();
            let members = members.filter(|(id, member)| fits(**id, member));
            let mut members: Vec<_> = members.map(|(id, m)| (m.date, *id)).collect();
            members.sort_unstable_by(|a, b| b.cmp(a));
            members.into_iter().map(|(_, id)| id).collect()
        };
    let page = users.iter().skip(offset).take(limit.min(MEMBERS_PAGE));
    let page: Vec<i64> = page.copied().collect();
    let hash = hash_of(page.iter().copied());
    if query.hash != 0 && query.hash == hash {
        return Ok(ChannelParticipants::NotModified);
    }
    let mut view = talk.view(cx);
    let participants = page.iter().map(|user| view.participant(channel, *user));
    let participants = participants.collect();
    let (users_shown, chats) = view.related();
    Ok(ChannelParticipants::ChannelParticipants(
        types::channels::ChannelParticipants {
            count: count(users.len()),
            participants,
            chats,
            users: users_shown,
        },
    ))
}

pub fn get_one(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetParticipant,
) -> Outcome<types::channels::ChannelParticipant> {
    let id = talk.channel(cx, &query.channel)?;
    let user = talk.participant(cx, &query.participant)?;
    let channel = talk.open(cx, id)?;
    let runs = channel.role(cx.me).is_some_and(|role| role != Role::Member);
    let may = runs || !channel.broadcast || user == cx.me;
    ensure(may, bad("CHAT_ADMIN_REQUIRED"))?;
    let is_known = channel.role(user).is_some() || runs && channel.banned.contains_key(&user);
    ensure(is_known, bad("USER_NOT_PARTICIPANT"))?;
    let mut view = talk.view(cx);
    let participant = view.participant(channel, user);
    let (users, chats) = view.related();
    Ok(types::channels::ChannelParticipant {
        participant,
        chats,
        users,
    })
}

impl Talk {
    /// Lets the caller in; whoever says so (`how`) is heard in supergroups.
    pub(super) fn join_channel(&mut self, cx: &Cx<'_>, id: i64, how: Action) -> Outcome<()> {
        let channel = self.world.channels.get(&id);
        let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
        let is_there = channel.role(cx.me).is_some();
        ensure(!is_there, bad("USER_ALREADY_PARTICIPANT"))?;
        let room = channel.members.len() < CHANNEL_MEMBERS;
        ensure(room, bad("USERS_TOO_MUCH"))?;
        self.add_to_channel(cx, id, &[cx.me], how);
        Ok(())
    }

    fn add_to_channel(&mut self, cx: &Cx<'_>, id: i64, users: &[i64], how: Action) {
        let Some(channel) = self.world.channels.get_mut(&id) else {
            return;
        };
        for user in users {
            let member = Member {
                role: Role::Member,
                inviter: cx.me,
                date: cx.now,
                // What was said before one came counts as read.
                read_inbox: channel.mailbox.last_id,
                read_outbox: 0,
            };
            channel.members.insert(*user, member);
        }
        let broadcast = channel.broadcast;
        for user in users {
            self.tell(*user, Fact::Channel(id));
        }
        if !broadcast {
            self.act(cx, Peer::Channel(id), how);
        }
    }

    /// Takes a member out. Who goes still learns of it.
    fn remove(&mut self, cx: &Cx<'_>, id: i64, user: i64) {
        let channel = self.world.channels.get(&id);
        if channel.is_some_and(|channel| !channel.broadcast) {
            self.act(cx, Peer::Channel(id), Action::Remove(user));
        }
        if let Some(channel) = self.world.channels.get_mut(&id) {
            channel.members.remove(&user);
        }
        self.tell(user, Fact::Channel(id));
    }

    fn participant(&self, cx: &Cx<'_>, input: &InputPeer) -> Outcome<i64> {
        match self.peer(cx, input)? {
            Peer::User(id) => Ok(id),
            Peer::Chat(_) | Peer::Channel(_) => Err(bad("PARTICIPANT_ID_INVALID")),
        }
    }
}

impl View<'_> {
    /// A member of a channel, or somebody banned.
    fn participant(&mut self, channel: &Channel, user: i64) -> ChannelParticipant {
        self.name(Peer::User(user));
        let is_me = user == self.me;
        let Some(member) = channel.members.get(&user) else {
            let banned = channel.banned.get(&user).copied();
            let (by, date) = banned.unwrap_or((user, 0));
            self.name(Peer::User(by));
            let peer = Peer::User(user).api();
            return ChannelParticipant::Banned(Box::new(types::ChannelParticipantBanned {
                left: true,
                ..bare(&[OFF, &peer, &by, &date, &full_ban()])
            }));
        };
        let rights = channel_rights(member.role).unwrap_or_else(|| bare(&[OFF]));
        let (inviter, date) = (member.inviter, member.date);
        match member.role {
            Role::Creator => ChannelParticipant::Creator(bare(&[OFF, &user, &rights])),
            Role::Admin => {
                self.name(Peer::User(inviter));
                let creator = channel
                    .members
                    .iter()
                    .find(|(_, m)| m.role == Role::Creator);
                let promoted_by = creator.map_or(user, |(id, _)| *id);
                self.name(Peer::User(promoted_by));
                ChannelParticipant::Admin(Box::new(types::ChannelParticipantAdmin {
                    can_edit: channel.role(self.me) == Some(Role::Creator),
                    // The schema's flag of oneself is this field.
                    inviter_id: Some(inviter).filter(|_| is_me),
                    ..bare(&[OFF, &user, &promoted_by, &date, &rights])
                }))
            }
            Role::Member if is_me => {
                self.name(Peer::User(inviter));
                ChannelParticipant::ChannelParticipantSelf(bare(&[OFF, &user, &inviter, &date]))
            }
            Role::Member => ChannelParticipant::ChannelParticipant(bare(&[OFF, &user, &date])),
        }
    }
}

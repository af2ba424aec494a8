//! Looking people up.
//!
//! Does: `users.getUsers`, `users.getFullUser`, `contacts.resolveUsername`, `contacts.resolvePhone`,
//! `contacts.search`.
//! In: ids, names, numbers. Out: users, and channels where a name is a channel's.
//! Must not know: how somebody became an account.
//! Spec: "Peers", "Usernames", "Contacts".

use mtproto_schema::api::enums::{InputUser, User};
use mtproto_schema::api::functions::contacts::{ResolvePhone, ResolveUsername, Search};
use mtproto_schema::api::functions::users::{GetFullUser, GetUsers};
use mtproto_schema::api::types::UserEmpty;
use mtproto_schema::api::types::contacts::{Found, ResolvedPeer};
use mtproto_schema::api::types::users::UserFull;

use super::limits::{IDS, MEMBERS_PAGE, USERNAME_LENGTH};
use super::peer::Peer;
use super::refusal::{Outcome, bad, ensure};
use super::view::View;
use super::{Cx, Talk};

pub fn get_users(talk: &mut Talk, cx: &mut Cx<'_>, query: GetUsers) -> Outcome<Vec<User>> {
    ensure(query.id.len() <= IDS, bad("LIMIT_INVALID"))?;
    let view = talk.view(cx);
    let user = |input: &InputUser| match (talk.user(cx, input), input) {
        (Ok(id), _) => Some(view.user(id)),
        // Who cannot be named stays empty.
        (Err(_), InputUser::InputUser(user)) => Some(empty(user.user_id)),
        (Err(_), InputUser::FromMessage(from)) => Some(empty(from.user_id)),
        (Err(_), InputUser::Empty | InputUser::InputUserSelf) => None,
    };
    Ok(query.id.iter().filter_map(user).collect())
}

pub fn get_full_user(talk: &mut Talk, cx: &mut Cx<'_>, query: GetFullUser) -> Outcome<UserFull> {
    let id = talk.user(cx, &query.id)?;
    let mut view = talk.view(cx);
    let full_user = view.full_user(id);
    let (users, chats) = view.related();
    Ok(UserFull {
        full_user,
        chats,
        users,
    })
}

pub fn resolve_username(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ResolveUsername,
) -> Outcome<ResolvedPeer> {
    let name = query.username.trim_start_matches('@');
    ensure(is_username(name), bad("USERNAME_INVALID"))?;
    let peer = talk.by_username(cx, name);
    talk.resolved(cx, peer.ok_or_else(|| bad("USERNAME_NOT_OCCUPIED"))?)
}

pub fn resolve_phone(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ResolvePhone,
) -> Outcome<ResolvedPeer> {
    let person = cx.people.by_phone(&digits(&query.phone));
    let person = person.filter(|person| !person.phone.is_empty());
    let id = person.ok_or_else(|| bad("PHONE_NOT_OCCUPIED"))?.id;
    talk.resolved(cx, Peer::User(id))
}

pub fn search(talk: &mut Talk, cx: &mut Cx<'_>, query: Search) -> Outcome<Found> {
    let wanted = query.q.trim().trim_start_matches('@').to_lowercase();
    ensure(!wanted.is_empty(), bad("SEARCH_QUERY_EMPTY"))?;
    let limit = usize::try_from(query.limit).unwrap_or(0).min(MEMBERS_PAGE);
    let fits = |name: &str| {
        let name = name.to_lowercase();
        name.starts_with(&wanted) || name.contains(&format!(" {wanted}"))
    };
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    let contacts = talk
        .world
        .accounts
        .get(&cx.me)
        .map(|account| &account.contacts);
    for person in cx.people.iter() {
        let peer = Peer::User(person.id);
        let contact = contacts.and_then(|contacts| contacts.get(&person.id));
        let has_name = person.username.as_deref().is_some_and(fits);
        let known_as = contact.map(|c| format!("{} {}", c.first_name, c.last_name));
        if (has_name && contact.is_some()) || known_as.is_some_and(|name| fits(&name)) {
            mine.push(peer);
        } else if has_name {
            others.push(peer);
        }
    }
    for (id, channel) in &talk.world.channels {
        let peer = Peer::Channel(*id);
        let has_name = channel.username.as_deref().is_some_and(fits);
        if channel.role(cx.me).is_some() && (has_name || fits(&channel.title)) {
            mine.push(peer);
        } else if has_name && channel.is_open_to(cx.me) {
            others.push(peer);
        }
    }
    mine.truncate(limit);
    others.truncate(limit);
    let mut view = talk.view(cx);
    mine.iter().chain(&others).for_each(|peer| view.name(*peer));
    let (users, chats) = view.related();
    let api = |peers: Vec<Peer>| peers.into_iter().map(Peer::api).collect();
    Ok(Found {
        my_results: api(mine),
        results: api(others),
        chats,
        users,
    })
}

impl Talk {
    /// What the caller sees.
    pub(super) fn view<'a>(&'a self, cx: &'a Cx<'_>) -> View<'a> {
        View::new(&self.world, cx.people, cx.me, cx.now)
    }

    /// Whose public name it is.
    pub(super) fn by_username(&self, cx: &Cx<'_>, name: &str) -> Option<Peer> {
        let is_it = |theirs: &Option<String>| {
            let theirs = theirs.as_deref();
            theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(name))
        };
        let person = cx.people.iter().find(|person| is_it(&person.username));
        let channel = || {
            let mut channels = self.world.channels.iter();
            channels.find(|(_, channel)| is_it(&channel.username))
        };
        match person {
            Some(person) => Some(Peer::User(person.id)),
            None => channel().map(|(id, _)| Peer::Channel(*id)),
        }
    }

    fn resolved(&self, cx: &Cx<'_>, peer: Peer) -> Outcome<ResolvedPeer> {
        let mut view = self.view(cx);
        view.name(peer);
        let (users, chats) = view.related();
        Ok(ResolvedPeer {
            peer: peer.api(),
            chats,
            users,
        })
    }
}

fn empty(id: i64) -> User {
    User::Empty(UserEmpty { id })
}

/// Whether a username may be written like this.
pub fn is_username(name: &str) -> bool {
    USERNAME_LENGTH.contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('_')
        && !name.contains("__")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The digits of a phone number.
pub fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

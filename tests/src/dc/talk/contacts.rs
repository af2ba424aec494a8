//! Whom an account knows, and whom it does not want to know.
//!
//! Does: `contacts.getContacts`, `getContactIDs`, `getStatuses`, `importContacts`, `addContact`,
//! `deleteContacts`, `block`, `unblock`, `getBlocked`.
//! In: phone numbers, users. Out: lists; other sessions are told.
//! Must not know: messages.
//! Spec: "Contacts", "Block list", "Pagination: hash".

use mtproto_schema::api::enums::contacts::{Blocked, Contacts};
use mtproto_schema::api::enums::{InputPeer, Updates};
use mtproto_schema::api::functions::contacts::{
    AddContact, Block, DeleteContacts, GetBlocked, GetContactIDs, GetContacts, GetStatuses,
    ImportContacts, Unblock,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::contacts::ImportedContacts;

use super::facts::Fact;
use super::limits::{BLOCKED, CONTACTS, IDS, MEMBERS_PAGE, NAME_LENGTH};
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure};
use super::users::digits;
use super::view::count;
use super::world::Contact;
use super::{Cx, Talk};

/// The real server's hash over a list of ids, by which a client says what it has.
pub fn hash_of(ids: impl IntoIterator<Item = i64>) -> i64 {
    let hash = ids.into_iter().fold(0_u64, |hash, id| {
        let hash = hash ^ (hash >> 21);
        let hash = hash ^ (hash << 35);
        let hash = hash ^ (hash >> 4);
        hash.wrapping_add(id as u64)
    });
    hash as i64
}

pub fn get(talk: &mut Talk, cx: &mut Cx<'_>, query: GetContacts) -> Outcome<Contacts> {
    let ids = talk.contact_ids(cx.me);
    let saved_count = count(ids.len());
    let hash = hash_of(std::iter::once(i64::from(saved_count)).chain(ids.iter().copied()));
    if query.hash != 0 && query.hash == hash {
        return Ok(Contacts::NotModified);
    }
    let view = talk.view(cx);
    let contact = |user_id: &i64| types::Contact {
        user_id: *user_id,
        mutual: talk.world.has_contact(*user_id, cx.me),
    };
    Ok(Contacts::Contacts(types::contacts::Contacts {
        contacts: ids.iter().map(contact).collect(),
        saved_count,
        users: ids.iter().map(|id| view.user(*id)).collect(),
    }))
}

pub fn get_ids(talk: &mut Talk, cx: &mut Cx<'_>, _: GetContactIDs) -> Outcome<Vec<i32>> {
    // The method is older than ids of more than 32 bits; those are left out.
    let ids = talk.contact_ids(cx.me).into_iter();
    Ok(ids.filter_map(|id| i32::try_from(id).ok()).collect())
}

pub fn get_statuses(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    _: GetStatuses,
) -> Outcome<Vec<types::ContactStatus>> {
    let ids = talk.contact_ids(cx.me).into_iter();
    let view = talk.view(cx);
    let status = |user_id| types::ContactStatus {
        user_id,
        status: view.status(user_id),
    };
    Ok(ids.map(status).collect())
}

pub fn import(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: ImportContacts,
) -> Outcome<ImportedContacts> {
    let (mut imported, mut retry) = (Vec::new(), Vec::new());
    for (i, wanted) in query.contacts.iter().enumerate() {
        let client_id = wanted.client_id;
        let phone = digits(&wanted.phone);
        let person = cx.people.by_phone(&phone).filter(|_| !phone.is_empty());
        let Some(user_id) = person.map(|person| person.id) else {
            continue;
        };
        if i >= IDS || talk.contact_ids(cx.me).len() >= CONTACTS {
            retry.push(client_id);
            continue;
        }
        if user_id != cx.me && !wanted.first_name.trim().is_empty() {
            talk.know(cx, user_id, &wanted.first_name, &wanted.last_name);
        }
        imported.push(types::ImportedContact { user_id, client_id });
    }
    talk.publish(cx, Told::ByPush);
    let view = talk.view(cx);
    let users = imported.iter().map(|contact| view.user(contact.user_id));
    let users = users.collect();
    Ok(ImportedContacts {
        imported,
        popular_invites: Vec::new(),
        retry_contacts: retry,
        users,
    })
}

pub fn add(talk: &mut Talk, cx: &mut Cx<'_>, query: AddContact) -> Outcome<Updates> {
    let id = talk.user(cx, &query.id)?;
    ensure(id != cx.me, bad("CONTACT_ID_INVALID"))?;
    let is_named = !query.first_name.trim().is_empty();
    ensure(is_named, bad("CONTACT_NAME_EMPTY"))?;
    let room = talk.contact_ids(cx.me).len() < CONTACTS;
    ensure(room, bad("CONTACTS_TOO_MUCH"))?;
    talk.know(cx, id, &query.first_name, &query.last_name);
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn delete(talk: &mut Talk, cx: &mut Cx<'_>, query: DeleteContacts) -> Outcome<Updates> {
    ensure(query.id.len() <= IDS, bad("LIMIT_INVALID"))?;
    let users = query.id.iter().map(|user| talk.user(cx, user));
    let users = users.collect::<Outcome<Vec<_>>>()?;
    for id in users {
        let known = talk.world.account(cx.me).contacts.remove(&id);
        if known.is_some() {
            talk.tell(cx.me, Fact::Settings(id));
        }
    }
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn block(talk: &mut Talk, cx: &mut Cx<'_>, query: Block) -> Outcome<bool> {
    let id = talk.other_user(cx, &query.id)?;
    let blocked = &mut talk.world.account(cx.me).blocked;
    ensure(blocked.len() < BLOCKED, bad("BLOCKED_TOO_MUCH"))?;
    if blocked.insert(id, cx.now).is_none() {
        talk.tell(cx.me, Fact::Blocked(id));
    }
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

pub fn unblock(talk: &mut Talk, cx: &mut Cx<'_>, query: Unblock) -> Outcome<bool> {
    let id = talk.other_user(cx, &query.id)?;
    if talk.world.account(cx.me).blocked.remove(&id).is_some() {
        talk.tell(cx.me, Fact::Blocked(id));
    }
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

pub fn get_blocked(talk: &mut Talk, cx: &mut Cx<'_>, query: GetBlocked) -> Outcome<Blocked> {
    let offset = usize::try_from(query.offset).map_err(|_| bad("OFFSET_INVALID"))?;
    let limit = usize::try_from(query.limit).map_err(|_| bad("LIMIT_INVALID"))?;
    let limit = limit.min(MEMBERS_PAGE);
    let account = talk.world.account(cx.me);
    let total = account.blocked.len();
    let mut page: Vec<_> = account
        .blocked
        .iter()
        .map(|(id, date)| (*id, *date))
        .collect();
    page.sort_by_key(|&(id, date)| std::cmp::Reverse((date, id)));
    let page: Vec<_> = page.into_iter().skip(offset).take(limit).collect();
    let view = talk.view(cx);
    let users = page.iter().map(|(id, _)| view.user(*id)).collect();
    let blocked = page.iter().map(|&(id, date)| types::PeerBlocked {
        peer_id: Peer::User(id).api(),
        date,
    });
    let blocked = blocked.collect();
    Ok(if page.len() == total {
        Blocked::Blocked(types::contacts::Blocked {
            blocked,
            chats: Vec::new(),
            users,
        })
    } else {
        Blocked::Slice(types::contacts::BlockedSlice {
            count: count(total),
            blocked,
            chats: Vec::new(),
            users,
        })
    })
}

impl Talk {
    fn contact_ids(&mut self, me: i64) -> Vec<i64> {
        self.world.account(me).contacts.keys().copied().collect()
    }

    /// Makes somebody a contact under a name.
    fn know(&mut self, cx: &Cx<'_>, id: i64, first: &str, last: &str) {
        let name = |name: &str| name.trim().chars().take(NAME_LENGTH).collect();
        let contact = Contact {
            first_name: name(first),
            last_name: name(last),
        };
        self.world.account(cx.me).contacts.insert(id, contact);
        self.tell(cx.me, Fact::Settings(id));
    }

    /// A user other than the caller.
    fn other_user(&self, cx: &Cx<'_>, input: &InputPeer) -> Outcome<i64> {
        match self.peer(cx, input)? {
            Peer::User(id) if id != cx.me => Ok(id),
            Peer::User(_) => Err(bad("CONTACT_ID_INVALID")),
            Peer::Chat(_) | Peer::Channel(_) => Err(bad("PEER_ID_INVALID")),
        }
    }
}

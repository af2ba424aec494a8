//! The address book.
//!
//! Does: methods of [`Client`].
//! In: people. Out: users.
//! Must not know: how users are found.
//! Spec: the methods of `contacts`.

use mtproto_proto::client::PeerId;
use mtproto_schema::api::{enums, functions, types};

use super::PeerRef;
use super::peer::PeerError;
use crate::client::update::peer_id;
use crate::client::{Client, Error};

/// Somebody for the address book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewContact {
    /// International.
    pub phone: String,
    /// As the account calls them.
    pub first_name: String,
    /// As the account calls them; may be empty.
    pub last_name: String,
}

/// Somebody who was blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockedPeer {
    /// Who.
    pub peer: PeerId,
    /// When: Unix time in seconds.
    pub date: i32,
}

/// Who was found by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPeers {
    /// Among the account's contacts and chats.
    pub mine: Vec<PeerId>,
    /// Among everybody.
    pub others: Vec<PeerId>,
}

impl Client {
    /// The address book's users.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn contacts(&self) -> Result<Vec<types::User>, Error> {
        match self
            .invoke(&functions::contacts::GetContacts { hash: 0 })
            .await?
        {
            enums::contacts::Contacts::Contacts(all) => Ok(users(all.users)),
            enums::contacts::Contacts::NotModified => Ok(Vec::new()),
        }
    }

    /// When the address book's users were last there.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn contact_statuses(&self) -> Result<Vec<types::ContactStatus>, Error> {
        self.invoke(&functions::contacts::GetStatuses).await
    }

    /// Adds people by their phone numbers; those of them who have an account, in the same order,
    /// `None` for the others.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn import_contacts(
        &self,
        people: &[NewContact],
    ) -> Result<Vec<Option<types::User>>, Error> {
        let contact = |(client_id, contact): (i64, &NewContact)| types::InputPhoneContact {
            client_id,
            phone: contact.phone.as_str().into(),
            first_name: contact.first_name.as_str().into(),
            last_name: contact.last_name.as_str().into(),
            note: None,
        };
        let contacts = (0..).zip(people).map(contact).collect();
        let import = functions::contacts::ImportContacts { contacts };
        let answer = self.invoke(&import).await?;
        let found = users(answer.users);
        let user = |client_id| {
            let mut imported = answer.imported.iter();
            let user_id = imported.find(|one| one.client_id == client_id)?.user_id;
            found.iter().find(|user| user.id == user_id).cloned()
        };
        Ok((0..)
            .zip(people)
            .map(|(client_id, _)| user(client_id))
            .collect())
    }

    /// Adds a user whose phone number need not be known.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn add_contact(
        &self,
        user: impl Into<PeerRef>,
        contact: &NewContact,
    ) -> Result<(), Error> {
        let add = functions::contacts::AddContact {
            add_phone_privacy_exception: false,
            id: self.input_user(user).await?,
            first_name: contact.first_name.as_str().into(),
            last_name: contact.last_name.as_str().into(),
            phone: contact.phone.as_str().into(),
            note: None,
        };
        self.invoke(&add).await.map(drop)
    }

    /// Takes users out of the address book.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn delete_contacts<P: Into<PeerRef>>(
        &self,
        users: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        let id = self.input_users(users).await?;
        let delete = functions::contacts::DeleteContacts { id };
        self.invoke(&delete).await.map(drop)
    }

    /// Lets somebody write no more.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn block(&self, peer: impl Into<PeerRef>) -> Result<(), Error> {
        let block = functions::contacts::Block {
            my_stories_from: false,
            id: self.input_peer(peer).await?,
        };
        self.invoke(&block).await.map(drop)
    }

    /// Lets somebody write again.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn unblock(&self, peer: impl Into<PeerRef>) -> Result<(), Error> {
        let unblock = functions::contacts::Unblock {
            my_stories_from: false,
            id: self.input_peer(peer).await?,
        };
        self.invoke(&unblock).await.map(drop)
    }

    /// Who is blocked, from this place of the list on; the server gives at most 100.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn blocked(&self, offset: i32, limit: i32) -> Result<Vec<BlockedPeer>, Error> {
        let get = functions::contacts::GetBlocked {
            my_stories_from: false,
            offset,
            limit,
        };
        let blocked = match self.invoke(&get).await? {
            enums::contacts::Blocked::Blocked(all) => all.blocked,
            enums::contacts::Blocked::Slice(page) => page.blocked,
        };
        let one = |blocked: types::PeerBlocked| BlockedPeer {
            peer: peer_id(&blocked.peer_id),
            date: blocked.date,
        };
        Ok(blocked.into_iter().map(one).collect())
    }

    /// Users, groups and channels whose name or username begins like this.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke); `QUERY_TOO_SHORT`.
    pub async fn search_contacts(&self, name: &str, limit: i32) -> Result<FoundPeers, Error> {
        let search = functions::contacts::Search {
            broadcasts: false,
            bots: false,
            q: name.into(),
            limit,
        };
        let answer = self.invoke(&search).await?;
        Ok(FoundPeers {
            mine: answer.my_results.iter().map(peer_id).collect(),
            others: answer.results.iter().map(peer_id).collect(),
        })
    }

    /// Whom or what a username belongs to, with or without `@`. The id serves as [`PeerRef`] from
    /// then on.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke); `USERNAME_NOT_OCCUPIED`.
    pub async fn resolve_username(&self, username: &str) -> Result<PeerId, Error> {
        let resolve = functions::contacts::ResolveUsername {
            username: username.strip_prefix('@').unwrap_or(username).into(),
            referer: None,
        };
        Ok(peer_id(&self.invoke(&resolve).await?.peer))
    }

    /// A link that leads others to the account, for some minutes.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn export_contact_token(&self) -> Result<types::ExportedContactToken, Error> {
        self.invoke(&functions::contacts::ExportContactToken).await
    }

    /// Whose link this is: the part after `tg://contact?token=`.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn import_contact_token(&self, token: &str) -> Result<types::User, Error> {
        let import = functions::contacts::ImportContactToken {
            token: token.into(),
        };
        match self.invoke(&import).await? {
            enums::User::User(user) => Ok(*user),
            enums::User::Empty(_) => Err(Error::Peer(PeerError::Missing)),
        }
    }
}

/// Those that exist.
pub(super) fn users(users: Vec<enums::User>) -> Vec<types::User> {
    let there = |user| match user {
        enums::User::User(user) => Some(*user),
        enums::User::Empty(_) => None,
    };
    users.into_iter().filter_map(there).collect()
}

//! People.
//!
//! Does: methods of [`Client`].
//! In: users. Out: what the account may know of them.
//! Must not know: how users are found.
//! Spec: `users.getUsers`, `users.getFullUser`.

use mtproto_schema::api::{enums, functions, types};

use super::PeerRef;
use super::contacts::users;
use super::peer::PeerError;
use crate::client::{Client, Error};

impl Client {
    /// The account itself.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn get_me(&self) -> Result<types::User, Error> {
        let id = vec![enums::InputUser::InputUserSelf];
        let found = self.invoke(&functions::users::GetUsers { id }).await?;
        let me = users(found).into_iter().next();
        me.ok_or(Error::Peer(PeerError::Missing))
    }

    /// Users; those that do not exist are left out.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn users<P: Into<PeerRef>>(
        &self,
        peers: impl IntoIterator<Item = P>,
    ) -> Result<Vec<types::User>, Error> {
        let id = self.input_users(peers).await?;
        let found = self.invoke(&functions::users::GetUsers { id }).await?;
        Ok(users(found))
    }

    /// Everything about a user: biography, settings, common chats.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn full_user(
        &self,
        user: impl Into<PeerRef>,
    ) -> Result<types::users::UserFull, Error> {
        let id = self.input_user(user).await?;
        self.invoke(&functions::users::GetFullUser { id }).await
    }
}

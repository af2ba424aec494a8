//! The server, and the account's other devices.
//!
//! Does: methods of [`Client`].
//! In: nothing. Out: what the server says.
//! Must not know: what is done with it.
//! Spec: the methods of `help`; `auth.resetAuthorizations`, `account.getAuthorizations`.

use mtproto_schema::api::{functions, types};

use crate::client::{Client, Error};

impl Client {
    /// The server's limits, and where DCs are. The client has learnt the latter by itself.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn server_config(&self) -> Result<types::Config, Error> {
        self.invoke(&functions::help::GetConfig).await
    }

    /// Where this machine is, as the server sees it, and which DC is the nearest.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn nearest_dc(&self) -> Result<types::NearestDc, Error> {
        self.invoke(&functions::help::GetNearestDc).await
    }

    /// Who helps users.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn support(&self) -> Result<types::help::Support, Error> {
        self.invoke(&functions::help::GetSupport).await
    }

    /// A text that invites others to Telegram.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn invite_text(&self) -> Result<String, Error> {
        let text = self.invoke(&functions::help::GetInviteText).await?;
        Ok(text.message.into())
    }

    /// Where the account is signed in, this client included.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn authorizations(&self) -> Result<Vec<types::Authorization>, Error> {
        let all = self.invoke(&functions::account::GetAuthorizations).await?;
        Ok(all.authorizations)
    }

    /// Signs the account out everywhere but here.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke); `FRESH_RESET_AUTHORISATION_FORBIDDEN` in the first day.
    pub async fn reset_authorizations(&self) -> Result<(), Error> {
        let reset = functions::auth::ResetAuthorizations;
        self.invoke(&reset).await.map(drop)
    }
}

//! Signing in with a QR code.
//!
//! Does: [`Qr`]: shows code after code, and notices that one was scanned.
//! In: nothing but time and the server's word. Out: codes, then the account or its password.
//! Must not know: how a QR code is drawn.
//! Spec: "Login via QR code".

use std::fmt;
use std::time::Duration;

use mtproto_proto::client::sign_in as core;
use mtproto_schema::api::enums;

use super::sign_in::{SignIn, SignInError};
use super::{Client, Incoming, Updates};
use crate::shared::before;

/// Codes live for about 30 s by the server's clock. Should ours differ, a code is shown no shorter
/// than this, so that the server is not asked all the time, …
const SHORTEST: Duration = Duration::from_secs(5);

/// … and no longer than this, so that no useless code stays on the screen.
const LONGEST: Duration = Duration::from_secs(60);

/// How far signing in with a QR code has come.
///
/// ```no_run
/// use mtproto_driver::Client;
/// use mtproto_driver::client::{Qr, SignIn, SignInError};
///
/// async fn sign_in(client: &Client) -> Result<SignIn, SignInError> {
///     let mut qr = client.qr_sign_in().await?;
///     loop {
///         qr = match qr {
///             Qr::Show(code) => {
///                 println!("scan this: {}", code.url());
///                 code.next().await?
///             }
///             Qr::SignIn(state) => return Ok(state),
///         };
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub enum Qr {
    /// Show this until [`QrCode::next`] returns.
    Show(QrCode),
    /// It was scanned: the account is signed in, or has a password.
    SignIn(SignIn),
}

/// A code to show.
#[must_use]
pub struct QrCode {
    client: Client,
    code: core::QrCode,
    updates: Updates,
}

impl Qr {
    pub(super) async fn begin(client: &Client) -> Result<Self, SignInError> {
        let step = core::QrLogin::new(client.app(), Vec::new());
        // Before the code exists, so that nothing is missed. It also keeps the stream.
        Qr::ask(client, step, client.updates()).await
    }

    async fn ask(
        client: &Client,
        step: core::QrLogin,
        updates: Updates,
    ) -> Result<Self, SignInError> {
        Ok(match client.run(step).await? {
            core::Qr::Show(code) => Qr::Show(QrCode {
                client: client.clone(),
                code,
                updates,
            }),
            core::Qr::SignIn(state) => Qr::SignIn(client.state(state)),
        })
    }
}

impl QrCode {
    /// What the QR code says: `tg://login?token=…`. Who scans it gives this client the account.
    pub fn url(&self) -> String {
        self.code.url()
    }

    /// When the code expires: server time, Unix seconds; about 30 s from now.
    pub fn expires(&self) -> i32 {
        self.code.expires()
    }

    /// Waits until the code is scanned or expires: what comes next.
    ///
    /// # Errors
    /// [`SignInError`]; begin again with [`Client::qr_sign_in`].
    pub async fn next(mut self) -> Result<Qr, SignInError> {
        let now = self.client.with(|_, now| now).await?;
        let expires = u64::try_from(self.code.expires()).unwrap_or(0);
        let left = Duration::from_secs(expires.saturating_sub(now.unix()));
        let expiry = self.client.sleep(left.clamp(SHORTEST, LONGEST));
        // At the end of either the server tells how things are.
        before(expiry, scanned(&mut self.updates)).await;
        Qr::ask(&self.client, self.code.again(), self.updates).await
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

/// Returns when the server says that a token was scanned, or says nothing any more.
async fn scanned(updates: &mut Updates) {
    while let Some(item) = updates.next().await {
        if let Incoming::Update(update) = item
            && let Some(enums::Update::LoginToken) = update.typed()
        {
            return;
        }
    }
}

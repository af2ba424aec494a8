//! Signing in: each question leads to the next.
//!
//! Spec: "User Authorization", "Two-factor authentication", "Login via QR code".
//!
//! [`Client::request_code`](crate::Client::request_code) sends a code to the account's other
//! devices, or as a text message. What it returns says what to ask the user for, and takes the
//! answer. A wrong answer gives the same question back, so that nobody has to begin again:
//!
//! ```no_run
//! use mtproto_driver::Client;
//! use mtproto_driver::client::{SignIn, SignInError};
//!
//! async fn sign_in(client: &Client, ask: impl Fn(&str) -> String) -> Result<(), SignInError> {
//!     // The next start of the program finds the session, and asks nothing.
//!     if client.is_authorized().await? {
//!         return Ok(());
//!     }
//!     let mut state = client.request_code(&ask("phone number")).await?;
//!     loop {
//!         let next = match state {
//!             SignIn::NeedsCode(code) => code.submit(&ask("code")).await,
//!             SignIn::NeedsPassword(it) => {
//!                 let typed = ask(it.hint().unwrap_or("password"));
//!                 it.check(&typed).await
//!             }
//!             SignIn::NeedsSignUp(new) => new.sign_up(&ask("first name"), "").await,
//!             // `NeedsPassword::recover` asks for a code by email.
//!             SignIn::NeedsRecoveryCode(it) => it.submit(&ask("code from the email")).await,
//!             _ => return Ok(()),
//!         };
//!         state = match next {
//!             Err(SignInError::TryAgain { why, again }) => {
//!                 eprintln!("{why}");
//!                 *again
//!             }
//!             other => other?,
//!         };
//!     }
//! }
//! ```
//!
//! The password never leaves the machine: the server gets a proof (SRP). The account may live on
//! another DC than the one that was asked first; the client moves there by itself.
//!
//! # Bots
//!
//! ```no_run
//! # async fn example(client: mtproto_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
//! client.bot_sign_in("7:secret").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A QR code
//!
//! [`Client::qr_sign_in`](crate::Client::qr_sign_in) gives a link to be shown as a QR code, which
//! a device that is signed in scans.
//!
//! # Signing out
//!
//! [`Client::sign_out`](crate::Client::sign_out) ends the login on the server and forgets the
//! account here. Closing the client does neither. When the account is signed out from elsewhere,
//! [`Event::SignedOut`](crate::client::Event::SignedOut) says why, and calls fail with
//! [`Error::SignedOut`](crate::client::Error::SignedOut).

//! Several accounts in one process.
//!
//! Spec: none.
//!
//! An account is a [`Client`](crate::Client) with a store of its own, so several accounts are
//! several clients. [`Accounts`](crate::Accounts) keeps them in a folder and listens to all of them
//! at once:
//!
//! ```no_run
//! use mtproto_driver::client::{Config, Incoming};
//! use mtproto_driver::{AccountId, Accounts, Runtime};
//!
//! async fn serve<R: Runtime>(
//!     runtime: R,
//!     config: Config,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let accounts = Accounts::new(runtime, "accounts", config)?;
//!     let mut updates = accounts.updates();
//!     for id in accounts.list()? {
//!         accounts.open(&id).await?;
//!     }
//!     // A new one; its updates come with the others'.
//!     let shop = accounts.open(&AccountId::new("shop")?).await?;
//!     if !shop.is_authorized().await? {
//!         shop.bot_sign_in("7:secret").await?;
//!     }
//!     while let Some((account, incoming)) = updates.next().await {
//!         if let Incoming::Update(update) = incoming
//!             && let Some(message) = update.as_new_message()
//!             && let Some(client) = accounts.get(&account)
//!         {
//!             client.send_message(message.chat(), "One moment, please.").await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Each account has its own key, streams and task: an account that is banned, or waits for the
//! server's pause, is nothing to the others. One that is open and does nothing costs some
//! kilobytes of memory and two file descriptors, and a socket while it listens.

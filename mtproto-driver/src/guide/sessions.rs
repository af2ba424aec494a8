//! Sessions: where an account is kept.
//!
//! Spec: none; the formats are this project's. Those of other libraries are read and written by
//! [`mtproto_proto::client::portable`].
//!
//! A session is the account's keys, who is signed in, where the DCs are, how far updates were
//! handled, and the access hashes of those who were seen. It *is* the login: whoever has it is
//! the account. A client keeps it in a [`Store`](crate::Store):
//!
//! - [`SessionFile`](crate::SessionFile): one file, readable by its owner only, locked while it is
//!   open, whole after a crash at any moment;
//! - [`MemorySession`](crate::MemorySession): gone with the process, or kept as text wherever you
//!   like;
//! - your own: two methods, for a row of a database for instance.
//!
//! # Encrypted
//!
//! ```no_run
//! use mtproto_driver::{Cipher, SessionFile, SessionFileError};
//!
//! # fn example(cipher: Box<dyn Cipher>, other: Box<dyn Cipher>) -> Result<(), SessionFileError> {
//! // `Cipher` shows how an AEAD becomes one.
//! let mut file = SessionFile::open_with("me.session", cipher)?;
//! // Another key from now on; `None` for no encryption.
//! file.set_cipher(Some(other))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Elsewhere
//!
//! ```no_run
//! use mtproto_driver::client::Config;
//! use mtproto_driver::{Client, MemorySession, Runtime, SessionFile};
//!
//! # async fn example<R: Runtime>(
//! #     runtime: R,
//! #     config: Config,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! // A line of text, for a variable of the environment or a secret store …
//! let text = SessionFile::open("me.session")?.to_text()?;
//! // … and an account again, on another machine.
//! let session = MemorySession::from_text(&text)?;
//! let client = Client::open(&runtime, config, session.clone()).await?;
//! // What the client has learnt since:
//! let text = session.to_text()?;
//! # drop((client, text));
//! # Ok(())
//! # }
//! ```
//!
//! **One session, one client at a time.** Telegram destroys a key that is used from two places at
//! once (`AUTH_KEY_DUPLICATED`). The lock of a file prevents it on one machine; who copies a
//! session has to see to it.

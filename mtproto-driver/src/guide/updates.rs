//! Updates: what others do.
//!
//! Spec: "Working with Updates".
//!
//! Telegram counts updates in several boxes, and loses some on the way; the client puts them in
//! order, leaves out what came twice and fetches what is missing. What comes out of
//! [`Client::updates`](crate::Client::updates) has each thing once:
//!
//! ```no_run
//! use mtproto_driver::Client;
//! use mtproto_driver::client::{Error, Incoming};
//! use mtproto_schema::api::enums;
//!
//! async fn listen(client: &Client) -> Result<(), Error> {
//!     let mut updates = client.updates();
//!     while let Some(incoming) = updates.next().await {
//!         match incoming {
//!             Incoming::Update(update) => {
//!                 if let Some(message) = update.as_new_message() {
//!                     println!("{:?}: {}", message.chat(), message.text());
//!                 } else if let Some(enums::Update::UserTyping(typing)) = update.typed() {
//!                     println!("{} is typing", typing.user_id);
//!                 }
//!             }
//!             // Too much happened while nobody listened: look at the dialogs anew.
//!             Incoming::Lost(lost) => println!("updates are missing: {lost:?}"),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Two rules follow from it:
//!
//! - **Asking for the next one says that the last one is handled.** What is not handled when the
//!   process ends comes again after the next start. Before the end of a program,
//!   [`Updates::handled`](crate::client::Updates::handled) says so for the last one.
//! - **Who does not ask holds nothing up but himself.** Calls are answered meanwhile, also inside
//!   the loop. Without a subscriber the client does not fetch updates at all; with the next one it
//!   gets what was missed.
//!
//! Whom an update is about can be written to at once, by id: access hashes are remembered.

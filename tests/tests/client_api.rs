//! What people do with Telegram: the methods of the client, between accounts of the test DC.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one of some two hundred kinds"
)]

#[path = "client_api/chats.rs"]
mod chats;
#[path = "client_api/contacts.rs"]
mod contacts;
#[path = "client_api/lists.rs"]
mod lists;
#[path = "client_api/messages.rs"]
mod messages;
#[path = "client_api/peers.rs"]
mod peers;
#[path = "client_api/server.rs"]
mod server;
#[path = "client_api/support.rs"]
mod support;

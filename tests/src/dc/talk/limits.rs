//! How much of everything there may be.
//!
//! Does: names every bound of the folder, so that no client can grow the process without end.
//! In: nothing. Out: numbers.
//! Must not know: who keeps to them.
//! Spec: "Client configuration", "Limits"; where a number is Telegram's own, it says so.

/// UTF-16 units of one message's text: `message_length_max` of the configuration.
pub const TEXT_LENGTH: usize = 4_096;
/// Entities of one message: Telegram keeps 100 and drops the rest.
pub const ENTITIES: usize = 100;
/// Bytes of one message's entities, encoded: 100 of them, and links as long as anybody writes.
pub const ENTITIES_BYTES: usize = 8 << 10;
/// Bytes of what somebody is doing, encoded: it is told to each member of a group at once.
pub const ACTION_BYTES: usize = 1 << 10;
/// Bytes of one message's keyboard, encoded: 100 buttons with 64 bytes of data each, twice.
pub const MARKUP_BYTES: usize = 16 << 10;
/// Characters of a first or last name, of a title's half: Telegram's 64.
pub const NAME_LENGTH: usize = 64;
/// Characters of a chat's or a channel's title: Telegram's 128.
pub const TITLE_LENGTH: usize = 128;
/// Characters about oneself: Telegram's 70.
pub const ABOUT_LENGTH: usize = 70;
/// Characters about a channel: Telegram's 255.
pub const CHANNEL_ABOUT_LENGTH: usize = 255;
/// Characters of a username: Telegram's 5 to 32.
pub const USERNAME_LENGTH: std::ops::RangeInclusive<usize> = 5..=32;

/// Messages of an account or a channel. Beyond, the oldest is deleted for good, which everybody is
/// told as of any deletion.
pub const MESSAGES_PER_BOX: usize = 100_000;
/// Events that a difference can go back. A client that is further behind is told so
/// (`differenceTooLong`); a day of a busy account of a test.
pub const LOG: usize = 10_000;
/// Events in one slice of a difference, and at most in what a client asks for.
pub const SLICE: usize = 500;
/// A channel's client that is more events behind gets the newest messages instead.
pub const CHANNEL_TOO_FAR: usize = 2_000;
/// Messages that stand in for a channel's difference that is too long.
pub const CHANNEL_NEWEST: usize = 20;
/// Bytes of messages' contents after which a slice or a page ends: an answer has at most 4 MiB, and
/// the rest of the messages and names need room besides.
pub const ANSWER_TEXT: usize = 256 << 10;
/// When to ask again for the difference of a channel that is open, in seconds.
pub const CHANNEL_POLL: i32 = 30;

/// Messages in one page of a history or a search: Telegram's 100.
pub const PAGE: usize = 100;
/// Dialogs in one page: Telegram's 100.
pub const DIALOGS_PAGE: usize = 100;
/// Members, contacts or blocked users in one page: Telegram's 200.
pub const MEMBERS_PAGE: usize = 200;
/// Ids in one request: Telegram's 100 for messages, the same for all here.
pub const IDS: usize = 100;
/// Messages deleted by one `messages.deleteHistory`; the answer's `offset` says that there are more.
pub const DELETED_AT_ONCE: usize = 1_000;

/// Members of a chat: `chat_size_max` of the configuration.
pub const CHAT_MEMBERS: usize = 200;
/// Members of a channel: every event is pushed to each of them, and a test has no more people.
pub const CHANNEL_MEMBERS: usize = 10_000;
/// Chats and channels, each, in the world.
pub const GROUPS: usize = 10_000;
/// Contacts of an account: Telegram's 5,000 or so, doubled.
pub const CONTACTS: usize = 10_000;
/// Blocked users of an account.
pub const BLOCKED: usize = 10_000;
/// Messages whose `random_id` is remembered, per account: a client repeats what is in flight.
pub const SENT: usize = 200;

/// For how long a message may be edited, in seconds: `edit_time_limit` of the configuration.
pub const EDIT_TIME: i32 = 172_800;
/// For how long `account.updateStatus` says that somebody is online, in seconds: as Telegram.
pub const ONLINE: i32 = 300;

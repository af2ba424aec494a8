//! Sessions of other libraries: their texts, read and written.
//!
//! Does: [`Portable`], what such a text says of an account; tells the formats apart.
//! In: a text, or a [`Snapshot`]. Out: a [`Portable`]; a text, or a [`Snapshot`].
//! Must not know: how a format is laid out (each has its own file), where texts come from.
//! Spec: the libraries themselves; `tests/tests/portable/golden.json` has what they write.
//!
//! | format | text | has |
//! | --- | --- | --- |
//! | Telethon | `1`, base64url of DC, IP (4 or 16 bytes), port, key | address |
//! | GramJS | `1`, base64 of DC, length, host, port, key | address |
//! | Pyrogram | base64url of DC, `api_id`, test mode, key, user, bot | user, `api_id` |
//! | mtcute | base64url of version, flags, DCs with addresses, user and bot, key | address, user |

mod ancestor;
mod error;
mod gramjs;
mod mtcute;
mod pyrogram;
mod telethon;
mod text;

use alloc::string::String;
use core::fmt;
use core::net::SocketAddr;

use zeroize::Zeroizing;

pub use ancestor::Ancestor;
pub use error::{Field, Format, PortableError};

use crate::client::{Account, DcTable, Snapshot};
use crate::connection::KeyState;
use crate::crypto::AuthKey;
use crate::ids::DcId;
use crate::session::Salts;
use crate::time::Time;

/// Characters of the longest text that is looked at. The longest that a library writes, mtcute's
/// with two DCs by IPv6, has 498; GramJS' with the longest host name, 686.
pub const MAX_TEXT: usize = 1_024;

/// How a snapshot's text begins; `mt` as base64 is no DC and no version.
const SNAPSHOT: &str = "mtproto";

/// The highest user id: Telegram promises "at most 52 significant bits".
const MAX_USER_ID: i64 = (1 << 52) - 1;

/// One account as other libraries keep it: the key of its main DC and what else they note.
///
/// Whoever has it has the account. The key is zeroised on drop and never printed.
///
/// ```
/// # fn main() -> Result<(), mtproto_proto::client::portable::PortableError> {
/// use mtproto_proto::client::portable::{Format, Portable};
///
/// # use mtproto_proto::DcId;
/// # let mut made = Portable::new(DcId(2), &[7; 256]);
/// # made.addr = "149.154.167.51:443".parse().ok();
/// # let text = made.to_telethon()?;
/// let mut account = Portable::parse(&text)?;
/// assert_eq!(account.format, Some(Format::Telethon));
///
/// // Pyrogram wants to know more than Telethon says.
/// account.api_id = Some(12_345);
/// account.user_id = Some(777_000);
/// account.bot = Some(false);
/// let text = account.to_pyrogram()?;
/// # assert_eq!(Portable::parse(&text)?.user_id, Some(777_000));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Portable {
    /// The format of the text that it was read from; `None` if it was not.
    pub format: Option<Format>,
    /// The main DC: 1, 2, …; for test servers too.
    pub dc: DcId,
    /// Where that DC is, if the text says so as an IP address.
    pub addr: Option<SocketAddr>,
    /// The main DC's permanent authorization key.
    pub auth_key: AuthKey,
    /// Who is signed in; `None` if the text does not say.
    pub user_id: Option<i64>,
    /// Whether that is a bot; `None` if the text does not say.
    pub bot: Option<bool>,
    /// The application that signed in; `None` if the text does not say.
    pub api_id: Option<i32>,
    /// Whether the key is one of a test server; `None` if the text does not say, which is taken
    /// for no by everything that has to know.
    pub test_mode: Option<bool>,
    /// A server salt of the key: the ancestor kept it. Good for half an hour.
    pub server_salt: Option<i64>,
}

impl Portable {
    /// An account of which only the key of its main DC is known.
    pub fn new(dc: DcId, auth_key: &[u8; 256]) -> Self {
        Portable {
            format: None,
            dc,
            addr: None,
            auth_key: AuthKey::from_bytes(auth_key),
            user_id: None,
            bot: None,
            api_id: None,
            test_mode: None,
            server_salt: None,
        }
    }

    /// Reads a text, whichever library it is of. White space around it is ignored.
    ///
    /// # Errors
    /// [`PortableError`], with the format that the text looks like.
    pub fn parse(text: &str) -> Result<Self, PortableError> {
        Portable::parse_as(detect(text)?, text)
    }

    /// Reads a text of this library. White space around it is ignored.
    ///
    /// # Errors
    /// [`PortableError`], with this format.
    pub fn parse_as(format: Format, text: &str) -> Result<Self, PortableError> {
        let text = text::trim(text)?;
        match format {
            Format::Telethon => telethon::parse(text),
            Format::Pyrogram => pyrogram::parse(text),
            Format::GramJs => gramjs::parse(text),
            Format::Mtcute => mtcute::parse(text),
        }
    }

    /// The text that this library reads. It is the login: keep it secret.
    ///
    /// # Errors
    /// [`PortableError::Missing`] if the library wants to know what is not known,
    /// [`PortableError::Unrepresentable`] if the format has no room for a value.
    pub fn to_text(&self, format: Format) -> Result<Zeroizing<String>, PortableError> {
        match format {
            Format::Telethon => telethon::write(self),
            Format::Pyrogram => pyrogram::write(self),
            Format::GramJs => gramjs::write(self),
            Format::Mtcute => mtcute::write(self),
        }
    }

    /// For Telethon's `StringSession`. Wanted: [`addr`](Self::addr).
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_telethon(&self) -> Result<Zeroizing<String>, PortableError> {
        self.to_text(Format::Telethon)
    }

    /// For Pyrogram's `Client(session_string=…)`, 2.0 and later. Wanted:
    /// [`api_id`](Self::api_id), [`user_id`](Self::user_id), [`bot`](Self::bot).
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_pyrogram(&self) -> Result<Zeroizing<String>, PortableError> {
        self.to_text(Format::Pyrogram)
    }

    /// For GramJS' `StringSession`. Wanted: [`addr`](Self::addr), with a port below 32,768 and an
    /// address of four characters at least: others GramJS writes, but reads wrongly.
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_gramjs(&self) -> Result<Zeroizing<String>, PortableError> {
        self.to_text(Format::GramJs)
    }

    /// For mtcute's `importSession`, format 3. Wanted: [`addr`](Self::addr). Without
    /// [`user_id`](Self::user_id) and [`bot`](Self::bot) mtcute asks the server who it is.
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_mtcute(&self) -> Result<Zeroizing<String>, PortableError> {
        self.to_text(Format::Mtcute)
    }

    /// Fills in the address of the main DC: the first of the table that is neither for files nor
    /// a CDN's nor takes obfuscated streams only, IPv4 before IPv6.
    #[must_use]
    pub fn with_addr_from(mut self, dcs: &DcTable) -> Self {
        let mut best: Option<SocketAddr> = None;
        for option in dcs.get(self.dc) {
            if option.media_only || option.cdn || option.tcpo_only || option.secret.is_some() {
                continue;
            }
            if best.is_none_or(|best| best.is_ipv6() && option.addr.is_ipv4()) {
                best = Some(option.addr);
            }
        }
        self.addr = best.or(self.addr);
        self
    }

    /// The account of a snapshot, with the address that the table has for its main DC. The
    /// `api_id` is not in a snapshot: set it where it is wanted.
    ///
    /// `None` if the snapshot has no account, or no key for its main DC.
    pub fn from_snapshot(snapshot: &Snapshot, dcs: &DcTable) -> Option<Self> {
        let account = snapshot.account()?;
        let (key, _) = snapshot.dc(account.main_dc)?;
        let portable = Portable {
            user_id: account.user_id,
            bot: account.user_id.map(|_| account.bot),
            test_mode: Some(account.test_mode),
            server_salt: Some(key.salts.parts().0.salt).filter(|salt| *salt != 0),
            ..Portable::new(account.main_dc, key.auth_key())
        };
        Some(portable.with_addr_from(dcs))
    }

    /// What a client starts from, signed in on the main DC.
    ///
    /// Addresses belong to the configuration: put [`addr`](Self::addr) there if it is not one of
    /// Telegram's own.
    pub fn to_snapshot(&self) -> Snapshot {
        let mut key = KeyState::from_auth_key(*self.auth_key.as_bytes(), self.dc);
        if let Some(salt) = self.server_salt {
            key.salts = Salts::new(salt, Time::ZERO);
        }
        let account = Account {
            main_dc: self.dc,
            user_id: self.user_id,
            bot: self.bot.unwrap_or(false),
            test_mode: self.test_mode.unwrap_or(false),
        };
        let mut snapshot = Snapshot::new();
        snapshot.apply(Snapshot::account_change(&account));
        snapshot.apply(Snapshot::dc_change(&key, true));
        snapshot
    }
}

/// Shows no key and no salt.
impl fmt::Debug for Portable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portable")
            .field("format", &self.format)
            .field("dc", &self.dc)
            .field("addr", &self.addr)
            .field("auth_key", &self.auth_key)
            .field("user_id", &self.user_id)
            .field("bot", &self.bot)
            .field("api_id", &self.api_id)
            .field("test_mode", &self.test_mode)
            .finish_non_exhaustive()
    }
}

/// The format that a text looks like, by its first bytes and its length: it may be cut off or
/// wrong further on, and the format's own reader says how.
fn detect(text: &str) -> Result<Format, PortableError> {
    if text.trim_start().starts_with(SNAPSHOT) {
        return Err(PortableError::Snapshot);
    }
    let text = text::trim(text)?;
    // As base64, a digit begins a byte of 208 and more, which is neither a DC nor a version.
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let head = text::head(text.get(1..).unwrap_or_default()).ok_or(PortableError::Unknown)?;
        return if gramjs::looks_like(head.as_slice()) {
            Ok(Format::GramJs)
        } else {
            Ok(Format::Telethon)
        };
    }
    let head = text::head(text).ok_or(PortableError::Unknown)?;
    // A text of Pyrogram's begins like this by an accident in a billion.
    if mtcute::looks_like(head.as_slice()) {
        Ok(Format::Mtcute)
    } else if pyrogram::has_length_of(text) || pyrogram::looks_like(head.as_slice()) {
        Ok(Format::Pyrogram)
    } else {
        Err(PortableError::Unknown)
    }
}

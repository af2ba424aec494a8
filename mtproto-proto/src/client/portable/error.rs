//! The formats, and what can be wrong with a text.

use core::fmt;

/// Whose session text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Telethon's `StringSession`.
    Telethon,
    /// Pyrogram's session string; those of releases before 2.0 are read as well.
    Pyrogram,
    /// GramJS' `StringSession`.
    GramJs,
    /// mtcute's session string, version 3.
    Mtcute,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Telethon => "Telethon",
            Self::Pyrogram => "Pyrogram",
            Self::GramJs => "GramJS",
            Self::Mtcute => "mtcute",
        })
    }
}

/// A part of a session text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The main DC's number, 1 to 255.
    Dc,
    /// The main DC's IP address or host name.
    Addr,
    /// The port there, 1 to 65,535.
    Port,
    /// The authorization key.
    AuthKey,
    /// Who is signed in: a positive number of 52 bits.
    UserId,
    /// Whether that is a bot.
    Bot,
    /// Which parts there are.
    Flags,
    /// The application's id: a positive number of 31 bits.
    ApiId,
    /// Whether the servers are test servers.
    TestMode,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dc => "number of the DC",
            Self::Addr => "address of the DC",
            Self::Port => "port of the DC",
            Self::AuthKey => "authorization key",
            Self::UserId => "user's id",
            Self::Bot => "mark of a bot",
            Self::Flags => "list of parts",
            Self::ApiId => "api_id",
            Self::TestMode => "mark of the test servers",
        })
    }
}

/// Why a text is no session, or a session cannot be a text. It never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortableError {
    /// There is nothing but white space: what libraries give when nobody is signed in.
    Empty,
    /// It looks like none of the formats.
    Unknown,
    /// It is a text of this library's own: [`Snapshot::from_text`](crate::client::Snapshot::from_text)
    /// reads it.
    Snapshot,
    /// It is far longer than any format.
    TooLong {
        /// Characters.
        got: usize,
        /// The most that is looked at: [`MAX_TEXT`](super::MAX_TEXT).
        max: usize,
    },
    /// A character is not of the alphabet, or does not end the text properly.
    Encoding {
        /// What the text looks like.
        format: Format,
        /// Which character, from 0, white space around the text not counted.
        at: usize,
    },
    /// It is cut off, or something follows.
    Length {
        /// What the text looks like.
        format: Format,
        /// Characters without white space around and `=` at the end.
        got: usize,
    },
    /// Another version of the format than can be read.
    Version {
        /// What the text looks like.
        format: Format,
        /// The version found.
        got: u8,
        /// The one that is read.
        reads: u8,
    },
    /// A value that no library writes.
    Invalid {
        /// What the text looks like.
        format: Format,
        /// Which value.
        field: Field,
    },
    /// The format has to have what is not known.
    Missing {
        /// What was to be written; `None`: the ancestor's values.
        format: Option<Format>,
        /// What to set before.
        field: Field,
    },
    /// The format has no room for a value.
    Unrepresentable {
        /// What was to be written.
        format: Format,
        /// Which value.
        field: Field,
    },
}

impl fmt::Display for PortableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the session text is empty: nobody was signed in"),
            Self::Unknown => {
                f.write_str("this is no session text of Telethon, Pyrogram, GramJS or mtcute")
            }
            Self::Snapshot => {
                f.write_str("this is a snapshot, not a session text of another library")
            }
            Self::TooLong { got, max } => write!(
                f,
                "the session text has {got} characters, no library writes more than {max}"
            ),
            Self::Encoding { format, at } => write!(
                f,
                "this looks like a session text of {format}, but character {at} is wrong"
            ),
            Self::Length { format, got } => write!(
                f,
                "this looks like a session text of {format}, but {got} characters are too many or too few"
            ),
            Self::Version { format, got, reads } => write!(
                f,
                "this looks like a session text of {format} in version {got}, only version {reads} can be read"
            ),
            Self::Invalid { format, field } => write!(
                f,
                "this looks like a session text of {format}, but the {field} makes no sense"
            ),
            Self::Missing {
                format: Some(format),
                field,
            } => write!(f, "{format} wants the {field}, which is not known"),
            Self::Missing {
                format: None,
                field,
            } => write!(f, "the {field} is not known"),
            Self::Unrepresentable { format, field } => {
                write!(f, "{format} has no room for this {field}")
            }
        }
    }
}

impl core::error::Error for PortableError {}

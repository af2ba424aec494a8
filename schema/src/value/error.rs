//! Why a value, its bytes or its JSON do not follow the schema.
//!
//! Does: [`ValueError`]: a reason, and the path to where it was found.
//! In and out: as it says. Must not know: who asked.
//! Spec: none.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::error::DecodeError;

/// Why a value, its bytes or its JSON do not follow the schema, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// The way from the top: `media.photo.sizes[3]`; empty for the top itself.
    pub path: String,
    /// What is wrong there.
    pub kind: ValueErrorKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueErrorKind {
    /// The field is not there and is not optional.
    Missing,
    /// The field is not there, and another one of the same flag is.
    MissingBeside {
        /// The other one.
        other: String,
    },
    /// The declaration has no such field, or has it once only.
    UnknownField,
    /// No declaration of the expected type has this name.
    UnknownName {
        /// The name as given; shortened, where it comes from JSON.
        name: String,
        /// The type, or `a function`, or `an object`.
        expected: String,
    },
    /// No declaration of the expected type has this id.
    UnknownId {
        /// The id as read.
        id: u32,
        /// The type, or the kind of declaration.
        expected: String,
    },
    /// A value of another kind.
    WrongKind {
        /// What the schema has there.
        expected: &'static str,
        /// What is there.
        got: &'static str,
    },
    /// A number that does not fit its type.
    OutOfRange {
        /// The type.
        expected: &'static str,
        /// The number.
        got: String,
    },
    /// A string that is not base64, or whose bytes are too many or too few.
    Base64 {
        /// The type.
        expected: &'static str,
    },
    /// The value is nested deeper than is followed.
    Depth {
        /// The deepest level.
        max: u32,
    },
    /// A message of more values than are read.
    TooMany {
        /// How many are.
        max: usize,
    },
    /// A type that this schema does not have, or a vector of elements that take no bytes.
    UnknownType {
        /// The type.
        ty: String,
    },
    /// The bytes are no such value.
    Bytes(DecodeError),
}

impl ValueError {
    pub(crate) fn new(kind: ValueErrorKind) -> ValueError {
        ValueError {
            path: String::new(),
            kind,
        }
    }

    /// The same error, seen from one level above.
    pub(crate) fn in_field(self, name: &str) -> ValueError {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        ValueError {
            path: format!("{name}{dot}{}", self.path),
            kind: self.kind,
        }
    }

    /// The same error, seen from the vector.
    pub(crate) fn in_item(self, index: usize) -> ValueError {
        self.in_field(&format!("[{index}]"))
    }
}

impl From<DecodeError> for ValueError {
    fn from(e: DecodeError) -> ValueError {
        ValueError::new(ValueErrorKind::Bytes(e))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.kind {
            ValueErrorKind::Missing => f.write_str("missing"),
            ValueErrorKind::MissingBeside { other } => {
                write!(f, "missing, but {other}, which shares its flag, is there")
            }
            ValueErrorKind::UnknownField => f.write_str("no such field, or a second time"),
            ValueErrorKind::UnknownName { name, expected } => write!(f, "{name} is no {expected}"),
            ValueErrorKind::UnknownId { id, expected } => {
                write!(f, "constructor {id:#010x} is no {expected}")
            }
            ValueErrorKind::WrongKind { expected, got } => {
                write!(f, "{got} where {expected} is expected")
            }
            ValueErrorKind::OutOfRange { expected, got } => {
                write!(f, "{got} is out of the range of {expected}")
            }
            ValueErrorKind::Base64 { expected } => write!(f, "not the base64 form of {expected}"),
            ValueErrorKind::Depth { max } => write!(f, "nested deeper than {max}"),
            ValueErrorKind::TooMany { max } => write!(f, "more than {max} values in a message"),
            ValueErrorKind::UnknownType { ty } => write!(f, "the schema has no type {ty}"),
            ValueErrorKind::Bytes(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for ValueError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            ValueErrorKind::Bytes(e) => Some(e),
            ValueErrorKind::Missing
            | ValueErrorKind::MissingBeside { .. }
            | ValueErrorKind::UnknownField
            | ValueErrorKind::UnknownName { .. }
            | ValueErrorKind::UnknownId { .. }
            | ValueErrorKind::WrongKind { .. }
            | ValueErrorKind::OutOfRange { .. }
            | ValueErrorKind::Base64 { .. }
            | ValueErrorKind::Depth { .. }
            | ValueErrorKind::TooMany { .. }
            | ValueErrorKind::UnknownType { .. } => None,
        }
    }
}

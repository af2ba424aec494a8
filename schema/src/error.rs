//! Why bytes are not the TL value that was expected.
//!
//! Does: one enum, [`DecodeError`]. In: nothing. Out: what was found and what was allowed.
//! Must not know: which message was read; who calls adds that.
//! Spec: "Binary Data Serialization".

use core::fmt;

/// Why bytes are not the TL value that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a value.
    UnexpectedEnd {
        /// Bytes that the next value needs at least.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// The constructor's id is not one of the expected type.
    UnknownConstructor {
        /// The id as read.
        id: u32,
        /// The TL type, or the constructor, that was expected.
        expected: &'static str,
    },
    /// A vector claims more elements than the bytes left can hold.
    Count {
        /// The count as read.
        got: u32,
        /// The most that the bytes left can hold.
        max: usize,
    },
    /// A `string` is not UTF-8.
    Utf8 {
        /// Bytes of it that are.
        valid_up_to: usize,
    },
    /// Values are nested deeper than the reader follows.
    Depth {
        /// The deepest level that is read.
        max: u32,
    },
    /// What is read takes too much memory.
    Memory {
        /// The most that it may take, in bytes.
        max: usize,
    },
    /// A declared length does not agree with what it encloses.
    Length {
        /// The length as read.
        got: i64,
        /// The largest that is allowed here.
        max: usize,
    },
    /// The value ended before its bytes did.
    TrailingBytes {
        /// Bytes left over.
        left: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::UnexpectedEnd { needed, left } => {
                write!(f, "the value needs {needed} more bytes, {left} are left")
            }
            DecodeError::UnknownConstructor { id, expected } => {
                write!(f, "constructor {id:#010x} is no {expected}")
            }
            DecodeError::Count { got, max } => {
                write!(f, "a vector of {got} elements, the bytes left hold {max}")
            }
            DecodeError::Utf8 { valid_up_to } => {
                write!(f, "a string is not utf-8 after byte {valid_up_to}")
            }
            DecodeError::Depth { max } => write!(f, "values are nested deeper than {max}"),
            DecodeError::Memory { max } => {
                write!(f, "the value takes more than {max} bytes of memory")
            }
            DecodeError::Length { got, max } => {
                write!(f, "a declared length of {got}, at most {max} is possible")
            }
            DecodeError::TrailingBytes { left } => {
                write!(f, "{left} bytes are left after the value")
            }
        }
    }
}

impl core::error::Error for DecodeError {}

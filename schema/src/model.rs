//! A schema as data: declarations, their fields and types, and their ids.
//!
//! Does: [`Document`] and its parts; the id of a declaration by CRC-32.
//! In: what [`text`](crate::text) and [`json`](crate::json) have parsed. Out: TL text again, by
//! `Display`.
//! Must not know: values, bytes on the wire.
//! Spec: "TL Language", "Binary Data Serialization": combinator names.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write;

/// Vectors in vectors in a field's type. Telegram's schemas have one level.
const MAX_TYPE_DEPTH: usize = 8;

/// Declarations whose id is not the CRC-32 of their text: Telegram kept the id when it changed
/// the declaration. An explicit id always wins; this list only tells a known exception from a
/// typing error.
pub const KNOWN_IDS: [(&str, u32); 3] = [
    ("ipPortSecret", 0x37982646),
    ("accessPointRule", 0x4679b65f),
    ("help.configSimple", 0x5a592a6c),
];

/// One schema file: a layer's declarations in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The API layer, where the file states one.
    pub layer: Option<i32>,
    /// Constructors and functions, but for the built-in types.
    pub definitions: Vec<Definition>,
}

impl Document {
    /// The declarations whose id is neither the CRC-32 of their text nor in [`KNOWN_IDS`].
    pub fn mismatched_ids(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.iter().filter(|d| {
            d.id != d.computed_id() && !KNOWN_IDS.iter().any(|&(n, id)| *d.name == *n && d.id == id)
        })
    }
}

/// Whether a declaration makes a value or is a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A constructor of its result type.
    Constructor,
    /// A method that is answered with its result type.
    Function,
}

/// One declaration: `name#id field:type … = Result;`. Displays as that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name with its namespace: `help.getConfig`.
    pub name: Arc<str>,
    /// The explicit id, or the computed one where there is none.
    pub id: u32,
    /// Constructor or function.
    pub kind: Kind,
    /// Fields in wire order, flag words included.
    pub fields: Vec<Field>,
    /// The result type.
    pub result: Type,
}

/// One field of a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as the schema writes it.
    pub name: Arc<str>,
    /// The bit that says whether the field is there.
    pub flag: Option<Flag>,
    /// The type, without the flag.
    pub ty: Type,
}

/// The `flags.3?` of an optional field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The name of the field that holds the word.
    pub word: Arc<str>,
    /// 0 to 31.
    pub bit: u8,
}

impl Flag {
    /// The bit as a mask.
    pub fn mask(&self) -> u32 {
        1_u32.wrapping_shl(u32::from(self.bit))
    }
}

/// A type in a schema. Displays as the schema writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `int`
    Int,
    /// `#`, 32 bits without a sign; a flag word if other fields refer to it.
    Nat,
    /// `long`
    Long,
    /// `double`
    Double,
    /// `int128`
    Int128,
    /// `int256`
    Int256,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `Bool`
    Bool,
    /// `true`: no bytes; its flag is the value.
    True,
    /// `Vector<item>`, or with `bare` `vector<item>`.
    Vector {
        /// Without the id of `Vector`.
        bare: bool,
        /// The element.
        item: Box<Type>,
    },
    /// A type by name: an id, then fields.
    Boxed(Arc<str>),
    /// A constructor by name, or `%Type`: fields only. The name is as written.
    Bare(Arc<str>),
    /// `Object`: a boxed value of any type.
    Object,
    /// `!X`: a function, whose result is the wrapper's result.
    Query,
    /// `X`: the result of the function in the field of type `!X`.
    Generic,
}

/// A type that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError;

impl Type {
    /// Reads a type as the schema writes it.
    ///
    /// # Errors
    /// It is not of the forms that schemas use.
    pub fn parse(text: &str) -> Result<Type, TypeError> {
        Type::parse_at(text, 0)
    }

    fn parse_at(text: &str, depth: usize) -> Result<Type, TypeError> {
        if depth > MAX_TYPE_DEPTH {
            return Err(TypeError);
        }
        Ok(match text {
            "int" => Type::Int,
            "#" => Type::Nat,
            "long" => Type::Long,
            "double" => Type::Double,
            "int128" => Type::Int128,
            "int256" => Type::Int256,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "Bool" => Type::Bool,
            "true" => Type::True,
            "Object" => Type::Object,
            "!X" => Type::Query,
            "X" => Type::Generic,
            _ => {
                let vector = [("Vector<", false), ("vector<", true), ("%Vector<", true)]
                    .into_iter()
                    .find_map(|(start, bare)| {
                        let item = text.strip_prefix(start)?.strip_suffix('>')?;
                        Some((bare, item))
                    });
                if let Some((bare, item)) = vector {
                    let item = Box::new(Type::parse_at(item, depth.saturating_add(1))?);
                    return Ok(Type::Vector { bare, item });
                }
                let name = text.strip_prefix('%').unwrap_or(text);
                let last = check_name(name)?;
                if last.starts_with(|c: char| c.is_ascii_uppercase()) && name == text {
                    Type::Boxed(text.into())
                } else {
                    Type::Bare(text.into())
                }
            }
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Int => "int",
            Type::Nat => "#",
            Type::Long => "long",
            Type::Double => "double",
            Type::Int128 => "int128",
            Type::Int256 => "int256",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Bool => "Bool",
            Type::True => "true",
            Type::Object => "Object",
            Type::Query => "!X",
            Type::Generic => "X",
            Type::Boxed(name) | Type::Bare(name) => name,
            Type::Vector { bare, item } => {
                let start = if *bare { "vector" } else { "Vector" };
                return write!(f, "{start}<{item}>");
            }
        })
    }
}

/// Checks `namespace.name`; gives the part after the last dot.
pub(crate) fn check_name(name: &str) -> Result<&str, TypeError> {
    let mut last = "";
    for part in name.split('.') {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !part.starts_with(|c: char| c.is_ascii_alphabetic()) || !part.chars().all(word) {
            return Err(TypeError);
        }
        last = part;
    }
    Ok(last)
}

impl Field {
    /// Reads the type of a field, which may begin with `flags.3?`.
    ///
    /// # Errors
    /// It is not of the forms that schemas use.
    pub fn parse(name: &str, ty: &str) -> Result<Field, TypeError> {
        check_name(name)?;
        let (flag, ty) = match ty.split_once('?') {
            None => (None, ty),
            Some((flag, ty)) => {
                let (word, bit) = flag.split_once('.').ok_or(TypeError)?;
                check_name(word)?;
                let bit: u8 = bit.parse().map_err(|_| TypeError)?;
                if bit > 31 {
                    return Err(TypeError);
                }
                (
                    Some(Flag {
                        word: word.into(),
                        bit,
                    }),
                    ty,
                )
            }
        };
        Ok(Field {
            name: name.into(),
            flag,
            ty: Type::parse(ty)?,
        })
    }

    /// The type with its flag, as the schema writes it.
    pub fn type_text(&self) -> String {
        match &self.flag {
            None => self.ty.to_string(),
            Some(Flag { word, bit }) => alloc::format!("{word}.{bit}?{}", self.ty),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.type_text())
    }
}

impl Definition {
    /// The part of the name before the dot.
    pub fn namespace(&self) -> Option<&str> {
        self.name.split_once('.').map(|(namespace, _)| namespace)
    }

    /// Whether it wraps a query: `{X:Type} … query:!X = X`.
    pub fn is_generic(&self) -> bool {
        self.fields.iter().any(|f| f.ty == Type::Query)
    }

    /// Whether this field is a flag word: a `#` that gates others, or that is named `flags`.
    pub fn is_flag_word(&self, field: &Field) -> bool {
        field.ty == Type::Nat
            && (field.name.starts_with("flags")
                || self
                    .fields
                    .iter()
                    .filter_map(|f| f.flag.as_ref())
                    .any(|f| f.word == field.name))
    }

    /// The CRC-32 of the normalised declaration.
    pub fn computed_id(&self) -> u32 {
        let mut text = self.name.as_ref().to_owned();
        if self.is_generic() {
            text.push_str(" X:Type");
        }
        for field in self
            .fields
            .iter()
            .filter(|f| f.flag.is_none() || f.ty != Type::True)
        {
            let mut ty = field.type_text();
            if field.ty == Type::Bytes {
                ty.truncate(ty.len().saturating_sub("bytes".len()));
                ty.push_str("string");
            }
            // Writing to a `String` cannot fail.
            let _ = write!(text, " {}:{ty}", field.name);
        }
        let _ = write!(text, " = {}", self.result);
        let text = text.replace('<', " ").replace('>', "");
        crc32fast::hash(text.as_bytes())
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.name, self.id)?;
        if self.is_generic() {
            f.write_str(" {X:Type}")?;
        }
        for field in &self.fields {
            write!(f, " {field}")?;
        }
        write!(f, " = {};", self.result)
    }
}

//! A schema at run time: declarations that are checked against each other and ready to be walked.
//!
//! Does: [`Schema`]: resolves every name once, finds declarations by name and by id.
//! In: one or more [`Document`]s. Out: tables for `value/`, declarations for who asks.
//! Must not know: values, bytes on the wire.
//! Spec: "TL Language"; core.telegram.org/schema.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::ids::Ids;
use crate::json::{self, JsonError};
use crate::model::{Definition, Document, Kind, Type};
use crate::steps::Program;
use crate::text::{self, TextError};

/// Flag words of one declaration. Telegram's have two.
pub(crate) const MAX_WORDS: usize = 8;

/// Fields of one declaration. Telegram's largest has 70. Fields are found by name in a row, so that
/// writing an object takes up to the square of this many comparisons.
const MAX_FIELDS: usize = 1024;

/// The declaration of a message in a container: its `body` is as long as its `bytes` says.
const MESSAGE: (&str, u32) = ("message", 0x5bb8e511);
/// Its fields: the length is right before what it measures.
const MESSAGE_FIELDS: [(&str, Type); 4] = [
    ("msg_id", Type::Long),
    ("seqno", Type::Int),
    ("bytes", Type::Int),
    ("body", Type::Object),
];
/// Declared with a boxed message, but a message is never boxed on the wire.
const MSG_COPY: (&str, u32) = ("msg_copy", 0xe06046b2);

/// Declarations of one layer, or of several documents that belong together.
///
/// Several schemas can be held side by side, one per layer. Keep one in an `Arc`: making it reads
/// and checks some half a megabyte of JSON.
///
/// ```
/// use mtproto_schema::{Object, Schema, Value};
///
/// let schema = Schema::from_text("---functions---\nping#7abe77ec ping_id:long = Pong;
///     ---types---\npong#347773c5 msg_id:long ping_id:long = Pong;")?;
/// let ping = Object::new("ping").with("ping_id", 7_i64);
/// let (bytes, result) = schema.encode_query(&ping)?;
/// assert_eq!(result.to_string(), "Pong");
/// assert_eq!(schema.decode_function(&bytes)?, Value::Object(ping));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    layer: Option<i32>,
    definitions: Vec<Definition>,
    /// One for each definition.
    pub(crate) rows: Vec<Row>,
    pub(crate) types: Vec<TypeRow>,
    pub(crate) program: Program,
    ids: Ids,
    names: Names,
}

/// A declaration, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The type that a constructor makes; `None` for functions, and for `Object`.
    pub ty: Option<usize>,
    /// One for each field.
    pub ops: Vec<Op>,
    /// Fields that are always there and have a value of their own.
    pub always: usize,
    /// Bytes of the shortest bare form, or fewer; 0 only if it never has any.
    pub min_size: usize,
}

/// A type and its constructors.
#[derive(Clone, Debug)]
pub(crate) struct TypeRow {
    pub name: Arc<str>,
    pub rows: Vec<usize>,
    /// The least of its constructors' sizes.
    pub min_size: usize,
}

/// A field, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// The number of its flag word, and the mask of its bit.
    pub flag: Option<(usize, u32)>,
    pub shape: Shape,
}

/// What is at a place on the wire.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A flag word, by number; no value of its own.
    Word(usize),
    Int,
    Nat,
    Long,
    Double,
    Int128,
    Int256,
    String,
    Bytes,
    Bool,
    True,
    Vector {
        bare: bool,
        item: Box<Shape>,
    },
    Boxed(usize),
    Bare(usize),
    Object,
    Query,
    /// The length of `Body`, in bytes; no value of its own.
    Length,
    /// An object of as many bytes as `Length` says.
    Body,
}

impl Shape {
    /// Whether the value is an object or a vector, and so a level of its own.
    pub fn is_compound(&self) -> bool {
        match self {
            Shape::Vector { .. }
            | Shape::Boxed(_)
            | Shape::Bare(_)
            | Shape::Object
            | Shape::Query
            | Shape::Body => true,
            Shape::Word(_)
            | Shape::Int
            | Shape::Nat
            | Shape::Long
            | Shape::Double
            | Shape::Int128
            | Shape::Int256
            | Shape::String
            | Shape::Bytes
            | Shape::Bool
            | Shape::True
            | Shape::Length => false,
        }
    }

    /// Whether it follows from other fields, and is none for the application.
    pub fn is_derived(&self) -> bool {
        matches!(self, Shape::Word(_) | Shape::Length)
    }

    /// What stands there, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Shape::Word(_) | Shape::Nat => "#",
            Shape::Int | Shape::Length => "int",
            Shape::Long => "long",
            Shape::Double => "double",
            Shape::Int128 => "int128",
            Shape::Int256 => "int256",
            Shape::String => "string",
            Shape::Bytes => "bytes",
            Shape::Bool => "Bool",
            Shape::True => "true",
            Shape::Vector { .. } => "a vector",
            Shape::Boxed(_) | Shape::Bare(_) | Shape::Object | Shape::Body => "an object",
            Shape::Query => "a function",
        }
    }
}

/// Why declarations do not make a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not the JSON form of a schema.
    Json(JsonError),
    /// Not `.tl` text.
    Text(TextError),
    /// Two declarations have the same id, or one document has two of the same kind and name.
    Duplicate {
        /// The later one.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// A field or a result of a type that no constructor makes, or a bare use of a type that has
    /// several.
    UnknownType {
        /// The declaration.
        definition: String,
        /// The type.
        ty: String,
    },
    /// An optional field whose flag word does not come before it.
    FlagWord {
        /// The declaration.
        definition: String,
        /// The optional field.
        field: String,
    },
    /// More flag words in a declaration than are followed.
    TooManyWords {
        /// The declaration.
        definition: String,
        /// How many are.
        max: usize,
    },
    /// More fields in a declaration than are taken.
    TooManyFields {
        /// The declaration.
        definition: String,
        /// How many are.
        max: usize,
    },
    /// Two fields of one name in a declaration.
    DuplicateField {
        /// The declaration.
        definition: String,
        /// The field.
        field: String,
    },
    /// A vector of elements that take no bytes: it could be of any length for four bytes.
    NoBytes {
        /// The declaration.
        definition: String,
        /// The field.
        field: String,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaError::Json(e) => e.fmt(f),
            SchemaError::Text(e) => e.fmt(f),
            SchemaError::Duplicate { name, other } => {
                write!(f, "{name} has the name or the id of {other}")
            }
            SchemaError::UnknownType { definition, ty } => {
                write!(f, "{definition} uses {ty}, which cannot be resolved")
            }
            SchemaError::FlagWord { definition, field } => {
                write!(f, "{definition}.{field} has no flag word before it")
            }
            SchemaError::TooManyWords { definition, max } => {
                write!(f, "{definition} has more than {max} flag words")
            }
            SchemaError::TooManyFields { definition, max } => {
                write!(f, "{definition} has more than {max} fields")
            }
            SchemaError::DuplicateField { definition, field } => {
                write!(f, "{definition} has two fields {field}")
            }
            SchemaError::NoBytes { definition, field } => {
                write!(
                    f,
                    "{definition}.{field} is a vector of elements without bytes"
                )
            }
        }
    }
}

impl core::error::Error for SchemaError {}

impl Schema {
    /// The schemas that this crate is made from: the protocol's own and the API of layer
    /// [`LAYER`](crate::LAYER).
    ///
    /// # Panics
    /// Never: a test reads the data that is compiled in.
    #[expect(
        clippy::expect_used,
        reason = "the data is a part of this crate, and tested"
    )]
    pub fn builtin() -> Schema {
        let api = json::parse(include_str!("../json/api.json"));
        let mtproto = json::parse(include_str!("../json/mtproto.json"));
        api.and_then(|api| Ok([api, mtproto?]))
            .map_err(SchemaError::Json)
            .and_then(Schema::new)
            .expect("the built-in schema is valid")
    }

    /// A schema from its JSON form.
    ///
    /// # Errors
    /// The text is not JSON of that form, or its declarations do not fit together.
    pub fn from_json(text: &str) -> Result<Schema, SchemaError> {
        Schema::new([json::parse(text).map_err(SchemaError::Json)?])
    }

    /// A schema from `.tl` text.
    ///
    /// # Errors
    /// The text is not TL, or its declarations do not fit together.
    pub fn from_text(text: &str) -> Result<Schema, SchemaError> {
        Schema::new([text::parse(text).map_err(SchemaError::Text)?])
    }

    /// A schema from documents that belong together. A name means the declaration of its own
    /// document first, then that of the earliest document that has it.
    ///
    /// # Errors
    /// The declarations do not fit together.
    pub fn new(documents: impl IntoIterator<Item = Document>) -> Result<Schema, SchemaError> {
        let mut schema = Schema {
            layer: None,
            definitions: Vec::new(),
            rows: Vec::new(),
            types: Vec::new(),
            program: Program::default(),
            ids: Ids::default(),
            names: Names::default(),
        };
        let mut parts = Vec::new();
        for document in documents {
            schema.layer = schema.layer.or(document.layer);
            parts.push(schema.take(document)?);
        }
        let mut rows = Vec::new();
        for part in &parts {
            for d in schema
                .definitions
                .get(part.range.clone())
                .unwrap_or_default()
            {
                rows.push(schema.resolve(d, &part.names)?);
            }
        }
        schema.rows = rows;
        schema.measure();
        schema.check_vectors()?;
        let ops = schema.rows.iter().map(|row| row.ops.as_slice());
        schema.program = Program::new(ops, |shape| schema.min_shape(shape));
        schema.ids = Ids::new(&schema.definitions, &schema.rows)?;
        Ok(schema)
    }

    /// The API layer, where a document states one.
    pub fn layer(&self) -> Option<i32> {
        self.layer
    }

    /// All declarations, in the order of the documents.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The constructor of this name.
    pub fn constructor(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(*self.names.constructors.get(name)?)
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(*self.names.functions.get(name)?)
    }

    /// The constructor or function of this id.
    pub fn by_id(&self, id: u32) -> Option<&Definition> {
        self.definitions.get(self.ids.find(id)?.row())
    }

    /// The constructors of the type of this name; none if there is no such type.
    pub fn constructors_of<'a>(
        &'a self,
        ty: &str,
    ) -> impl Iterator<Item = &'a Definition> + use<'a> {
        let rows = self
            .names
            .types
            .get(ty)
            .and_then(|&t| self.types.get(t))
            .map(|t| &t.rows);
        rows.into_iter()
            .flatten()
            .filter_map(|&row| self.definitions.get(row))
    }

    /// The index of the declaration of this id.
    pub(crate) fn find(&self, id: u32) -> Option<(usize, Kind)> {
        let i = self.ids.find(id)?.row();
        Some((i, self.definitions.get(i)?.kind))
    }

    /// The index of the constructor of this id, if it makes that type.
    pub(crate) fn made_by(&self, id: u32, ty: usize) -> Option<usize> {
        let slot = self.ids.find(id)?;
        slot.makes(ty).then(|| slot.row())
    }

    pub(crate) fn makes(&self, row: usize, ty: usize) -> bool {
        self.rows.get(row).is_some_and(|row| row.ty == Some(ty))
    }

    /// The index of the declaration of this name and kind.
    pub(crate) fn named(&self, kind: Kind, name: &str) -> Option<usize> {
        match kind {
            Kind::Constructor => self.names.constructors.get(name),
            Kind::Function => self.names.functions.get(name),
        }
        .copied()
    }

    pub(crate) fn row(&self, i: usize) -> Option<(&Definition, &Row)> {
        Some((self.definitions.get(i)?, self.rows.get(i)?))
    }

    /// The shape of a type whose names are those of this schema; none of a vector whose elements
    /// take no bytes.
    pub(crate) fn shape(&self, ty: &Type) -> Option<Shape> {
        let shape = self.shape_in(ty, &self.names)?;
        (!self.is_endless(&shape)).then_some(shape)
    }

    /// The shape of a type whose names are those of a document, or else of this schema.
    fn shape_in(&self, ty: &Type, names: &Names) -> Option<Shape> {
        let find_type = |name: &str| {
            names
                .types
                .get(name)
                .or(self.names.types.get(name))
                .copied()
        };
        Some(match ty {
            Type::Int => Shape::Int,
            Type::Nat => Shape::Nat,
            Type::Long => Shape::Long,
            Type::Double => Shape::Double,
            Type::Int128 => Shape::Int128,
            Type::Int256 => Shape::Int256,
            Type::String => Shape::String,
            Type::Bytes => Shape::Bytes,
            Type::Bool => Shape::Bool,
            Type::True => Shape::True,
            Type::Object => Shape::Object,
            Type::Query => Shape::Query,
            Type::Generic => return None,
            Type::Vector { bare, item } => Shape::Vector {
                bare: *bare,
                item: Box::new(self.shape_in(item, names)?),
            },
            Type::Boxed(name) => Shape::Boxed(find_type(name)?),
            Type::Bare(name) => Shape::Bare(match name.strip_prefix('%') {
                None => {
                    let all = &self.names.constructors;
                    *names.constructors.get(name).or(all.get(name))?
                }
                Some(name) => match self.types.get(find_type(name)?)?.rows.as_slice() {
                    [row] => *row,
                    [] | [_, _, ..] => return None,
                },
            }),
        })
    }

    /// Takes in the names of a document.
    fn take(&mut self, document: Document) -> Result<Part, SchemaError> {
        let start = self.definitions.len();
        let mut names = Names::default();
        for (i, d) in (start..).zip(document.definitions) {
            let named = match d.kind {
                Kind::Constructor => &mut names.constructors,
                Kind::Function => &mut names.functions,
            };
            if named.insert(d.name.clone(), i).is_some() {
                let other = d.name.to_string();
                return Err(SchemaError::Duplicate {
                    name: d.to_string(),
                    other,
                });
            }
            if let (Kind::Constructor, Type::Boxed(name)) = (d.kind, &d.result) {
                let next = self.types.len();
                let ty = *names.types.entry(name.clone()).or_insert(next);
                if ty == next {
                    self.types.push(TypeRow {
                        name: name.clone(),
                        rows: Vec::new(),
                        min_size: 0,
                    });
                }
                if let Some(ty) = self.types.get_mut(ty) {
                    ty.rows.push(i);
                }
            }
            self.definitions.push(d);
        }
        self.names.merge(&names);
        Ok(Part {
            range: start..self.definitions.len(),
            names,
        })
    }

    fn resolve(&self, d: &Definition, names: &Names) -> Result<Row, SchemaError> {
        let unknown = |ty: &Type| SchemaError::UnknownType {
            definition: d.name.to_string(),
            ty: ty.to_string(),
        };
        let definition = || d.name.to_string();
        if d.fields.len() > MAX_FIELDS {
            let (definition, max) = (definition(), MAX_FIELDS);
            return Err(SchemaError::TooManyFields { definition, max });
        }
        let mut seen = BTreeSet::new();
        let mut words: Vec<&str> = Vec::new();
        let mut ops = Vec::new();
        for field in &d.fields {
            if !seen.insert(&*field.name) {
                let (definition, field) = (definition(), field.name.to_string());
                return Err(SchemaError::DuplicateField { definition, field });
            }
            let flag = match &field.flag {
                None => None,
                Some(flag) => match words.iter().position(|w| **w == *flag.word) {
                    Some(word) => Some((word, flag.mask())),
                    None => {
                        return Err(SchemaError::FlagWord {
                            definition: d.name.to_string(),
                            field: field.name.to_string(),
                        });
                    }
                },
            };
            let shape = if flag.is_none() && d.is_flag_word(field) {
                words.push(&field.name);
                if words.len() > MAX_WORDS {
                    let definition = d.name.to_string();
                    return Err(SchemaError::TooManyWords {
                        definition,
                        max: MAX_WORDS,
                    });
                }
                Shape::Word(words.len().saturating_sub(1))
            } else {
                self.shape_in(&field.ty, names)
                    .ok_or_else(|| unknown(&field.ty))?
            };
            ops.push(Op {
                flag,
                shape: envelope(d, &field.name, shape, names),
            });
        }
        // The result of a wrapper is that of its query; `Generic` of anything else has no shape.
        let resolved = self.shape_in(&d.result, names);
        if resolved.is_none() && !(d.is_generic() && d.result == Type::Generic) {
            return Err(unknown(&d.result));
        }
        let ty = match resolved {
            Some(Shape::Boxed(ty)) if d.kind == Kind::Constructor => Some(ty),
            Some(_) | None => None,
        };
        let own = |op: &&Op| op.flag.is_none() && !op.shape.is_derived();
        Ok(Row {
            ty,
            always: ops.iter().filter(own).count(),
            ops,
            min_size: 0,
        })
    }
}

/// The forms on the wire that a declaration cannot say.
fn envelope(d: &Definition, field: &str, shape: Shape, names: &Names) -> Shape {
    let is = |(name, id): (&str, u32)| *d.name == *name && d.id == id;
    let is_message = || {
        let fields = d.fields.iter().map(|f| (&*f.name, &f.ty, &f.flag));
        is(MESSAGE) && fields.eq(MESSAGE_FIELDS.iter().map(|(name, ty)| (*name, ty, &None)))
    };
    match (field, shape) {
        ("bytes", Shape::Int) if is_message() => Shape::Length,
        ("body", Shape::Object) if is_message() => Shape::Body,
        ("orig_message", Shape::Boxed(ty)) if is(MSG_COPY) => {
            match names.constructors.get("message") {
                Some(&row) => Shape::Bare(row),
                None => Shape::Boxed(ty),
            }
        }
        (_, shape) => shape,
    }
}

/// The declarations of one document.
#[derive(Default)]
struct Part {
    range: Range<usize>,
    names: Names,
}

/// What names mean.
#[derive(Clone, Debug, Default)]
struct Names {
    constructors: BTreeMap<Arc<str>, usize>,
    functions: BTreeMap<Arc<str>, usize>,
    types: BTreeMap<Arc<str>, usize>,
}

impl Names {
    /// Takes the names that it does not have yet.
    fn merge(&mut self, other: &Names) {
        for (all, more) in [
            (&mut self.constructors, &other.constructors),
            (&mut self.functions, &other.functions),
            (&mut self.types, &other.types),
        ] {
            for (name, i) in more {
                all.entry(name.clone()).or_insert(*i);
            }
        }
    }
}

//! `.tl` text to a [`Document`].
//!
//! Does: comments, sections, declarations, the `// LAYER` line.
//! In: text. Out: declarations in their order, without the built-in types.
//! Must not know: which declarations make sense together; [`Schema`](crate::Schema) checks that.
//! Spec: "TL Language", "TL-combinators".

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::model::{Definition, Document, Field, Kind, Type, check_name};

/// The longest name, type or declaration that an error quotes, in characters.
const MAX_QUOTE: usize = 80;

/// What is known without a declaration; the codec is by hand.
pub(crate) const BUILT_IN: [&str; 8] = [
    "int", "long", "double", "string", "bytes", "vector", "int128", "int256",
];

/// Why a text is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// A `/*` without its `*/`.
    OpenComment,
    /// A declaration that cannot be read; the text of it, shortened.
    Declaration(String),
    /// Text after the last `;`, shortened.
    Unterminated(String),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextError::OpenComment => f.write_str("a comment is not closed"),
            TextError::Declaration(text) => write!(f, "cannot read the declaration `{text}`"),
            TextError::Unterminated(text) => write!(f, "no semicolon after `{text}`"),
        }
    }
}

impl core::error::Error for TextError {}

/// Reads `.tl` text.
///
/// ```
/// let document = mtproto_schema::text::parse(
///     "// LAYER 7\npong#347773c5 msg_id:long ping_id:long = Pong;",
/// )?;
/// assert_eq!(document.layer, Some(7));
/// assert_eq!(document.definitions[0].id, document.definitions[0].computed_id());
/// # Ok::<(), mtproto_schema::text::TextError>(())
/// ```
///
/// # Errors
/// The text is not of the forms that schemas use.
pub fn parse(text: &str) -> Result<Document, TextError> {
    let mut document = Document::default();
    let mut kind = Kind::Constructor;
    let mut declaration = String::new();
    let text = without_block_comments(text)?;
    for line in text.lines() {
        let (line, comment) = line.split_once("//").unwrap_or((line, ""));
        let comment = comment.trim_matches(|c: char| c == '/' || c.is_whitespace());
        if let Some(layer) = comment.strip_prefix("LAYER ") {
            document.layer = layer.trim().parse().ok().or(document.layer);
        }
        match line.trim() {
            "---functions---" => kind = Kind::Function,
            "---types---" => kind = Kind::Constructor,
            line => {
                let mut pieces = line.split(';');
                declaration.push_str(pieces.next().unwrap_or_default());
                declaration.push(' ');
                for piece in pieces {
                    document
                        .definitions
                        .extend(parse_declaration(&declaration, kind)?);
                    declaration.clear();
                    declaration.push_str(piece);
                    declaration.push(' ');
                }
            }
        }
    }
    match declaration.trim() {
        "" => Ok(document),
        rest => Err(TextError::Unterminated(quote(rest))),
    }
}

fn without_block_comments(text: &str) -> Result<String, TextError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        // `///*` and `//*` are line comments.
        let line = before.rsplit('\n').next().unwrap_or_default();
        if line.contains("//") || (line.ends_with('/') && !line.is_empty()) {
            let (comment, after) = after.split_once('\n').unwrap_or((after, ""));
            out.push_str(before);
            out.push_str("//");
            out.push_str(comment);
            out.push('\n');
            rest = after;
        } else {
            out.push_str(before);
            rest = after.split_once("*/").ok_or(TextError::OpenComment)?.1;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// `None` for a built-in type.
fn parse_declaration(text: &str, kind: Kind) -> Result<Option<Definition>, TextError> {
    let error = || TextError::Declaration(quote(text.trim()));
    let (left, result) = text.rsplit_once('=').ok_or_else(error)?;
    let mut words = left.split_whitespace();
    let head = words.next().ok_or_else(error)?;
    let (name, id) = match head.split_once('#') {
        None => (head, None),
        Some((name, id)) => match u32::from_str_radix(id, 16) {
            Ok(n) if id.len() <= 8 && !id.starts_with('+') => (name, Some(n)),
            Ok(_) | Err(_) => return Err(error()),
        },
    };
    check_name(name).map_err(|_| error())?;
    if BUILT_IN.contains(&name) {
        return Ok(None);
    }
    let mut fields = Vec::new();
    for word in words {
        if word == "{X:Type}" {
            continue;
        }
        let (name, ty) = word.split_once(':').ok_or_else(error)?;
        fields.push(Field::parse(name, ty).map_err(|_| error())?);
    }
    let mut definition = Definition {
        name: name.into(),
        id: 0,
        kind,
        fields,
        result: Type::parse(result.trim()).map_err(|_| error())?,
    };
    definition.id = id.unwrap_or_else(|| definition.computed_id());
    Ok(Some(definition))
}

/// A text that somebody else chose, shortened for an error.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        None => text.to_string(),
        Some((end, _)) => {
            let mut out = text.get(..end).unwrap_or_default().to_string();
            out.push('…');
            out
        }
    }
}

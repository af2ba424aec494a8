//! The JSON form of a schema, both ways.
//!
//! Does: parses and writes the form of core.telegram.org/schema/json, with `layer` at the top.
//! In: JSON text. Out: a [`Document`], and its JSON with one declaration per line.
//! Must not know: values; `value/` turns those into JSON.
//! Spec: core.telegram.org/schema/json.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write;

use serde_json::Value as Json;

use crate::model::{Definition, Document, Field, Kind, Type, check_name};
use crate::text::BUILT_IN;

/// Why JSON is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    Syntax(String),
    /// A member is missing or is not what it should be; where it was expected.
    Member(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Syntax(e) => write!(f, "not JSON: {e}"),
            JsonError::Member(path) => write!(f, "{path} is missing or is not what it should be"),
        }
    }
}

impl core::error::Error for JsonError {}

/// Reads the JSON form of a schema.
///
/// # Errors
/// The text is not JSON, or not of that form.
pub fn parse(text: &str) -> Result<Document, JsonError> {
    let json: Json = serde_json::from_str(text).map_err(|e| JsonError::Syntax(e.to_string()))?;
    let layer = match json.get("layer") {
        None => None,
        Some(n) => {
            let n = n.as_i64().and_then(|n| i32::try_from(n).ok());
            Some(n.ok_or_else(|| JsonError::Member("layer".into()))?)
        }
    };
    let mut definitions = Vec::new();
    let groups = [
        (Kind::Constructor, "constructors", "predicate"),
        (Kind::Function, "methods", "method"),
    ];
    for (kind, group, name) in groups {
        let rows = json.get(group).and_then(Json::as_array);
        let rows = rows.ok_or_else(|| JsonError::Member(group.into()))?;
        for (i, row) in rows.iter().enumerate() {
            definitions
                .extend(parse_row(row, kind, name).map_err(|member| {
                    JsonError::Member(alloc::format!("{group}[{i}].{member}"))
                })?);
        }
    }
    Ok(Document { layer, definitions })
}

/// `None` for a built-in type; the error is the member's name.
fn parse_row(row: &Json, kind: Kind, name_key: &str) -> Result<Option<Definition>, String> {
    let text = |row: &Json, key: &str| match row.get(key) {
        Some(Json::String(s)) => Ok(s.clone()),
        Some(_) | None => Err(key.to_string()),
    };
    let name = text(row, name_key)?;
    check_name(&name).map_err(|_| name_key.to_string())?;
    if BUILT_IN.contains(&name.as_str()) {
        return Ok(None);
    }
    let id: i32 = text(row, "id")?.parse().map_err(|_| "id".to_string())?;
    let params = row.get("params").and_then(Json::as_array).ok_or("params")?;
    let mut fields = Vec::with_capacity(params.len());
    for (i, param) in params.iter().enumerate() {
        let at = |member: &str| alloc::format!("params[{i}].{member}");
        let name = text(param, "name").map_err(|_| at("name"))?;
        let ty = text(param, "type").map_err(|_| at("type"))?;
        fields.push(Field::parse(&name, &ty).map_err(|_| at("type"))?);
    }
    let result = Type::parse(&text(row, "type")?).map_err(|_| "type".to_string())?;
    Ok(Some(Definition {
        name: name.into(),
        id: id.cast_unsigned(),
        kind,
        fields,
        result,
    }))
}

/// Writes the JSON form, one declaration per line so that a new layer shows as a readable change.
pub fn write(document: &Document) -> String {
    let mut out = String::from("{\n");
    if let Some(layer) = document.layer {
        // Here and below: writing to a `String` cannot fail.
        let _ = writeln!(out, "\"layer\":{layer},");
    }
    write_group(
        &mut out,
        document,
        Kind::Constructor,
        "constructors",
        "predicate",
    );
    out.push_str(",\n");
    write_group(&mut out, document, Kind::Function, "methods", "method");
    out.push_str("\n}\n");
    out
}

fn write_group(out: &mut String, document: &Document, kind: Kind, group: &str, name: &str) {
    let _ = write!(out, "\"{group}\":[");
    let mut between = "\n";
    for d in document.definitions.iter().filter(|d| d.kind == kind) {
        // Names and types are made of letters, digits and a few signs that need no escape.
        let _ = write!(out, "{between}{{\"id\":\"{}\",", d.id.cast_signed());
        let _ = write!(out, "\"{name}\":\"{}\",\"params\":[", d.name);
        let mut comma = "";
        for field in &d.fields {
            let ty = field.type_text();
            let _ = write!(
                out,
                "{comma}{{\"name\":\"{}\",\"type\":\"{ty}\"}}",
                field.name
            );
            comma = ",";
        }
        let _ = write!(out, "],\"type\":\"{}\"}}", d.result);
        between = ",\n";
    }
    out.push_str("\n]");
}

//! A table from ids to types, so that a test can try them all.
//!
//! Does: [`file`]: a function that decodes by id and encodes again.
//! In: the plan. Out: one file, compiled with the feature `dispatch`.
//! Must not know: what the tests do with it.
//! Spec: none.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use super::{HEADER, line};
use crate::codegen::plan::{Plan, Rust};
use crate::codegen::{File, Target, names};
use crate::model::{Kind, Type};

pub(super) fn file(plan: &Plan<'_>) -> File {
    let (name, doc) = match plan.target {
        Target::Mtproto => (
            "mtproto",
            "The protocol's own constructors and functions, by id.",
        ),
        Target::Api => ("api", "The API's constructors and functions, by id."),
    };
    // Constructors of one type share a row: it is the type that is decoded.
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for (i, item) in plan.items.iter().enumerate() {
        let d = item.definition;
        let ty = match (d.kind, &d.result) {
            (Kind::Function, _) => {
                let space = d
                    .namespace()
                    .map(|n| names::snake(n) + "::")
                    .unwrap_or_default();
                let raw = if d.is_generic() { "<Raw>" } else { "" };
                format!("functions::{space}{}{raw}", item.name)
            }
            (Kind::Constructor, Type::Boxed(name)) if plan.types[&**name].items.len() > 1 => {
                plan.rust(&Rust::Enum(name.to_string()))
            }
            (Kind::Constructor, _) => plan.path(i),
        };
        let ids = rows.entry(ty).or_default();
        let or = if ids.is_empty() { "" } else { " | " };
        *ids += &format!("{or}{:#010x}", d.id);
    }
    if plan.target == Target::Api {
        rows.insert(
            "bool".to_string(),
            "tl::BOOL_TRUE | tl::BOOL_FALSE".to_string(),
        );
    }
    let mut text = String::from(HEADER);
    line(&mut text, format_args!("//! {doc}"));
    line(
        &mut text,
        format_args!("use super::{name}::{{enums, functions, types}};"),
    );
    text += "use crate::dispatch::{Reencoded, reencode};\nuse crate::generated::prelude::*;\n\n";
    text += "#[inline]\npub(crate) fn by_id(id: u32, bytes: &Bytes) -> Option<Reencoded> {\n";
    text += "    Some(match id {\n";
    for (ty, ids) in rows {
        line(
            &mut text,
            format_args!("        {ids} => reencode::<{ty}>(bytes),"),
        );
    }
    text += "        _ => return None,\n    })\n}\n";
    File {
        path: format!("dispatch_{name}.rs"),
        text,
    }
}

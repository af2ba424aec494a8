//! Fields: their Rust types, and the code that reads and writes them.
//!
//! Does: the bodies of `encode` and `read`.
//! In: the plan and an index. Out: text.
//! Must not know: modules, structs.
//! Spec: "TL Language": optional fields; "Binary Data Serialization".

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{indent, line};
use crate::codegen::names;
use crate::codegen::plan::{Bit, Item, Plan, Rust, Shape, Wire};
use crate::model::Kind;

impl Plan<'_> {
    /// The path of a struct as seen from any generated module.
    pub(super) fn path(&self, item: usize) -> String {
        let item = &self.items[item];
        match item.definition.namespace() {
            None => format!("types::{}", item.name),
            Some(namespace) => format!("types::{}::{}", names::snake(namespace), item.name),
        }
    }

    pub(super) fn rust(&self, ty: &Rust) -> String {
        match ty {
            Rust::I32 => "i32".to_string(),
            Rust::U32 => "u32".to_string(),
            Rust::I64 => "i64".to_string(),
            Rust::F64 => "f64".to_string(),
            Rust::Int128 => "[u8; 16]".to_string(),
            Rust::Int256 => "[u8; 32]".to_string(),
            Rust::Str => "Str".to_string(),
            Rust::Bytes => "Bytes".to_string(),
            Rust::Bool => "bool".to_string(),
            Rust::Raw => "Raw".to_string(),
            Rust::Query => "F".to_string(),
            Rust::Response => "F::Response".to_string(),
            Rust::Vec { item, .. } => format!("Vec<{}>", self.rust(item)),
            Rust::Struct { item, .. } => self.path(*item),
            Rust::Enum(name) => match name.split_once('.') {
                None => format!("enums::{}", names::camel(name)),
                Some((space, last)) => {
                    format!("enums::{}::{}", names::snake(space), names::camel(last))
                }
            },
        }
    }

    pub(super) fn boxed(&self, ty: &Rust, boxed: bool) -> String {
        let ty = self.rust(ty);
        if boxed { format!("Box<{ty}>") } else { ty }
    }

    /// The expression that takes a value from `r`. A compound that fails ends the function; the
    /// reader keeps the reason.
    fn take(&self, ty: &Rust, boxed: bool) -> String {
        match ty {
            Rust::I32 => "r.i32()".to_string(),
            Rust::U32 => "r.u32()".to_string(),
            Rust::I64 => "r.i64()".to_string(),
            Rust::F64 => "r.f64()".to_string(),
            Rust::Int128 => "r.int128()".to_string(),
            Rust::Int256 => "r.int256()".to_string(),
            Rust::Str => "r.string()".to_string(),
            Rust::Bytes => "r.bytes()".to_string(),
            Rust::Bool => "r.bool()".to_string(),
            Rust::Raw => "Raw(r.object())".to_string(),
            Rust::Vec { bare: false, item } if !is_bare_struct(item) => "r.vec()".to_string(),
            Rust::Vec { bare, item } => {
                let elements = if is_bare_struct(item) {
                    "bare_elements"
                } else {
                    "elements"
                };
                match bare {
                    true => format!("r.{elements}()"),
                    false => format!("{{ r.vector_id()?; r.{elements}() }}"),
                }
            }
            Rust::Struct { bare: true, .. } if boxed => "Box::new(r.get_bare()?)".to_string(),
            Rust::Struct { bare: true, .. } => "r.get_bare()?".to_string(),
            Rust::Struct { .. } | Rust::Enum(_) if boxed => "r.get_box()?".to_string(),
            Rust::Struct { .. } | Rust::Enum(_) | Rust::Query | Rust::Response => {
                "r.get()?".to_string()
            }
        }
    }

    /// As `take`, for a value that is there if `bit` is set.
    fn take_optional(&self, ty: &Rust, boxed: bool, bit: &Bit) -> String {
        let present = test(bit);
        let helper = match ty {
            Rust::I32 => "opt_i32",
            Rust::I64 => "opt_i64",
            Rust::Str => "opt_string",
            Rust::Bytes => "opt_bytes",
            Rust::Vec { bare: false, item } if !is_bare_struct(item) => "opt_vec",
            Rust::Struct { bare: false, .. } | Rust::Enum(_) if boxed => "opt_box",
            Rust::Struct { bare: false, .. } | Rust::Enum(_) => "opt",
            Rust::U32
            | Rust::F64
            | Rust::Int128
            | Rust::Int256
            | Rust::Bool
            | Rust::Raw
            | Rust::Query
            | Rust::Response
            | Rust::Vec { .. }
            | Rust::Struct { .. } => {
                let take = self.take(ty, boxed);
                return format!("if {present} {{ Some({take}) }} else {{ None }}");
            }
        };
        format!("r.{helper}({present})")
    }

    /// The statement that appends the value of `place`; `reference` if that is a reference.
    fn put(&self, ty: &Rust, place: &str, reference: bool) -> String {
        let star = if reference { "*" } else { "" };
        let and = if reference { "" } else { "&" };
        match ty {
            Rust::I32 => format!("tl::put_i32(out, {star}{place});"),
            Rust::U32 => format!("tl::put_u32(out, {star}{place});"),
            Rust::I64 => format!("tl::put_i64(out, {star}{place});"),
            Rust::F64 => format!("tl::put_f64(out, {star}{place});"),
            Rust::Bool => format!("tl::put_bool(out, {star}{place});"),
            Rust::Int128 | Rust::Int256 => format!("tl::put_raw(out, {and}{place});"),
            Rust::Str => format!("tl::put_bytes(out, {place}.as_bytes());"),
            Rust::Bytes => format!("tl::put_bytes(out, {and}{place});"),
            Rust::Raw => format!("tl::put_raw(out, {and}{place}.0);"),
            Rust::Vec { bare: false, item } if !is_bare_struct(item) => {
                format!("{place}.encode(out);")
            }
            Rust::Vec { bare, item } => {
                let header = if *bare { "put_count" } else { "put_vector" };
                let put = self.put(item, "item", true);
                let each = format!("for item in {and}{place} {{ {put} }}");
                format!("tl::{header}(out, {place}.len());\n{each}")
            }
            Rust::Struct { bare: true, .. } => format!("{place}.encode_bare(out);"),
            Rust::Struct { .. } | Rust::Enum(_) | Rust::Query | Rust::Response => {
                format!("{place}.encode(out);")
            }
        }
    }
}

fn is_bare_struct(ty: &Rust) -> bool {
    matches!(ty, Rust::Struct { bare: true, .. })
}

/// The bits of a word: member, bit.
fn bits<'a>(item: &'a Item<'_>, word: &str) -> Vec<(String, &'a Bit)> {
    let mut out = Vec::new();
    for member in &item.members {
        let name = &member.name;
        let (test, bit) = match &member.shape {
            Shape::Plain(_) => continue,
            Shape::Flag(bit) => (format!("self.{name}"), bit),
            Shape::Optional(bit, _) | Shape::Group(bit, _, _) => {
                (format!("self.{name}.is_some()"), bit)
            }
        };
        if bit.word == word {
            out.push((test, bit));
        }
    }
    out
}

pub(super) fn encode_fields(
    plan: &Plan<'_>,
    i: usize,
    out: &mut String,
    name: &str,
    id: Option<u32>,
) {
    let item = &plan.items[i];
    let parameter = if id.is_none() && item.wire.is_empty() {
        "_out"
    } else {
        "out"
    };
    line(
        out,
        format_args!("    fn {name}(&self, {parameter}: &mut Vec<u8>) {{"),
    );
    if let Some(id) = id {
        line(out, format_args!("        tl::put_u32(out, {id:#010x});"));
    }
    for wire in &item.wire {
        match wire {
            Wire::Word(word) => {
                let bits = bits(item, word);
                match &*bits {
                    [] => *out += "        tl::put_u32(out, 0);\n",
                    [(test, bit)] => line(
                        out,
                        format_args!("        tl::put_u32(out, {});", term(test, bit)),
                    ),
                    bits => {
                        *out += "        let mut flags = 0;\n";
                        for (test, bit) in bits {
                            line(out, format_args!("        flags |= {};", term(test, bit)));
                        }
                        *out += "        tl::put_u32(out, flags);\n";
                    }
                }
            }
            Wire::Member(m, part) => {
                let member = &item.members[*m];
                let place = &member.name;
                let put = match (&member.shape, part) {
                    (Shape::Plain(ty), _) => plan.put(ty, &format!("self.{place}"), false),
                    (Shape::Optional(_, ty), _) => {
                        let put = plan.put(ty, "x", true);
                        format!("if let Some(x) = &self.{place} {{\n    {put}\n}}")
                    }
                    (Shape::Group(_, _, parts), Some(p)) => {
                        let (name, ty) = &parts[*p];
                        let put = plan.put(ty, &format!("x.{name}"), false);
                        format!("if let Some(x) = &self.{place} {{\n    {put}\n}}")
                    }
                    (Shape::Group(..), None) | (Shape::Flag(_), _) => String::new(),
                };
                indent(out, &put, 2);
            }
        }
    }
    *out += "    }\n";
}

pub(super) fn decode_fields(plan: &Plan<'_>, i: usize, out: &mut String) {
    let item = &plan.items[i];
    if item.wire.is_empty() {
        let r = if item.definition.kind == Kind::Constructor {
            "        let _ = r;\n"
        } else {
            ""
        };
        *out += r;
        line(out, format_args!("        Some({})", item.name));
        return;
    }
    // Words that are read before any value stand in front; with others, or with groups, every
    // value needs a name.
    let words = item
        .wire
        .iter()
        .take_while(|w| matches!(w, Wire::Word(_)))
        .count();
    let simple = item.wire[words..]
        .iter()
        .all(|w| matches!(w, Wire::Member(_, None)));
    for (n, wire) in item.wire.iter().enumerate() {
        match wire {
            Wire::Word(word) => {
                let used = if bits(item, word).is_empty() { "_" } else { "" };
                let word = word.trim_start_matches("r#");
                line(out, format_args!("        let {used}{word} = r.u32();"));
            }
            Wire::Member(m, part) if !simple && n >= words => {
                let (name, ty) = local(item, *m, *part);
                let value = member_value(plan, i, *m, *part, ty);
                line(out, format_args!("        let {name} = {value};"));
            }
            Wire::Member(..) => {}
        }
    }
    if item.members.is_empty() {
        line(out, format_args!("        Some({})", item.name));
        return;
    }
    line(out, format_args!("        Some({} {{", item.name));
    for (m, member) in item.members.iter().enumerate() {
        let name = &member.name;
        let value = match &member.shape {
            Shape::Flag(bit) => test(bit),
            Shape::Plain(ty) | Shape::Optional(_, ty) if simple => {
                member_value(plan, i, m, None, ty)
            }
            Shape::Plain(_) | Shape::Optional(..) => name.clone(),
            Shape::Group(_, group, parts) => {
                let all: Vec<&str> = parts.iter().map(|(name, _)| &**name).collect();
                let (some, all) = (
                    all.iter()
                        .map(|n| format!("Some({n})"))
                        .collect::<Vec<_>>()
                        .join(", "),
                    all.join(", "),
                );
                let value = format!("{group} {{ {all} }}");
                let value = match plan.layout.boxed_members.contains(&(i, m)) {
                    true => format!("Box::new({value})"),
                    false => value,
                };
                let tuple = format!("({all})");
                format!("match {tuple} {{ ({some}) => Some({value}), _ => None }}")
            }
        };
        match value == *name {
            true => line(out, format_args!("            {name},")),
            false => line(out, format_args!("            {name}: {value},")),
        }
    }
    *out += "        })\n";
}

fn local<'a>(item: &'a Item<'_>, m: usize, part: Option<usize>) -> (&'a str, &'a Rust) {
    let member = &item.members[m];
    match (&member.shape, part) {
        (Shape::Group(_, _, parts), Some(p)) => (&parts[p].0, &parts[p].1),
        (Shape::Plain(ty) | Shape::Optional(_, ty), _) => (&member.name, ty),
        (Shape::Group(..), None) | (Shape::Flag(_), _) => {
            unreachable!("the plan gives a part to groups only, and no wire to flags")
        }
    }
}

/// Whether a bit is set in the word that was read.
fn test(bit: &Bit) -> String {
    match bit.bit {
        0 => format!("{} & 1 != 0", bit.word),
        n => format!("{} & 1 << {n} != 0", bit.word),
    }
}

/// What a bit adds to the word that is written.
fn term(test: &str, bit: &Bit) -> String {
    match bit.bit {
        0 => format!("u32::from({test})"),
        n => format!("u32::from({test}) << {n}"),
    }
}

fn member_value(plan: &Plan<'_>, i: usize, m: usize, part: Option<usize>, ty: &Rust) -> String {
    let boxed = match part {
        None => plan.layout.boxed_members.contains(&(i, m)),
        Some(p) => plan.layout.boxed_parts.contains(&(i, m, p)),
    };
    match &plan.items[i].members[m].shape {
        Shape::Plain(_) | Shape::Flag(_) => plan.take(ty, boxed),
        Shape::Optional(bit, _) | Shape::Group(bit, _, _) => plan.take_optional(ty, boxed, bit),
    }
}

//! Structs, enums and functions, each with its traits.
//!
//! Does: one declaration or type, appended to the text of its module.
//! In: the plan and an index or a name. Out: text.
//! Must not know: modules and files; how a field is read or written (`fields.rs`).
//! Spec: none; README.md says why the code looks as it does.

use alloc::format;
use alloc::string::{String, ToString};

use super::fields::{decode_fields, encode_fields};
use super::line;
use crate::codegen::plan::{Plan, Shape};
use crate::codegen::{Target, names};

pub(super) fn constructor(plan: &Plan<'_>, i: usize, out: &mut String) {
    let item = &plan.items[i];
    let d = item.definition;
    let type_name = d.result.to_string();
    let alone = plan
        .types
        .get(&*type_name)
        .is_some_and(|t| t.items.len() == 1);
    if item.by_hand || (item.members.is_empty() && !alone) {
        return;
    }
    structure(plan, i, out, "");
    let name = &item.name;
    line(out, format_args!("\nimpl Constructor for {name} {{"));
    line(out, format_args!("    const ID: u32 = {:#010x};", d.id));
    line(
        out,
        format_args!("    const NAME: &'static str = \"{}\";", d.name),
    );
    line(
        out,
        format_args!(
            "    const MIN_BARE_SIZE: usize = {};\n",
            plan.layout.min_bare[i]
        ),
    );
    *out += other_inline(plan);
    encode_fields(plan, i, out, "encode_bare", None);
    out.push('\n');
    *out += decode_inline(plan, &type_name);
    line(
        out,
        format_args!("    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {{"),
    );
    decode_fields(plan, i, out);
    *out += "    }\n}\n";
    implied(plan, i, out);
    if item.secret {
        line(
            out,
            format_args!("\n/// Shows no field: some are secret.\nimpl fmt::Debug for {name} {{"),
        );
        *out += "    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n";
        line(
            out,
            format_args!("        f.write_str(\"{name}(..)\")\n    }}\n}}"),
        );
    }
}

pub(super) fn function(plan: &Plan<'_>, i: usize, out: &mut String) {
    let item = &plan.items[i];
    let d = item.definition;
    let (name, generic) = (&item.name, d.is_generic());
    structure(plan, i, out, if generic { "<F>" } else { "" });
    let (encode, with, args) = match generic {
        true => ("<F: Encode>", "<F: Function>", "<F>"),
        false => ("", "", ""),
    };
    line(
        out,
        format_args!("\nimpl{encode} Encode for {name}{args} {{"),
    );
    *out += other_inline(plan);
    encode_fields(plan, i, out, "encode", Some(d.id));
    *out += "}\n";
    line(
        out,
        format_args!("\nimpl{with} Function for {name}{args} {{"),
    );
    line(out, format_args!("    const ID: u32 = {:#010x};", d.id));
    line(
        out,
        format_args!("    const NAME: &'static str = \"{}\";", d.name),
    );
    match generic {
        true => *out += "    const IDEMPOTENT: bool = F::IDEMPOTENT;\n",
        false => line(
            out,
            format_args!("    const IDEMPOTENT: bool = {};", item.idempotent),
        ),
    }
    line(
        out,
        format_args!("    type Response = {};\n}}", plan.rust(&item.result)),
    );
    let decode = if generic { "<F: Decode>" } else { "" };
    out.push('\n');
    if plan.target == Target::Api {
        *out += "#[cfg(feature = \"api-server\")]\n";
    }
    line(out, format_args!("impl{decode} Decode for {name}{args} {{"));
    line(
        out,
        format_args!(
            "    const MIN_SIZE: usize = {};\n",
            plan.layout.min_bare[i] + 4
        ),
    );
    *out += other_inline(plan);
    *out += "    fn read(r: &mut Reader<'_>) -> Option<Self> {\n";
    line(
        out,
        format_args!(
            "        let id = r.u32();\n        if id != {:#010x} {{",
            d.id
        ),
    );
    line(
        out,
        format_args!(
            "            return r.unknown(id, \"{}\");\n        }}",
            d.name
        ),
    );
    decode_fields(plan, i, out);
    *out += "    }\n}\n";
    implied(plan, i, out);
}

/// The struct, its groups, and accessors for what its flags imply.
fn structure(plan: &Plan<'_>, i: usize, out: &mut String, generics: &str) {
    let item = &plan.items[i];
    for (m, member) in item.members.iter().enumerate() {
        if let Shape::Group(_, group, parts) = &member.shape {
            let owner = &item.definition.name;
            line(
                out,
                format_args!("\n/// What one flag of `{owner}` brings together."),
            );
            *out += derives(plan, item.secret);
            line(out, format_args!("pub struct {group} {{"));
            for (p, (name, ty)) in parts.iter().enumerate() {
                let boxed = plan.layout.boxed_parts.contains(&(i, m, p));
                line(
                    out,
                    format_args!("    pub {name}: {},", plan.boxed(ty, boxed)),
                );
            }
            *out += "}\n";
        }
    }
    line(out, format_args!("\n/// `{}`", item.definition));
    *out += derives(plan, item.secret);
    if item.members.is_empty() {
        line(out, format_args!("pub struct {}{generics};", item.name));
        return;
    }
    line(out, format_args!("pub struct {}{generics} {{", item.name));
    for (m, member) in item.members.iter().enumerate() {
        let boxed = plan.layout.boxed_members.contains(&(i, m));
        let ty = match &member.shape {
            Shape::Plain(ty) => plan.boxed(ty, boxed),
            Shape::Flag(_) => "bool".to_string(),
            Shape::Optional(_, ty) => format!("Option<{}>", plan.boxed(ty, boxed)),
            Shape::Group(_, group, _) if boxed => format!("Option<Box<{group}>>"),
            Shape::Group(_, group, _) => format!("Option<{group}>"),
        };
        line(out, format_args!("    pub {}: {ty},", member.name));
    }
    *out += "}\n";
}

fn implied(plan: &Plan<'_>, i: usize, out: &mut String) {
    let item = &plan.items[i];
    if item.implied.is_empty() {
        return;
    }
    line(out, format_args!("\nimpl {} {{", item.name));
    for (n, (name, member)) in item.implied.iter().enumerate() {
        let member = &item.members[*member].name;
        if n > 0 {
            out.push('\n');
        }
        line(
            out,
            format_args!("    /// True if and only if `{member}` is there: they share a flag."),
        );
        line(
            out,
            format_args!("    #[inline]\n    pub fn {name}(&self) -> bool {{"),
        );
        line(out, format_args!("        self.{member}.is_some()\n    }}"));
    }
    *out += "}\n";
}

pub(super) fn enumeration(plan: &Plan<'_>, type_name: &str, out: &mut String) {
    let items = &plan.types[type_name].items;
    let name = names::camel(type_name);
    line(out, format_args!("\n/// `{type_name}`"));
    *out += derives(plan, false);
    line(out, format_args!("pub enum {name} {{"));
    let mut encode = String::new();
    let mut decode = String::new();
    for &i in items {
        let item = &plan.items[i];
        let d = item.definition;
        let variant = names::variant(type_name, &d.name);
        let id = d.id;
        if item.members.is_empty() {
            line(out, format_args!("    /// `{d}`\n    {variant},"));
            let flags = "tl::put_u32(out, 0); ".repeat(item.wire.len());
            let put = format!("tl::put_u32(out, {id:#010x})");
            let put = if flags.is_empty() {
                put
            } else {
                format!("{{ {put}; {flags}}}")
            };
            line(
                &mut encode,
                format_args!("            {name}::{variant} => {put},"),
            );
            let skip = "r.u32(); ".repeat(item.wire.len());
            let value = format!("{name}::{variant}");
            let value = if skip.is_empty() {
                value
            } else {
                format!("{{ {skip}{value} }}")
            };
            line(
                &mut decode,
                format_args!("            {id:#010x} => {value},"),
            );
            continue;
        }
        let path = plan.path(i);
        let boxed = plan.layout.boxed_variants.contains(&i);
        let (ty, value) = match boxed {
            true => (format!("Box<{path}>"), "r.variant_box()?".to_string()),
            false => (path.clone(), format!("{path}::read_bare(r)?")),
        };
        let value = format!("{name}::{variant}({value})");
        line(out, format_args!("    {variant}({ty}),"));
        line(
            &mut encode,
            format_args!("            {name}::{variant}(x) => x.encode(out),"),
        );
        line(
            &mut decode,
            format_args!("            {id:#010x} => {value},"),
        );
    }
    *out += "}\n";
    line(out, format_args!("\nimpl Encode for {name} {{"));
    *out += other_inline(plan);
    *out += "    fn encode(&self, out: &mut Vec<u8>) {\n        match self {\n";
    *out += &encode;
    *out += "        }\n    }\n}\n";
    line(out, format_args!("\nimpl Decode for {name} {{"));
    line(
        out,
        format_args!(
            "    const MIN_SIZE: usize = {};\n",
            plan.layout.min_boxed[type_name]
        ),
    );
    *out += decode_inline(plan, type_name);
    *out += "    fn read(r: &mut Reader<'_>) -> Option<Self> {\n";
    *out += "        Some(match r.u32() {\n";
    *out += &decode;
    line(
        out,
        format_args!("            id => return r.unknown(id, \"{type_name}\"),"),
    );
    *out += "        })\n    }\n}\n";
}

fn derives(plan: &Plan<'_>, secret: bool) -> &'static str {
    match (plan.target, secret) {
        (Target::Mtproto, false) => "#[derive(Clone, Debug, PartialEq)]\n",
        (Target::Mtproto, true) => "#[derive(Clone, PartialEq)]\n",
        (Target::Api, _) => concat!(
            "#[cfg_attr(feature = \"clone\", derive(Clone))]\n",
            "#[cfg_attr(feature = \"debug\", derive(Debug))]\n",
            "#[cfg_attr(feature = \"eq\", derive(PartialEq))]\n",
        ),
    }
}

/// How decoding a type is compiled: what every client decodes once, in this crate, and without
/// inlining one constructor into another, which would cost a third of the build; the rest by who
/// uses it.
fn decode_inline(plan: &Plan<'_>, type_name: &str) -> &'static str {
    match plan.target {
        Target::Mtproto => "",
        Target::Api if plan.hot.contains(type_name) => "    #[inline(never)]\n",
        Target::Api => "    #[inline]\n",
    }
}

/// What is compiled in this crate whether it is used or not: little for the API, all of the rest.
fn other_inline(plan: &Plan<'_>) -> &'static str {
    match plan.target {
        Target::Api => "    #[inline]\n",
        Target::Mtproto => "",
    }
}

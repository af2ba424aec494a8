//! What the code will look like: Rust names and types for every declaration.
//!
//! Does: resolves names; turns fields into members, so that what shares a flag bit is one member.
//! In: a [`Document`]. Out: a [`Plan`].
//! Must not know: Rust syntax beyond names.
//! Spec: "TL Language": optional fields.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Target;
use super::layout::{self, Layout};
use super::names;
use crate::model::{Definition, Document, Kind, Type};

/// Types whose decoding every client compiles: what a connection delivers all day.
const ROOTS: [&str; 4] = [
    "Updates",
    "messages.Messages",
    "messages.Dialogs",
    "updates.Difference",
];

/// Declarations written by hand in `envelope.rs`.
const BY_HAND: [&str; 5] = [
    "rpc_result",
    "gzip_packed",
    "message",
    "msg_container",
    "msg_copy",
];

/// A field of this name must not show in logs.
const SECRETS: [&str; 1] = ["new_nonce"];

pub(super) struct Plan<'a> {
    pub target: Target,
    pub layer: Option<i32>,
    pub items: Vec<Item<'a>>,
    pub types: BTreeMap<&'a str, TypePlan>,
    pub layout: Layout,
    /// Types whose `Decode` is ordinary code, not deferred to who uses it.
    pub hot: BTreeSet<&'a str>,
}

/// A boxed type.
pub(super) struct TypePlan {
    /// Indices of its constructors in [`Plan::items`].
    pub items: Vec<usize>,
}

/// A declaration with its Rust shape.
pub(super) struct Item<'a> {
    pub definition: &'a Definition,
    pub name: String,
    pub members: Vec<Member>,
    /// `true` fields that another member of the same bit implies: name, member.
    pub implied: Vec<(String, usize)>,
    pub wire: Vec<Wire>,
    pub result: Rust,
    pub by_hand: bool,
    pub idempotent: bool,
    pub secret: bool,
}

/// A field of the struct.
pub(super) struct Member {
    pub name: String,
    pub shape: Shape,
}

pub(super) enum Shape {
    /// Always there.
    Plain(Rust),
    /// `flags.N?true`.
    Flag(Bit),
    /// `flags.N?T`.
    Optional(Bit, Rust),
    /// Several values behind one bit: the name of their struct, and its fields.
    Group(Bit, String, Vec<(String, Rust)>),
}

/// A bit of the word in the local variable `word`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bit {
    pub word: String,
    pub bit: u8,
}

/// What is on the wire, in order.
pub(super) enum Wire {
    /// A flag word.
    Word(String),
    /// A member, or the n-th field of a group.
    Member(usize, Option<usize>),
}

/// A Rust type.
#[derive(Clone)]
pub(super) enum Rust {
    I32,
    U32,
    I64,
    F64,
    Int128,
    Int256,
    Str,
    Bytes,
    Bool,
    Raw,
    /// The wrapped query.
    Query,
    /// The wrapped query's response.
    Response,
    Vec {
        bare: bool,
        item: Box<Rust>,
    },
    /// A struct, by index in [`Plan::items`]; without its id on the wire if `bare`.
    Struct {
        item: usize,
        bare: bool,
    },
    /// An enum, by TL name.
    Enum(String),
}

impl<'a> Plan<'a> {
    pub fn new(
        document: &'a Document,
        target: Target,
        idempotent: &BTreeSet<String>,
    ) -> Result<Self, String> {
        let definitions: Vec<&Definition> = document
            .definitions
            .iter()
            .filter(|d| !is_bool(d))
            .collect();
        let mut types: BTreeMap<&str, TypePlan> = BTreeMap::new();
        for (i, d) in definitions.iter().enumerate() {
            if d.kind == Kind::Function {
                continue;
            }
            if let Type::Boxed(name) = &d.result {
                let ty = types.entry(name).or_insert(TypePlan { items: Vec::new() });
                ty.items.push(i);
            } else if !BY_HAND.contains(&&*d.name) {
                return Err(format!("`{d}` makes no type of its own"));
            }
        }
        let mut items = Vec::new();
        for d in &definitions {
            items.push(item(d, &definitions, &types, idempotent, target)?);
        }
        check_names(&items)?;
        let layout = layout::compute(&items, &types);
        let hot = reachable(&items, &types);
        Ok(Plan {
            target,
            layer: document.layer,
            items,
            types,
            layout,
            hot,
        })
    }
}

fn is_bool(d: &Definition) -> bool {
    d.result == Type::Bool && d.kind == Kind::Constructor
}

fn item<'a>(
    d: &'a Definition,
    all: &[&'a Definition],
    types: &BTreeMap<&str, TypePlan>,
    idempotent: &BTreeSet<String>,
    target: Target,
) -> Result<Item<'a>, String> {
    let resolve = |ty: &Type| resolve(ty, all, types).map_err(|e| format!("{e}, in `{d}`"));
    let name = names::camel(&d.name);
    let by_hand = BY_HAND.contains(&&*d.name) && target == Target::Mtproto;
    let mut out = Item {
        definition: d,
        members: Vec::new(),
        implied: Vec::new(),
        wire: Vec::new(),
        result: if by_hand {
            Rust::Raw
        } else {
            resolve(&d.result)?
        },
        by_hand,
        idempotent: idempotent.contains(&*d.name),
        secret: target == Target::Mtproto && d.fields.iter().any(|f| SECRETS.contains(&&*f.name)),
        name,
    };
    if by_hand {
        return Ok(out);
    }
    // How many values stand behind each bit, the member that they became, and the `true` fields
    // beside them.
    let mut values: BTreeMap<Bit, usize> = BTreeMap::new();
    let mut groups: BTreeMap<Bit, usize> = BTreeMap::new();
    let mut implied = Vec::new();
    let bit = |f: &crate::model::Flag| Bit {
        word: names::snake(&f.word),
        bit: f.bit,
    };
    for field in &d.fields {
        if let (Some(flag), true) = (&field.flag, field.ty != Type::True) {
            *values.entry(bit(flag)).or_default() += 1;
        }
    }
    for field in &d.fields {
        let name = names::snake(&field.name);
        let Some(flag) = &field.flag else {
            if d.is_flag_word(field) {
                out.wire.push(Wire::Word(name));
            } else if field.ty != Type::True {
                out.wire.push(Wire::Member(out.members.len(), None));
                out.members.push(Member {
                    name,
                    shape: Shape::Plain(resolve(&field.ty)?),
                });
            }
            continue;
        };
        let word_read = out
            .wire
            .iter()
            .any(|w| matches!(w, Wire::Word(word) if *word == names::snake(&flag.word)));
        if !word_read {
            return Err(format!("`{field}` in `{d}` comes before its flags"));
        }
        let bit = bit(flag);
        let shared = values.get(&bit).copied().unwrap_or_default();
        if field.ty == Type::True {
            match shared {
                0 => out.members.push(Member {
                    name,
                    shape: Shape::Flag(bit),
                }),
                // The value that implies it may still come.
                _ => implied.push((name, bit)),
            }
            continue;
        }
        let ty = resolve(&field.ty)?;
        if shared == 1 {
            groups.insert(bit.clone(), out.members.len());
            out.wire.push(Wire::Member(out.members.len(), None));
            out.members.push(Member {
                name,
                shape: Shape::Optional(bit, ty),
            });
        } else if let Some(&member) = groups.get(&bit) {
            if let Shape::Group(_, _, parts) = &mut out.members[member].shape {
                out.wire.push(Wire::Member(member, Some(parts.len())));
                parts.push((name, ty));
            }
        } else {
            groups.insert(bit.clone(), out.members.len());
            out.wire.push(Wire::Member(out.members.len(), Some(0)));
            let group = format!("{}{}Group", out.name, names::camel(&field.name));
            out.members.push(Member {
                name: name.clone(),
                shape: Shape::Group(bit, group, [(name, ty)].into()),
            });
        }
    }
    out.implied = implied
        .into_iter()
        .map(|(name, bit)| (name, groups[&bit]))
        .collect();
    Ok(out)
}

fn resolve(
    ty: &Type,
    all: &[&Definition],
    types: &BTreeMap<&str, TypePlan>,
) -> Result<Rust, String> {
    Ok(match ty {
        Type::Int => Rust::I32,
        Type::Nat => Rust::U32,
        Type::Long => Rust::I64,
        Type::Double => Rust::F64,
        Type::Int128 => Rust::Int128,
        Type::Int256 => Rust::Int256,
        Type::String => Rust::Str,
        Type::Bytes => Rust::Bytes,
        Type::Bool => Rust::Bool,
        Type::Object => Rust::Raw,
        Type::Query => Rust::Query,
        Type::Generic => Rust::Response,
        Type::True => return Err("a bare `true` without a flag".to_string()),
        Type::Vector { bare, item } => Rust::Vec {
            bare: *bare,
            item: Box::new(resolve(item, all, types)?),
        },
        Type::Boxed(name) => match types.get(&**name).map(|t| &*t.items) {
            Some(&[item]) => Rust::Struct { item, bare: false },
            Some(_) => Rust::Enum(name.to_string()),
            None => return Err(format!("no constructor makes `{name}`")),
        },
        Type::Bare(name) => {
            let item = match name.strip_prefix('%') {
                Some(name) => match types.get(name).map(|t| &*t.items) {
                    Some(&[item]) => Some(item),
                    Some(_) | None => None,
                },
                None => all
                    .iter()
                    .position(|d| d.name == *name && d.kind == Kind::Constructor),
            };
            match item {
                Some(item) => Rust::Struct { item, bare: true },
                None => return Err(format!("`{name}` is no single constructor")),
            }
        }
    })
}

/// Two declarations must not become one Rust name.
fn check_names(items: &[Item<'_>]) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for item in items {
        let d = item.definition;
        let mut names = Vec::from([item.name.clone()]);
        for member in &item.members {
            if let Shape::Group(_, group, _) = &member.shape {
                names.push(group.clone());
            }
        }
        for name in names {
            if let Some(other) = seen.insert((d.kind, d.namespace(), name), &d.name) {
                return Err(format!("{} and {other} have the same name in Rust", d.name));
            }
        }
    }
    Ok(())
}

fn reachable<'a>(items: &[Item<'a>], types: &BTreeMap<&'a str, TypePlan>) -> BTreeSet<&'a str> {
    let mut hot = BTreeSet::new();
    let all = types.keys().copied();
    let mut todo: Vec<&str> = all.filter(|t| ROOTS.contains(t)).collect();
    while let Some(name) = todo.pop() {
        if !hot.insert(name) {
            continue;
        }
        for &item in &types[name].items {
            for field in &items[item].definition.fields {
                let mut ty = &field.ty;
                while let Type::Vector { item, .. } = ty {
                    ty = item;
                }
                if let Type::Boxed(name) = ty {
                    todo.extend(types.get_key_value(&**name).map(|(name, _)| *name));
                }
            }
        }
    }
    hot
}

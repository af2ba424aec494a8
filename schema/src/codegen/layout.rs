//! How large types are in memory and on the wire, and which are therefore boxed.
//!
//! Does: [`compute`]: sizes on a 64-bit machine, minimal encoded sizes, boxed places.
//! In: the planned items. Out: a [`Layout`].
//! Must not know: Rust syntax.
//! Spec: none; the limits are measured, README.md says what they buy.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::plan::{Item, Rust, Shape, TypePlan};

/// An optional compound above this many bytes is boxed: most messages have few of their optional
/// fields, and the space is paid for by every message.
const MAX_OPTION: usize = 32;
/// A variant above this many bytes is boxed: an enum is as large as its largest variant.
const MAX_VARIANT: usize = 64;

/// Bytes of a `Bytes`, and of what is made of one.
const BYTES: Size = Size {
    len: 32,
    align: 8,
    niche: true,
};

/// What memory a type takes.
#[derive(Clone, Copy)]
struct Size {
    len: usize,
    align: usize,
    /// `Option` of it takes no more.
    niche: bool,
}

pub(super) struct Layout {
    /// Members that are boxed: item, member.
    pub boxed_members: BTreeSet<(usize, usize)>,
    /// Parts of groups that are boxed: item, member, part.
    pub boxed_parts: BTreeSet<(usize, usize, usize)>,
    /// Items that are boxed as a variant of their enum.
    pub boxed_variants: BTreeSet<usize>,
    /// Bytes of each item's shortest bare form.
    pub min_bare: Vec<usize>,
    /// Bytes of each boxed type's shortest form.
    pub min_boxed: BTreeMap<String, usize>,
}

pub(super) fn compute(items: &[Item<'_>], types: &BTreeMap<&str, TypePlan>) -> Layout {
    let (min_bare, min_boxed) = minimal(items, types);
    let mut layout = Layout {
        boxed_members: BTreeSet::new(),
        boxed_parts: BTreeSet::new(),
        boxed_variants: BTreeSet::new(),
        min_bare,
        min_boxed,
    };
    // Break every cycle: at optional places first, they cost nothing when they are empty.
    for optional_only in [true, false] {
        let holds = holds(items, types, &layout);
        for (i, place) in places(items) {
            let cycle = node(place.ty).is_some_and(|n| holds[&n].contains(&Node::Item(i)));
            if cycle && (place.optional || !optional_only) {
                place.mark(i, &mut layout);
            }
        }
    }
    let mut sizes = Sizes {
        items,
        types,
        layout,
        item_sizes: vec![None; items.len()],
    };
    for i in 0..items.len() {
        sizes.item(i);
    }
    // Those that are elements of vectors, too: each is as large as the largest variant, and can be four
    // bytes on the wire.
    for (_, place) in places(items) {
        let mut ty = place.ty;
        while let Rust::Vec { item, .. } = ty {
            ty = item;
        }
        sizes.place(ty, false);
    }
    sizes.layout
}

/// Where a value of a type stands in a struct, not behind a vector.
struct Place<'a> {
    member: usize,
    part: Option<usize>,
    optional: bool,
    ty: &'a Rust,
}

impl Place<'_> {
    fn mark(&self, item: usize, layout: &mut Layout) {
        match self.part {
            None => layout.boxed_members.insert((item, self.member)),
            Some(part) => layout.boxed_parts.insert((item, self.member, part)),
        };
    }

    fn is_boxed(&self, item: usize, layout: &Layout) -> bool {
        match self.part {
            None => layout.boxed_members.contains(&(item, self.member)),
            Some(part) => layout.boxed_parts.contains(&(item, self.member, part)),
        }
    }
}

fn places<'a>(items: &'a [Item<'_>]) -> impl Iterator<Item = (usize, Place<'a>)> {
    items.iter().enumerate().flat_map(|(i, item)| {
        item.members
            .iter()
            .enumerate()
            .flat_map(move |(member, m)| {
                let list: Vec<Place<'a>> = match &m.shape {
                    Shape::Plain(ty) => vec![Place {
                        member,
                        part: None,
                        optional: false,
                        ty,
                    }],
                    Shape::Optional(_, ty) => vec![Place {
                        member,
                        part: None,
                        optional: true,
                        ty,
                    }],
                    Shape::Flag(_) => vec![],
                    Shape::Group(_, _, parts) => {
                        let place = |p, ty| Place {
                            member,
                            part: Some(p),
                            optional: true,
                            ty,
                        };
                        parts
                            .iter()
                            .enumerate()
                            .map(|(p, (_, ty))| place(p, ty))
                            .collect()
                    }
                };
                list.into_iter().map(move |place| (i, place))
            })
    })
}

/// A struct, or an enum by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'a> {
    Item(usize),
    Enum(&'a str),
}

fn node(ty: &Rust) -> Option<Node<'_>> {
    match ty {
        Rust::Struct { item, .. } => Some(Node::Item(*item)),
        Rust::Enum(name) => Some(Node::Enum(name)),
        Rust::I32
        | Rust::U32
        | Rust::I64
        | Rust::F64
        | Rust::Int128
        | Rust::Int256
        | Rust::Str
        | Rust::Bytes
        | Rust::Bool
        | Rust::Raw
        | Rust::Query
        | Rust::Response
        | Rust::Vec { .. } => None,
    }
}

/// Which nodes each node holds, directly or through others. A few thousand nodes: one search from
/// each is quick enough and plain.
fn holds<'a>(
    items: &'a [Item<'_>],
    types: &BTreeMap<&'a str, TypePlan>,
    layout: &Layout,
) -> BTreeMap<Node<'a>, BTreeSet<Node<'a>>> {
    let mut edges: BTreeMap<Node<'a>, BTreeSet<Node<'a>>> = BTreeMap::new();
    for i in 0..items.len() {
        edges.entry(Node::Item(i)).or_default();
    }
    for (name, ty) in types {
        edges
            .entry(Node::Enum(name))
            .or_default()
            .extend(ty.items.iter().map(|&i| Node::Item(i)));
    }
    for (i, place) in places(items).filter(|(i, place)| !place.is_boxed(*i, layout)) {
        edges
            .entry(Node::Item(i))
            .or_default()
            .extend(node(place.ty));
    }
    let search = |from: Node<'a>| {
        let mut seen = BTreeSet::from([from]);
        let mut todo = Vec::from([from]);
        while let Some(n) = todo.pop() {
            todo.extend(edges[&n].iter().copied().filter(|&n| seen.insert(n)));
        }
        seen
    };
    edges.keys().map(|&n| (n, search(n))).collect()
}

struct Sizes<'a, 'b> {
    items: &'a [Item<'b>],
    types: &'a BTreeMap<&'b str, TypePlan>,
    layout: Layout,
    item_sizes: Vec<Option<Size>>,
}

impl Sizes<'_, '_> {
    fn item(&mut self, i: usize) -> Size {
        if let Some(size) = self.item_sizes[i] {
            return size;
        }
        let items = self.items;
        let mut fields = Vec::new();
        for (m, member) in items[i].members.iter().enumerate() {
            let size = match &member.shape {
                Shape::Flag(_) => Size {
                    len: 1,
                    align: 1,
                    niche: true,
                },
                Shape::Plain(ty) => self.place(ty, self.layout.boxed_members.contains(&(i, m))),
                Shape::Optional(_, ty) => {
                    let boxed = self.layout.boxed_members.contains(&(i, m));
                    let size = self.place(ty, boxed);
                    let compound = node(ty).is_some();
                    self.option(i, m, size, compound && !boxed)
                }
                Shape::Group(_, _, parts) => {
                    let mut sizes = Vec::new();
                    for (p, (_, ty)) in parts.iter().enumerate() {
                        let boxed = self.layout.boxed_parts.contains(&(i, m, p));
                        sizes.push(self.place(ty, boxed));
                    }
                    self.option(i, m, record(&sizes), true)
                }
            };
            fields.push(size);
        }
        let size = record(&fields);
        self.item_sizes[i] = Some(size);
        size
    }

    fn option(&mut self, item: usize, member: usize, size: Size, may_box: bool) -> Size {
        if may_box && size.len > MAX_OPTION {
            self.layout.boxed_members.insert((item, member));
            return Size {
                len: 8,
                align: 8,
                niche: false,
            };
        }
        match size.niche {
            true => Size {
                niche: false,
                ..size
            },
            false => Size {
                len: size.len + size.align,
                ..size
            },
        }
    }

    fn place(&mut self, ty: &Rust, boxed: bool) -> Size {
        let word = |len, niche| Size {
            len,
            align: 8.min(len),
            niche,
        };
        if boxed {
            return word(8, true);
        }
        match ty {
            Rust::I32 | Rust::U32 => word(4, false),
            Rust::I64 | Rust::F64 => word(8, false),
            Rust::Int128 => Size {
                len: 16,
                align: 1,
                niche: false,
            },
            Rust::Int256 => Size {
                len: 32,
                align: 1,
                niche: false,
            },
            Rust::Bool => word(1, true),
            Rust::Str | Rust::Bytes | Rust::Raw | Rust::Query | Rust::Response => BYTES,
            Rust::Vec { .. } => Size {
                len: 24,
                align: 8,
                niche: true,
            },
            Rust::Struct { item, .. } => self.item(*item),
            Rust::Enum(name) => self.enumeration(name),
        }
    }

    fn enumeration(&mut self, name: &str) -> Size {
        let mut largest = Size {
            len: 0,
            align: 1,
            niche: true,
        };
        for &item in &self.types[name].items {
            let mut size = self.item(item);
            if size.len > MAX_VARIANT {
                self.layout.boxed_variants.insert(item);
                size = Size {
                    len: 8,
                    align: 8,
                    niche: true,
                };
            }
            largest.len = largest.len.max(size.len);
            largest.align = largest.align.max(size.align);
        }
        largest.len = (largest.len + largest.align).next_multiple_of(largest.align);
        largest
    }
}

/// The compiler orders the fields so that only the end is padded.
fn record(fields: &[Size]) -> Size {
    let align = fields.iter().map(|f| f.align).max().unwrap_or(1);
    let len: usize = fields.iter().map(|f| f.len).sum();
    Size {
        len: len.next_multiple_of(align),
        align,
        niche: fields.iter().any(|f| f.niche),
    }
}

/// The least number of bytes on the wire, of every item bare and of every type boxed.
fn minimal(
    items: &[Item<'_>],
    types: &BTreeMap<&str, TypePlan>,
) -> (Vec<usize>, BTreeMap<String, usize>) {
    let mut bare = vec![0; items.len()];
    let mut boxed: BTreeMap<String, usize> = types.keys().map(|t| ((*t).into(), 4)).collect();
    // Grows to the least solution; recursive types have a constructor that ends the recursion.
    loop {
        let mut changed = false;
        for (i, item) in items.iter().enumerate() {
            let words = item
                .wire
                .iter()
                .filter(|w| matches!(w, super::plan::Wire::Word(_)));
            let mut len = 4 * words.count();
            for member in &item.members {
                if let Shape::Plain(ty) = &member.shape {
                    len += minimal_type(ty, &bare, &boxed);
                }
            }
            changed |= len != bare[i];
            bare[i] = len;
        }
        for (name, ty) in types {
            let len = 4 + ty.items.iter().map(|&i| bare[i]).min().unwrap_or_default();
            changed |= boxed.insert((*name).into(), len) != Some(len);
        }
        if !changed {
            return (bare, boxed);
        }
    }
}

fn minimal_type(ty: &Rust, bare_sizes: &[usize], boxed_sizes: &BTreeMap<String, usize>) -> usize {
    match ty {
        Rust::I32 | Rust::U32 | Rust::Bool | Rust::Str | Rust::Bytes => 4,
        Rust::I64 | Rust::F64 => 8,
        Rust::Int128 => 16,
        Rust::Int256 => 32,
        // Written by whoever calls; anything boxed has an id.
        Rust::Raw | Rust::Query | Rust::Response => 4,
        Rust::Vec { bare, .. } => {
            if *bare {
                4
            } else {
                8
            }
        }
        Rust::Struct { item, bare } => bare_sizes[*item] + if *bare { 0 } else { 4 },
        Rust::Enum(name) => boxed_sizes[name],
    }
}

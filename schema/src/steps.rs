//! The shortest form of a declaration: what to step over, in order.
//!
//! Does: compiles resolved fields to [`Step`]s: fields of fixed size in a row are one step, fields
//! without bytes are none.
//! In: the rows of a [`Schema`](crate::Schema). Out: what `value/walk.rs` follows.
//! Must not know: names, values.
//! Spec: "Binary Data Serialization".

use alloc::vec::Vec;

use crate::schema::{MAX_WORDS, Op, Shape};

/// The number of a word of which every bit is set: steps without a flag refer to it.
pub(crate) const ALWAYS: usize = MAX_WORDS;

/// One step, to be taken if the word has the bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The number of a flag word, or [`ALWAYS`].
    pub word: u8,
    pub code: Code,
    pub mask: u32,
    /// What the code needs: a size, or an index.
    pub arg: u32,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Takes a flag word; its number.
    Word,
    /// Steps over so many bytes.
    Skip,
    String,
    Bytes,
    Bool,
    /// A boxed vector; its element is the program's item of this index.
    Vector,
    /// A bare one.
    BareVector,
    /// An object of the type of this index.
    Boxed,
    /// The fields of the row of this index.
    Bare,
    Object,
    Query,
    /// Keeps the length of a body.
    Length,
    Body,
}

/// The steps of all rows, and of all vectors' elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    steps: Vec<Step>,
    /// Where the steps of each row begin; one more for the end.
    starts: Vec<usize>,
    /// A vector's element, and its least size.
    items: Vec<(Step, usize)>,
}

impl Program {
    /// The steps of rows; `least` tells the least size of an element.
    pub fn new<'a>(
        rows: impl Iterator<Item = &'a [Op]>,
        least: impl Fn(&Shape) -> usize,
    ) -> Program {
        let mut program = Program::default();
        for ops in rows {
            let start = program.steps.len();
            program.starts.push(start);
            for op in ops {
                let Some(step) = program.compile(op, &least) else {
                    continue;
                };
                let before = program
                    .steps
                    .get_mut(start..)
                    .and_then(|steps| steps.last_mut());
                match before {
                    Some(last) if last.joins(&step) => last.arg = last.arg.saturating_add(step.arg),
                    Some(_) | None => program.steps.push(step),
                }
            }
        }
        program.starts.push(program.steps.len());
        program
    }

    /// The steps of a row.
    #[inline]
    pub fn row(&self, row: usize) -> Option<&[Step]> {
        let start = *self.starts.get(row)?;
        let end = *self.starts.get(row.checked_add(1)?)?;
        self.steps.get(start..end)
    }

    /// The element of a vector, and its least size.
    pub fn item(&self, item: u32) -> Option<&(Step, usize)> {
        self.items.get(usize::try_from(item).ok()?)
    }

    /// The step over a value of a shape that no row holds.
    pub fn compile_shape(
        &mut self,
        shape: &Shape,
        least: &impl Fn(&Shape) -> usize,
    ) -> Option<Step> {
        let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
        let (code, arg) = match shape {
            Shape::True => return None,
            Shape::Word(word) => (Code::Word, index(*word)),
            Shape::Int | Shape::Nat => (Code::Skip, 4),
            Shape::Long | Shape::Double => (Code::Skip, 8),
            Shape::Int128 => (Code::Skip, 16),
            Shape::Int256 => (Code::Skip, 32),
            Shape::String => (Code::String, 0),
            Shape::Bytes => (Code::Bytes, 0),
            Shape::Bool => (Code::Bool, 0),
            Shape::Boxed(ty) => (Code::Boxed, index(*ty)),
            Shape::Bare(row) => (Code::Bare, index(*row)),
            Shape::Object => (Code::Object, 0),
            Shape::Query => (Code::Query, 0),
            Shape::Length => (Code::Length, 0),
            Shape::Body => (Code::Body, 0),
            Shape::Vector { bare, item } => {
                // An element without bytes is a step that does nothing.
                let step = self
                    .compile_shape(item, least)
                    .unwrap_or(Step::always(Code::Skip, 0));
                self.items.push((step, least(item)));
                let code = if *bare {
                    Code::BareVector
                } else {
                    Code::Vector
                };
                (code, index(self.items.len().saturating_sub(1)))
            }
        };
        Some(Step::always(code, arg))
    }

    fn compile(&mut self, op: &Op, least: &impl Fn(&Shape) -> usize) -> Option<Step> {
        let mut step = self.compile_shape(&op.shape, least)?;
        if let Some((word, mask)) = op.flag {
            step.word = u8::try_from(word).unwrap_or_default();
            step.mask = mask;
        }
        Some(step)
    }
}

impl Code {
    /// Whether the value is an object or a vector, and so a level of its own.
    #[inline]
    pub fn is_compound(self) -> bool {
        match self {
            Code::Vector
            | Code::BareVector
            | Code::Boxed
            | Code::Bare
            | Code::Object
            | Code::Query
            | Code::Body => true,
            Code::Word | Code::Skip | Code::String | Code::Bytes | Code::Bool | Code::Length => {
                false
            }
        }
    }
}

impl Step {
    fn always(code: Code, arg: u32) -> Step {
        let word = u8::try_from(ALWAYS).unwrap_or_default();
        Step {
            word,
            code,
            mask: u32::MAX,
            arg,
        }
    }

    /// Whether another step is no more than more of this one.
    fn joins(&self, next: &Step) -> bool {
        let skips = self.code == Code::Skip && next.code == Code::Skip;
        skips && self.word == next.word && self.mask == next.mask
    }
}

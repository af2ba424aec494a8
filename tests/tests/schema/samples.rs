//! Values made from the schema and a seed.

use std::collections::BTreeMap;

use mtproto_schema::model::{Definition, Field, Kind, Type};
use mtproto_schema::{Bytes, Object, Schema, Value};

/// SplitMix64: a run is repeated from its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).expect("64 bits")).expect("below n")
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// How much of what is optional is there.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    Nothing,
    Everything,
    Percent(usize),
}

/// Makes values of one schema.
pub struct Samples<'a> {
    pub schema: &'a Schema,
    /// How deep the shallowest value of each constructor and type is.
    depths: BTreeMap<&'a str, usize>,
}

/// What is in a vector at most.
const MAX_ITEMS: usize = 3;

impl<'a> Samples<'a> {
    pub fn new(schema: &'a Schema) -> Samples<'a> {
        let mut samples = Samples {
            schema,
            depths: BTreeMap::new(),
        };
        let constructors = || {
            schema
                .definitions()
                .iter()
                .filter(|d| d.kind == Kind::Constructor)
        };
        // Every round finds those that need one level more.
        loop {
            let before = samples.depths.len();
            for d in constructors() {
                if let (Some(depth), Type::Boxed(ty)) = (samples.least(d), &d.result) {
                    samples.depths.entry(&d.name).or_insert(depth);
                    samples.depths.entry(ty).or_insert(depth);
                }
            }
            if samples.depths.len() == before {
                return samples;
            }
        }
    }

    /// The depth of a constructor's shallowest value, if that is known already.
    fn least(&self, d: &Definition) -> Option<usize> {
        let always = d.fields.iter().filter(|f| f.flag.is_none());
        let each: Option<Vec<usize>> = always.map(|f| self.least_of(&f.ty)).collect();
        Some(each?.into_iter().max().unwrap_or_default() + 1)
    }

    fn least_of(&self, ty: &Type) -> Option<usize> {
        match ty {
            Type::Boxed(name) | Type::Bare(name) => self.depths.get(&**name).copied(),
            Type::Vector { .. }
            | Type::Int
            | Type::Nat
            | Type::Long
            | Type::Double
            | Type::Int128
            | Type::Int256
            | Type::String
            | Type::Bytes
            | Type::Bool
            | Type::True
            | Type::Object
            | Type::Query
            | Type::Generic => Some(0),
        }
    }

    /// A constructor or a function with its fields. `room` is how deep it may become, if the
    /// schema allows it.
    pub fn object(&self, d: &Definition, room: usize, fill: Fill, dice: &mut Dice) -> Object {
        // One throw per bit: what shares it is there or not together.
        let mut bits = BTreeMap::new();
        let mut object = Object::new(d.name.clone());
        for field in d.fields.iter().filter(|f| !is_derived(d, f)) {
            if let Some(flag) = &field.flag {
                let present = *bits
                    .entry((&flag.word, flag.bit))
                    .or_insert_with(|| match fill {
                        Fill::Nothing => false,
                        Fill::Everything => true,
                        Fill::Percent(percent) => dice.chance(percent),
                    });
                if !present || (room == 0 && field.ty != Type::True && !self.is_flat(field)) {
                    if present {
                        // No room for this one: take back what the bit has brought so far.
                        return self.object(d, room, Fill::Nothing, dice);
                    }
                    continue;
                }
            }
            let value = self.value(&field.ty, room.saturating_sub(1), fill, dice);
            object.push(field.name.clone(), value);
        }
        object
    }

    fn is_flat(&self, field: &Field) -> bool {
        !matches!(
            field.ty,
            Type::Boxed(_) | Type::Bare(_) | Type::Object | Type::Query
        )
    }

    pub fn value(&self, ty: &Type, room: usize, fill: Fill, dice: &mut Dice) -> Value {
        match ty {
            Type::Int => Value::Int(*dice.pick(&[0, 1, -1, i32::MAX, i32::MIN, 0x1cb5_c415])),
            Type::Nat => Value::Nat(*dice.pick(&[0, 1, u32::MAX, 0x8000_0000])),
            Type::Long => {
                let any = dice.next().cast_signed();
                Value::Long(*dice.pick(&[0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, any]))
            }
            Type::Double => {
                let any = f64::from_bits(dice.next());
                let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
                let odd = [
                    f64::NAN,
                    -f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    signalling,
                ];
                let plain = [0.0, -0.0, 1.5, 1e300, 5e-324, 0.1, any];
                Value::Double(if dice.chance(30) {
                    *dice.pick(&odd)
                } else {
                    *dice.pick(&plain)
                })
            }
            Type::Int128 => Value::Int128(dice.bytes(16).try_into().expect("16 bytes")),
            Type::Int256 => Value::from(<[u8; 32]>::try_from(dice.bytes(32)).expect("32 bytes")),
            Type::String => {
                let long = "x".repeat(*dice.pick(&[250, 253, 254, 255, 300]));
                let all = [
                    "",
                    "a",
                    "ab",
                    "abc",
                    "abcd",
                    "Привет, 世界 🦀\0\"\\\n",
                    &long,
                ];
                Value::from(*dice.pick(&all))
            }
            Type::Bytes => {
                let len = *dice.pick(&[0, 1, 2, 3, 4, 16, 253, 254, 257]);
                Value::Bytes(dice.bytes(len).into())
            }
            Type::Bool => Value::Bool(dice.chance(50)),
            Type::True => Value::True,
            Type::Vector { item, .. } => {
                let fits = room > 0 || self.least_of(item) == Some(0);
                let n = if fits { dice.below(MAX_ITEMS + 1) } else { 0 };
                let room = room.saturating_sub(1);
                Value::Vector((0..n).map(|_| self.value(item, room, fill, dice)).collect())
            }
            Type::Boxed(name) => {
                let all: Vec<&Definition> = self.schema.constructors_of(name).collect();
                let flat = |d: &&Definition| self.depths.get(&*d.name).copied().unwrap_or(99);
                let least = all.iter().map(flat).min().unwrap_or_default();
                let fitting: Vec<&Definition> = all
                    .into_iter()
                    .filter(|d| flat(d) <= least.max(room))
                    .collect();
                self.object(fitting[dice.below(fitting.len())], room, fill, dice)
                    .into()
            }
            Type::Bare(name) => {
                let d = self
                    .schema
                    .constructor(name)
                    .unwrap_or_else(|| panic!("no {name}"));
                self.object(d, room, fill, dice).into()
            }
            Type::Object if dice.chance(30) => {
                Value::Raw(Bytes::from([&[1, 2, 3, 4][..], &dice.bytes(8)].concat()))
            }
            Type::Object => {
                let all = self.schema.definitions().iter();
                // `message` is bare where it stands, and so no `Object`.
                let all = all.filter(|d| d.kind == Kind::Constructor && &*d.name != "message");
                let all: Vec<&Definition> = all.collect();
                let fitting: Vec<&&Definition> = all
                    .iter()
                    .filter(|d| self.depths.get(&*d.name).is_some_and(|n| *n <= room.max(1)))
                    .collect();
                self.object(fitting[dice.below(fitting.len())], room, fill, dice)
                    .into()
            }
            Type::Query => {
                let all = self.schema.definitions().iter();
                let all = all.filter(|d| d.kind == Kind::Function);
                let all: Vec<&Definition> = all.filter(|d| room > 0 || !d.is_generic()).collect();
                self.object(all[dice.below(all.len())], room, fill, dice)
                    .into()
            }
            Type::Generic => unreachable!("only results are generic"),
        }
    }
}

/// Flag words, and the length of a message's body, are no fields of a value.
fn is_derived(d: &Definition, field: &Field) -> bool {
    d.is_flag_word(field)
        || (&*d.name == "message" && d.id == 0x5bb8_e511 && &*field.name == "bytes")
}

//! What a peer may send: cut short, too long, too many, too deep.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::thread;

use mtproto_schema::model::{Definition, Field, Kind, Type};
use mtproto_schema::{
    Bytes, Constructor, Decode, DecodeError, MAX_DEPTH, Object, Raw, Value, ValueErrorKind, api,
    dispatch, mtproto, tl,
};

use crate::agreement::{each, is_open, seed};
use crate::samples::{Dice, Fill, Samples};
use crate::{BUILTIN, SCHEMAS};

/// As in the hostile cases of released libraries.
const TOO_DEEP: usize = 12_000;

/// The stack of a thread that nobody has configured.
const STACK: usize = 2 << 20;

#[test]
fn no_value_is_read_from_a_part_of_its_bytes_or_from_more() {
    each(|schema, d, object, _, at| {
        if is_open(d) {
            return;
        }
        let bytes = match d.kind {
            Kind::Constructor => schema.encode(&object).expect(at),
            Kind::Function => schema.encode_query(&object).expect(at).0,
        };
        // All of a short value; of a long one enough of both ends.
        let cuts = (0..bytes.len()).filter(|n| *n < 200 || n + 50 > bytes.len());
        for cut in cuts {
            let part = bytes.slice(..cut);
            let typed = dispatch::by_id(d.id, &part).expect("an id");
            assert!(typed.is_err(), "{at}: cut to {cut}: {typed:?}");
            assert!(schema.decode(&part).is_err(), "{at}: cut to {cut}");
        }
        let more = Bytes::from([&bytes[..], &[0; 4]].concat());
        let typed = dispatch::by_id(d.id, &more).expect("an id");
        assert_eq!(
            typed.map(drop),
            Err(DecodeError::TrailingBytes { left: 4 }),
            "{at}"
        );
        assert!(schema.decode(&more).is_err(), "{at}");
    });
}

#[test]
fn a_count_is_checked_against_the_bytes_before_anything_is_allocated() {
    for n in [1, 2, 0x7fff_ffff, 0xffff_ffff_u32] {
        let mut out = Vec::new();
        tl::put_u32(&mut out, tl::VECTOR);
        tl::put_u32(&mut out, n);
        let bytes = Bytes::from(out);
        let error = DecodeError::Count { got: n, max: 0 };
        assert_eq!(Vec::<i64>::from_bytes(&bytes), Err(error.clone()));
        assert_eq!(
            Vec::<api::enums::Update>::from_bytes(&bytes),
            Err(error.clone())
        );
        let ty = Type::parse("Vector<Update>").expect("a type");
        let dynamic = BUILTIN
            .decode_result(&ty, &bytes)
            .expect_err("no such bytes");
        assert_eq!(dynamic.kind, ValueErrorKind::Bytes(error.clone()));
        assert_eq!(
            BUILTIN.validate(&ty, &bytes).expect_err("no such bytes"),
            error.into()
        );
    }
}

#[test]
fn a_vector_reserves_no_more_than_its_bytes_can_hold() {
    // 1,000 words are 250 dialogs of at least 16 bytes at most, so 251 are refused.
    let min = <api::enums::Dialog as Decode>::MIN_SIZE;
    let words = 1_000;
    let max = words * 4 / min;
    let mut out = Vec::new();
    tl::put_vector(&mut out, max + 1);
    out.resize(out.len() + words * 4, 0);
    let refused = Vec::<api::enums::Dialog>::from_bytes(&out.into());
    let got = u32::try_from(max + 1).expect("small");
    assert_eq!(refused.map(drop), Err(DecodeError::Count { got, max }));
}

/// The bytes of one constructor around the other, many times.
fn nested(opening: &[u8], times: usize, inside: &[u8]) -> Bytes {
    let mut out = opening.repeat(times);
    out.extend_from_slice(inside);
    out.into()
}

#[test]
fn twelve_thousand_levels_are_refused_typed_and_dynamic() {
    let depth = Err(DecodeError::Depth { max: MAX_DEPTH });
    // jsonArray#f7444763 value:Vector<JSONValue>
    let mut array = 0xf744_4763_u32.to_le_bytes().to_vec();
    tl::put_vector(&mut array, 1);
    let json = nested(&array, TOO_DEEP, &0x3f6d_7b68_u32.to_le_bytes());
    assert_eq!(api::enums::JsonValue::from_bytes(&json).map(drop), depth);

    // textBold#6724abc4 text:RichText
    let text = nested(
        &0x6724_abc4_u32.to_le_bytes(),
        TOO_DEEP,
        &0xdc3d_824f_u32.to_le_bytes(),
    );
    assert_eq!(api::enums::RichText::from_bytes(&text).map(drop), depth);

    // invokeWithoutUpdates#bf9459b7 query:!X, which the typed side leaves as bytes
    let query = nested(
        &0xbf94_59b7_u32.to_le_bytes(),
        TOO_DEEP,
        &0xc4f9_186b_u32.to_le_bytes(),
    );
    assert!(api::functions::InvokeWithoutUpdates::<Raw>::from_bytes(&query).is_ok());

    for (ty, bytes) in [("JSONValue", &json), ("RichText", &text), ("!X", &query)] {
        let ty = Type::parse(ty).expect("a type");
        let error = BUILTIN.decode_result(&ty, bytes).expect_err("too deep");
        assert_eq!(
            error.kind,
            ValueErrorKind::Bytes(DecodeError::Depth { max: MAX_DEPTH })
        );
        let error = BUILTIN.validate(&ty, bytes).expect_err("too deep");
        assert_eq!(
            error.kind,
            ValueErrorKind::Bytes(DecodeError::Depth { max: MAX_DEPTH })
        );
    }

    // Containers in messages in containers, each of the length that it should be.
    let mut inside = Vec::new();
    for _ in 0..TOO_DEEP {
        let mut container = 0x73f1_f8dc_u32.to_le_bytes().to_vec();
        tl::put_count(&mut container, 1);
        container.extend_from_slice(&[0; 12]);
        tl::put_count(&mut container, inside.len());
        // From the inside to the outside, so that only the headers are copied again.
        container.extend_from_slice(&inside);
        inside = container;
        if inside.len() > 1 << 20 {
            break;
        }
    }
    let bytes = Bytes::from(inside);
    let error = BUILTIN.decode(&bytes).expect_err("too deep");
    assert_eq!(
        error.kind,
        ValueErrorKind::Bytes(DecodeError::Depth { max: MAX_DEPTH })
    );
    let outer = mtproto::types::MsgContainer::from_bytes(&bytes).expect("its messages are bytes");
    assert_eq!(outer.messages.len(), 1);
}

#[test]
fn an_object_that_ends_before_its_id_is_refused_by_both_sides() {
    // rpc_result#f35c6d01 req_msg_id:long result:Object
    let mut result = mtproto::types::RpcResult::ID.to_le_bytes().to_vec();
    tl::put_i64(&mut result, 1);
    // invokeWithoutUpdates#bf9459b7 query:!X
    let query = 0xbf94_59b7_u32.to_le_bytes().to_vec();
    for left in 0..4 {
        let end = DecodeError::UnexpectedEnd { needed: 4, left };
        let (mut result, mut query) = (result.clone(), query.clone());
        result.resize(result.len() + left, 1);
        query.resize(query.len() + left, 1);
        let (result, query) = (Bytes::from(result), Bytes::from(query));

        let typed = mtproto::types::RpcResult::from_bytes(&result);
        assert_eq!(typed.map(drop), Err(end.clone()));
        let typed = api::functions::InvokeWithoutUpdates::<Raw>::from_bytes(&query);
        assert_eq!(typed.map(drop), Err(end.clone()));
        let end = ValueErrorKind::Bytes(end);
        let error = BUILTIN.decode(&result).expect_err("no id");
        assert_eq!(error.kind, end);
        for (ty, bytes) in [("RpcResult", &result), ("!X", &query)] {
            let ty = Type::parse(ty).expect("a type");
            let error = BUILTIN.validate(&ty, bytes).expect_err("no id");
            assert_eq!(error.kind, end);
        }
        let error = BUILTIN.decode_function(&query).expect_err("no id");
        assert_eq!(error.kind, end);
    }
}

#[test]
fn json_that_is_too_deep_is_refused() {
    let mut json = serde_json::json!({ "_": "jsonNull" });
    for _ in 0..TOO_DEEP {
        // Not by `json!`, which copies what it is given, by recursion.
        let mut outer = serde_json::json!({ "_": "jsonArray" });
        outer["value"] = vec![json].into();
        json = outer;
    }
    let ty = Type::parse("JSONValue").expect("a type");
    let error = BUILTIN.value_from_json(&ty, &json).expect_err("too deep");
    assert_eq!(error.kind, ValueErrorKind::Depth { max: MAX_DEPTH });
    unwind(json);
}

/// serde_json drops a value by recursion; taken apart by hand it needs no stack.
fn unwind(mut json: serde_json::Value) {
    while let Some(inner) = json.get_mut("value").and_then(|v| v.get_mut(0)) {
        json = inner.take();
    }
}

/// The type by name in a vector of any depth, or by itself.
fn named(mut ty: &Type) -> Option<&str> {
    while let Type::Vector { item, .. } = ty {
        ty = item;
    }
    if let Type::Boxed(name) = ty {
        Some(name)
    } else {
        None
    }
}

/// The types of the API that can hold themselves.
static CYCLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let schema = &SCHEMAS[1];
    let fields = |name: &str| {
        schema
            .constructors_of(name)
            .flat_map(|d| d.fields.iter().filter_map(|f| named(&f.ty)))
    };
    let holds_itself = |name: &&str| {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&str> = fields(name).collect();
        while let Some(next) = todo.pop() {
            if seen.insert(next) {
                todo.extend(fields(next));
            }
        }
        seen.contains(name)
    };
    let all: BTreeSet<&str> = schema
        .definitions()
        .iter()
        .filter_map(|d| named(&d.result))
        .collect();
    all.into_iter()
        .filter(holds_itself)
        .map(str::to_string)
        .collect()
});

fn holds_itself(ty: &Type) -> bool {
    named(ty).is_some_and(|name| CYCLES.iter().any(|c| c == name))
}

/// A value that is so deep, if it can be: at every level one field goes on.
fn deep(samples: &Samples<'_>, ty: &Type, levels: usize, dice: &mut Dice) -> Value {
    if levels == 0 || !holds_itself(ty) {
        return samples.value(ty, 0, Fill::Nothing, dice);
    }
    if let Type::Vector { item, .. } = ty {
        return Value::Vector(vec![deep(samples, item, levels - 1, dice)]);
    }
    let all = samples
        .schema
        .constructors_of(named(ty).expect("a type that holds itself"));
    let ways: Vec<(&Definition, &Field)> = all
        .flat_map(|d| d.fields.iter().map(move |f| (d, f)))
        .filter(|(_, f)| holds_itself(&f.ty))
        .collect();
    let (d, on) = ways[dice.below(ways.len())];
    let mut object = Object::new(d.name.clone());
    for field in d.fields.iter().filter(|f| !d.is_flag_word(f)) {
        // What shares a flag with the field that goes on has to be there too.
        if field.name == on.name {
            object.push(
                field.name.clone(),
                deep(samples, &field.ty, levels - 1, dice),
            );
        } else if field.flag.is_none() || field.flag == on.flag {
            let flat = samples.value(&field.ty, 0, Fill::Nothing, dice);
            object.push(field.name.clone(), flat);
        }
    }
    object.into()
}

/// The deepest value that is still written, and so still read.
fn deepest(samples: &Samples<'_>, ty: &Type, seed: u64) -> Value {
    let levels = usize::try_from(MAX_DEPTH).expect("small");
    (0..=levels)
        .rev()
        .map(|levels| deep(samples, ty, levels, &mut Dice(seed)))
        .find(|value| samples.schema.encode_result(ty, value).is_ok())
        .expect("a value without depth")
}

#[test]
fn the_deepest_value_is_read_on_a_small_stack_by_unoptimised_code() {
    let seed = seed();
    assert!(CYCLES.contains(&"RichText".to_string()), "{:?}", *CYCLES);
    println!("{} types hold themselves: {:?}", CYCLES.len(), *CYCLES);
    for ty in &*CYCLES {
        for round in 0..4 {
            let at = format!("SCHEMA_SEED={seed}, {ty}, round {round}");
            let small = thread::Builder::new().stack_size(STACK).spawn(move || {
                let samples = Samples::new(&SCHEMAS[1]);
                let boxed = Type::Boxed(ty.as_str().into());
                let value = deepest(&samples, &boxed, seed ^ round);
                let bytes = samples
                    .schema
                    .encode_result(&boxed, &value)
                    .expect("encoded");
                let id = u32::from_le_bytes(bytes[..4].try_into().expect("an id"));
                let typed = dispatch::by_id(id, &bytes).expect("a type");
                assert_eq!(typed.map(|(bytes, _)| bytes).as_ref(), Ok(&bytes.to_vec()));
                assert_eq!(samples.schema.decode_result(&boxed, &bytes), Ok(value));
                assert_eq!(samples.schema.validate(&boxed, &bytes), Ok(()));
            });
            small
                .expect("a thread")
                .join()
                .unwrap_or_else(|_| panic!("{at}"));
        }
    }
}

#[test]
fn random_bytes_panic_nobody() {
    let seed = seed();
    let mut dice = Dice(seed);
    let all: Vec<u32> = BUILTIN.definitions().iter().map(|d| d.id).collect();
    for _ in 0..20_000 {
        let id = all[dice.below(all.len())];
        let mut bytes = id.to_le_bytes().to_vec();
        for _ in 0..dice.below(20) {
            // Ids, small numbers and flags get further than noise.
            let word = match dice.below(4) {
                0 => all[dice.below(all.len())],
                1 => tl::VECTOR,
                2 => u32::try_from(dice.below(4)).expect("small"),
                _ => u32::try_from(dice.next() >> 32).expect("32 bits"),
            };
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let bytes = Bytes::from(bytes);
        let _ = dispatch::by_id(id, &bytes);
        let _ = BUILTIN.decode(&bytes).map(|v| v.to_json());
        let _ = BUILTIN.decode_function(&bytes).map(|v| v.to_json());
        let _ = BUILTIN.validate(&Type::Object, &bytes);
    }
}

//! What values and schemas that somebody else chose may cost: memory in proportion to the bytes, time
//! in proportion to the text.
//!
//! Times are compared with those of harmless input of the same size, on the same machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "it compares times")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mtproto_schema::model::Type;
use mtproto_schema::{
    Bytes, Decode, DecodeError, MAX_MEMORY, MAX_VALUES, Object, Schema, SchemaError, Value,
    ValueErrorKind, api::enums, json, text, tl,
};
use mtproto_test::alloc::{Counting, peak};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1 << 20;

fn schema(text: &str) -> Result<Schema, SchemaError> {
    Schema::from_text(text)
}

fn ty(name: &str) -> Type {
    Type::parse(name).unwrap()
}

/// The constructor's id.
fn id(schema: &Schema, name: &str) -> u32 {
    schema.constructor(name).unwrap().id
}

#[test]
fn vectors_within_each_other_do_not_each_reserve_for_the_same_bytes() {
    let builtin = Schema::builtin();
    // As many levels as there may be, each as long as all that follows could make it.
    let mut bytes = Vec::new();
    for _ in 0..40 {
        tl::put_u32(&mut bytes, id(&builtin, "jsonArray"));
        let rest = MIB - bytes.len() - 8;
        tl::put_vector(&mut bytes, rest / 4);
    }
    bytes.resize(MIB, 0);
    let bytes = Bytes::from(bytes);

    let (typed, held) = peak(|| enums::JsonValue::from_bytes(&bytes));
    assert!(typed.is_err());
    assert!(held < MIB, "typed: {held} bytes");
    let (dynamic, held) = peak(|| builtin.decode(&bytes));
    assert!(dynamic.is_err());
    assert!(held < MIB, "dynamic: {held} bytes");
}

#[test]
fn an_object_takes_memory_for_the_fields_that_it_has() {
    let builtin = Schema::builtin();
    let user = Object::new("user").with("id", 1_i64);
    let users = Value::Vector(vec![Value::Object(user); 5_000]);
    let bytes = builtin.encode_result(&ty("Vector<User>"), &users).unwrap();
    let (read, held) = peak(|| builtin.decode_result(&ty("Vector<User>"), &bytes));
    assert_eq!(read, Ok(users));
    assert!(held < 16 * bytes.len(), "{held} for {}", bytes.len());
}

#[test]
fn elements_of_vectors_take_memory_in_proportion_to_their_bytes() {
    // The shortest block is four bytes, and in memory all blocks are of one size.
    let divider = id(&Schema::builtin(), "pageBlockDivider");
    let mut bytes = Vec::new();
    tl::put_vector(&mut bytes, 100_000);
    for _ in 0..100_000 {
        tl::put_u32(&mut bytes, divider);
    }
    let bytes = Bytes::from(bytes);
    let (blocks, held) = peak(|| Vec::<enums::PageBlock>::from_bytes(&bytes));
    assert_eq!(blocks.unwrap().len(), 100_000);
    // 72 bytes each, and half of the room unused at worst.
    assert!(held <= 36 * bytes.len(), "{held} for {}", bytes.len());
}

#[test]
fn a_message_of_more_values_than_are_read_is_refused_and_takes_no_more_memory_than_they_do() {
    let builtin = Schema::builtin();
    let ints = ty("Vector<int>");
    let message = |count: usize| {
        let mut out = Vec::new();
        tl::put_vector(&mut out, count);
        out.resize(8 + 4 * count, 0);
        Bytes::from(out)
    };
    // The vector is a value, too.
    let most = message(MAX_VALUES - 1);
    assert!(builtin.decode_result(&ints, &most).is_ok());
    let more = message(MAX_VALUES);
    let error = builtin.decode_result(&ints, &more).unwrap_err();
    assert_eq!(error.kind, ValueErrorKind::TooMany { max: MAX_VALUES });
    assert!(error.to_string().contains("524288"), "{error}");
    // Bytes of themselves they are.
    assert_eq!(builtin.validate(&ints, &more), Ok(()));

    // Eight bytes are twenty values.
    let mut filters = Vec::new();
    tl::put_vector(&mut filters, MIB);
    for _ in 0..MIB {
        tl::put_u32(&mut filters, id(&builtin, "channelAdminLogEventsFilter"));
        tl::put_u32(&mut filters, u32::MAX);
    }
    let filters = Bytes::from(filters);
    let filter = ty("Vector<ChannelAdminLogEventsFilter>");
    let (read, held) = peak(|| builtin.decode_result(&filter, &filters));
    let kind = read.unwrap_err().kind;
    assert_eq!(kind, ValueErrorKind::TooMany { max: MAX_VALUES });
    assert!(held < 128 * MIB, "{held} bytes");
}

#[test]
fn a_vector_of_what_takes_no_bytes_is_refused_in_a_schema_and_beside_one() {
    let refused = [
        "nothing = Nothing; a x:vector<nothing> = A;",
        "nothing y:true = Nothing; a x:Vector<%Nothing> = A;",
        "a x:Vector<true> = A;",
        "a f:# x:f.0?vector<vector<true>> = A;",
        "n1 x:n2 = N; n2 x:n3 = N; n3 x:true = N; a x:Vector<n1> = A;",
        "loop x:loop = Loop; a x:vector<loop> = A;",
    ];
    for text in refused {
        let error = schema(text).unwrap_err();
        let expected = SchemaError::NoBytes {
            definition: "a".into(),
            field: "x".into(),
        };
        assert_eq!(error, expected, "{text}");
    }
    let taken = [
        "nothing = Nothing; a x:Vector<Nothing> = A;",
        "flags f:# x:f.0?true = Flags; a x:vector<flags> = A;",
        // Further down than sizes are added up.
        "a x:vector<n1> = A; n1 x:n2 = N; n2 x:n3 = N; n3 x:n4 = N; n4 x:n5 = N; n5 x:n6 = N;
         n6 x:n7 = N; n7 x:int = N;",
    ];
    for text in taken {
        assert!(schema(text).is_ok(), "{text}");
    }

    let builtin = Schema::builtin();
    let mut bytes = Vec::new();
    for _ in 0..1_000 {
        tl::put_count(&mut bytes, 100);
    }
    let bytes = Bytes::from(bytes);
    for name in ["vector<true>", "Vector<vector<true>>"] {
        let unknown = ValueErrorKind::UnknownType { ty: name.into() };
        let read = builtin.decode_result(&ty(name), &bytes).unwrap_err();
        assert_eq!(read.kind, unknown);
        let valid = builtin.validate(&ty(name), &bytes).unwrap_err();
        assert_eq!(valid.kind, unknown);
    }
}

#[test]
fn a_declaration_with_too_many_fields_or_two_of_a_name_is_refused() {
    let fields = |count: usize| {
        let mut text = String::from("a");
        for i in 0..count {
            write!(text, " x{i}:int").unwrap();
        }
        text + " = A;"
    };
    assert!(schema(&fields(1024)).is_ok());
    let error = schema(&fields(1025)).unwrap_err();
    let (definition, max) = ("a".into(), 1024);
    assert_eq!(error, SchemaError::TooManyFields { definition, max });
    assert_eq!(error.to_string(), "a has more than 1024 fields");

    let error = schema("a x:int y:int x:long = A;").unwrap_err();
    let (definition, field) = ("a".into(), "x".into());
    assert_eq!(error, SchemaError::DuplicateField { definition, field });
    assert_eq!(error.to_string(), "a has two fields x");
}

#[test]
fn a_body_without_its_length_before_it_is_an_object_like_any_other() {
    // The length of the protocol's message is written where it stands: here it would be an id.
    let text = "message#5bb8e511 body:Object bytes:int = Message; pong#347773c5 x:int = Pong;";
    let schema = schema(text).unwrap();
    let pong = Object::new("pong").with("x", 7);
    let message = Object::new("message").with("body", pong).with("bytes", 3);
    let bytes = schema.encode(&message).unwrap();
    assert_eq!(bytes[..4], 0x5bb8_e511_u32.to_le_bytes());
    assert_eq!(schema.decode(&bytes), Ok(Value::Object(message)));
}

#[test]
fn names_in_foreign_json_are_not_repeated_in_full() {
    let builtin = Schema::builtin();
    let long = "x".repeat(MIB);
    let ty = ty("JSONValue");
    let mut named = serde_json::json!({ "_": long });
    let mut member = serde_json::json!({ "_": "jsonNull", long: 1 });
    for _ in 0..20 {
        named = serde_json::json!({ "_": "jsonArray", "value": [named] });
        member = serde_json::json!({ "_": "jsonArray", "value": [member] });
    }
    for json in [named, member] {
        let (read, held) = peak(|| builtin.value_from_json(&ty, &json));
        let error = read.unwrap_err().to_string();
        assert!(error.contains("xxx…"), "{error}");
        assert!(error.len() < 1_000 && held < 64 << 10, "{held} bytes");
    }
}

/// The shortest of some runs.
fn time<T>(run: impl Fn() -> T) -> Duration {
    let once = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    };
    (0..3).map(once).min().unwrap()
}

/// What grows with the square of these sizes takes hundreds or thousands of times as long; what does
/// not, rarely twice.
#[track_caller]
fn alike(hostile: Duration, harmless: Duration) {
    let most = harmless * 10 + Duration::from_millis(10);
    assert!(hostile < most, "{hostile:?}, the harmless one {harmless:?}");
}

#[test]
fn ids_that_end_alike_cost_no_more_than_others() {
    const COUNT: u32 = 30_000;
    let text = |id: fn(u32) -> u32| {
        (0..COUNT).fold(String::new(), |mut text, i| {
            writeln!(text, "c{i}#{:08x} = T;", id(i)).unwrap();
            text
        })
    };
    let [spread, alike_ids] = [
        text(|i| i.wrapping_mul(0x9e37_79b1)),
        text(|i| i << 16 | 0x1234),
    ];
    let make = |text: &str| time(|| schema(text).unwrap());
    alike(make(&alike_ids), make(&spread));

    let find = |text: &str| {
        let schema = schema(text).unwrap();
        for d in schema.definitions() {
            assert_eq!(schema.by_id(d.id), Some(d));
            assert_eq!(schema.by_id(d.id ^ 1), None);
        }
        time(|| {
            let all = schema.definitions().iter();
            all.filter(|d| schema.by_id(d.id).is_some()).count()
        })
    };
    alike(find(&alike_ids), find(&spread));
}

#[test]
fn many_uses_of_a_type_with_many_constructors_cost_no_more_than_others() {
    const COUNT: usize = 20_000;
    let text = |used: &str| {
        (0..COUNT).fold(String::new(), |mut text, i| {
            writeln!(text, "c{i} x:int = T; u{i} a:{used} b:Vector<{used}> = U;").unwrap();
            text
        })
    };
    let make = |text: &str| time(|| schema(text).unwrap());
    alike(make(&text("T")), make(&text("int")));
}

#[test]
fn a_vector_of_a_type_with_many_constructors_is_read_as_fast_as_others() {
    const COUNT: usize = 20_000;
    let mut text = String::from("one x:int = One; many x:Vector<Vector<T>> = M;");
    for i in 0..COUNT {
        write!(text, "c{i} x:int = T;").unwrap();
    }
    let schema = schema(&text).unwrap();
    let mut bytes = Vec::new();
    tl::put_vector(&mut bytes, COUNT);
    for _ in 0..COUNT {
        tl::put_vector(&mut bytes, 0);
    }
    let bytes = Bytes::from(bytes);
    let read = |name: &str| time(|| schema.decode_result(&ty(name), &bytes).unwrap());
    alike(read("Vector<Vector<T>>"), read("Vector<Vector<One>>"));
}

/// Each is long, and is read in one go or refused.
#[test]
fn long_texts_are_parsed_in_a_time_like_that_of_a_harmless_one() {
    const LEN: usize = MIB;
    let fill = |piece: &str| piece.repeat(LEN / piece.len());
    let harmless = fill("abcdefg x:int y:long = T;\n");
    let base = time(|| text::parse(&harmless).unwrap());
    let hostile = [
        fill("/* */"),
        fill("/* "),
        fill("// /*\n"),
        fill("//* "),
        fill("/"),
        fill("a\n"),
        fill("a "),
        fill(";"),
        fill("="),
        fill("\u{85}"),
        fill("---functions---\n"),
        format!("a x:{};", fill("Vector<")),
        format!("a x:{}int{} = A;", fill("Vector<"), fill(">")),
        format!("{} = A;", fill("a")),
        format!("a {} = A;", fill("x:int ")),
        format!("a {} = A;", fill("x:f.1?int ")),
        format!("a x:{} = A;", fill("a.")),
        format!("// LAYER {}", fill("1")),
    ];
    for text in &hostile {
        let start: String = text.chars().take(20).collect();
        println!("{start}");
        alike(time(|| text::parse(text)), base);
        let (parsed, held) = peak(|| text::parse(text));
        assert!(held < 64 * LEN, "{start}: {held} bytes");
        if let Err(error) = parsed {
            assert!(error.to_string().len() < 400, "{start}: {error}");
        }
    }
}

#[test]
fn nested_and_long_json_is_refused_before_it_costs_much() {
    for opening in ["[", "{\"a\":", "{\"constructors\":[{\"params\":["] {
        let text = opening.repeat(100_000);
        let (parsed, held) = peak(|| json::parse(&text));
        assert!(parsed.is_err());
        assert!(held < 64 << 10, "{opening}: {held} bytes");
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_reserved() {
    let mut bytes = Vec::new();
    tl::put_vector(&mut bytes, usize::try_from(u32::MAX).unwrap());
    bytes.resize(1_000, 0);
    let bytes = Bytes::from(bytes);
    let (typed, held) = peak(|| Vec::<i64>::from_bytes(&bytes));
    let (got, max) = (u32::MAX, 124);
    assert_eq!(typed, Err(DecodeError::Count { got, max }));
    assert_eq!(held, 0);
}

#[test]
fn objects_that_are_longer_in_memory_than_on_the_wire_take_a_bounded_place() {
    const LEN: usize = 10 * MIB;
    let vector = |item: &[u8], count: usize| {
        let mut out = Vec::new();
        tl::put_vector(&mut out, count);
        out.extend_from_slice(&item.repeat(count));
        Bytes::from(out)
    };
    let builtin = Schema::builtin();
    let max = MAX_MEMORY;

    // While a vector grows it is there twice.
    let divider = id(&builtin, "pageBlockDivider").to_le_bytes();
    let most = MAX_MEMORY / size_of::<enums::PageBlock>();
    let dividers = vector(&divider, most);
    let (read, held) = peak(|| Vec::<enums::PageBlock>::from_bytes(&dividers));
    assert_eq!(read.map(|blocks| blocks.len()), Ok(most));
    assert!(held <= 2 * MAX_MEMORY, "{held} bytes");

    // One more is refused before any is read.
    for more in [most + 1, LEN / 4] {
        let dividers = vector(&divider, more);
        let (read, held) = peak(|| Vec::<enums::PageBlock>::from_bytes(&dividers));
        assert!(read == Err(DecodeError::Memory { max }));
        assert!(held < MIB, "{held} bytes");
    }

    // Their heaps count, too.
    let user = builtin.encode(&Object::new("user").with("id", 1_i64));
    let user = user.unwrap();
    let users = vector(&user, LEN / user.len());
    let (read, held) = peak(|| Vec::<enums::User>::from_bytes(&users));
    assert!(read == Err(DecodeError::Memory { max }));
    assert!(held <= 2 * MAX_MEMORY, "{held} bytes");

    // What is as long in memory as it is on the wire may be long.
    assert_eq!(
        Vec::<i64>::from_bytes(&vector(&[7; 8], LEN / 8))
            .unwrap()
            .len(),
        LEN / 8
    );
}

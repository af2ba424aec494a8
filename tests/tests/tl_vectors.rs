//! The known answers for TL, `tl.*` in `vectors/vectors.json`: each written, read whole, read at
//! every shorter length, and read with bytes after it.

use mtproto_schema::{Bytes, Decode, DecodeError, Encode, Reader, Str, text, tl};
use serde_json::Value as Json;

fn vector(id: &str) -> Json {
    let all: Json = serde_json::from_str(include_str!("../vectors/vectors.json")).expect("JSON");
    let rows = all["vectors"].as_array().expect("rows");
    rows.iter()
        .find(|row| row["id"] == id)
        .unwrap_or_else(|| panic!("no vector {id}"))
        .clone()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|p| u8::from_str_radix(str::from_utf8(p).expect("hex"), 16).expect("hex"))
        .collect()
}

/// Checks one value against its bytes, in every way of reading.
fn both_ways<T: Encode + Decode + PartialEq + core::fmt::Debug>(value: &T, wire: &[u8]) {
    assert_eq!(value.to_bytes(), wire, "{value:?} is written");
    let whole = Bytes::copy_from_slice(wire);
    assert_eq!(
        T::from_bytes(&whole).as_ref(),
        Ok(value),
        "{wire:02x?} is read"
    );
    for cut in 0..wire.len() {
        assert!(
            T::from_bytes(&whole.slice(..cut)).is_err(),
            "{wire:02x?} cut to {cut}"
        );
    }
    let longer = Bytes::from([wire, &[0; 4]].concat());
    assert_eq!(
        T::from_bytes(&longer),
        Err(DecodeError::TrailingBytes { left: 4 })
    );
}

#[test]
fn primitives_are_written_and_read_as_the_vectors_say() {
    let v = vector("tl.primitives");
    let inputs = v["inputs"].as_array().expect("inputs");
    let expected = v["expected"].as_array().expect("expected");
    assert_eq!(inputs.len(), expected.len());
    for (input, expected) in inputs.iter().zip(expected) {
        let (kind, value) = (
            input[0].as_str().expect("kind"),
            input[1].as_str().expect("value"),
        );
        let wire = unhex(expected.as_str().expect("hex"));
        match kind {
            "int" => both_ways(&value.parse::<i32>().expect(value), &wire),
            "long" => both_ways(&value.parse::<i64>().expect(value), &wire),
            "double" => both_ways(&value.parse::<f64>().expect(value), &wire),
            "bytes" => both_ways(&Bytes::from(unhex(value)), &wire),
            "string" => both_ways(&Str::from(value), &wire),
            "boolTrue" => both_ways(&true, &wire),
            "boolFalse" => both_ways(&false, &wire),
            "Vector<int> [1,2]" => both_ways(&vec![1, 2], &wire),
            "vector<int> [1,2] (bare)" => {
                let mut out = Vec::new();
                tl::put_count(&mut out, 2);
                tl::put_i32(&mut out, 1);
                tl::put_i32(&mut out, 2);
                assert_eq!(out, wire);
                let wire = Bytes::from(wire);
                let mut r = Reader::new(&wire);
                assert_eq!((r.elements::<i32>(), r.finish()), (vec![1, 2], Ok(())));
            }
            other => panic!("no such kind: {other}"),
        }
    }
}

#[test]
fn strings_at_the_boundaries_of_their_length_are_written_and_read_as_the_vectors_say() {
    let v = vector("tl.bytes_boundaries");
    let inputs = v["inputs"].as_array().expect("inputs");
    for (len, expected) in inputs
        .iter()
        .zip(v["expected"].as_array().expect("expected"))
    {
        let len = usize::try_from(len.as_u64().expect("len")).expect("len");
        let prefix = unhex(expected["prefix"].as_str().expect("prefix"));
        let padding = usize::try_from(expected["zero_padding"].as_u64().expect("n")).expect("n");
        let content = Bytes::from(vec![0xab; len]);
        let wire = Bytes::from([&prefix[..], &content[..], &[0; 3][..padding]].concat());
        assert_eq!(content.to_bytes(), wire, "length {len}");
        assert_eq!(
            Bytes::from_bytes(&wire).as_ref(),
            Ok(&content),
            "length {len}"
        );

        // Short of the end and around the header; every length would take hours.
        for cut in (0..12).chain(wire.len() - 4..wire.len()) {
            assert!(
                Bytes::from_bytes(&wire.slice(..cut)).is_err(),
                "length {len} cut to {cut}"
            );
        }
        let longer = Bytes::from([&wire[..], &[1; 4]].concat());
        assert_eq!(
            Bytes::from_bytes(&longer),
            Err(DecodeError::TrailingBytes { left: 4 })
        );

        // What padding is made of does not matter.
        let mut dirty = wire.to_vec();
        let end = dirty.len();
        dirty[end - padding..].fill(0xff);
        assert_eq!(
            Bytes::from_bytes(&dirty.into()).as_ref(),
            Ok(&content),
            "length {len}"
        );
    }
}

#[test]
fn longer_forms_of_a_length_are_read_and_lengths_beyond_the_end_are_not() {
    let read = |bytes: &'static [u8]| Bytes::from_bytes(&Bytes::from_static(bytes));
    assert_eq!(
        read(&[254, 1, 0, 0, 7, 0, 0, 0]),
        Ok(Bytes::from_static(&[7]))
    );
    assert_eq!(
        read(&[255, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]),
        Ok(Bytes::from_static(&[7]))
    );
    for hostile in [
        &[254, 0xff, 0xff, 0xff, 0, 0, 0, 0][..],
        &[255, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0],
        &[255, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0],
        &[255, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[200, 0, 0, 0],
        &[5, 1, 2, 3, 4, 5],
    ] {
        let read = Bytes::from_bytes(&Bytes::from_static(hostile));
        assert!(
            matches!(read, Err(DecodeError::UnexpectedEnd { .. })),
            "{hostile:02x?}: {read:?}"
        );
    }
}

#[test]
fn ids_are_computed_as_the_vectors_say() {
    let v = vector("tl.crc32_ids");
    let inputs = v["inputs"].as_array().expect("inputs");
    for (declaration, expected) in inputs
        .iter()
        .zip(v["expected"].as_array().expect("expected"))
    {
        let declaration = declaration.as_str().expect("text");
        let id = u32::from_str_radix(expected.as_str().expect("hex"), 16).expect("hex");
        if declaration.starts_with("vector ") {
            // Built in, with a syntax of its own.
            assert_eq!(tl::VECTOR, id);
            continue;
        }
        // The vectors hold the text that is hashed; the parser wants the one that people write.
        let mut words: Vec<String> = Vec::new();
        for word in declaration.split(' ') {
            match words.last_mut() {
                Some(last) if last.ends_with("ector") => *last = format!("{last}<{word}>"),
                _ if word == "X:Type" => words.push("{X:Type}".into()),
                _ => words.push(word.into()),
            }
        }
        let source = words.join(" ") + ";";
        let document = text::parse(&source).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(document.definitions[0].computed_id(), id, "{source}");
        assert_eq!(document.definitions[0].id, id, "{source}");
    }
}

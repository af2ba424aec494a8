//! `schema_text`: a schema in TL, and a message that it is to read.
//!
//! Must hold: what is a schema can be written in TL and in JSON and is the same when read again; what
//! makes a [`Schema`] knows its declarations by name and id, and reads messages as the built-in one
//! does.

use mtproto_schema::model::{Document, Kind, Type};
use mtproto_schema::{Bytes, Schema, json, text};

use super::Seed;
use super::tl_dynamic::{constructor, function, result};

/// Ends the schema; the message follows.
const END: char = '\0';

/// An error tells of at most so many characters of the text.
const LONGEST_ERROR: usize = 400;

/// Input: the text, 0, and the message.
pub fn schema_text(data: &[u8]) {
    let (source, message) = split(data);
    match text::parse(&source) {
        Ok(document) => holds(document, &message),
        Err(error) => assert!(error.to_string().chars().count() <= LONGEST_ERROR),
    }
}

/// The source and the message of an input.
pub(super) fn split(data: &[u8]) -> (String, Bytes) {
    let mut parts = data.splitn(2, |byte| char::from(*byte) == END);
    let source = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let message = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    (source.into_owned(), message)
}

/// What holds of every schema that was read.
pub(super) fn holds(document: Document, message: &Bytes) {
    let tl = write(&document);
    let parsed = text::parse(&tl);
    assert_eq!(parsed.as_ref(), Ok(&document), "through TL: {tl}");
    let parsed = json::parse(&json::write(&document)).expect("what was written can be read");
    let mut sorted = document.clone();
    sorted.definitions.sort_by_key(|d| d.kind);
    assert_eq!(parsed, sorted, "through JSON");
    assert_eq!(text::parse(&write(&parsed)), Ok(sorted), "and back");

    let schema = match (Schema::new([document]), Schema::new([parsed])) {
        (Ok(schema), Ok(other)) => {
            assert_eq!(schema.layer(), other.layer());
            schema
        }
        (Err(error), Err(_)) => return assert!(!error.to_string().is_empty()),
        (one, other) => panic!("the order of declarations matters: {one:?}, {other:?}"),
    };
    for definition in schema.definitions() {
        assert_eq!(schema.by_id(definition.id), Some(definition));
        let named = match definition.kind {
            Kind::Constructor => schema.constructor(&definition.name),
            Kind::Function => schema.function(&definition.name),
        };
        assert_eq!(named, Some(definition));
    }
    constructor(&schema, message);
    function(&schema, message);
    result(&schema, &Type::Object, message);
    for definition in schema.definitions().iter().take(8) {
        let ty = Type::Vector {
            bare: false,
            item: Box::new(definition.result.clone()),
        };
        result(&schema, &ty, message);
    }
}

/// The TL text of a schema.
fn write(document: &Document) -> String {
    let mut out = String::new();
    if let Some(layer) = document.layer {
        out += &format!("// LAYER {layer}\n");
    }
    let mut kind = Kind::Constructor;
    for definition in &document.definitions {
        if definition.kind != kind {
            kind = definition.kind;
            out += match kind {
                Kind::Constructor => "---types---\n",
                Kind::Function => "---functions---\n",
            };
        }
        out += &format!("{definition}\n");
    }
    out
}

/// What schemas are made of, each with a message.
pub(super) const SOURCES: [(&str, &str, &[u8]); 10] = [
    (
        "ping",
        "// LAYER 7\npong#347773c5 msg_id:long ping_id:long = Pong;\n\
         ---functions---\nping#7abe77ec ping_id:long = Pong;\n",
        b"\xec\x77\xbe\x7a\x07\0\0\0\0\0\0\0",
    ),
    (
        "container",
        "msg_container#73f1f8dc messages:vector<%Message> = MessageContainer;\n\
         message#5bb8e511 msg_id:long seqno:int bytes:int body:Object = Message;\n\
         gzip_packed#3072cfa1 packed_data:bytes = Object;\n",
        b"\xdc\xf8\xf1\x73\x01\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x08\0\0\0\
          \xa1\xcf\x72\x30\x01\x07\0\0",
    ),
    (
        "flags",
        "a#00000001 flags:# x:flags.0?int y:flags.0?string z:flags.31?true \
         flags2:# t:flags2.7?Vector<A> n:# = A;\n",
        b"\x01\0\0\0\x01\0\0\x80\x09\0\0\0\x02hi\0\0\0\0\0\x05\0\0\0",
    ),
    (
        "wrapper",
        "cfg#00000002 k:int128 l:int256 d:double b:Bool = Config; t#00000003 = True;\n\
         ---functions---\nwith#00000004 {X:Type} layer:int query:!X = X;\n\
         get#00000005 = Vector<Config>;\n",
        b"\x04\0\0\0\x07\0\0\0\x05\0\0\0",
    ),
    (
        "cycle",
        "jsonArray#f7444763 value:Vector<JSONValue> = JSONValue; jsonNull#3f6d7b68 = JSONValue;\n",
        b"\x63\x47\x44\xf7\x15\xc4\xb5\x1c\x01\0\0\0\x68\x7b\x6d\x3f",
    ),
    (
        "bare",
        "p#00000006 x:q y:%Q z:vector<vector<q>> o:Object = ns.P; q#00000007 i:int = Q;\n",
        b"\x06\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x03\0\0\0\x07\0\0\0\x04\0\0\0",
    ),
    (
        "comments",
        "/* a /* b */ x#00000008 = X1; // c /* d\n///* e\n//* f\n---types---\n\
         int ? = Int; vector#1cb5c415 {t:Type} # [ t ] = Vector t;\ny#00000009\n  v:%Vector<int>\n  = Y;\n",
        b"\x09\0\0\0\0\0\0\0",
    ),
    (
        "computed",
        "inputPeerSelf = InputPeer;\ncontainer v:Vector<bytes> f:flags = Container;\nflags flags:# t:flags.2?true = flags.Flags;\n",
        b"",
    ),
    (
        "nothing",
        "nothing = Nothing; a x:vector<nothing> = A; loop x:loop = Loop; b y:Vector<Vector<true>> = B;",
        b"\x01\0\0\0",
    ),
    (
        "copy",
        "msg_copy#e06046b2 orig_message:Message = MessageCopy; \
         message#5bb8e511 msg_id:long seqno:int bytes:int body:Object = Message;",
        b"\xb2\x46\x60\xe0\x01\0\0\0\0\0\0\0\x02\0\0\0\x04\0\0\0\xb2\x46\x60\xe0",
    ),
];

/// The sources with their messages.
pub(super) fn seeds() -> Vec<Seed> {
    let seed = |(name, source, message): &(&str, &str, &[u8])| {
        let input = [source.as_bytes(), &[END as u8], message].concat();
        ((*name).to_owned(), input)
    };
    SOURCES.iter().map(seed).collect()
}

/// What texts and JSON of schemas are made of.
pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    const WORDS: [(&str, &str); 14] = [
        ("tl_functions", "---functions---\n"),
        ("tl_types", "---types---\n"),
        ("tl_layer", "// LAYER "),
        ("tl_comment", "/*"),
        ("tl_comment_end", "*/"),
        ("tl_vector", "Vector<"),
        ("tl_bare_vector", "vector<"),
        ("tl_flag", "flags:# "),
        ("tl_optional", ":flags.0?"),
        ("tl_generic", "{X:Type} "),
        ("tl_query", ":!X = X;"),
        ("json_constructors", "\"constructors\":["),
        ("json_methods", "\"methods\":["),
        ("json_params", "\"params\":["),
    ];
    let word = |(name, word): &(&'static str, &str)| (*name, word.as_bytes().to_vec());
    WORDS.iter().map(word).collect()
}

//! The schemas as data: their forms, their ids, and the code that is made from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mtproto_schema::codegen::{Target, generate, idempotent_table, source};
use mtproto_schema::model::{Document, KNOWN_IDS, Kind, Type};
use mtproto_schema::{Function, LAYER, SchemaError, api, json, mtproto, text};
use mtproto_schema::{Schema, is_idempotent};

use crate::{API, BUILTIN, MTPROTO, document};

const IDEMPOTENT: &str = include_str!("../../../schema/idempotent.txt");

fn generated() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/src/generated")
}

/// Every file below a folder, by its path there.
fn files(folder: &Path, prefix: &str, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!(
            "{prefix}{}",
            path.file_name().expect("a name").to_string_lossy()
        );
        if path.is_dir() {
            files(&path, &format!("{name}/"), out);
        } else {
            out.insert(name, fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn generated_code_is_what_the_data_gives() {
    let idempotent = source::idempotent(IDEMPOTENT);
    let mut fresh = BTreeMap::new();
    for (text, target) in [(MTPROTO, Target::Mtproto), (API, Target::Api)] {
        let files = generate(&document(text), target, &idempotent).expect("code");
        fresh.extend(files.into_iter().map(|f| (f.path, f.text)));
    }
    let table = idempotent_table(&[document(MTPROTO), document(API)], &idempotent).expect("code");
    fresh.insert(table.path, table.text);
    let mut found = BTreeMap::new();
    files(&generated(), "", &mut found);
    // Written by hand: what ties the generated files together.
    for by_hand in ["mod.rs", "prelude.rs"] {
        assert!(found.remove(by_hand).is_some(), "{by_hand}");
    }
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&found),
        names(&fresh),
        "stale or missing files; run tl-gen"
    );
    for (name, text) in fresh {
        assert!(found[&name] == text, "{name} is stale; run tl-gen");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.contains("Generated"),
            "{name} does not say so on its first line"
        );
    }
}

#[test]
fn every_id_is_the_checksum_of_its_declaration_but_for_the_known() {
    let mut exceptions = BTreeSet::new();
    for document in [document(MTPROTO), document(API)] {
        assert_eq!(document.mismatched_ids().next(), None);
        for d in document.definitions {
            if d.id != d.computed_id() {
                exceptions.insert((d.name.to_string(), d.id));
            }
        }
    }
    let known: BTreeSet<_> = KNOWN_IDS
        .iter()
        .map(|(n, id)| (n.to_string(), *id))
        .collect();
    assert_eq!(exceptions, known);
}

#[test]
fn a_wrong_id_is_no_code() {
    let wrong = text::parse("pong#347773c6 msg_id:long ping_id:long = Pong;").expect("a schema");
    assert_eq!(wrong.mismatched_ids().count(), 1);
    let refused = generate(&wrong, Target::Mtproto, &BTreeSet::new()).expect_err("a wrong id");
    assert!(refused.contains("347773c5"), "{refused}");
    // At run time explicit ids win: a schema may be newer than what is known here.
    let schema = Schema::new([wrong]).expect("a schema");
    assert_eq!(schema.by_id(0x347773c6).map(|d| &*d.name), Some("pong"));
}

#[test]
fn the_layer_is_stated_everywhere() {
    assert_eq!(document(API).layer, Some(LAYER));
    assert_eq!(BUILTIN.layer(), Some(LAYER));
    assert_eq!(LAYER, 230);
}

/// The declarations as `.tl` text, functions last.
fn as_text(document: &Document) -> String {
    let mut out = document
        .layer
        .map(|n| format!("// LAYER {n}\n"))
        .unwrap_or_default();
    for kind in [Kind::Constructor, Kind::Function] {
        out += if kind == Kind::Function {
            "---functions---\n"
        } else {
            ""
        };
        for d in document.definitions.iter().filter(|d| d.kind == kind) {
            out += &format!("{d}\n");
        }
    }
    out
}

#[test]
fn both_forms_of_a_schema_say_the_same() {
    for text in [MTPROTO, API] {
        let document = document(text);
        assert_eq!(
            json::write(&document),
            text,
            "the data is as tl-gen writes it"
        );
        assert_eq!(text::parse(&as_text(&document)).as_ref(), Ok(&document));
    }
}

#[test]
fn the_text_form_is_read_as_people_write_it() {
    let document = text::parse(
        "// LAYER 5\n\
         int ? = Int; vector#1cb5c415 {t:Type} # [ t ] = Vector t;\n\
         int128 4*[ int ] = Int128; //// and what follows ; is a comment\n\
         /* a#1 = A;\n b = B; */ boolTrue#997275b5 = Bool;\n\
         point#68e9916 x:double\n   y:double = Point; points v:vector<%Point> = Points;\n\
         ---functions---\n//@description gets\nget#1 {X:Type} f:# a:f.31?true b:!X = X;\n\
         ---types---\nlast = Last;",
    )
    .expect("a schema");
    let shown: Vec<String> = document
        .definitions
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(document.layer, Some(5));
    assert_eq!(
        shown,
        [
            "boolTrue#997275b5 = Bool;",
            "point#068e9916 x:double y:double = Point;",
            "points#51fc6a41 v:vector<%Point> = Points;",
            "get#00000001 {X:Type} f:# a:f.31?true b:!X = X;",
            "last#936d614e = Last;",
        ]
    );
    assert_eq!(document.definitions[3].kind, Kind::Function);
    assert_eq!(document.definitions[4].kind, Kind::Constructor);
}

#[test]
fn the_json_form_is_read_as_telegram_publishes_it() {
    // As on core.telegram.org/schema/json: no layer, and `vector` among the constructors.
    let published = r#"{"constructors":[
        {"id":"-1132882121","predicate":"boolFalse","params":[],"type":"Bool"},
        {"id":"-1720552011","predicate":"boolTrue","params":[],"type":"Bool"},
        {"id":"481674261","predicate":"vector","params":[],"type":"Vector t"},
        {"id":"-994444869","predicate":"error","params":[
            {"name":"code","type":"int"},{"name":"text","type":"string"}],"type":"Error"}
    ],"methods":[
        {"id":"-878758099","method":"invokeAfterMsg","params":[
            {"name":"msg_id","type":"long"},{"name":"query","type":"!X"}],"type":"X"}
    ]}"#;
    let document = document(published);
    assert_eq!(document.mismatched_ids().next(), None);
    let shown: Vec<String> = document
        .definitions
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "boolFalse#bc799737 = Bool;",
            "boolTrue#997275b5 = Bool;",
            "error#c4b9f9bb code:int text:string = Error;",
            "invokeAfterMsg#cb9f372d {X:Type} msg_id:long query:!X = X;",
        ]
    );
    assert_eq!(Schema::new([document]).expect("a schema").layer(), None);
}

#[test]
fn what_is_no_schema_is_refused_with_a_reason() {
    for broken in [
        "a = ;",
        "= A;",
        "a#123456789 = A;",
        "a#+1 = A;",
        "a#xyz = A;",
        "a x: = A;",
        "a x:flags.32?int = A;",
        "a x:flags.a?int = A;",
        "a x = A;",
        "a 4*[ int ] = A;",
        "a = A",
        "/* a = A;",
        "é = A;",
        "a x:Vector<Vector<Vector<Vector<Vector<Vector<Vector<Vector<Vector<Vector<int>>>>>>>>>> = A;",
    ] {
        assert!(text::parse(broken).is_err(), "{broken}");
    }
    for broken in [
        "",
        "[]",
        "{}",
        r#"{"constructors":[],"methods":{}}"#,
        r#"{"constructors":[{"id":1,"predicate":"a","params":[],"type":"A"}],"methods":[]}"#,
        r#"{"constructors":[{"id":"4294967295","predicate":"a","params":[],"type":"A"}],"methods":[]}"#,
        r#"{"constructors":[{"id":"1","predicate":"a","params":[{"name":"x"}],"type":"A"}],"methods":[]}"#,
        r#"{"constructors":[],"methods":[],"layer":"5"}"#,
    ] {
        assert!(json::parse(broken).is_err(), "{broken}");
    }
    let unknown = Schema::from_text("a x:B = A;").expect_err("no B");
    assert_eq!(unknown.to_string(), "a uses B, which cannot be resolved");
    for broken in [
        "a x:b = A;",
        "a#1 = A; b#1 = B;",
        "a = A; a x:int = A;",
        "a x:flags.1?int flags:# = A;",
        "a x:flags.1?int = A;",
        "a = A; b = A; c x:%A = C;",
        "---functions---\nf = A;",
        "---functions---\nf x:int = X;",
        "a b:# c:# d:# e:# f:# g:# h:# i:# j:# \
         k:b.0?int l:c.0?int m:d.0?int n:e.0?int o:f.0?int p:g.0?int q:h.0?int r:i.0?int s:j.0?int = A;",
    ] {
        let refused = Schema::from_text(broken).map(|_| ());
        assert!(
            !matches!(refused, Ok(()) | Err(SchemaError::Text(_))),
            "{broken}: {refused:?}"
        );
    }
}

#[test]
fn parts_of_a_schema_file_panic_no_parser() {
    let text = as_text(&document(MTPROTO));
    for cut in (0..text.len()).filter(|n| text.is_char_boundary(*n)) {
        let _ = text::parse(&text[..cut]).map(|d| Schema::new([d]));
    }
    for cut in (0..MTPROTO.trim_end().len()).step_by(7) {
        assert!(json::parse(&MTPROTO[..cut]).is_err());
    }
}

#[test]
fn several_layers_stand_side_by_side() {
    let old = Schema::from_text("// LAYER 1\nuser#00000001 id:int = User;").expect("a schema");
    let new = Schema::from_text("// LAYER 2\nuser#00000002 id:long = User;").expect("a schema");
    assert_eq!((old.layer(), new.layer()), (Some(1), Some(2)));
    let user = Type::parse("User").expect("a type");
    let json = serde_json::json!({ "_": "user", "id": 5 });
    for (schema, len) in [(&old, 8), (&new, 12)] {
        let value = schema.value_from_json(&user, &json).expect("a user");
        let bytes = schema.encode_result(&user, &value).expect("bytes");
        assert_eq!(bytes.len(), len);
        assert_eq!(schema.decode(&bytes).expect("a user").to_json(), json);
    }
}

fn marked<F: Function>() -> bool {
    F::IDEMPOTENT
}

#[test]
fn methods_that_may_run_twice_are_marked_typed_and_by_name() {
    assert!(marked::<mtproto::functions::Ping>());
    assert!(marked::<api::functions::help::GetConfig>());
    assert!(marked::<api::functions::messages::SendMessage>());
    assert!(!marked::<api::functions::auth::SendCode>());
    assert!(!marked::<api::functions::auth::LogOut>());
    assert!(marked::<
        api::functions::InvokeWithLayer<api::functions::help::GetConfig>,
    >());
    assert!(!marked::<
        api::functions::InvokeWithLayer<api::functions::auth::LogOut>,
    >());

    let listed = source::idempotent(IDEMPOTENT);
    for d in BUILTIN
        .definitions()
        .iter()
        .filter(|d| d.kind == Kind::Function)
    {
        assert_eq!(
            is_idempotent(&d.name),
            listed.contains(&*d.name),
            "{}",
            d.name
        );
    }
    assert!(!is_idempotent("no.suchMethod"));
}

/// A `random_id` of 64 bits, and yet not to be repeated: idempotent.txt says why.
const DEAR: [&str; 4] = [
    "messages.sendPaidReaction",
    "payments.sendStarGiftOffer",
    "stories.startLive",
    "wallet.sendTransfer",
];

#[test]
fn methods_with_a_random_id_are_marked_and_methods_that_act_are_not() {
    let listed = source::idempotent(IDEMPOTENT);
    for d in BUILTIN
        .definitions()
        .iter()
        .filter(|d| d.kind == Kind::Function)
    {
        let random = d
            .fields
            .iter()
            .any(|f| &*f.name == "random_id" && f.ty == Type::Long);
        if random {
            let dear = DEAR.contains(&&*d.name);
            assert_ne!(
                listed.contains(&*d.name),
                dear,
                "{} has a random_id",
                d.name
            );
            continue;
        }
        // Whoever lists a verb like these has to argue with this test.
        let last = d.name.rsplit('.').next().unwrap_or_default();
        let acts = [
            "accept", "add", "confirm", "create", "delete", "edit", "import", "invite", "invoke",
            "join", "leave", "read", "report", "reset", "set", "toggle", "update",
        ];
        let act = acts.iter().any(|verb| last.starts_with(verb));
        assert!(
            !act || !listed.contains(&*d.name),
            "{} is listed as idempotent",
            d.name
        );
    }
}

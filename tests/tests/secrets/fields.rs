//! Which types print their fields as they are, and hold bytes or text.

use std::fs;
use std::path::{Path, PathBuf};

/// All sources below a folder of the workspace, with their names relative to it.
pub fn rust_files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
            } else if name.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(entry.path()).unwrap();
                files.push((name.to_str().unwrap().replace('\\', "/"), text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{}", root.display());
    files
}

/// The lines of a source that are no comment; tests at its end left out.
pub fn without_comments(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| *line != "mod tests {")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect()
}

/// Types that derive `Debug` and have bytes or text in them: what is printed then, and why it may
/// be. A type that is not listed here hides such fields or has none.
const SHOWN: &[(&str, &str)] = &[
    ("mtproto-proto/server/event.rs Action.bytes", AS_IT_TRAVELS),
    (
        "mtproto-proto/transport/fake_tls/records.rs Reader.header",
        AS_IT_TRAVELS,
    ),
    (
        "mtproto-driver/accounts/id.rs AccountId.0",
        "a name that the application chose",
    ),
    (
        "mtproto-driver/client/api/contacts.rs NewContact.first_name",
        CONTACT,
    ),
    (
        "mtproto-driver/client/api/contacts.rs NewContact.last_name",
        CONTACT,
    ),
    (
        "mtproto-driver/client/api/contacts.rs NewContact.phone",
        CONTACT,
    ),
    ("mtproto-driver/client/error.rs Error.method", A_NAME),
    ("mtproto-driver/connection/error.rs Error.method", A_NAME),
    ("mtproto-driver/key_file.rs KeyFileError.action", A_NAME),
    (
        "mtproto-driver/session_file/error.rs SessionFileError.action",
        A_NAME,
    ),
    (
        "mtproto-driver/session_file/layout.rs Header.id",
        "it stands in the file in the clear",
    ),
    ("mtproto-proto/client/calls.rs Call.body", WITHIN),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.Email",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.FlashCall",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.Fragment",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.MissedCall",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.SmsPhrase",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/delivery.rs Delivery.SmsWord",
        DELIVERY,
    ),
    (
        "mtproto-proto/client/sign_in/error.rs Payment.currency",
        A_NAME,
    ),
    (
        "mtproto-proto/client/sign_in/error.rs Payment.store_product",
        A_NAME,
    ),
    (
        "mtproto-proto/client/sign_in/error.rs Payment.support_email",
        "the server's own address",
    ),
    (
        "mtproto-proto/client/sign_in/error.rs Payment.support_subject",
        "a subject for everybody",
    ),
    (
        "mtproto-proto/client/sign_in/error.rs SignInError.method",
        A_NAME,
    ),
    (
        "mtproto-proto/client/sign_in/sign_up.rs Terms.id",
        "the same for everybody",
    ),
    (
        "mtproto-proto/client/sign_in/sign_up.rs Terms.text",
        "the same for everybody",
    ),
    (
        "mtproto-proto/client/updates/common.rs Common.unread",
        WITHIN,
    ),
    (
        "mtproto-proto/client/updates/incoming.rs Incoming.raw",
        WITHIN,
    ),
    (
        "mtproto-proto/client/updates/types.rs Need.body",
        "a getDifference of our making: counters",
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.app_version",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.device_model",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.lang_code",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.lang_pack",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.system_lang_code",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/connection/init.rs InitParams.system_version",
        OF_THE_DEVICE,
    ),
    (
        "mtproto-proto/crypto/dh.rs PrimeHash.0",
        "the hash of a public prime",
    ),
    ("mtproto-proto/crypto/kdf.rs MsgKey.msg_key", AS_IT_TRAVELS),
    ("mtproto-proto/crypto/srp.rs Params.salt1", SALT),
    ("mtproto-proto/crypto/srp.rs Params.salt2", SALT),
    (
        "mtproto-proto/error.rs RpcError.message",
        "the name of an error of the server",
    ),
    (
        "mtproto-proto/handshake/plain.rs PlainMessage.body",
        AS_IT_TRAVELS,
    ),
    (
        "mtproto-proto/handshake/server.rs Reply.packet",
        AS_IT_TRAVELS,
    ),
    (
        "mtproto-proto/server/timers.rs TimerOf.Handshake",
        "a nonce that travels in the clear",
    ),
    ("mtproto-proto/session/incoming.rs Message.body", WITHIN),
    (
        "mtproto-proto/session/mod.rs ClientStart.init",
        OF_THE_DEVICE,
    ),
    ("mtproto-proto/session/outgoing.rs Notice.body", WITHIN),
    (
        "mtproto-proto/session/outgoing_client.rs Leaving.init",
        OF_THE_DEVICE,
    ),
    ("mtproto-proto/session/packet.rs Opened.body", WITHIN),
    ("mtproto-proto/session/running.rs Running.calls", WITHIN),
    ("mtproto-proto/session/saved.rs Saved.running", WITHIN),
    ("mtproto-proto/tap.rs Passed.packet", AS_IT_TRAVELS),
    ("mtproto-proto/transport/inbox.rs Inbox.back", AS_IT_TRAVELS),
    (
        "mtproto-proto/transport/inbox.rs Inbox.front",
        AS_IT_TRAVELS,
    ),
    ("mtproto-proto/transport/mod.rs Frame.data", AS_IT_TRAVELS),
    (
        "mtproto-proto/transport/obfuscated.rs Accepted.nonce",
        "it travels in the clear",
    ),
];

/// Of types that do not leave the crate.
const WITHIN: &str = "its owner prints itself by hand, without it";
const AS_IT_TRAVELS: &str = "bytes as an observer of the wire has them";
const OF_THE_DEVICE: &str = "what every program says of itself";
const DELIVERY: &str = "a hint that the server made to be shown";
const A_NAME: &str = "a name of this project, of the schema or of an error";
const SALT: &str = "the server gives it to whoever tries a password";
const CONTACT: &str = "the application made it, to be sent; no secret of the protocol";

/// Whether a type is made of bytes or text, which may be a secret.
fn may_be_secret(kind: &str) -> bool {
    let words = ["Bytes", "BytesMut", "String", "str", "Str", "Zeroizing"];
    kind.contains("[u8")
        || kind.contains("Vec<u8>")
        || kind
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|part| words.contains(&part))
}

/// A declaration without `pub`, `pub(crate)` and the like.
fn without_visibility(line: &str) -> &str {
    let line = line.trim();
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or(rest, |(_, it)| it),
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        _ => line,
    }
}

/// Fields of bytes or text of the types of a source that derive `Debug`.
fn printed_fields(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut derives = false;
    let mut within: Option<String> = None;
    for line in without_comments(text) {
        let declared = without_visibility(line);
        if declared.starts_with("#[derive(") {
            derives = line.contains("Debug");
        } else if let Some(after) = ["struct ", "enum "]
            .iter()
            .find_map(|word| declared.strip_prefix(word))
        {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
            let (kind, rest) = after.split_at(end.unwrap_or(after.len()));
            within = derives.then(|| format!("{name} {kind}"));
            derives = false;
            // A tuple's fields stand on the same line.
            if let Some(within) = &within
                && rest.contains('(')
                && may_be_secret(rest)
            {
                found.push(format!("{within}.0"));
            }
            if declared.ends_with(';') {
                within = None;
            }
        } else if line.starts_with('}') {
            within = None;
        } else if let Some(within) = &within {
            let field = declared
                .split_once(": ")
                .filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
            let variant = declared
                .split_once('(')
                .or_else(|| declared.split_once(" { "));
            if let Some((name, kind)) = field.or(variant)
                && may_be_secret(kind)
            {
                found.push(format!("{within}.{name}"));
            }
        }
    }
    found
}

#[test]
fn fields_of_bytes_and_text_are_found() {
    let text = "\
#[derive(Clone, Debug)]
pub(crate) struct A {
    // key: String,
    pub(crate) key: Option<[u8; 32]>,
    times: Option<u8>,
    pub len: usize,
}
#[derive(Debug)]
pub struct B(pub Vec<u8>);
#[derive(Clone)]
struct C {
    key: String,
}
#[derive(Debug, Clone)]
enum D {
    One(Bytes),
    Two { text: &'static str },
    Three {
        at: Time,
        word: Zeroizing<String>,
    },
}
";
    let found = printed_fields("file", text);
    assert_eq!(
        found,
        [
            "file A.key",
            "file B.0",
            "file D.One",
            "file D.Two",
            "file D.word"
        ]
    );
}

#[test]
fn s2_types_that_print_their_fields_are_known_where_these_are_bytes_or_text() {
    let mut found = Vec::new();
    for room in ["mtproto-proto", "mtproto-driver"] {
        for (name, text) in rust_files(&format!("{room}/src")) {
            found.extend(printed_fields(&format!("{room}/{name}"), &text));
        }
    }
    found.dedup();
    let unknown: Vec<_> = found
        .iter()
        .filter(|it| !SHOWN.iter().any(|(known, _)| known == it))
        .collect();
    assert!(
        unknown.is_empty(),
        "hide these fields, or say why they may be printed: {unknown:#?}"
    );
    for (known, why) in SHOWN {
        assert!(found.iter().any(|it| it == known), "{known} is gone");
        assert!(why.len() > 10, "{known}: {why}");
    }
}

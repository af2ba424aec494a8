//! Which methods the API has.
//!
//! Does: tells a method that the DC does not answer from one that does not exist.
//! In: an id. Out: whether the schema has it.
//! Must not know: what any method does.
//! Spec: "TL schema".

use std::sync::LazyLock;

use mtproto_schema::Schema;
use mtproto_schema::model::Kind;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::builtin);

/// All that the API has.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

/// The name of the method with this id, of the API or of the protocol itself.
pub fn name(id: u32) -> Option<&'static str> {
    SCHEMA
        .by_id(id)
        .filter(|d| d.kind == Kind::Function)
        .map(|d| &*d.name)
}

/// The id of a method.
///
/// # Errors
/// If there is none of this name.
pub fn id(name: &str) -> Result<u32, String> {
    SCHEMA
        .function(name)
        .map(|d| d.id)
        .ok_or_else(|| format!("there is no method `{name}`"))
}

/// Methods that clients call before anybody signs in, besides those that this DC answers. To say
/// "unregistered" to them would make official clients drop their key.
const BEFORE_SIGN_IN: [&str; 8] = [
    "help.getAppConfig",
    "help.getAppUpdate",
    "help.getCdnConfig",
    "help.getCountriesList",
    "help.getDeepLinkInfo",
    "help.getPassportConfig",
    "help.getTermsOfServiceUpdate",
    "help.saveAppLog",
];
/// Methods of `auth` that need an account all the same.
const OF_AN_ACCOUNT: [&str; 4] = [
    "auth.acceptLoginToken",
    "auth.exportAuthorization",
    "auth.logOut",
    "auth.resetAuthorizations",
];

/// Whether a known method makes sense only after a sign-in.
pub fn needs_sign_in(id: u32) -> bool {
    let Some(name) = SCHEMA.by_id(id).map(|d| &*d.name) else {
        return true;
    };
    let signs_in = name.starts_with("auth.") && !OF_AN_ACCOUNT.contains(&name);
    !(signs_in || name.starts_with("langpack.") || BEFORE_SIGN_IN.contains(&name))
}

/// Reads the schema, which takes a moment, before anybody waits for an answer.
pub fn load() {
    LazyLock::force(&SCHEMA);
}

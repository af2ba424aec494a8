//! The schema's data, its generated types and its values without types. Typed and dynamic code are
//! two implementations of one format, so each is the other's test.

#[path = "schema/agreement.rs"]
mod agreement;
#[path = "schema/data.rs"]
mod data;
#[path = "schema/hostile.rs"]
mod hostile;
#[path = "schema/samples.rs"]
mod samples;
#[path = "schema/small_user.rs"]
#[expect(
    dead_code,
    reason = "schema/build-cost.sh builds it; here it only has to compile"
)]
mod small_user;
#[path = "schema/values.rs"]
mod values;

use std::sync::LazyLock;

use mtproto_schema::{Schema, json};

const API: &str = include_str!("../../schema/json/api.json");
const MTPROTO: &str = include_str!("../../schema/json/mtproto.json");

/// Each schema by itself: the two have one name in common, `message`.
static SCHEMAS: LazyLock<[Schema; 2]> = LazyLock::new(|| {
    [MTPROTO, API].map(|text| Schema::from_json(text).unwrap_or_else(|e| panic!("{e}")))
});

static BUILTIN: LazyLock<Schema> = LazyLock::new(Schema::builtin);

fn document(text: &str) -> mtproto_schema::model::Document {
    json::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

//! What clients put around a query.
//!
//! Does: peels `invokeWithLayer`, `initConnection`, `invokeAfterMsg(s)`, `invokeWithoutUpdates` and
//! `gzip_packed` in any order, and notes what they say.
//! In: the body of a request. Out: the query inside.
//! Must not know: which queries exist, who asks.
//! Spec: "Calling methods", "Service Messages: Packed Object".

use bytes::Bytes;
use mtproto_proto::session::inflate;
use mtproto_schema::api::functions::{
    InitConnection, InvokeAfterMsg, InvokeAfterMsgs, InvokeWithLayer, InvokeWithoutUpdates,
};
use mtproto_schema::mtproto::types::GzipPacked;
use mtproto_schema::{Constructor, Decode, Function, Raw};

use super::logins::Device;

/// Wrappers of one query: clients use five at most; there are six kinds, and each may reasonably
/// come twice.
const MAX_WRAPPERS: usize = 12;

/// Inflated bytes of one query, over all its levels: a request has at most 1 MiB, and what
/// compresses better than four times is not worth a server's memory.
const MAX_INFLATED: usize = 4 << 20;

/// Characters that are kept of a text about the client.
const MAX_TEXT: usize = 64;

/// A query without its wrappers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// The query: its id and arguments.
    pub query: Bytes,
    /// The constructor's id that the query begins with.
    pub id: u32,
    /// The layer that the outermost `invokeWithLayer` names.
    pub layer: Option<i32>,
    /// What the outermost `initConnection` says of the client.
    pub device: Option<Device>,
    /// Whether there was an `invokeWithoutUpdates`.
    pub without_updates: bool,
    /// The messages that it is to come after.
    pub after: Vec<i64>,
}

/// Something that has this id cannot be read; 0 when there is not even an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The id that the unreadable thing begins with.
    pub id: u32,
}

const LAYER: u32 = InvokeWithLayer::<Raw>::ID;
const INIT: u32 = InitConnection::<Raw>::ID;
const AFTER_MSG: u32 = InvokeAfterMsg::<Raw>::ID;
const AFTER_MSGS: u32 = InvokeAfterMsgs::<Raw>::ID;
const WITHOUT_UPDATES: u32 = InvokeWithoutUpdates::<Raw>::ID;
const GZIP: u32 = GzipPacked::ID;

/// Takes off what is around a query.
///
/// # Errors
/// A wrapper that is broken, too many of them, or more inflated bytes than a query may have.
pub fn peel(body: &Bytes) -> Result<Peeled, Unreadable> {
    let mut peeled = Peeled {
        query: body.clone(),
        id: 0,
        layer: None,
        device: None,
        without_updates: false,
        after: Vec::new(),
    };
    let mut room = MAX_INFLATED;
    for _ in 0..=MAX_WRAPPERS {
        let body = &peeled.query;
        let id = Raw(body.clone()).id().ok_or(Unreadable { id: 0 })?;
        peeled.id = id;
        let broken = |_| Unreadable { id };
        peeled.query = match id {
            LAYER => {
                let wrapper = InvokeWithLayer::<Raw>::from_bytes(body).map_err(broken)?;
                peeled.layer.get_or_insert(wrapper.layer);
                wrapper.query.0
            }
            INIT => {
                let wrapper = InitConnection::<Raw>::from_bytes(body).map_err(broken)?;
                peeled.device.get_or_insert_with(|| device(&wrapper));
                wrapper.query.0
            }
            AFTER_MSG => {
                let wrapper = InvokeAfterMsg::<Raw>::from_bytes(body).map_err(broken)?;
                peeled.after.push(wrapper.msg_id);
                wrapper.query.0
            }
            AFTER_MSGS => {
                let wrapper = InvokeAfterMsgs::<Raw>::from_bytes(body).map_err(broken)?;
                peeled.after.extend(wrapper.msg_ids);
                wrapper.query.0
            }
            WITHOUT_UPDATES => {
                peeled.without_updates = true;
                let wrapper = InvokeWithoutUpdates::<Raw>::from_bytes(body).map_err(broken)?;
                wrapper.query.0
            }
            GZIP => {
                let packed = GzipPacked::from_bytes(body).map_err(broken)?;
                let inflated = inflate(&packed.packed_data, room).ok_or(Unreadable { id })?;
                room = room.saturating_sub(inflated.len());
                inflated
            }
            _ => return Ok(peeled),
        };
    }
    Err(Unreadable { id: peeled.id })
}

/// What a client says of itself; as much of each text as anybody shows.
fn device(init: &InitConnection<Raw>) -> Device {
    let text = |text: &str| text.chars().take(MAX_TEXT).collect();
    Device {
        api_id: init.api_id,
        model: text(&init.device_model),
        system: text(&init.system_version),
        app: text(&init.app_version),
    }
}

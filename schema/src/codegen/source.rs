//! From the `.tl` files that others publish to the data of this crate.
//!
//! Does: adds the declarations that such files hold only as comments, and drops what is no part of
//! the protocol.
//! In: `.tl` text. Out: a [`Document`] to be written as JSON.
//! Must not know: files.
//! Spec: "Service Messages".

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};

use super::Target;
use crate::model::{Document, Kind};
use crate::text;

/// Declared in the comments of TDLib's and tdesktop's files: those parse them by hand.
const ENVELOPE: &str = "
rpc_result#f35c6d01 req_msg_id:long result:Object = RpcResult;
message#5bb8e511 msg_id:long seqno:int bytes:int body:Object = Message;
msg_container#73f1f8dc messages:vector<message> = MessageContainer;
msg_copy#e06046b2 orig_message:Message = MessageCopy;
gzip_packed#3072cfa1 packed_data:bytes = Object;
";

/// TDLib's description of a TLS hello, which nobody sends as TL.
const FOREIGN: &str = "tls";

/// Which of the two schemas a `.tl` file holds, and its declarations as this crate keeps them.
///
/// # Errors
/// The text is no schema.
pub fn import(tl: &str) -> Result<(Target, Document), String> {
    let mut document = text::parse(tl).map_err(|e| e.to_string())?;
    let protocol = document.definitions.iter().any(|d| &*d.name == "resPQ");
    if !protocol {
        return Ok((Target::Api, document));
    }
    document
        .definitions
        .retain(|d| !d.name.starts_with(FOREIGN));
    let envelope = text::parse(ENVELOPE).map_err(|e| e.to_string())?;
    for d in envelope.definitions {
        if document
            .definitions
            .iter()
            .all(|known| known.name != d.name)
        {
            document.definitions.push(d);
        }
    }
    document
        .definitions
        .sort_by_key(|d| d.kind != Kind::Constructor);
    Ok((Target::Mtproto, document))
}

/// The names in the list of idempotent methods: one a line, `#` begins a comment.
pub fn idempotent(list: &str) -> BTreeSet<String> {
    let lines = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_string)
        .collect()
}

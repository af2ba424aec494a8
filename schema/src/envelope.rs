//! The service types that the schema declares and no generator can write: their parts are bounded
//! by a length, or run to the end of the message.
//!
//! Does: `rpc_result`, `gzip_packed`, `message`, `msg_container`, `msg_copy`.
//! In and out: as any generated type; `mtproto::types` shows them beside the others.
//! Must not know: what a session does with them, or its limits.
//! Spec: "Service Messages", "Mobile Protocol: Detailed Description".

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::raw::Raw;
use crate::reader::Reader;
use crate::tl;
use crate::traits::Constructor;

/// `rpc_result#f35c6d01 req_msg_id:long result:Object = RpcResult;`
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the line above names the fields")]
pub struct RpcResult {
    pub req_msg_id: i64,
    pub result: Raw,
}

impl Constructor for RpcResult {
    const ID: u32 = 0xf35c6d01;
    const NAME: &'static str = "rpc_result";
    const MIN_BARE_SIZE: usize = 12;

    fn encode_bare(&self, out: &mut Vec<u8>) {
        tl::put_i64(out, self.req_msg_id);
        tl::put_raw(out, &self.result.0);
    }

    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {
        Some(RpcResult {
            req_msg_id: r.i64(),
            result: Raw(r.object()),
        })
    }
}

/// `gzip_packed#3072cfa1 packed_data:bytes = Object;`
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the line above names the fields")]
pub struct GzipPacked {
    pub packed_data: Bytes,
}

impl Constructor for GzipPacked {
    const ID: u32 = 0x3072cfa1;
    const NAME: &'static str = "gzip_packed";
    const MIN_BARE_SIZE: usize = 4;

    fn encode_bare(&self, out: &mut Vec<u8>) {
        tl::put_bytes(out, &self.packed_data);
    }

    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {
        Some(GzipPacked {
            packed_data: r.bytes(),
        })
    }
}

/// `message msg_id:long seqno:int bytes:int body:Object = Message;`
///
/// `bytes` is the length of `body`. On the wire it is always bare.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the line above names the fields")]
pub struct Message {
    pub msg_id: i64,
    pub seqno: i32,
    pub body: Raw,
}

impl Constructor for Message {
    const ID: u32 = 0x5bb8e511;
    const NAME: &'static str = "message";
    const MIN_BARE_SIZE: usize = 16;

    fn encode_bare(&self, out: &mut Vec<u8>) {
        tl::put_i64(out, self.msg_id);
        tl::put_i32(out, self.seqno);
        tl::put_count(out, self.body.0.len());
        tl::put_raw(out, &self.body.0);
    }

    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {
        let msg_id = r.i64();
        let seqno = r.i32();
        let got = r.i32();
        let max = r.remaining();
        match usize::try_from(got) {
            Ok(len) if len <= max => Some(Message {
                msg_id,
                seqno,
                body: Raw(r.slice(len)),
            }),
            Ok(_) | Err(_) => {
                let got = i64::from(got);
                r.fail(DecodeError::Length { got, max })
            }
        }
    }
}

/// `msg_container#73f1f8dc messages:vector<message> = MessageContainer;`
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the line above names the fields")]
pub struct MsgContainer {
    pub messages: Vec<Message>,
}

impl Constructor for MsgContainer {
    const ID: u32 = 0x73f1f8dc;
    const NAME: &'static str = "msg_container";
    const MIN_BARE_SIZE: usize = 4;

    fn encode_bare(&self, out: &mut Vec<u8>) {
        tl::put_count(out, self.messages.len());
        for message in &self.messages {
            message.encode_bare(out);
        }
    }

    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {
        Some(MsgContainer {
            messages: r.bare_elements(),
        })
    }
}

/// `msg_copy#e06046b2 orig_message:message = MessageCopy;`
///
/// Declared with a boxed message, but a message is never boxed on the wire.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the line above names the fields")]
pub struct MsgCopy {
    pub orig_message: Message,
}

impl Constructor for MsgCopy {
    const ID: u32 = 0xe06046b2;
    const NAME: &'static str = "msg_copy";
    const MIN_BARE_SIZE: usize = 16;

    fn encode_bare(&self, out: &mut Vec<u8>) {
        self.orig_message.encode_bare(out);
    }

    fn read_bare(r: &mut Reader<'_>) -> Option<Self> {
        Some(MsgCopy {
            orig_message: r.get_bare()?,
        })
    }
}

//! Names of constructors.
//!
//! Does: the schema's name for an id; without the schema as data (feature `dc`), of the protocol's
//! own messages only.
//! In: ids that anybody may have chosen. Out: names.
//! Must not know: what they stand for.
//! Spec: none.

use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Function};

use super::scrub;

/// The name of a constructor, or its number.
pub(super) fn name(id: u32) -> String {
    known(id).unwrap_or_else(|| format!("{id:#010x}"))
}

#[cfg(feature = "dc")]
fn known(id: u32) -> Option<String> {
    use std::sync::LazyLock;

    use mtproto_schema::Schema;

    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::builtin);

    let name = SCHEMA
        .by_id(id)
        .map(|definition| definition.name.to_string());
    name.or_else(|| protocol(id).map(str::to_owned))
}

#[cfg(not(feature = "dc"))]
fn known(id: u32) -> Option<String> {
    protocol(id).map(str::to_owned)
}

fn protocol(id: u32) -> Option<&'static str> {
    macro_rules! names {
        (types: $($type:ident),*; functions: $($function:ident),*; $($id:ident = $name:literal),* $(,)?) => {
            match id {
                $(types::$type::ID => Some(types::$type::NAME),)*
                $(functions::$function::ID => Some(functions::$function::NAME),)*
                $(scrub::$id => Some($name),)*
                _ => None,
            }
        };
    }
    names!(
        types: ResPq, ServerDhParamsOk, ServerDhParamsFail, DhGenOk, DhGenRetry, DhGenFail, MsgsAck,
            BadMsgNotification, BadServerSalt, MsgsStateReq, MsgsStateInfo, MsgsAllInfo,
            MsgDetailedInfo, MsgNewDetailedInfo, MsgResendReq, MsgResendAnsReq, RpcError,
            RpcAnswerDropped, FutureSalts, Pong, DestroySessionOk, DestroySessionNone,
            NewSessionCreated, HttpWait;
        functions: ReqPq, ReqPqMulti, ReqDhParams, SetClientDhParams, DestroyAuthKey, RpcDropAnswer,
            GetFutureSalts, Ping, PingDelayDisconnect, DestroySession;
        MSG_CONTAINER = "msg_container",
        RPC_RESULT = "rpc_result",
        GZIP_PACKED = "gzip_packed",
        RPC_ANSWER_UNKNOWN = "rpc_answer_unknown",
        RPC_ANSWER_DROPPED_RUNNING = "rpc_answer_dropped_running",
        DESTROY_AUTH_KEY_OK = "destroy_auth_key_ok",
        DESTROY_AUTH_KEY_NONE = "destroy_auth_key_none",
        DESTROY_AUTH_KEY_FAIL = "destroy_auth_key_fail",
        INVOKE_WITH_LAYER = "invokeWithLayer",
        INIT_CONNECTION = "initConnection",
        INVOKE_AFTER_MSG = "invokeAfterMsg",
        INVOKE_AFTER_MSGS = "invokeAfterMsgs",
        INVOKE_WITHOUT_UPDATES = "invokeWithoutUpdates",
    )
}

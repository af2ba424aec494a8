//! What the tests of this suite share.

#![allow(dead_code, reason = "each suite uses a part")]

use std::time::Duration;

use mtproto_proto::connection::{ClientConfig, ClientEvent};
use mtproto_proto::server::ServerConfig;
use mtproto_proto::{ConnId, DcId, Fate, MsgId, RequestError, RequestId, RpcError};
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueClient, RogueServer, Said};

/// A client's configuration; with a stored key no public key is needed.
pub fn config() -> ClientConfig {
    ClientConfig::new(DcId(2), Vec::new())
}

/// A client's established session and its scripted server.
pub fn settled(seed: u64) -> RogueServer {
    RogueServer::settled(config(), Seed::from_env_or(seed))
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn response(id: RequestId, body: &[u8]) -> ClientEvent {
    ClientEvent::Response {
        id,
        body: body.to_vec().into(),
    }
}

pub fn update(body: &[u8]) -> ClientEvent {
    ClientEvent::Update {
        body: body.to_vec().into(),
    }
}

pub fn acked(id: RequestId) -> ClientEvent {
    ClientEvent::Acked { id }
}

pub fn failed(id: RequestId, error: RequestError) -> ClientEvent {
    ClientEvent::Failed { id, error }
}

pub fn lost(id: RequestId, fate: Fate) -> ClientEvent {
    failed(id, RequestError::Lost(fate))
}

pub fn rpc_error(id: RequestId, code: i32, message: &str) -> ClientEvent {
    failed(
        id,
        RequestError::Rpc(RpcError {
            code,
            message: message.into(),
        }),
    )
}

/// A server's configuration; with a key that is provided no RSA key is needed.
pub fn server_config() -> ServerConfig {
    ServerConfig::new(DcId(2), Vec::new())
}

/// A server with an established session and its scripted client.
pub fn settled_server(seed: u64) -> (RogueClient, ConnId) {
    RogueClient::settled(server_config(), Seed::from_env_or(seed))
}

/// What was said in these packets.
pub fn said(packets: &[Packet]) -> Vec<Said> {
    packets.iter().flat_map(Packet::said).collect()
}

/// The messages in these packets that have to be acknowledged.
pub fn content(packets: &[Packet]) -> Vec<MsgId> {
    packets
        .iter()
        .flat_map(|packet| &packet.messages)
        .filter(|message| message.seq_no & 1 == 1)
        .map(|message| message.msg_id)
        .collect()
}

//! Both roles in one thread, without a socket: a handshake, a ping, a call.
//!
//! `cargo run -p mtproto-proto --example in_memory`
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events may become more; an example prints what it does not know"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, ServerConnection, Start,
};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Event as ServerEvent, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Machine, Rng, Time};
use mtproto_schema::mtproto::functions::Ping;

fn main() -> Result<(), Box<dyn Error>> {
    let dc = DcId(2);
    let mut now = Time::from_unix(1_750_000_000);
    let mut rng = Rng::from_seed([1; 32]);
    let key = RsaPrivateKey::generate(&mut rng);

    let config = ClientConfig::new(dc, vec![key.public().clone()]);
    let mut client = ClientConnection::new(
        Arc::new(config),
        Start::NewKey,
        Rng::from_seed([2; 32]),
        now,
    )?;
    let config = ServerConfig::new(dc, vec![key]);
    let mut server = ServerConnection::new(Arc::new(config), Rng::from_seed([3; 32]), now);

    let ping = client.call(now, &Ping { ping_id: 7 }, &SendOptions::default())?;
    // Any 32-bit words are a call for the protocol; what they mean is the application's.
    let call = client.send(now, b"twelve bytes"[..].into(), &SendOptions::default())?;

    let mut wire = Vec::new();
    let mut answered = false;
    while !answered {
        now = now + Duration::from_millis(10);
        while client.poll_transmit(now, &mut wire) {}
        println!("client → server: {} bytes", wire.len());
        server.handle_input(now, &wire)?;
        wire.clear();
        while let Some(event) = server.poll_event() {
            if let ServerEvent::Request { id, body, .. } = event {
                println!("server: a call of {} bytes", body.len());
                server.server().respond(now, id, b"that is all."[..].into());
            }
        }
        while server.poll_transmit(now, &mut wire) {}
        println!("server → client: {} bytes", wire.len());
        client.handle_input(now, &wire)?;
        wire.clear();
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::KeyCreated(state) => println!("client: key {}", state.auth_key_id()),
                ClientEvent::Response { id, body } if id == ping.id() => {
                    println!("client: pong {}", ping.decode(&body)?.ping_id);
                }
                ClientEvent::Response { id, body } if id == call => {
                    println!("client: {}", String::from_utf8_lossy(&body));
                    answered = true;
                }
                other => println!("client: {other:?}"),
            }
        }
    }
    Ok(())
}

//! The core and the schema without std: a client and a server meet, and agree on a framing; an
//! account is stored and read, and a password is proved.
//!
//! Exits with 0 if they do. What it uses of the operating system is in `platform`.

#![no_std]
#![no_main]

extern crate alloc;

#[cfg(feature = "with-std")]
use autocfg as _;

use alloc::sync::Arc;
use alloc::vec::Vec;

use mtproto_proto::client::{Account, Snapshot};
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, KeyState, ServerConnection, Start,
};
use mtproto_proto::crypto::dh::{Exponent, Group};
use mtproto_proto::crypto::srp::{Challenge, Params};
use mtproto_proto::server::{Event, Server, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Machine, Rng, Time};
use mtproto_schema::Encode;
use mtproto_schema::api::functions::help::GetConfig;
use mtproto_schema::mtproto::functions::Ping;

const DC: DcId = DcId(2);
const KEY: [u8; 256] = [7; 256];
const NOW: Time = Time::from_unix(1_767_225_600);

/// A request and its way to the server's application.
fn run() -> Option<()> {
    let key = KeyState::from_auth_key(KEY, DC);
    let id = key.auth_key_id();
    let rng = |seed| Rng::from_seed([seed; 32]);
    let config = Arc::new(ClientConfig::new(DC, Vec::new()));
    let mut client = ClientConnection::new(config, Start::Key(key), rng(1), NOW).ok()?;
    let mut server = Server::new(Arc::new(ServerConfig::new(DC, Vec::new())), rng(2), NOW);
    server.provide_key(
        NOW,
        id,
        Some(mtproto_proto::crypto::AuthKey::from_bytes(&KEY)),
    );
    let mut server = ServerConnection::with(server, NOW);

    let ping = Ping { ping_id: 1 }.to_bytes();
    client.send(NOW, ping, &SendOptions::default()).ok()?;
    let body = GetConfig {}.to_bytes();
    client
        .send(NOW, body.clone(), &SendOptions::default())
        .ok()?;
    let mut wire = Vec::new();
    // The first salt is wrong, which takes a round trip or two.
    for _ in 0..10 {
        while client.poll_transmit(NOW, &mut wire) {}
        server.handle_input(NOW, &wire).ok()?;
        wire.clear();
        while let Some(event) = server.poll_event() {
            if let Event::Request { body: got, .. } = event {
                return (got == body).then_some(());
            }
        }
        while server.poll_transmit(NOW, &mut wire) {}
        client.handle_input(NOW, &wire).ok()?;
        wire.clear();
    }
    None
}

/// What feature `client` adds below the machines.
fn client() -> Option<()> {
    let mut snapshot = Snapshot::new();
    snapshot.apply(Snapshot::account_change(&Account::new(DC)));
    let text = snapshot.to_text().ok()?;
    (Snapshot::from_text(&text).ok()? == snapshot).then_some(())?;

    let mut rng = Rng::from_seed([3; 32]);
    let params = Params::new(b"salt", b"salt", Group::known(3).ok()?);
    let hash = params.hash(b"password");
    let challenge = Challenge::new(params.clone(), &params.verifier(&hash), &mut rng)?;
    let secret = Exponent::random(&mut rng);
    let proof = params.prove(&hash, challenge.srp_b(), &secret).ok()?;
    challenge.accepts(&proof.a, &proof.m1).then_some(())
}

/// What a program needs of the system, with the C library's names.
mod platform {
    use core::alloc::{GlobalAlloc, Layout};
    use core::panic::PanicInfo;

    #[link(name = "c")]
    unsafe extern "C" {
        fn aligned_alloc(align: usize, size: usize) -> *mut u8;
        fn free(block: *mut u8);
        fn abort() -> !;
    }

    struct Malloc;

    #[global_allocator]
    static MALLOC: Malloc = Malloc;

    unsafe impl GlobalAlloc for Malloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // The C library wants whole multiples of the alignment.
            unsafe { aligned_alloc(layout.align(), layout.pad_to_align().size()) }
        }

        unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
            unsafe { free(block) }
        }
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        unsafe { abort() }
    }

    /// The compiled `core` and `alloc` name it, though nothing here unwinds.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}

    /// Likewise.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Resume() -> ! {
        unsafe { abort() }
    }

    #[unsafe(no_mangle)]
    extern "C" fn main() -> i32 {
        match super::run().and_then(|()| super::client()) {
            Some(()) => 0,
            None => 1,
        }
    }
}

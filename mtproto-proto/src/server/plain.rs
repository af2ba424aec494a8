//! Unencrypted packets: handshakes, on one stream or over several.
//!
//! Does: takes a stream's handshake a step further; keeps those whose stream broke.
//! In: packets without a key. Out: replies, keys.
//! Must not know: sessions.
//! Spec: "Creating an Authorization Key".

use crate::connection::Error;
use crate::handshake::{self, ServerHandshake};
use crate::server::stream::{Control, Stream};
use crate::server::timers::TimerOf;
use crate::server::{Event, Server};
use crate::time::Time;

impl Server {
    /// A step of a handshake.
    pub(super) fn handle_plain(
        &mut self,
        now: Time,
        stream: &mut Stream,
        packet: &[u8],
    ) -> Result<(), Error> {
        // A stream may live for days and make a temporary key on each of them.
        let handshake = stream.handshake.take();
        let handshake = handshake
            .filter(|handshake| now < handshake.deadline())
            .or_else(|| self.take_half_open(packet))
            .unwrap_or_else(|| ServerHandshake::new(now));
        let msg_id = self.keys.plain_msg_id(now);
        let keys = &self.keys;
        let (handshake, reply) = handshake.handle(
            &self.handshake,
            now,
            packet,
            msg_id,
            &mut |id| keys.knows(id),
            &mut self.rng,
        )?;
        stream.handshake = Some(handshake);
        if let Some(packet) = reply.packet {
            stream.push(Control::Plain(packet))?;
        }
        stream.progress(&self.config, now);
        if let Some(complete) = reply.complete {
            let id = complete.key.id();
            if !self.keys.insert_new(&complete, now) {
                return Err(Error::Status { code: -429 });
            }
            self.arm(TimerOf::Key(id), None, self.keys.expires(id));
            // Who has just made a key may be silent for as long as anybody who has one.
            stream.authenticated(&self.config, now);
            self.events.push_back(Event::KeyCreated {
                key: complete.key,
                salt: complete.salt,
                expires_at: complete.expires_at,
            });
        }
        Ok(())
    }

    /// The handshake that this message goes on with, from a stream that broke.
    fn take_half_open(&mut self, packet: &[u8]) -> Option<ServerHandshake> {
        let nonce = handshake::server::nonce_of(packet)?;
        let handshake = self.half_open.remove(&nonce)?;
        self.arm(TimerOf::Handshake(nonce), Some(handshake.deadline()), None);
        Some(handshake)
    }
}

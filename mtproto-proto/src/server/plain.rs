//! Unencrypted packets: handshakes, on one stream or over several.
//!
//! Does: takes a stream's handshake a step further; keeps those whose stream broke.
//! In: packets without a key. Out: replies, keys.
//! Must not know: sessions.
//! Spec: "Creating an Authorization Key".

use crate::connection::Error;
use crate::error::count;
use crate::handshake::server::Cost;
use crate::handshake::{self, ServerHandshake};
use crate::server::stream::{Control, Stream};
use crate::server::timers::TimerOf;
use crate::server::{Event, Server};
use crate::time::Time;

/// Longest unencrypted packet: the longest question has 400 bytes, and clients pad it with up to a
/// kilobyte.
const MAX_PLAIN: usize = 4_096;
/// First questions that count as one exchange: two primes of 31 bits against an RSA operation and two
/// powers of 2048 bits.
const PRIMES_PER_EXCHANGE: u32 = 64;

impl Server {
    /// A step of a handshake.
    pub(super) fn handle_plain(
        &mut self,
        now: Time,
        stream: &mut Stream,
        packet: &[u8],
    ) -> Result<(), Error> {
        if packet.len() > MAX_PLAIN {
            return Err(Error::Status { code: -404 });
        }
        // A stream may live for days and make a temporary key on each of them.
        let handshake = stream.handshake.take();
        let handshake = handshake
            .filter(|handshake| now < handshake.deadline())
            .or_else(|| self.take_half_open(packet))
            .unwrap_or_else(|| ServerHandshake::new(now));
        if !self.affords(now, stream, handshake.cost(packet)) {
            count(&mut self.stats.handshakes_refused);
            // It may go on over another stream.
            stream.handshake = Some(handshake);
            return Err(Error::Status { code: -429 });
        }
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
            if !self.make_room_for_key() {
                return Err(Error::Status { code: -429 });
            }
            self.keys.insert_new(&complete, now);
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

    /// Whether a question may be answered that costs so much; it is paid for then.
    fn affords(&mut self, now: Time, stream: &Stream, cost: Cost) -> bool {
        let parts = match cost {
            Cost::Little => return true,
            Cost::Primes => PRIMES_PER_EXCHANGE,
            Cost::Exchange => 1,
        };
        if cost == Cost::Exchange && self.keys.room().is_err() {
            count(&mut self.stats.keys_refused);
            return false;
        }
        let Some(spent) = self.spent.spend(now, self.config.handshake_rate(), parts) else {
            return false;
        };
        if let Some(source) = stream.source.and_then(|id| self.sources.get_mut(id)) {
            let rate = self.config.source_rate();
            let Some(of_source) = source.spent.spend(now, rate, parts) else {
                return false;
            };
            source.spent = of_source;
        }
        self.spent = spent;
        true
    }

    /// Keeps the handshake of a stream that is gone.
    pub(super) fn keep_half_open(&mut self, handshake: ServerHandshake) {
        let Some(nonce) = handshake.nonce().filter(|_| self.config.max_half_open > 0) else {
            return;
        };
        self.forget_half_open(&nonce);
        while self.half_open.len() >= self.config.max_half_open
            && let Some(oldest) = self.half_open.oldest()
        {
            count(&mut self.stats.half_open_forgotten);
            self.forget_half_open(&oldest);
        }
        self.arm(TimerOf::Handshake(nonce), None, Some(handshake.deadline()));
        self.half_open.insert(nonce, handshake);
    }

    fn forget_half_open(&mut self, nonce: &[u8; 16]) {
        if let Some(handshake) = self.half_open.take(nonce) {
            let timer = TimerOf::Handshake(*nonce);
            self.arm(timer, Some(handshake.deadline()), None);
        }
    }

    /// The handshake that this message goes on with, from a stream that broke.
    fn take_half_open(&mut self, packet: &[u8]) -> Option<ServerHandshake> {
        let nonce = handshake::server::nonce_of(packet)?;
        let handshake = self.half_open.take(&nonce)?;
        self.arm(TimerOf::Handshake(nonce), Some(handshake.deadline()), None);
        Some(handshake)
    }
}

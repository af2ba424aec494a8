//! Who is let in, and who gives way.
//!
//! Does: admits streams, or lets them be told that there is no place; seats those that show a key;
//! sheds streams that hold too much of what they do not finish.
//! In: new streams, packets that opened, what streams hold. Out: streams to be closed.
//! Must not know: what packets hold.
//! Spec: "MTProto transports", transport errors: -429.
//!
//! Who can starve whom: strangers (no packet under a key yet) displace strangers only, while there are
//! any. Without strangers, a newcomer displaces a stream of the key that has most, if that has more
//! than four. So a flood of connections delays other newcomers, never those who have a key; and a flood
//! under one key, or under many, costs the flood its own streams first.

use crate::connection::Error;
use crate::error::count;
use crate::ids::{AuthKeyId, ConnId, SourceId};
use crate::server::seats::Seat;
use crate::server::stream::{Held, Stream};
use crate::server::timers::TimerOf;
use crate::server::{Action, Server};
use crate::time::Time;
use crate::transport::MAX_SERVER_FRAME;

const TOO_MANY: Error = Error::Status { code: -429 };

impl Server {
    /// A stream was accepted. Its id must never have been used before.
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        self.admit(now, conn, None);
    }

    /// A stream was accepted that comes from this source, which has bounds of its own
    /// ([`ServerConfig::max_streams_per_source`](super::ServerConfig::max_streams_per_source),
    /// [`ServerConfig::source_handshakes_per_minute`](super::ServerConfig::source_handshakes_per_minute)).
    pub fn handle_connected_from(&mut self, now: Time, conn: ConnId, source: SourceId) {
        self.admit(now, conn, Some(source));
    }

    fn admit(&mut self, now: Time, conn: ConnId, source: Option<SourceId>) {
        let now = self.forward(now);
        let most = self.config.max_streams;
        let with_refused = most.saturating_add(self.config.max_refused_streams);
        // Those that were handed on may last for long, and are bounded by whoever has them.
        if self.streams.len().saturating_sub(self.handed_on) >= with_refused {
            count(&mut self.stats.streams_refused);
            let error = TOO_MANY;
            self.actions.push_back(Action::Close { conn, error });
            return;
        }
        let of_source = source.map_or(0, |source| self.sources.streams(source));
        let crowded = source.is_some() && of_source >= self.config.max_streams_per_source;
        if !crowded
            && self.seats.len() >= most
            && let Some(least) = self.seats.least()
        {
            count(&mut self.stats.streams_displaced);
            self.close_by_id(least, TOO_MANY);
        }
        let mut stream = Stream::new(&self.config, source, now);
        if crowded || self.seats.len() >= most {
            count(&mut self.stats.streams_refused);
            stream.refuse(now);
        } else {
            self.seat(conn, &mut stream, Seat::Stranger(now));
        }
        if let Some(source) = source {
            self.sources.opened(source);
        }
        self.arm(TimerOf::Stream(conn), None, Some(stream.deadline));
        self.streams.insert(conn, stream);
    }

    fn seat(&mut self, conn: ConnId, stream: &mut Stream, seat: Seat) {
        if let Some(before) = stream.seat.replace(seat) {
            self.seats.leave(before, conn);
        }
        self.seats.take(seat, conn);
    }

    /// A stream has shown a key.
    pub(super) fn seat_client(
        &mut self,
        conn: ConnId,
        stream: &mut Stream,
        key: AuthKeyId,
        now: Time,
    ) {
        if stream.seat == Some(Seat::Client(key, now)) {
            return;
        }
        self.seat(conn, stream, Seat::Client(key, now));
        let most = self.config.max_streams_per_key.max(1);
        if let Some(least) = self.seats.over(key, most, conn) {
            count(&mut self.stats.streams_displaced);
            self.close_by_id(least, TOO_MANY);
        }
    }

    /// A stream is over: it takes no place any more, and holds nothing.
    pub(super) fn release(&mut self, conn: ConnId, stream: &mut Stream) {
        if let Some(seat) = stream.seat.take() {
            self.seats.leave(seat, conn);
        }
        if let Some(held) = stream.held.take() {
            self.inputs.remove(conn, held);
        }
        if let Some(key) = stream.awaits.take() {
            self.awaiting.remove(&(key, conn));
        }
    }

    /// A stream of a source is gone.
    pub(super) fn source_left(&mut self, now: Time, source: Option<SourceId>) {
        let Some(id) = source else {
            return;
        };
        if let Some(source) = self.sources.get_mut(id) {
            source.streams = source.streams.saturating_sub(1);
        }
        self.rest_source(now, id);
    }

    pub(super) fn rest_source(&mut self, now: Time, source: SourceId) {
        let until = self.sources.rest(now, source);
        self.arm(TimerOf::Source(source), None, until);
    }

    /// Notes which key a stream waits for.
    pub(super) fn note_awaited(&mut self, conn: ConnId, stream: &mut Stream) {
        let awaits = stream.waits_for();
        if awaits == stream.awaits {
            return;
        }
        if let Some(key) = core::mem::replace(&mut stream.awaits, awaits) {
            self.awaiting.remove(&(key, conn));
        }
        if let Some(key) = awaits {
            self.awaiting.insert((key, conn));
        }
    }

    /// Counts what a stream holds of what it has not finished. `progress`: it finished something.
    pub(super) fn note_input(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        progress: bool,
    ) {
        let bytes = stream.unfinished();
        let before = stream.held.take();
        if let Some(held) = before {
            self.inputs.remove(conn, held);
        }
        if bytes > 0 {
            let since = before.filter(|_| !progress).map_or(now, |held| held.since);
            let client = matches!(stream.seat, Some(Seat::Client(..)));
            let held = Held {
                bytes,
                since,
                client,
            };
            stream.held = Some(held);
            self.inputs.insert(conn, held);
        }
    }

    /// Closes streams until all together hold no more than they may.
    pub(super) fn shed_input(&mut self) {
        let most = self.config.max_input_bytes;
        let most = most.max(MAX_SERVER_FRAME.saturating_mul(2));
        while let Some(conn) = self.inputs.over(most) {
            count(&mut self.stats.inputs_shed);
            self.close_by_id(conn, TOO_MANY);
        }
    }
}

//! Streams between clients and data centres.
//!
//! Does: [`Line`], two wires with an end each; opens it, carries bytes, closes it, with the faults of
//! real ones; counts how fast clients dial.
//! In: what clients and servers want of their streams. Out: their bytes and ends.
//! Must not know: what the bytes are, but for the frame of a forged transport error.
//! Spec: "MTProto transports", "Transport errors".

use std::net::IpAddr;
use std::time::Duration;

use mtproto_proto::client::{Action, Target};
use mtproto_proto::transport::Framing;
use mtproto_proto::{ConnId, Time};

use super::ledger::{Checked, broken};
use super::rig::{Rig, shift};
use crate::Wire;
use crate::sim::{Fault, Invariant};
use crate::wire::Arrival;

/// What happens to whoever connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is told that nobody listens.
    Refused,
    /// It is told nothing.
    BlackHole,
    /// The stream opens, and nothing ever comes.
    Mute,
    /// The stream opens, and every packet is answered with this transport error.
    Status(i32),
}

/// The client's end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Near {
    /// It opens, or fails to, at this time; `None`: never.
    Opening(Option<Time>, bool),
    Open,
    Gone,
}

/// The server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Far {
    /// Nobody there.
    None,
    Open,
    Gone,
}

/// A stream.
pub(super) struct Line {
    pub(super) person: usize,
    pub(super) dc: i16,
    conn: ConnId,
    closed: Option<Closed>,
    near: Near,
    far: Far,
    pub(super) up: Wire,
    pub(super) down: Wire,
    /// Written by an end, not yet taken by its wire.
    up_left: Vec<u8>,
    down_left: Vec<u8>,
    /// An end has output.
    near_wants: bool,
    pub(super) far_wants: bool,
    /// It breaks behind some byte.
    breaks: bool,
}

impl Line {
    /// When something happens next.
    pub(super) fn next(&self, asleep: Option<Time>) -> Option<Time> {
        let opening = match self.near {
            Near::Opening(at, _) => at,
            Near::Open | Near::Gone => None,
        };
        let down = self.down.next_arrival().filter(|_| self.near == Near::Open);
        let near = opening.into_iter().chain(down);
        let near = near.map(|at| at.max(asleep.unwrap_or(Time::ZERO)));
        near.chain(self.up.next_arrival()).min()
    }

    /// Both ends see the end of the stream.
    pub(super) fn cut(&mut self, up: u64, down: u64) {
        self.breaks = true;
        self.up.cut_after(up);
        self.down.cut_after(down);
    }

    /// What either end writes from now on is lost.
    pub(super) fn vanish(&mut self, up: bool, down: bool) {
        self.breaks = true;
        if up {
            self.up.vanish_after(0);
        }
        if down {
            self.down.vanish_after(0);
        }
    }

    /// The line itself is good from now on; what was to break later breaks now, so that it is noticed.
    pub(super) fn heal(&mut self, now: Time, silent: bool) {
        for wire in [&mut self.up, &mut self.down] {
            wire.stall_until(now)
                .latency(Duration::from_millis(20))
                .jitter(Duration::ZERO)
                .segments(usize::MAX..=usize::MAX)
                .capacity(usize::MAX);
            if self.breaks && silent {
                wire.vanish_after(0);
            } else if self.breaks {
                wire.cut_after(0);
            }
        }
    }

    /// Whether a server's word can be put between two of its packets.
    pub(super) fn can_forge(&self) -> bool {
        self.near == Near::Open && self.down_left.is_empty()
    }

    fn is_over(&self) -> bool {
        let far = match self.far {
            Far::None | Far::Gone => self.near == Near::Gone,
            Far::Open => false,
        };
        far && self.near == Near::Gone
    }
}

/// A transport error as a frame; `None` where a forger would have to know the stream's cipher.
fn forged(framing: Framing, obfuscated: bool, code: i32) -> Option<Vec<u8>> {
    let mut frame = match framing {
        Framing::Abridged if !obfuscated => vec![1],
        Framing::Intermediate if !obfuscated => 4_u32.to_le_bytes().to_vec(),
        Framing::Abridged | Framing::Intermediate | Framing::PaddedIntermediate | Framing::Full => {
            return None;
        }
    };
    frame.extend(code.to_le_bytes());
    Some(frame)
}

impl Rig {
    /// A transport error of the plan's framing.
    pub(super) fn forged(&self, code: i32) -> Option<Vec<u8>> {
        forged(self.plan.framing, self.plan.obfuscated, code)
    }

    /// What a client wants done.
    pub(super) fn take_actions(&mut self, index: usize) -> Checked<bool> {
        let mut any = false;
        while let Some(action) = self.people[index].client.poll_action() {
            any = true;
            match action {
                Action::Connect { conn, target, .. } => {
                    let Target::Tcp(to) = target else {
                        return broken(Invariant::OwnAnswer, format!("{target:?}"));
                    };
                    let dc = match to.ip() {
                        IpAddr::V4(ip) => i16::from(ip.octets()[2]),
                        IpAddr::V6(_) => 0,
                    };
                    self.connect(index, conn, dc)?;
                }
                Action::Transmit { conn } => {
                    if let Some(line) = self.line_of(index, conn) {
                        line.near_wants = true;
                    }
                }
                Action::Close { conn } => self.hang_up(index, conn, true),
                other => return broken(Invariant::OwnAnswer, format!("{other:?}")),
            }
        }
        Ok(any)
    }

    fn line_of(&mut self, index: usize, conn: ConnId) -> Option<&mut Line> {
        let id = self.names.get(&(index, conn))?;
        self.lines.get_mut(id)
    }

    fn connect(&mut self, index: usize, conn: ConnId, dc: i16) -> Checked {
        self.outcome.streams += 1;
        self.people[index].dialled(self.now, dc)?;
        let closed = self.how_closed(dc);
        let mut delay = self.latency();
        if self.strikes(Fault::Latency, 8) {
            // Longer than a client waits, at times.
            delay += self.dice.duration(Duration::ZERO..=Duration::from_secs(14));
        }
        let opens = closed != Some(Closed::Refused);
        let at = (closed != Some(Closed::BlackHole)).then(|| self.now + delay);
        let (mut up, mut down) = (self.wire(), self.wire());
        if closed == Some(Closed::Mute) {
            up.vanish_after(0);
            down.vanish_after(0);
        }
        let breaks = self.damage(&mut up, &mut down);
        self.last_line += 1;
        let line = Line {
            person: index,
            dc,
            conn,
            closed,
            near: Near::Opening(at, opens),
            far: Far::None,
            up,
            down,
            up_left: Vec::new(),
            down_left: Vec::new(),
            near_wants: false,
            far_wants: false,
            breaks,
        };
        self.lines.insert(self.last_line, line);
        let id = self.last_line;
        self.say(|| format!("{index} dials DC {dc}: line {id}, {closed:?}, {at:?}"));
        self.names.insert((index, conn), self.last_line);
        Ok(())
    }

    /// What meets a client that connects now.
    fn how_closed(&mut self, dc: i16) -> Option<Closed> {
        if let Some((until, closed)) = self.closed.get(&dc).copied() {
            if until > self.now {
                return Some(closed);
            }
            self.closed.remove(&dc);
        }
        let status = |code| Closed::Status(code);
        let kinds = [
            (Fault::Refused, 12, Closed::Refused),
            (Fault::BlackHole, 16, Closed::BlackHole),
            (Fault::Mute, 16, Closed::Mute),
            (Fault::Status404, 16, status(-404)),
            (Fault::Status429, 24, status(-429)),
            (Fault::Status444, 32, status(-444)),
        ];
        kinds
            .into_iter()
            .find(|(fault, one_in, _)| self.strikes(*fault, *one_in))
            .map(|(.., closed)| closed)
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.dice.range(1..=80))
    }

    fn wire(&mut self) -> Wire {
        let mut wire = Wire::new(self.dice.fork());
        wire.latency(self.latency());
        if self.strikes(Fault::Latency, 8) {
            wire.latency(Duration::from_millis(self.dice.range(200..=4_000)));
        }
        if self.strikes(Fault::Jitter, 4) {
            wire.jitter(Duration::from_millis(self.dice.range(1..=800)));
        } else if self.strikes(Fault::Segments, 6) {
            wire.segments(1..=self.dice.range(1..=64) as usize);
        }
        if self.strikes(Fault::SlowReader, 8) {
            wire.capacity(self.dice.range(16..=2_048) as usize);
        }
        wire
    }

    /// Chooses where a new stream will break, if it does.
    fn damage(&mut self, up: &mut Wire, down: &mut Wire) -> bool {
        let wire = if self.dice.chance(1, 2) { up } else { down };
        let at = self.dice.range(0..=2_500);
        if self.strikes(Fault::Cut, 5) {
            wire.cut_after(at);
        } else if self.strikes(Fault::Vanish, 10) {
            wire.vanish_after(at);
        } else {
            return false;
        }
        true
    }

    /// A client's end is closed, by itself or with its process.
    pub(super) fn hang_up(&mut self, index: usize, conn: ConnId, flush: bool) {
        let Some(id) = self.names.remove(&(index, conn)) else {
            return;
        };
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if flush && line.near == Near::Open {
            let person = &mut self.people[index];
            let local = shift(now, person.clock);
            while person.client.poll_transmit(local, conn, &mut line.up_left) {}
        }
        let _ = line.up.write(now, &line.up_left);
        line.up_left.clear();
        line.up.close(now);
        line.near = Near::Gone;
    }

    /// A server's end is closed.
    pub(super) fn drop_far(&mut self, id: u64, flush: bool) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if line.far != Far::Open {
            return;
        }
        line.far = Far::Gone;
        let (dc, index) = (line.dc, line.person);
        if let Some(centre) = self.centres.get_mut(&line.dc) {
            let local = shift(now, centre.clock);
            if flush {
                let conn = ConnId(id);
                while centre
                    .server
                    .poll_transmit(local, conn, &mut line.down_left)
                {}
            }
            centre.server.handle_closed(local, ConnId(id));
        }
        let _ = line.down.write(now, &line.down_left);
        line.down_left.clear();
        line.down.close(now);
        self.say(|| format!("DC {dc} closes line {id} of {index}"));
    }

    /// What is due on a line.
    pub(super) fn serve_line(&mut self, id: u64) -> Checked<bool> {
        let mut any = self.open_line(id);
        any |= self.write_up(id);
        any |= self.write_down(id);
        any |= self.read_up(id);
        any |= self.read_down(id)?;
        if self.lines.get(&id).is_some_and(Line::is_over) {
            self.lines.remove(&id);
        }
        Ok(any)
    }

    fn is_asleep(&self, index: usize) -> bool {
        self.people[index].asleep.is_some()
    }

    fn open_line(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(line) = self.lines.get(&id) else {
            return false;
        };
        let Near::Opening(Some(at), opens) = line.near else {
            return false;
        };
        if at > now || self.is_asleep(line.person) {
            return false;
        }
        let (index, conn, dc, closed) = (line.person, line.conn, line.dc, line.closed);
        let person = &mut self.people[index];
        let local = shift(now, person.clock);
        if let Some(line) = self.lines.get_mut(&id) {
            line.near = if opens { Near::Open } else { Near::Gone };
        }
        if !opens {
            self.names.remove(&(index, conn));
            person.client.handle_connect_failed(local, conn);
            return true;
        }
        if closed.is_none()
            && let Some(centre) = self.centres.get_mut(&dc)
        {
            let local = shift(now, centre.clock);
            centre.server.handle_connected(local, ConnId(id));
            if let Some(line) = self.lines.get_mut(&id) {
                line.far = Far::Open;
            }
        }
        person.client.handle_connected(local, conn);
        true
    }

    fn write_up(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return false;
        };
        let person = &mut self.people[line.person];
        let local = shift(now, person.clock);
        let mut any = false;
        while line.near == Near::Open && person.asleep.is_none() {
            if line.up_left.is_empty() && line.near_wants {
                let conn = line.conn;
                line.near_wants = person.client.poll_transmit(local, conn, &mut line.up_left);
            }
            let taken = line.up.write(now, &line.up_left);
            line.up_left.drain(..taken);
            any |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        any
    }

    fn write_down(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return false;
        };
        let Some(centre) = self.centres.get_mut(&line.dc) else {
            return false;
        };
        let local = shift(now, centre.clock);
        let mut any = false;
        while line.far == Far::Open {
            if line.down_left.is_empty() && line.far_wants {
                let conn = ConnId(id);
                line.far_wants = centre
                    .server
                    .poll_transmit(local, conn, &mut line.down_left);
            }
            let taken = line.down.write(now, &line.down_left);
            line.down_left.drain(..taken);
            any |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        any
    }

    fn read_up(&mut self, id: u64) -> bool {
        let mut any = false;
        let now = self.now;
        while let Some(line) = self.lines.get_mut(&id)
            && let Some(arrival) = line.up.read(now)
        {
            any = true;
            let (dc, far, closed) = (line.dc, line.far, line.closed);
            match arrival {
                Arrival::Bytes(bytes) => {
                    self.note(&bytes);
                    if let Some(Closed::Status(code)) = closed {
                        let frame = self.forged(code);
                        if let (Some(line), Some(frame)) = (self.lines.get_mut(&id), frame) {
                            line.down_left.extend(frame);
                            let taken = line.down.write(now, &line.down_left);
                            line.down_left.drain(..taken);
                        }
                    } else if far == Far::Open
                        && let Some(centre) = self.centres.get_mut(&dc)
                    {
                        let local = shift(now, centre.clock);
                        centre.server.handle_input(local, ConnId(id), &bytes);
                    }
                }
                Arrival::End => self.drop_far(id, false),
            }
        }
        any
    }

    fn read_down(&mut self, id: u64) -> Checked<bool> {
        let mut any = false;
        let now = self.now;
        while let Some(line) = self.lines.get_mut(&id)
            && line.near == Near::Open
            && self.people[line.person].asleep.is_none()
            && let Some(arrival) = line.down.read(now)
        {
            any = true;
            let (index, conn) = (line.person, line.conn);
            match arrival {
                Arrival::Bytes(bytes) => {
                    self.note(&bytes);
                    let person = &mut self.people[index];
                    let local = shift(now, person.clock);
                    person.client.handle_input(local, conn, &bytes);
                }
                Arrival::End => {
                    self.hang_up(index, conn, false);
                    let person = &mut self.people[index];
                    let local = shift(now, person.clock);
                    person.client.handle_closed(local, conn);
                }
            }
            // Between two pieces the process may end.
            self.take_actions(index)?;
            self.take_events(index)?;
        }
        Ok(any)
    }
}

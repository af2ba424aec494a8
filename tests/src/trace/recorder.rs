//! A machine whose steps are written down.
//!
//! Does: [`Recorder`], which is the machine that it wraps and writes a line for each step and what
//! came of it; with [`Trace::off`] it costs a comparison.
//! In: what the machine takes. Out: what the machine gives, and lines.
//! Must not know: what one kind of machine can do that others cannot (files beside this one do).
//! Spec: none.

use std::fmt::{Debug, Write};
use std::ops::Deref;

use mtproto_proto::{Machine, Time};

use super::file::Trace;
use super::step::Step;
use super::text::{Word, put_bytes};

/// Of a long event or error, so much is written as it is; the rest is a length and a checksum.
const SHOWN: usize = 200;

/// A machine that can be recorded and played again.
pub trait Recordable: Sized {
    /// Steps that only this kind of machine has: the names that [`Step::Other`] may have.
    const OTHERS: &'static [&'static str] = &[];

    /// When the machine wants to be woken.
    fn wake(&self) -> Option<Time>;

    /// Does a step again. What the machine gives is written down and otherwise dropped.
    ///
    /// # Errors
    /// The machine cannot do this.
    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit>;
}

/// A step that a machine cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// A machine that writes down what is done to it.
///
/// It gives what the machine gives, byte for byte. Everything that changes the machine goes through
/// methods of the same names; what only looks is reached through [`Deref`].
#[derive(Debug)]
pub struct Recorder<M> {
    pub(super) machine: M,
    pub(super) log: Log,
}

/// A machine's place in a trace.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) trace: Trace,
    pub(super) id: u64,
    /// The time of the last step, for what has none.
    latest: Time,
    /// What the machine wanted after the last step.
    wake: Option<Time>,
}

impl Log {
    /// A place for one more machine.
    pub(super) fn new(trace: &Trace) -> Self {
        Log::of(trace, trace.machine())
    }

    /// A place for the machine of this name.
    pub(super) fn of(trace: &Trace, id: u64) -> Self {
        Log {
            trace: trace.clone(),
            id,
            latest: Time::ZERO,
            wake: None,
        }
    }

    /// Writes the line of a machine that is being made.
    pub(super) fn created<M: Recordable, E: Debug>(
        &mut self,
        now: Time,
        words: &str,
        made: Result<&M, &E>,
    ) {
        let mut line = self.begin(now);
        line.push_str(words);
        match made {
            Ok(machine) => self.end(line, "ok", machine.wake()),
            Err(error) => self.end(line, &short(format!("err {error:?}")), None),
        }
    }

    fn begin(&mut self, now: Time) -> String {
        self.latest = now;
        let mut line = String::new();
        now.write(&mut line);
        line.push(' ');
        self.id.write(&mut line);
        line.push(' ');
        line
    }

    fn end(&mut self, mut line: String, outcome: &str, wake: Option<Time>) {
        line.push_str(" = ");
        line.push_str(outcome);
        if wake != self.wake {
            self.wake = wake;
            line.push_str(" @");
            wake.write(&mut line);
        }
        self.trace.line(&line);
    }
}

impl<M: Recordable> Recorder<M> {
    /// Does a step that was recorded; what the machine gives is dropped.
    ///
    /// # Errors
    /// The machine cannot do this.
    pub fn apply(&mut self, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        M::apply(self, now, step)
    }

    /// The time of the last step, for steps that are given none.
    pub(super) fn latest(&self) -> Time {
        self.log.latest
    }

    /// Whether steps are written down.
    pub(super) fn is_on(&self) -> bool {
        self.log.trace.is_on()
    }

    /// Writes a step and what came of it.
    pub(super) fn note(&mut self, now: Time, step: &Step<'_>, outcome: &str) {
        if self.is_on() {
            let mut line = self.log.begin(now);
            step.write(&mut line);
            self.log.end(line, outcome, self.machine.wake());
        }
    }

    /// The same with what a call returned.
    pub(super) fn note_result<T: Debug, E: Debug>(
        &mut self,
        now: Time,
        step: &Step<'_>,
        result: &Result<T, E>,
    ) {
        if self.is_on() {
            let outcome = match result {
                Ok(value) => format!("ok {value:?}"),
                Err(error) => format!("err {error:?}"),
            };
            self.note(now, step, &short(outcome));
        }
    }

    /// The same with something that was taken out of the machine.
    pub(super) fn note_taken<T: Debug>(&mut self, step: &Step<'_>, taken: Option<&T>) {
        if self.is_on()
            && let Some(taken) = taken
        {
            let now = self.latest();
            self.note(now, step, &short(format!("{taken:?}")));
        }
    }

    /// The same with a packet.
    pub(super) fn note_packet(&mut self, now: Time, step: &Step<'_>, packet: Option<&[u8]>) {
        if self.is_on() {
            let mut outcome = String::new();
            match packet {
                Some(packet) => put_bytes(&mut outcome, packet),
                None => outcome.push('-'),
            }
            self.note(now, step, &outcome);
        }
    }
}

/// Bytes that are too many to be shown.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{} bytes {:08x}", bytes.len(), crc32fast::hash(bytes))
}

/// One line of at most [`SHOWN`] characters and a checksum.
fn short(mut text: String) -> String {
    if text.contains(char::is_control) {
        text = text.escape_debug().to_string();
    }
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        let (len, sum) = (text.len(), crc32fast::hash(text.as_bytes()));
        text.truncate(at);
        let _ = write!(text, "\u{2026} {len} bytes {sum:08x}");
    }
    text
}

impl<M> Deref for Recorder<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M: Recordable + Machine<Event: Debug>> Machine for Recorder<M> {
    type Event = M::Event;
    type Error = M::Error;

    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), M::Error> {
        let result = self.machine.handle_input(now, bytes);
        self.note_result(now, &Step::Input(Step::ONLY, bytes.into()), &result);
        result
    }

    fn handle_eof(&mut self, now: Time) -> Result<(), M::Error> {
        let result = self.machine.handle_eof(now);
        self.note_result(now, &Step::Closed(Step::ONLY), &result);
        result
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), M::Error> {
        let result = self.machine.handle_timeout(now);
        self.note_result(now, &Step::Timeout, &result);
        result
    }

    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let written = self.machine.poll_transmit(now, out);
        let packet = written.then(|| out.get(before..).unwrap_or_default());
        self.note_packet(now, &Step::Transmit(Step::ONLY), packet);
        written
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        let event = self.machine.poll_event();
        self.note_taken(&Step::Event, event.as_ref());
        event
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }
}

/// What every machine of one stream can do.
pub(super) fn apply_machine<M: Recordable + Machine<Event: Debug>>(
    recorder: &mut Recorder<M>,
    now: Time,
    step: &Step<'_>,
) -> Result<(), Unfit> {
    // An error is part of the line that is written.
    let _ = match step {
        Step::Input(Step::ONLY, bytes) => recorder.handle_input(now, bytes),
        Step::Closed(Step::ONLY) => recorder.handle_eof(now),
        Step::Timeout => recorder.handle_timeout(now),
        Step::Transmit(Step::ONLY) => {
            let _ = recorder.poll_transmit(now, &mut Vec::new());
            Ok(())
        }
        Step::Event => return recorder.poll_event().map(drop).ok_or(Unfit),
        _ => return Err(Unfit),
    };
    Ok(())
}

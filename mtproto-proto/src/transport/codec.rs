//! One stream's codec: framing, obfuscation, fake TLS and both directions together.
//!
//! Does: [`Codec`], which delegates to the framings and counts nothing itself.
//! In: the stream's bytes; packets to write. Out: frames; the stream's bytes.
//! Must not know: what is in a packet.
//! Spec: "MTProto transports".

mod hello;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, BytesMut};

use super::detect::{Found, detect, inside};
use super::fake_tls::FakeTls;
use super::full::Counters;
use super::inbox::Inbox;
use super::intermediate::Padding;
use super::obfuscated::{self, Accepted, Streams};
use super::{
    Error, Frame, Framing, Head, MAX_CLIENT_FRAME, MAX_SERVER_FRAME, MIN_PACKET, Obfuscation,
    ProxySecret, QUICK_ACK, QUICK_ACK_BIT, Role, ServerTransport, abridged, intermediate,
};
use crate::{DcId, Rng};

/// How often a client draws an obfuscation header: one in 255 or so is drawn again.
const HEADER_DRAWS: usize = 16;

/// The codec of one byte stream, of either role.
///
/// After each [`feed`](Codec::feed) call [`next_frame`](Codec::next_frame) until it has nothing:
/// what waits in between is not bounded by the codec but by how much was fed.
pub struct Codec {
    role: Role,
    state: State,
    /// What the stream travels inside of, if it does.
    tls: Option<Box<FakeTls>>,
    inbox: Inbox,
    /// The largest incoming frame.
    max_frame: u32,
}

enum State {
    /// A server before its client has shown its framing.
    Detecting(ServerTransport),
    Speaking(Box<Speaking>),
    Failed(Error),
}

/// A stream whose framing is known.
struct Speaking {
    framing: Framing,
    full: Counters,
    /// Two kilobytes that a bare stream does without.
    obfuscation: Option<Box<Streams>>,
    /// What a client has yet to write before its first frame.
    opening: Opening,
    /// What a server read in an obfuscation header.
    accepted: Option<(DcId, [u8; obfuscated::NONCE])>,
}

/// A client's first bytes.
#[derive(Clone, Copy)]
enum Opening {
    Nothing,
    Byte(u8),
    Word([u8; 4]),
    Header([u8; obfuscated::HEADER]),
}

impl Opening {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Opening::Nothing => &[],
            Opening::Byte(byte) => core::slice::from_ref(byte),
            Opening::Word(word) => word,
            Opening::Header(header) => header,
        }
    }
}

impl Codec {
    /// A client's codec for a new stream. With a fake TLS secret it begins with
    /// [`write_hello`](Codec::write_hello).
    ///
    /// # Errors
    /// [`Error::FullObfuscated`] for obfuscation of [`Framing::Full`]; [`Error::ForbiddenHeader`]
    /// from a generator that is not random.
    pub fn client(
        framing: Framing,
        obfuscation: Option<Obfuscation>,
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let Some(obfuscation) = obfuscation else {
            return Ok(Codec::client_bare(framing));
        };
        let secret = obfuscation.secret.as_ref();
        let framing = match (framing, secret.and_then(ProxySecret::framing)) {
            (Framing::Full, _) | (_, None) => framing,
            (_, Some(only)) => only,
        };
        let mut begun = Err(Error::ForbiddenHeader);
        for _ in 0..HEADER_DRAWS {
            begun = obfuscated::begin(rng.array(), framing, &obfuscation);
            if !matches!(begun, Err(Error::ForbiddenHeader)) {
                break;
            }
        }
        let begun = begun?;
        let mut codec = Codec::speaking(
            Role::Client,
            MAX_CLIENT_FRAME,
            Speaking {
                obfuscation: Some(Box::new(begun.streams)),
                opening: Opening::Header(begun.header),
                ..Speaking::new(framing)
            },
        );
        if let Some(secret) = obfuscation.secret
            && secret.domain().is_some()
        {
            codec.tls = Some(Box::new(FakeTls::client(secret)));
        }
        Ok(codec)
    }

    fn client_bare(framing: Framing) -> Self {
        let opening = match framing {
            Framing::Abridged => Opening::Byte(abridged::TAG),
            Framing::Intermediate => Opening::Word(intermediate::TAG),
            Framing::PaddedIntermediate => Opening::Word(intermediate::PADDED_TAG),
            Framing::Full => Opening::Nothing,
        };
        Codec::speaking(
            Role::Client,
            MAX_CLIENT_FRAME,
            Speaking {
                opening,
                ..Speaking::new(framing)
            },
        )
    }

    /// A server's codec for a new stream; it learns the framing from the first bytes. With fake TLS
    /// secrets, call [`answer_hello`](Codec::answer_hello) when [`next_frame`](Codec::next_frame)
    /// has nothing.
    pub fn server(config: ServerTransport) -> Self {
        Codec {
            role: Role::Server,
            tls: None,
            inbox: Inbox::default(),
            max_frame: bound(config.max_frame),
            state: State::Detecting(config),
        }
    }

    fn speaking(role: Role, max_frame: usize, speaking: Speaking) -> Self {
        Codec {
            role,
            state: State::Speaking(Box::new(speaking)),
            tls: None,
            inbox: Inbox::default(),
            max_frame: bound(max_frame),
        }
    }

    /// Bounds incoming frames, in bytes of payload and padding.
    pub fn set_max_frame(&mut self, max: usize) {
        self.max_frame = bound(max);
    }

    /// The framing; at a server only after enough of the stream was fed and looked at.
    pub fn framing(&self) -> Option<Framing> {
        self.known().map(|known| known.framing)
    }

    /// At a server, the data centre in the client's obfuscation header. Not every client writes
    /// one: it may be any number.
    pub fn dc(&self) -> Option<DcId> {
        let (dc, _) = self.known()?.accepted?;
        Some(dc)
    }

    /// At a server, the bytes of the client's obfuscation header that its key streams are made
    /// from. A header whose bytes were seen before is a replay; a server that hides does not
    /// answer it.
    pub fn obfuscation_nonce(&self) -> Option<&[u8; 48]> {
        let (_, nonce) = self.known()?.accepted.as_ref()?;
        Some(nonce)
    }

    /// Bytes of memory that hold what was fed and not taken, or are kept free for the rest of a
    /// frame: after [`next_frame`](Codec::next_frame) had nothing, at most four times what has
    /// arrived of the frame or 4 KiB, and no more than the frame.
    pub fn buffered(&self) -> usize {
        let answer = self.tls.as_ref().map_or(0, |tls| tls.held());
        self.inbox.held().saturating_add(answer)
    }

    /// Whether packets can be written: a client's unless a TLS hello has to be answered first, a
    /// server's once it knows the framing.
    pub fn can_write(&self) -> bool {
        self.known().is_some() && self.tls.as_ref().is_none_or(|tls| tls.is_open())
    }

    /// Forgets what was fed and not taken: nothing more is wanted of this stream.
    pub(crate) fn forget_input(&mut self) {
        self.inbox.clear();
    }

    fn known(&self) -> Option<&Speaking> {
        match &self.state {
            State::Speaking(speaking) => Some(speaking),
            State::Detecting(_) | State::Failed(_) => None,
        }
    }

    /// Takes bytes of the stream, in any slicing; the only copy that is made of them.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Codec {
            state, tls, inbox, ..
        } = self;
        match tls {
            None => push(state, inbox, bytes),
            Some(tls) => tls.feed(bytes, |inside| push(state, inbox, inside)),
        }
    }

    /// Takes the next frame off the stream; `None` until more bytes are fed.
    ///
    /// # Errors
    /// What is wrong with the stream. It is final: the codec has forgotten what it held, ignores
    /// what is fed, and repeats the error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        let result = self.try_next_frame();
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.inbox.settle(),
            Err(error) => self.fail(error.clone()),
        }
        result
    }

    fn fail(&mut self, error: Error) {
        let refused = match &self.state {
            // Inside of TLS something was written already.
            State::Detecting(config) => {
                config.fallback && self.tls.as_ref().is_none_or(|tls| tls.key().is_none())
            }
            State::Failed(_) => true,
            State::Speaking(_) => false,
        };
        if !refused {
            self.inbox.clear();
        }
        self.tls = None;
        self.state = State::Failed(error);
    }

    /// There is no frame: more has to come, or cannot.
    fn nothing(&self) -> Result<Option<Frame>, Error> {
        match self.tls.as_ref().and_then(|tls| tls.error()) {
            Some(error) => Err(error.clone()),
            None => Ok(None),
        }
    }

    fn try_next_frame(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let speaking = match &mut self.state {
                State::Speaking(speaking) => speaking,
                State::Failed(error) => return Err(error.clone()),
                State::Detecting(config) => {
                    let found = match &self.tls {
                        None => detect(self.inbox.peek(), config)?,
                        Some(tls) => match tls.key() {
                            Some(key) => inside(self.inbox.peek(), key)?,
                            None => Found::Undecided,
                        },
                    };
                    match found {
                        Found::Undecided => return self.nothing(),
                        Found::Hello(hello) => {
                            self.tls = Some(Box::new(FakeTls::server(hello)));
                            return Ok(None);
                        }
                        Found::Bare(framing, tag) => {
                            self.inbox.skip(tag);
                            self.state = State::Speaking(Box::new(Speaking::new(framing)));
                        }
                        Found::Obfuscated(accepted) => {
                            let speaking = Speaking::accepted(*accepted, &mut self.inbox);
                            self.state = State::Speaking(Box::new(speaking));
                        }
                    }
                    continue;
                }
            };
            match speaking.take(&mut self.inbox, self.role, self.max_frame)? {
                Taken::Frame(frame) => return Ok(Some(frame)),
                Taken::Nop => {}
                Taken::Partial => return self.nothing(),
            }
        }
    }

    /// Appends one packet to `out`: a head, exactly `len` bytes that `fill` appends, and what
    /// follows them. `fill` is lent the generator. A client's first bytes come with its first
    /// packet, in one piece.
    ///
    /// `len` is a multiple of four. `quick_ack` asks the server for a quick ack; it is ignored at
    /// a server and in full framing, which cannot ask.
    ///
    /// # Errors
    /// The stream's final error; or, with nothing written, [`Error::FramingUnknown`], a bad `len`
    /// ([`Error::TooLong`], [`Error::TooShort`], [`Error::Unaligned`]) or [`Error::Filled`].
    pub fn write_packet(
        &mut self,
        rng: &mut Rng,
        out: &mut Vec<u8>,
        len: usize,
        quick_ack: bool,
        fill: impl FnOnce(&mut Vec<u8>, &mut Rng),
    ) -> Result<(), Error> {
        let (role, start) = (self.role, out.len());
        let speaking = self.writer()?;
        let padding = match speaking.framing {
            Framing::PaddedIntermediate => Some(Padding::packet(role, rng)),
            Framing::Abridged | Framing::Intermediate | Framing::Full => None,
        };
        speaking.write(role, out, len, padding, quick_ack, |out| fill(out, rng))?;
        self.wrap(out, start);
        Ok(())
    }

    /// Appends the quick ack of the packet whose token this is; the token's top bit is set.
    ///
    /// # Errors
    /// As [`write_packet`](Codec::write_packet); [`Error::NoQuickAck`] at a client and in full
    /// framing.
    pub fn write_quick_ack(
        &mut self,
        rng: &mut Rng,
        out: &mut Vec<u8>,
        token: u32,
    ) -> Result<(), Error> {
        let role = self.role;
        let speaking = self.writer()?;
        if role == Role::Client {
            return Err(Error::NoQuickAck);
        }
        let start = out.len();
        match speaking.framing {
            Framing::Abridged => abridged::write_quick_ack(out, token),
            Framing::Intermediate => intermediate::write_quick_ack(out, token),
            Framing::PaddedIntermediate => {
                let padding = Some(Padding::control(rng));
                let token = (token | QUICK_ACK_BIT).to_le_bytes();
                speaking.write(role, out, 8, padding, false, |out| {
                    out.extend([0xff; 4]);
                    out.extend(token);
                })?;
                self.wrap(out, start);
                return Ok(());
            }
            Framing::Full => return Err(Error::NoQuickAck),
        }
        speaking.obfuscate(out, start);
        Ok(())
    }

    /// Appends a transport error, such as -404.
    ///
    /// # Errors
    /// As [`write_packet`](Codec::write_packet).
    pub fn write_status(
        &mut self,
        rng: &mut Rng,
        out: &mut Vec<u8>,
        code: i32,
    ) -> Result<(), Error> {
        let (role, start) = (self.role, out.len());
        let speaking = self.writer()?;
        let padding = match speaking.framing {
            Framing::PaddedIntermediate => Some(Padding::control(rng)),
            Framing::Abridged | Framing::Intermediate | Framing::Full => None,
        };
        speaking.write(role, out, 4, padding, false, |out| {
            out.extend(code.to_le_bytes());
        })?;
        self.wrap(out, start);
        Ok(())
    }

    fn wrap(&mut self, out: &mut Vec<u8>, start: usize) {
        if let Some(tls) = &mut self.tls {
            tls.wrap(out, start);
        }
    }

    fn writer(&mut self) -> Result<&mut Speaking, Error> {
        if let Some(tls) = &self.tls
            && self.role == Role::Client
            && !tls.is_open()
        {
            return Err(tls.error().cloned().unwrap_or(Error::HelloUnanswered));
        }
        match &mut self.state {
            State::Speaking(speaking) => Ok(speaking),
            State::Detecting(_) => Err(Error::FramingUnknown),
            State::Failed(error) => Err(error.clone()),
        }
    }
}

/// Shows neither bytes nor keys.
impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Codec");
        out.field("role", &self.role);
        match &self.state {
            State::Detecting(_) => out.field("state", &"detecting"),
            State::Speaking(speaking) => out
                .field("framing", &speaking.framing)
                .field("obfuscated", &speaking.obfuscation.is_some()),
            State::Failed(error) => out.field("failed", error),
        };
        out.finish_non_exhaustive()
    }
}

/// Keeps bytes of the stream, de-obfuscated if they can be.
fn push(state: &mut State, inbox: &mut Inbox, bytes: &[u8]) {
    match state {
        State::Detecting(_) => inbox.push(bytes, |_| ()),
        State::Speaking(speaking) => match &mut speaking.obfuscation {
            Some(streams) => inbox.push(bytes, |new| streams.incoming.apply(new)),
            None => inbox.push(bytes, |_| ()),
        },
        State::Failed(_) => {}
    }
}

/// What [`Speaking::take`] found.
enum Taken {
    Frame(Frame),
    /// A frame that says nothing.
    Nop,
    Partial,
}

impl Speaking {
    fn new(framing: Framing) -> Self {
        Speaking {
            framing,
            full: Counters::default(),
            obfuscation: None,
            opening: Opening::Nothing,
            accepted: None,
        }
    }

    /// After a client's header, which is the first in the inbox.
    fn accepted(accepted: Accepted, inbox: &mut Inbox) -> Self {
        let mut streams = accepted.streams;
        inbox.skip(obfuscated::HEADER);
        streams.incoming.apply(inbox.peek_mut());
        Speaking {
            obfuscation: Some(Box::new(streams)),
            accepted: Some((accepted.dc, accepted.nonce)),
            ..Speaking::new(accepted.framing)
        }
    }

    fn take(&mut self, inbox: &mut Inbox, role: Role, max: u32) -> Result<Taken, Error> {
        let bytes = inbox.peek();
        let head = match self.framing {
            Framing::Abridged => abridged::head(bytes, role),
            Framing::Intermediate => intermediate::head(bytes, role, false),
            Framing::PaddedIntermediate => intermediate::head(bytes, role, true),
            Framing::Full => self.full.head(bytes)?,
        };
        let (header, payload, trailer, quick_ack) = match head {
            Head::Partial => return Ok(Taken::Partial),
            Head::QuickAck(token) => {
                inbox.skip(QUICK_ACK);
                return Ok(Taken::Frame(Frame::QuickAck(token)));
            }
            Head::Frame {
                header,
                payload,
                trailer,
                quick_ack,
            } => (header, payload, trailer, quick_ack),
        };
        check_len(payload, max, self.framing)?;
        if self.framing == Framing::Full {
            self.full.check_sequence(bytes)?;
        }
        let total = size(payload).saturating_add(header).saturating_add(trailer);
        let Some(mut data) = inbox.take(total) else {
            return Ok(Taken::Partial);
        };
        if self.framing == Framing::Full {
            data = self.full.open(data)?;
        } else {
            data.advance(header.min(data.len()));
        }
        if data.len() < MIN_PACKET {
            return Ok(control(&data));
        }
        if self.framing == Framing::PaddedIntermediate {
            data.truncate(intermediate::stripped(&data));
        }
        Ok(Taken::Frame(Frame::Packet { data, quick_ack }))
    }

    fn write(
        &mut self,
        role: Role,
        out: &mut Vec<u8>,
        len: usize,
        padding: Option<Padding>,
        quick_ack: bool,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let max = match role {
            Role::Client => MAX_SERVER_FRAME,
            Role::Server => MAX_CLIENT_FRAME,
        };
        let padding = padding.as_ref().map_or(&[][..], Padding::as_bytes);
        let payload = bound(len);
        // The packet itself, so as if it were not padded.
        check_len(payload, bound(max), Framing::Intermediate)?;
        let counted = payload.saturating_add(bound(padding.len()));
        check_len(counted, bound(max), self.framing)?;

        let opening_start = out.len();
        out.extend(self.opening.as_bytes());
        let start = out.len();
        let quick_ack = quick_ack && role == Role::Client;
        match self.framing {
            Framing::Abridged => abridged::write_head(out, counted, quick_ack),
            Framing::Intermediate | Framing::PaddedIntermediate => {
                intermediate::write_head(out, counted, quick_ack);
            }
            Framing::Full => self.full.write_head(out, counted),
        }
        let before = out.len();
        fill(out);
        let filled = out.len().saturating_sub(before);
        if filled != len {
            out.truncate(opening_start);
            return Err(Error::Filled {
                got: filled,
                expected: len,
            });
        }
        out.extend(padding);
        if self.framing == Framing::Full {
            self.full.write_trailer(out, start);
        }
        self.obfuscate(out, start);
        self.opening = Opening::Nothing;
        Ok(())
    }

    fn obfuscate(&mut self, out: &mut [u8], start: usize) {
        if let (Some(streams), Some(new)) = (&mut self.obfuscation, out.get_mut(start..)) {
            streams.outgoing.apply(new);
        }
    }
}

/// Checks the length of a payload with its padding.
fn check_len(got: u32, max: u32, framing: Framing) -> Result<(), Error> {
    // Even what says nothing has a word to say it in.
    const MIN: u32 = 4;
    if got > max {
        return Err(Error::TooLong { got, max });
    }
    if got < MIN {
        return Err(Error::TooShort { got, min: MIN });
    }
    if !got.is_multiple_of(4) && framing != Framing::PaddedIntermediate {
        return Err(Error::Unaligned { got });
    }
    Ok(())
}

/// Reads a payload of 4 to 15 bytes.
fn control(data: &BytesMut) -> Taken {
    let Some((code, rest)) = data.split_first_chunk() else {
        return Taken::Nop; // never shorter: `check_len` has seen its length
    };
    match (i32::from_le_bytes(*code), rest.first_chunk()) {
        (0, _) => Taken::Nop,
        (-1, Some(token)) => Taken::Frame(Frame::QuickAck(u32::from_le_bytes(*token))),
        (code, _) => Taken::Frame(Frame::Status(code)),
    }
}

/// A length as the wire has it; what does not fit is over every bound.
fn bound(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A length from the wire; where it does not fit it is over every bound.
fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_stream_is_small() {
        let state = size_of::<Codec>().saturating_add(size_of::<Speaking>());
        assert!(state <= 320, "{state} bytes");
    }
}

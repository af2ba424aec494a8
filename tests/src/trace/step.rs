//! What can be done to a machine, as data.
//!
//! Does: [`Step`], one call into a machine with its arguments, and its words.
//! In: calls, or words that anybody may have written. Out: words, or steps.
//! Must not know: what a step does to which machine.
//! Spec: none.

use std::borrow::Cow;

use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{AuthKeyId, ConnId, IncomingId, RequestId, SessionId};

use super::config::Stored;
use super::text::{Hex, Pairs, Word, put, put_bytes};

/// One call into a machine. Machines with one stream call it [`Step::ONLY`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A stream was opened.
    Connected(ConnId),
    /// A stream could not be opened.
    ConnectFailed(ConnId),
    /// Bytes of a stream.
    Input(ConnId, Cow<'a, [u8]>),
    /// A stream is gone, or its peer closed it.
    Closed(ConnId),
    /// Time has passed.
    Timeout,
    /// A packet for a stream was asked for.
    Transmit(ConnId),
    /// An event was there and was taken.
    Event,
    /// An action was there and was taken.
    Action,
    /// An update was there and was taken.
    Update,
    /// A request. Client.
    Send(Cow<'a, [u8]>, SendOptions),
    /// A request is given up. Client.
    Cancel(RequestId),
    /// Is the server there? Client.
    Check,
    /// Closing in good order. Client.
    Close,
    /// The user waits, or does not. Client.
    Online(bool),
    /// The machine was taken off its stream; what is left goes on elsewhere. Client. Or its state was
    /// taken, to outlive the process. Server.
    Suspend,
    /// What changed since the state was taken. Server.
    Change,
    /// The server was taken off its only stream.
    IntoServer,
    /// The server got its only stream.
    IntoConnection,
    /// A call is answered. Server.
    Respond(IncomingId, Cow<'a, [u8]>),
    /// A call is answered with an error. Server.
    RespondError(IncomingId, i32, String),
    /// An update for a session. Server.
    Push(AuthKeyId, SessionId, Cow<'a, [u8]>),
    /// A temporary key is to be bound. Server.
    Bind {
        /// The call.
        id: IncomingId,
        /// Of its arguments.
        perm: i64,
        /// Of its arguments.
        nonce: i64,
        /// Of its arguments.
        expires_at: i32,
        /// Of its arguments.
        message: Cow<'a, [u8]>,
    },
    /// Temporary keys are forgotten. Server.
    DropTempKeys(AuthKeyId, Vec<i64>),
    /// A stored key, or that there is none. Server.
    ProvideKey(AuthKeyId, Option<AuthKey>),
    /// Anything else that one kind of machine can do: its name and its arguments, words already.
    Other(&'static str, String),
}

impl Step<'_> {
    /// The stream of a machine that has but one.
    pub const ONLY: ConnId = ConnId(0);

    /// Appends the step's words.
    pub(super) fn write(&self, out: &mut String) {
        let mut word = |name: &str| out.push_str(name);
        match self {
            Step::Connected(conn) => {
                word("connected ");
                conn.write(out);
            }
            Step::ConnectFailed(conn) => {
                word("connect-failed ");
                conn.write(out);
            }
            Step::Input(conn, bytes) => {
                word("input ");
                conn.write(out);
                out.push(' ');
                put_bytes(out, bytes);
            }
            Step::Closed(conn) => {
                word("closed ");
                conn.write(out);
            }
            Step::Timeout => word("timeout"),
            Step::Transmit(conn) => {
                word("transmit ");
                conn.write(out);
            }
            Step::Event => word("event"),
            Step::Action => word("action"),
            Step::Update => word("update"),
            Step::Send(body, options) => {
                word("send ");
                put_bytes(out, body);
                // Nothing reads a question mark: better no replay than another one.
                out.push_str(&options.words().unwrap_or_else(|| " ?".to_owned()));
            }
            Step::Cancel(id) => {
                word("cancel ");
                id.write(out);
            }
            Step::Check => word("check"),
            Step::Close => word("close"),
            Step::Online(online) => {
                word("online ");
                online.write(out);
            }
            Step::Suspend => word("suspend"),
            Step::Change => word("change"),
            Step::IntoServer => word("into-server"),
            Step::IntoConnection => word("into-connection"),
            Step::Respond(id, body) => {
                word("respond ");
                id.write(out);
                out.push(' ');
                put_bytes(out, body);
            }
            Step::RespondError(id, code, message) => {
                word("respond-error ");
                id.write(out);
                out.push(' ');
                code.write(out);
                out.push(' ');
                message.write(out);
            }
            Step::Push(key, session, body) => {
                word("push ");
                key.write(out);
                out.push(' ');
                session.write(out);
                out.push(' ');
                put_bytes(out, body);
            }
            Step::Bind {
                id,
                perm,
                nonce,
                expires_at,
                message,
            } => {
                word("bind ");
                id.write(out);
                put(out, "perm", perm);
                put(out, "nonce", nonce);
                put(out, "expires_at", expires_at);
                out.push_str(" message=");
                put_bytes(out, message);
            }
            Step::DropTempKeys(key, except) => {
                word("drop-temp-keys ");
                key.write(out);
                out.push(' ');
                except.write(out);
            }
            Step::ProvideKey(id, key) => {
                word("provide-key ");
                id.write(out);
                out.push(' ');
                key.write(out);
            }
            Step::Other(name, arguments) => {
                word(name);
                if !arguments.is_empty() {
                    out.push(' ');
                    out.push_str(arguments);
                }
            }
        }
    }

    /// The step that these words are. What only one kind of machine can do has a name in `others`.
    pub(super) fn read(words: &str, others: &[&[&'static str]]) -> Option<Step<'static>> {
        let mut words = Words(words.split(' '));
        let name = words.0.next()?;
        let step = match name {
            "connected" => Step::Connected(words.need()?),
            "connect-failed" => Step::ConnectFailed(words.need()?),
            "input" => Step::Input(words.need()?, words.bytes()?),
            "closed" => Step::Closed(words.need()?),
            "timeout" => Step::Timeout,
            "transmit" => Step::Transmit(words.need()?),
            "event" => Step::Event,
            "action" => Step::Action,
            "update" => Step::Update,
            "send" => Step::Send(words.bytes()?, {
                let mut pairs = Pairs::read(&mut words.0)?;
                let options = SendOptions::take("", &mut pairs)?;
                pairs.is_empty().then_some(options)?
            }),
            "cancel" => Step::Cancel(words.need()?),
            "check" => Step::Check,
            "close" => Step::Close,
            "online" => Step::Online(words.need()?),
            "suspend" => Step::Suspend,
            "change" => Step::Change,
            "into-server" => Step::IntoServer,
            "into-connection" => Step::IntoConnection,
            "respond" => Step::Respond(words.need()?, words.bytes()?),
            "respond-error" => Step::RespondError(words.need()?, words.need()?, words.need()?),
            "push" => Step::Push(words.need()?, words.need()?, words.bytes()?),
            "bind" => {
                let id = words.need()?;
                let mut pairs = Pairs::read(&mut words.0)?;
                let step = Step::Bind {
                    id,
                    perm: pairs.need("perm")?,
                    nonce: pairs.need("nonce")?,
                    expires_at: pairs.need("expires_at")?,
                    message: Cow::Owned(pairs.need::<Hex>("message")?.0),
                };
                pairs.is_empty().then_some(step)?
            }
            "drop-temp-keys" => Step::DropTempKeys(words.need()?, words.need()?),
            "provide-key" => Step::ProvideKey(words.need()?, words.need()?),
            _ => {
                let mut all = others.iter().copied().flatten();
                let name = all.find(|other| **other == name)?;
                let arguments: Vec<_> = words.0.by_ref().collect();
                Step::Other(name, arguments.join(" "))
            }
        };
        words.0.next().is_none().then_some(step)
    }
}

struct Words<'a>(std::str::Split<'a, char>);

impl Words<'_> {
    fn need<T: Word>(&mut self) -> Option<T> {
        T::read(self.0.next()?)
    }

    fn bytes(&mut self) -> Option<Cow<'static, [u8]>> {
        let Hex(bytes) = self.need()?;
        Some(Cow::Owned(bytes))
    }
}

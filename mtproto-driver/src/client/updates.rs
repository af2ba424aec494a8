//! Updates as a stream.
//!
//! Does: [`Updates`]: gives each update of the account once and in order, and tells what was
//! handled.
//! In: what is asked for. Out: [`Incoming`].
//! Must not know: pts, qts, seq; the machine has put the updates in order.
//! Spec: "Working with Updates".

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
#[doc(inline)]
pub use mtproto_proto::client::updates::Lost;

use super::status::{Command, Shared};
use super::update::Update;
use crate::shared::Place;

/// What a subscriber gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// This happened.
    Update(Update),
    /// Here updates are missing that the server does not give any more: what was kept of the
    /// channel, or of everything else, is to be asked for anew.
    Lost(Lost),
}

/// A stream of the account's updates, each once and in order, from the moment of subscription to
/// the end of the client.
///
/// Asking for the next item says that the one before is handled: what is not handled when the
/// process ends comes again after the next start. So does what comes while nobody is subscribed.
/// With several subscribers each gets everything, and the slowest decides what is handled; one
/// that does not ask for long holds the others up once `Config::updates.queue` updates wait.
///
/// It does not keep the client open.
pub struct Updates {
    shared: Arc<Shared>,
    reader: u64,
    place: Place,
}

impl Updates {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let (reader, tell) = shared.log.with(|log| (log.join(), log.tell(true)));
        let updates = Updates {
            shared: shared.clone(),
            reader,
            place: Place::default(),
        };
        updates.tell(tell);
        updates
    }

    /// The next item; `None` when the client has ended and everything is taken. What was returned
    /// before counts as handled.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Says that what was returned before is handled, without asking for more: before the end of a
    /// program, for example.
    pub fn handled(&mut self) {
        let tell = self.shared.log.with(|log| {
            log.handled(self.reader);
            log.tell(false)
        });
        self.tell(tell);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.handled();
        let reader = self.reader;
        self.shared
            .log
            .poll(&mut self.place, cx, |log| log.next(reader))
    }

    fn tell(&self, tell: bool) {
        if tell {
            self.shared.inbox.send_now(Command::Updates);
        }
    }
}

impl Stream for Updates {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.poll(cx)
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        self.shared.log.leave(&mut self.place);
        let tell = self.shared.log.with(|log| {
            log.leave(self.reader);
            log.tell(true)
        });
        self.tell(tell);
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Updates(..)")
    }
}

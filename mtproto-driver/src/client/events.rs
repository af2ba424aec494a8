//! What happens to a client, for who wants to know.
//!
//! Does: [`Events`], a stream of [`Event`]. The task never waits for a subscriber: when a queue is
//! full the oldest event makes room, and how many did so is told.
//! In: events of the machine, of sockets, of the store. Out: the same, in order.
//! Must not know: what to do about them.
//! Spec: none.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use mtproto_proto::DcId;
use mtproto_proto::client::{Disconnected, SignedOut};

use super::status::Shared;
use crate::StoreError;
use crate::shared::{Pending, Subscribers, Subscription};

/// What happened. None of it needs to be acted upon: the client goes on by itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server has proved to be this DC, with our key.
    Connected {
        /// Which.
        dc: DcId,
        /// A stream for files.
        media: bool,
    },
    /// No TCP stream could be opened; there will be another attempt if one is needed.
    ConnectFailed {
        /// To which DC.
        dc: DcId,
        /// Where to.
        to: SocketAddr,
        /// What the operating system said; of kind `TimedOut` after
        /// `Config::connect_timeout`.
        error: Arc<io::Error>,
    },
    /// A stream ended; another follows if one is needed.
    Disconnected {
        /// Which DC's.
        dc: DcId,
        /// A stream for files.
        media: bool,
        /// Why.
        reason: Disconnected,
    },
    /// The server wants a pause before a call; it is sent again after it.
    FloodWait {
        /// How long.
        wait: Duration,
    },
    /// An account is signed in.
    SignedIn {
        /// Who.
        user_id: i64,
        /// Where the account lives: the main DC.
        dc: DcId,
    },
    /// The account is no longer signed in.
    SignedOut(SignedOut),
    /// The main DC is another one.
    MainDcChanged {
        /// Which.
        dc: DcId,
    },
    /// The store did not take what has changed. It stays in memory and is tried again, after
    /// pauses of 1 s to 1 min and when the client is closed.
    StoreFailed {
        /// Why.
        error: StoreError,
        /// So many changes wait.
        waiting: usize,
    },
    /// The store took everything that waited.
    StoreRecovered,
    /// The subscriber was too slow: so many events before the next one were dropped.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A stream of what happens, from the moment of subscription to the end of the client.
///
/// It does not keep the client open. Several subscribers each get everything.
pub struct Events(Subscription<Recent>);

impl Events {
    pub(crate) fn new(shared: &Shared) -> Self {
        Events(shared.events.subscribe(Recent::new(shared.event_queue)))
    }

    /// The next event; `None` when the client has ended and everything is taken.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}

/// The newest events that a subscriber has not taken yet.
pub(crate) struct Recent {
    items: VecDeque<Event>,
    capacity: usize,
    missed: u64,
}

impl Recent {
    /// Room for so many events, at least one.
    fn new(capacity: usize) -> Self {
        Recent {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            missed: 0,
        }
    }

    fn push(&mut self, event: Event) {
        if self.items.len() >= self.capacity {
            self.items.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.items.push_back(event);
    }
}

impl Pending for Recent {
    type Item = Event;

    fn take(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.missed) {
            0 => self.items.pop_front(),
            count => Some(Event::Missed { count }),
        }
    }
}

/// Tells everybody.
pub(crate) fn tell(subscribers: &Subscribers<Recent>, event: &Event) {
    subscribers.each(|recent| recent.push(event.clone()));
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn drain(events: &mut Events) -> Vec<String> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut items = Vec::new();
        while let Poll::Ready(Some(item)) = events.0.poll(&mut cx) {
            items.push(format!("{item:?}"));
        }
        items
    }

    #[test]
    fn a_full_queue_keeps_the_newest_and_counts_the_others() {
        let subscribers = Subscribers::new();
        let mut events = Events(subscribers.subscribe(Recent::new(2)));
        for dc in 1..=5 {
            tell(&subscribers, &Event::MainDcChanged { dc: DcId(dc) });
        }
        assert_eq!(
            drain(&mut events),
            [
                "Missed { count: 3 }",
                "MainDcChanged { dc: DcId(4) }",
                "MainDcChanged { dc: DcId(5) }"
            ]
        );
        tell(&subscribers, &Event::StoreRecovered);
        assert_eq!(drain(&mut events), ["StoreRecovered"]);
    }
}

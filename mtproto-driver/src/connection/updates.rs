//! What the server sends unasked: bounded queues from the task to the subscribers.
//!
//! Does: [`Updates`], a stream of [`Incoming`]. The task never waits for a subscriber: when a
//! queue is full, the newest update is dropped and counted, and the gap is reported in its place.
//! In: bodies of updates. Out: the same, in order, with gaps marked.
//! Must not know: pts, qts, seq; filling a gap is the business of who keeps the state of the
//! updates.
//! Spec: "Working with Updates".

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use mtproto_schema::{Decode, DecodeError};

use super::watched::{Place, Watched};

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// The server sent this.
    Update(Update),
    /// Here updates are missing: fetch the difference (`updates.getDifference`).
    Gap(Gap),
}

/// Why updates are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The subscriber was too slow: so many updates did not fit its queue.
    Dropped {
        /// How many bodies were dropped.
        count: u64,
    },
    /// The server has lost the session that it had for this connection and made a new one: it
    /// may not have sent what fell between.
    SessionRenewed,
}

/// The body of one update as it came, boxed, uncompressed: usually an `Updates`.
#[derive(Clone, PartialEq, Eq)]
pub struct Update(Bytes);

impl Update {
    /// The bytes: a copy of their own, so that keeping them keeps no packet.
    pub fn body(&self) -> &Bytes {
        &self.0
    }

    /// The number of the constructor; `None` for a body of fewer than four bytes.
    pub fn constructor_id(&self) -> Option<u32> {
        self.0.first_chunk().copied().map(u32::from_le_bytes)
    }

    /// Reads the body as a type of the schema, for instance the API's `Updates`.
    ///
    /// # Errors
    /// When the body is something else, for instance of a newer layer.
    pub fn decode<T: Decode>(&self) -> Result<T, DecodeError> {
        T::from_bytes(&self.0)
    }
}

impl fmt::Debug for Update {
    /// Shows the constructor and the length; a body may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.constructor_id().unwrap_or_default();
        write!(f, "Update({id:#010x}, {} bytes)", self.0.len())
    }
}

/// A stream of what the server sends unasked, from the moment of subscription to the end of the
/// connection.
///
/// It does not keep the connection open. Several subscribers each get everything.
pub struct Updates {
    queue: Arc<Queue>,
    place: Place,
}

type Queue = Watched<Pending>;

/// Updates that a subscriber has not taken yet, and at most one gap of each kind after each.
struct Pending {
    items: VecDeque<Incoming>,
    updates: usize,
    capacity: usize,
    ended: bool,
}

impl Updates {
    /// The next item; `None` when the connection has ended and everything is taken.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.queue.poll(&mut self.place, cx, |pending| {
            let item = pending.items.pop_front();
            if let Some(Incoming::Update(_)) = item {
                pending.updates -= 1;
            }
            (item.is_some() || pending.ended).then_some(item)
        })
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
        self.queue.leave(&mut self.place);
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Updates(..)")
    }
}

/// The task's side: all subscribers. Without one nothing is kept.
pub(crate) struct Subscribers {
    capacity: usize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    queues: Vec<Weak<Queue>>,
    ended: bool,
}

impl Subscribers {
    /// Subscribers whose queues hold `capacity` updates each, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Subscribers {
            capacity: capacity.max(1),
            list: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> Updates {
        self.with(|list| {
            let queue = Arc::new(Watched::new(Pending {
                items: VecDeque::new(),
                updates: 0,
                capacity: self.capacity,
                ended: list.ended,
            }));
            list.queues.push(Arc::downgrade(&queue));
            Updates {
                queue,
                place: Place::default(),
            }
        })
    }

    pub(crate) fn update(&self, body: &[u8]) {
        let mut copy = None;
        self.each(|pending| {
            if pending.updates < pending.capacity {
                pending.updates += 1;
                // One copy for all. A slice of the packet would keep the chunk that was read.
                let body = copy.get_or_insert_with(|| Bytes::copy_from_slice(body));
                let update = Update(body.clone());
                pending.items.push_back(Incoming::Update(update));
            } else if let Some(Incoming::Gap(Gap::Dropped { count })) = pending.items.back_mut() {
                *count += 1;
            } else {
                let gap = Gap::Dropped { count: 1 };
                pending.items.push_back(Incoming::Gap(gap));
            }
        });
    }

    pub(crate) fn session_renewed(&self) {
        self.each(|pending| {
            // One gap says it all, whatever made it.
            if !matches!(pending.items.back(), Some(Incoming::Gap(_))) {
                pending.items.push_back(Incoming::Gap(Gap::SessionRenewed));
            }
        });
    }

    /// Ends all streams, of now and of later, after what they still hold.
    pub(crate) fn end(&self) {
        self.with(|list| list.ended = true);
        self.each(|pending| pending.ended = true);
    }

    fn each(&self, mut f: impl FnMut(&mut Pending)) {
        let queues: Vec<_> = self.with(|list| {
            list.queues.retain(|queue| queue.strong_count() > 0);
            list.queues.iter().filter_map(Weak::upgrade).collect()
        });
        for queue in queues {
            queue.update(&mut f);
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut List) -> T) -> T {
        f(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn body(n: u8) -> Bytes {
        Bytes::from(vec![n, 0, 0, 0])
    }

    fn update(n: u8) -> Option<Incoming> {
        Some(Incoming::Update(Update(body(n))))
    }

    /// What the stream holds at this moment; the end counts as an item.
    fn drain(updates: &mut Updates) -> Vec<Option<Incoming>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut items = Vec::new();
        while let Poll::Ready(item) = updates.poll(&mut cx) {
            items.push(item);
            if items.last() == Some(&None) {
                break;
            }
        }
        items
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_marks_the_gap_in_its_place() {
        let subscribers = Subscribers::new(2);
        let mut updates = subscribers.subscribe();
        for n in 1..=5 {
            subscribers.update(&body(n));
        }
        let dropped = |count| Some(Incoming::Gap(Gap::Dropped { count }));
        assert_eq!(drain(&mut updates), [update(1), update(2), dropped(3)]);

        for n in 6..=8 {
            subscribers.update(&body(n));
        }
        assert_eq!(drain(&mut updates), [update(6), update(7), dropped(1)]);
    }

    #[test]
    fn a_subscriber_that_never_takes_anything_costs_its_bound() {
        let subscribers = Subscribers::new(4);
        let updates = subscribers.subscribe();
        for _ in 0..1000 {
            subscribers.update(&body(1));
            subscribers.session_renewed();
        }
        // Four updates, a gap after each, and one for all that was dropped.
        assert_eq!(updates.queue.with(|pending| pending.items.len()), 9);
    }

    #[test]
    fn a_renewed_session_is_one_gap() {
        let subscribers = Subscribers::new(4);
        let mut updates = subscribers.subscribe();
        subscribers.update(&body(1));
        subscribers.session_renewed();
        subscribers.session_renewed();
        assert_eq!(
            drain(&mut updates),
            [update(1), Some(Incoming::Gap(Gap::SessionRenewed))]
        );
    }

    #[test]
    fn every_subscriber_gets_everything_from_when_it_came_to_the_end() {
        let subscribers = Subscribers::new(4);
        subscribers.update(&body(1));
        let mut early = subscribers.subscribe();
        subscribers.update(&body(2));
        let mut late = subscribers.subscribe();
        subscribers.update(&body(3));
        subscribers.end();
        assert_eq!(drain(&mut early), [update(2), update(3), None]);
        assert_eq!(drain(&mut late), [update(3), None]);
        assert_eq!(drain(&mut subscribers.subscribe()), [None]);
    }

    #[test]
    fn a_dropped_subscriber_is_forgotten() {
        let subscribers = Subscribers::new(4);
        drop(subscribers.subscribe());
        subscribers.update(&body(1));
        assert_eq!(subscribers.with(|list| list.queues.len()), 0);
    }

    #[test]
    fn a_body_is_not_shown() {
        let update = Update(Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(format!("{update:?}"), "Update(0x04030201, 8 bytes)");
    }
}

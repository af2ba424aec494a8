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
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use mtproto_schema::{Decode, DecodeError};

use super::task::Shared;
use crate::shared::{Pending, Subscribers, Subscription};

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
    /// Something that may have been an update came too late or broken, and was dropped.
    Unusable,
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
pub struct Updates(Subscription<Queue>);

/// Updates that a subscriber has not taken yet, and at most one gap of each kind after each.
pub(crate) struct Queue {
    items: VecDeque<Incoming>,
    updates: usize,
    /// Bytes of their bodies.
    bytes: usize,
    capacity: Capacity,
}

/// What waits for one subscriber at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) updates: usize,
    /// A single update may always wait: a server can say 20 kilobytes that are ten megabytes.
    pub(crate) bytes: usize,
}

impl Updates {
    pub(crate) fn new(shared: &Shared) -> Self {
        Updates(
            shared
                .subscribers
                .subscribe(Queue::new(shared.update_queue)),
        )
    }

    /// The next item; `None` when the connection has ended and everything is taken.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.0.next().await
    }
}

impl Stream for Updates {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Updates(..)")
    }
}

impl Queue {
    /// Room for so much, at least for one update.
    fn new(capacity: Capacity) -> Self {
        Queue {
            items: VecDeque::new(),
            updates: 0,
            bytes: 0,
            capacity,
        }
    }

    fn has_room_for(&self, body: &[u8]) -> bool {
        let bytes = self.bytes.saturating_add(body.len());
        self.updates == 0 || self.updates < self.capacity.updates && bytes <= self.capacity.bytes
    }
}

impl Pending for Queue {
    type Item = Incoming;

    fn take(&mut self) -> Option<Incoming> {
        let item = self.items.pop_front();
        if let Some(Incoming::Update(update)) = &item {
            self.updates = self.updates.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(update.0.len());
        }
        item
    }
}

/// An update came.
pub(crate) fn update(subscribers: &Subscribers<Queue>, body: &[u8]) {
    let mut copy = None;
    subscribers.each(|queue| {
        if queue.has_room_for(body) {
            queue.updates = queue.updates.saturating_add(1);
            queue.bytes = queue.bytes.saturating_add(body.len());
            // One copy for all. A slice of the packet would keep the chunk that was read.
            let body = copy.get_or_insert_with(|| Bytes::copy_from_slice(body));
            let update = Update(body.clone());
            queue.items.push_back(Incoming::Update(update));
        } else if let Some(Incoming::Gap(Gap::Dropped { count })) = queue.items.back_mut() {
            *count = count.saturating_add(1);
        } else {
            let gap = Gap::Dropped { count: 1 };
            queue.items.push_back(Incoming::Gap(gap));
        }
    });
}

/// Updates may be missing for this reason.
pub(crate) fn missed(subscribers: &Subscribers<Queue>, gap: Gap) {
    subscribers.each(|queue| {
        // One gap says it all, whatever made it.
        if !matches!(queue.items.back(), Some(Incoming::Gap(_))) {
            queue.items.push_back(Incoming::Gap(gap));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn body(n: u8) -> Bytes {
        Bytes::from(vec![n, 0, 0, 0])
    }

    fn sent(n: u8) -> Option<Incoming> {
        Some(Incoming::Update(Update(body(n))))
    }

    fn subscribe(subscribers: &Subscribers<Queue>, updates: usize) -> Updates {
        let bytes = 1_000;
        Updates(subscribers.subscribe(Queue::new(Capacity { updates, bytes })))
    }

    /// What the stream holds at this moment; the end counts as an item.
    fn drain(updates: &mut Updates) -> Vec<Option<Incoming>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut items = Vec::new();
        while let Poll::Ready(item) = updates.0.poll(&mut cx) {
            items.push(item);
            if items.last() == Some(&None) {
                break;
            }
        }
        items
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_marks_the_gap_in_its_place() {
        let subscribers = Subscribers::new();
        let mut updates = subscribe(&subscribers, 2);
        for n in 1..=5 {
            update(&subscribers, &body(n));
        }
        let dropped = |count| Some(Incoming::Gap(Gap::Dropped { count }));
        assert_eq!(drain(&mut updates), [sent(1), sent(2), dropped(3)]);

        for n in 6..=8 {
            update(&subscribers, &body(n));
        }
        assert_eq!(drain(&mut updates), [sent(6), sent(7), dropped(1)]);
    }

    #[test]
    fn a_subscriber_that_never_takes_anything_costs_its_bound() {
        let subscribers = Subscribers::new();
        let updates = subscribe(&subscribers, 4);
        for _ in 0..1000 {
            update(&subscribers, &body(1));
            missed(&subscribers, Gap::SessionRenewed);
        }
        // Four updates, a gap after each, and one for all that was dropped.
        assert_eq!(updates.0.with(|queue| queue.items.len()), 9);
    }

    #[test]
    fn long_updates_wait_up_to_a_bound_of_bytes_and_one_alone_whatever_its_length() {
        let subscribers = Subscribers::new();
        let mut updates = subscribe(&subscribers, 1_000);
        for _ in 0..1_000 {
            update(&subscribers, &[1; 400]);
        }
        let kept = |n: usize| {
            let update = Update(Bytes::from(vec![1; n]));
            Some(Incoming::Update(update))
        };
        let dropped = |count| Some(Incoming::Gap(Gap::Dropped { count }));
        assert_eq!(drain(&mut updates), [kept(400), kept(400), dropped(998)]);
        update(&subscribers, &[1; 4_000]);
        update(&subscribers, &[1; 4]);
        assert_eq!(drain(&mut updates), [kept(4_000), dropped(1)]);
    }

    #[test]
    fn a_renewed_session_is_one_gap() {
        let subscribers = Subscribers::new();
        let mut updates = subscribe(&subscribers, 4);
        update(&subscribers, &body(1));
        missed(&subscribers, Gap::SessionRenewed);
        missed(&subscribers, Gap::SessionRenewed);
        assert_eq!(
            drain(&mut updates),
            [sent(1), Some(Incoming::Gap(Gap::SessionRenewed))]
        );
    }

    #[test]
    fn every_subscriber_gets_everything_from_when_it_came_to_the_end() {
        let subscribers = Subscribers::new();
        update(&subscribers, &body(1));
        let mut early = subscribe(&subscribers, 4);
        update(&subscribers, &body(2));
        let mut late = subscribe(&subscribers, 4);
        update(&subscribers, &body(3));
        subscribers.end();
        assert_eq!(drain(&mut early), [sent(2), sent(3), None]);
        assert_eq!(drain(&mut late), [sent(3), None]);
        assert_eq!(drain(&mut subscribe(&subscribers, 4)), [None]);
    }

    #[test]
    fn a_dropped_subscriber_is_forgotten() {
        let subscribers = Subscribers::new();
        drop(subscribe(&subscribers, 4));
        update(&subscribers, &body(1));
        assert_eq!(subscribers.count(), 0);
    }

    #[test]
    fn a_body_is_not_shown() {
        let update = Update(Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(format!("{update:?}"), "Update(0x04030201, 8 bytes)");
    }
}

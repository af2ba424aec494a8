//! From the handles to the task: a bounded queue of commands.
//!
//! Does: [`Inbox`]. Who sends while it is full waits, in order; the task takes all at once.
//! In: commands. Out: commands.
//! Must not know: what they say.
//! Spec: none.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use super::watched::Watched;

/// A bounded queue with many senders and one receiver.
pub(crate) struct Inbox<C, E>(Watched<State<C, E>>);

struct State<C, E> {
    queue: VecDeque<C>,
    capacity: usize,
    /// The task, while it waits.
    task: Option<Waker>,
    /// Why nobody takes commands any more.
    closed: Option<E>,
}

impl<C, E: Clone> Inbox<C, E> {
    /// A queue of at least one place.
    pub(crate) fn new(capacity: usize) -> Self {
        Inbox(Watched::new(State {
            queue: VecDeque::new(),
            capacity: capacity.max(1),
            task: None,
            closed: None,
        }))
    }

    /// Sends a command; waits while the queue is full. The error is why it was closed.
    pub(crate) async fn send(&self, command: C) -> Result<(), E> {
        let mut command = Some(command);
        let task = self
            .0
            .wait(|state| {
                if let Some(reason) = &state.closed {
                    return Some(Err(reason.clone()));
                }
                if state.queue.len() >= state.capacity {
                    return None;
                }
                state.queue.extend(command.take());
                Some(Ok(state.task.take()))
            })
            .await?;
        wake(task);
        Ok(())
    }

    /// Sends a command that follows from an earlier one, such as its cancellation, so that the
    /// bound on those bounds these.
    pub(crate) fn send_now(&self, command: C) {
        wake(self.0.with(|state| {
            if state.closed.is_some() {
                return None;
            }
            state.queue.push_back(command);
            state.task.take()
        }));
    }

    /// Takes what there is, in order, and has the task woken when more comes.
    pub(crate) fn take(&self, cx: &mut Context<'_>) -> VecDeque<C> {
        let empty = self.0.with(|state| {
            state.task = Some(cx.waker().clone());
            state.queue.is_empty()
        });
        if empty {
            return VecDeque::new();
        }
        self.0.update(|state| std::mem::take(&mut state.queue))
    }

    /// Refuses all further commands and returns those that nobody took; `None` if it was closed
    /// before.
    pub(crate) fn close(&self, reason: E) -> Option<VecDeque<C>> {
        self.0.update(|state| {
            if state.closed.is_some() {
                return None;
            }
            state.closed = Some(reason);
            state.task = None;
            Some(std::mem::take(&mut state.queue))
        })
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[test]
    fn senders_wait_while_it_is_full_and_nothing_is_lost() {
        let inbox = Inbox::<_, ()>::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        let mut sends: Vec<_> = (0..5).map(|n| Box::pin(inbox.send(n))).collect();
        let done: Vec<_> = sends
            .iter_mut()
            .map(|send| send.as_mut().poll(&mut cx).is_ready())
            .collect();
        assert_eq!(done, [true, true, false, false, false]);

        assert_eq!(inbox.take(&mut cx), [0, 1]);
        let done: Vec<_> = sends[2..]
            .iter_mut()
            .map(|send| send.as_mut().poll(&mut cx).is_ready())
            .collect();
        assert_eq!(done, [true, true, false]);

        // Whoever gives up does not block the others.
        sends.pop();
        assert_eq!(inbox.take(&mut cx), [2, 3]);
        assert_eq!(inbox.take(&mut cx), [0; 0]);
    }

    #[test]
    fn what_follows_from_a_command_always_fits() {
        let inbox = Inbox::<_, ()>::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(inbox.send("send")).poll(&mut cx).is_ready());
        inbox.send_now("cancel");
        assert_eq!(inbox.take(&mut cx), ["send", "cancel"]);
    }

    #[test]
    fn closing_ends_those_who_wait_and_those_who_come() {
        let inbox = Inbox::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(inbox.send(1)).poll(&mut cx).is_ready());
        let mut waits = pin!(inbox.send(2));
        assert!(waits.as_mut().poll(&mut cx).is_pending());

        assert_eq!(inbox.close("why"), Some([1].into()));
        assert_eq!(waits.as_mut().poll(&mut cx), Poll::Ready(Err("why")));
        assert_eq!(pin!(inbox.send(3)).poll(&mut cx), Poll::Ready(Err("why")));
        assert_eq!(inbox.close("again"), None);
        inbox.send_now(4);
        assert_eq!(inbox.take(&mut cx), [0; 0]);
    }
}

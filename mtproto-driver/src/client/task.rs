//! The task that owns a client.
//!
//! Does: [`Task`]: takes commands, does what the machine asks for over its streams, hands answers
//! to their futures, updates to the log, changes to the store. It always reads; nothing that a
//! user does or leaves undone stops it.
//! In: commands, bytes, the time. Out: answers, updates, events, the client's status.
//! Must not know: runtimes, TL, what is stored.
//! Spec: none; the protocol is the machine's.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::{
    self as core, Action, CallError, Change, Client as Machine, Key, Target, updates,
};
use mtproto_proto::{ConnId, Fate, RequestError, RequestId, Time};

use super::error::{CloseReason, Error, Trouble};
use super::events::{Event, tell};
use super::keeper::Keeper;
use super::log::Log;
use super::status::{Answered, Command, Guard, Shared, end};
use super::stream::{Link, Step};
use super::updates::Incoming;
use crate::shared::{READ_BUFFER, Reply, Timed, Timer, later, trace};
use crate::{Clock, Runtime, Store};

/// Steps of streams in one go before other tasks are let in: each writes or reads at most once.
const STEPS_PER_POLL: usize = 64;

/// What reads begin with and an idle client keeps while it has streams, for there may be thousands:
/// a page holds most updates. What fills it makes it [`READ_BUFFER`] long until all is quiet again.
const IDLE_BUFFER: usize = 4 * 1024;

/// Everything that belongs to the client, owned by one future.
pub(crate) struct Task<R: Runtime, S> {
    machine: Machine,
    runtime: R,
    clock: Clock,
    shared: Arc<Shared>,
    links: BTreeMap<ConnId, Link<R>>,
    /// One for all streams: it is empty between two reads.
    input: Vec<u8>,
    timer: Timer<R>,
    keeper: Keeper<R, S>,
    replies: BTreeMap<RequestId, Reply<Answered>>,
    wants_updates: bool,
    /// Until when what is queued is written.
    closing: Option<Pin<Box<R::Sleep>>>,
    connect_timeout: Duration,
    close_timeout: Duration,
}

impl<R: Runtime, S: Store> Task<R, S> {
    pub(crate) fn new(
        machine: Machine,
        runtime: R,
        clock: Clock,
        shared: Arc<Shared>,
        store: S,
        connect_timeout: Duration,
        close_timeout: Duration,
    ) -> Self {
        Task {
            machine,
            runtime,
            clock,
            shared,
            links: BTreeMap::new(),
            input: Vec::new(),
            timer: Timer::new(),
            keeper: Keeper::new(store),
            replies: BTreeMap::new(),
            wants_updates: false,
            closing: None,
            connect_timeout,
            close_timeout,
        }
    }

    /// Serves the client to its end.
    pub(crate) async fn run(mut self) {
        // Should the runtime drop this future, nobody is left waiting.
        let _guard = Guard(self.shared.clone());
        poll_fn(|cx| self.poll(cx)).await;
        self.finish();
    }

    fn now(&mut self) -> Time {
        self.clock.time(self.runtime.now())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (mut steps, mut most) = (0, 0);
        loop {
            for command in self.shared.inbox.take(cx) {
                self.command(command);
            }
            self.hand_out(cx);
            if self.is_done(cx) {
                return Poll::Ready(());
            }
            let (moved, read) = self.serve(cx);
            most = most.max(read);
            let ticked = self.keep_time(cx, read > 0);
            if moved == 0 && !ticked {
                self.rest(most);
                return Poll::Pending;
            }
            steps = moved.max(1).saturating_add(steps);
            if steps >= STEPS_PER_POLL {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Before a pause: what was read last was so long at most.
    fn rest(&mut self, most: usize) {
        if self.links.is_empty() {
            self.input = Vec::new();
        } else if most < IDLE_BUFFER && self.input.len() > IDLE_BUFFER {
            self.input = vec![0; IDLE_BUFFER];
        }
    }

    /// Gives every stream its turn: how many moved, and the most bytes that one read.
    fn serve(&mut self, cx: &mut Context<'_>) -> (usize, usize) {
        let now = self.now();
        if self.input.is_empty() && !self.links.is_empty() {
            self.input = vec![0; IDLE_BUFFER];
        }
        let (mut moved, mut read) = (0, 0);
        let mut failed = Vec::new();
        self.links.retain(|_, link| {
            match link.poll(cx, &self.runtime, &mut self.machine, now, &mut self.input) {
                Step::Waits => return true,
                Step::Moved(n) => {
                    moved = 1_usize.saturating_add(moved);
                    read = n.max(read);
                    self.timer.note_read(n);
                    return true;
                }
                Step::Failed { dc, to, error } => failed.push((dc, to, Arc::new(error))),
                Step::Gone => {}
            }
            moved = 1_usize.saturating_add(moved);
            false
        });
        if read > 0 && read == self.input.len() {
            self.input.resize(READ_BUFFER, 0);
        }
        for (dc, to, error) in failed {
            let trouble = Trouble::Connect {
                to,
                error: error.clone(),
            };
            let status = &self.shared.status;
            status.update(|status| _ = status.trouble.insert(dc, trouble));
            self.tell(&Event::ConnectFailed { dc, to, error });
        }
        (moved, read)
    }

    /// Tells the machine that its deadline has passed, or sets the timer to it.
    fn keep_time(&mut self, cx: &mut Context<'_>, just_read: bool) -> bool {
        let deadline = self.machine.poll_timeout();
        let (runtime, clock) = (&self.runtime, &mut self.clock);
        match self.timer.poll(cx, runtime, clock, deadline, just_read) {
            Timed::Waits => false,
            Timed::Again => true,
            Timed::Due => {
                trace!("deadline");
                let now = self.now();
                self.machine.handle_timeout(now);
                true
            }
        }
    }

    /// Does and tells what the machine says, until it says nothing.
    fn hand_out(&mut self, cx: &mut Context<'_>) {
        while let Some(action) = self.machine.poll_action() {
            self.act(action);
        }
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        while let Some(event) = self.machine.poll_event() {
            if let core::Event::Changed(change) = event {
                self.change(change);
            } else if let core::Event::Response { .. } | core::Event::Failed { .. } = event {
                answers.push(event);
            } else {
                events.push(event);
            }
        }
        // Before anybody learns what it led to.
        if let Some(event) = self.keeper.keep(cx, &self.runtime) {
            self.tell(&event);
        }
        // Who gets the answer finds the status that belongs to it.
        for event in events.into_iter().chain(answers) {
            self.event(event);
        }
        self.log_updates();
    }

    fn log_updates(&mut self) {
        let mut news = Vec::new();
        while let Some(event) = self.machine.poll_update() {
            match event {
                updates::Event::Update(update) => {
                    trace!(update = update.id.0, len = update.raw.len(), "update");
                    news.push((update.id, Incoming::Update(update.into())));
                }
                updates::Event::Lost(lost) => {
                    trace!(update = lost.id.0, "updates lost");
                    news.push((lost.id, Incoming::Lost(lost)));
                }
                _ => {}
            }
        }
        if !news.is_empty() {
            self.shared.log.update(|log| {
                for (id, item) in news {
                    log.push(id, item);
                }
            });
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { conn, dc, target } => match target {
                Target::Tcp(to) => {
                    let link = Link::open(&self.runtime, conn, dc, to, self.connect_timeout);
                    self.links.insert(conn, link);
                }
                _ => {
                    let now = self.now();
                    self.machine.handle_connect_failed(now, conn);
                }
            },
            Action::Transmit { conn } => {
                if let Some(link) = self.links.get_mut(&conn) {
                    link.ask();
                }
            }
            Action::Close { conn } => {
                let runtime = &self.runtime;
                let link = self.links.get_mut(&conn);
                if link.is_some_and(|link| !link.close(runtime)) {
                    self.links.remove(&conn);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, event: core::Event) {
        let status = &self.shared.status;
        let told = match event {
            core::Event::Response { id, body } => {
                trace!(request = id.0, len = body.len(), "response");
                return self.answer(id, Ok(body));
            }
            core::Event::Failed { id, error } => {
                if let CallError::Request(RequestError::Rpc(error)) = &error {
                    trace!(request = id.0, code = error.code, "rpc error");
                } else {
                    trace!(request = id.0, "failed");
                }
                return self.answer(id, Err(error.into()));
            }
            core::Event::FloodWait { id, wait } => {
                trace!(request = id.0, seconds = wait.as_secs(), "flood wait");
                Event::FloodWait { wait }
            }
            core::Event::Connected { dc, media } => {
                trace!(dc = dc.0, media = media, "proved");
                status.update(|status| {
                    status.trouble.remove(&dc);
                    if !media {
                        status.connected.insert(dc);
                    }
                });
                Event::Connected { dc, media }
            }
            core::Event::Disconnected { dc, media, reason } => {
                trace!(dc = dc.0, media = media, "disconnected");
                status.update(|status| {
                    if !media {
                        status.connected.remove(&dc);
                    }
                    // What the operating system said of an attempt says more than that it failed.
                    if reason != core::Disconnected::NotConnected {
                        let trouble = Trouble::Ended(reason.clone());
                        status.trouble.insert(dc, trouble);
                    }
                });
                Event::Disconnected { dc, media, reason }
            }
            core::Event::SignedIn { user_id, dc } => {
                trace!(dc = dc.0, "signed in");
                self.show_account();
                Event::SignedIn { user_id, dc }
            }
            core::Event::SignedOut(reason) => {
                trace!("signed out");
                self.show_account();
                Event::SignedOut(reason)
            }
            core::Event::MainDcChanged { dc } => {
                trace!(dc = dc.0, "main DC");
                self.show_account();
                Event::MainDcChanged { dc }
            }
            core::Event::Changed(change) => return self.change(change),
            _ => return,
        };
        self.tell(&told);
    }

    fn change(&mut self, change: Change) {
        trace!(len = change.value.as_ref().map_or(0, Bytes::len), "change");
        if change.key == Key::DcOptions {
            self.show_dcs();
        }
        self.keeper.push(change);
    }

    fn show_account(&self) {
        let machine = &self.machine;
        self.shared.status.update(|status| {
            status.account = machine.account().cloned();
            status.main_dc = machine.main_dc();
        });
    }

    fn show_dcs(&self) {
        let dcs = Arc::new(self.machine.dcs().clone());
        self.shared.status.update(|status| status.dcs = dcs);
    }

    fn tell(&self, event: &Event) {
        tell(&self.shared.events, event);
    }

    fn answer(&mut self, id: RequestId, result: Answered) {
        if let Some(reply) = self.replies.remove(&id) {
            reply.set(result);
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        let machine = &mut self.machine;
        match command {
            Command::Send {
                body,
                options,
                reply,
                taken,
            } => {
                let len = body.len();
                let sent = if self.closing.is_some() {
                    Err(Error::Closed(CloseReason::Requested))
                } else {
                    machine.send(now, body, &options).map_err(Error::Send)
                };
                if let Some(taken) = taken {
                    taken.set(sent.clone());
                }
                match sent {
                    Ok(id) => {
                        trace!(request = id.0, len = len, "send");
                        reply.taken_as(id);
                        self.replies.insert(id, reply);
                    }
                    Err(error) => reply.set(Err(error)),
                }
            }
            Command::Cancel(gone) => {
                if let Some(id) = gone.id()
                    && self.replies.remove(&id).is_some()
                {
                    trace!(request = id.0, "cancel");
                    machine.cancel(now, id);
                }
            }
            Command::Do(job) => job(Ok((machine, now))),
            Command::Updates => self.look_at_log(now),
            Command::Close => {
                if self.closing.is_none() {
                    machine.close(now);
                    let until = later(self.runtime.now(), self.close_timeout);
                    self.closing = Some(Box::pin(self.runtime.sleep_until(until)));
                }
            }
        }
    }

    fn look_at_log(&mut self, now: Time) {
        let (wanted, taken) = self.shared.log.with(Log::look);
        if let Some(id) = taken {
            self.machine.update_taken(now, id);
        }
        if wanted != self.wants_updates {
            self.wants_updates = wanted;
            self.machine.want_updates(now, wanted);
            if wanted {
                // They come over a stream that is there.
                self.machine.connect(now);
            }
        }
    }

    /// Whether it was to be closed and is, or patience is at its end.
    fn is_done(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(patience) = &mut self.closing else {
            return false;
        };
        let closed = self.machine.is_closed() && self.links.is_empty();
        closed || patience.as_mut().poll(cx).is_ready()
    }

    /// Tells everybody that it is over, and what is known of their calls.
    fn finish(mut self) {
        let reason = CloseReason::Requested;
        let now = self.now();
        for id in self.replies.keys() {
            self.machine.cancel(now, *id);
        }
        while let Some(event) = self.machine.poll_event() {
            if let core::Event::Failed {
                id,
                error: CallError::Request(RequestError::Cancelled(fate)),
            } = event
            {
                self.answer(id, Err(Error::Cut { fate, reason }));
            } else {
                self.event(event);
            }
        }
        for reply in std::mem::take(&mut self.replies).into_values() {
            let fate = Fate::MaybeExecuted;
            reply.set(Err(Error::Cut { fate, reason }));
        }
        if let Some(event) = self.keeper.try_now(&self.runtime) {
            self.tell(&event);
        }
        let unstored = self.keeper.error();
        // Who waits for the end may open the same store again.
        drop(self.keeper);
        end(&self.shared, reason, unstored);
    }
}

//! What an application asks of its client, and how that ends.
//!
//! Does: submits calls of every kind, takes their ends and the updates, checks both.
//! In: choices. Out: calls; nothing, or the invariant that does not hold.
//! Must not know: streams, servers.
//! Spec: "Calling methods"; "Working with updates".

use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::updates::Event as Update;
use mtproto_proto::client::{CallError, CallOptions, Client, Route};
use mtproto_proto::{DcId, Fate, RequestError, RequestId, SendError, Time};
use mtproto_schema::api::functions::{auth, help, messages, upload, users};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Decode, Encode};

use super::audit::tag_of;
use super::ledger::{Checked, Deed, Tag, broken};
use super::rig::{Rig, shift};
use crate::sim::{End, Fault, Invariant};
use crate::trace::Recorder;

/// A call's deadline when nothing is said of it: the session's.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Something that is counted.
    Deed(Tag),
    /// Where a DC is: its answer names the DC that it came from, which is to be this one.
    Nearest(DcId),
    /// A step of a sign-in.
    SignIn,
    /// Its answer does not matter.
    Other,
}

/// A call that has not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) about: About,
    pub(super) deadline: Time,
    /// Of a calm time: it has to be answered by then.
    pub(super) answered_by: Option<Time>,
}

/// A message with its tag.
pub(super) fn message_to(peer: enums::InputPeer, tag: Tag) -> messages::SendMessage {
    messages::SendMessage {
        no_webpage: false,
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to: None,
        message: format!("m{tag}").as_str().into(),
        random_id: tag,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
        rich_message: None,
    }
}

impl Rig {
    /// Has a client do something; what it tells of time is the device's.
    pub(super) fn tell(&mut self, index: usize, what: impl FnOnce(&mut Recorder<Client>, Time)) {
        let person = &mut self.people[index];
        let local = shift(self.now, person.clock);
        what(&mut person.client, local);
    }

    /// The deadline of a call: the default one, a long one, or one that its answer may miss.
    fn choose_deadline(&mut self) -> Option<Duration> {
        if self.strikes(Fault::ShortDeadline, 6) {
            let most = Duration::from_secs(*self.dice.choose(&[1, 4, 20]));
            return Some(self.dice.duration(Duration::ZERO..=most));
        }
        let seconds = self.dice.range(20..=180);
        self.dice.chance(1, 3).then(|| Duration::from_secs(seconds))
    }

    /// Submits a call; nothing if the client takes no more.
    pub(super) fn submit(
        &mut self,
        index: usize,
        about: About,
        body: Bytes,
        options: &CallOptions,
    ) -> Checked<Option<RequestId>> {
        let (now, most) = (self.now, self.plan.calls);
        let person = &mut self.people[index];
        let local = shift(now, person.clock);
        let waiting = person.calls.len();
        let id = match person.client.send(local, body, options) {
            Ok(id) if waiting >= most => {
                let detail = format!("call {id} is taken beside {waiting} of {most}");
                return broken(Invariant::Memory, detail);
            }
            Ok(id) => id,
            Err(SendError::TooMany { .. }) if waiting >= most => {
                if let About::Deed(tag) = about {
                    self.ledger
                        .ended(tag, End::of(&RequestError::Lost(Fate::NotSent)))?;
                }
                return Ok(None);
            }
            Err(error) => {
                let detail = format!("{error} with {waiting} of {most}");
                return broken(Invariant::Memory, detail);
            }
        };
        let pending = Pending {
            about,
            deadline: now + options.deadline.unwrap_or(DEFAULT_DEADLINE),
            answered_by: None,
        };
        person.calls.insert(id, pending);
        self.say(|| format!("{index} sends {id}: {about:?} {options:?}"));
        Ok(Some(id))
    }

    /// A call of a calm time, which has to be answered within this time.
    pub(super) fn expect_answer(&mut self, index: usize, id: Option<RequestId>, within: Duration) {
        let by = self.now + within;
        let call = id.and_then(|id| self.people[index].calls.get_mut(&id));
        if let Some(call) = call {
            call.answered_by = Some(by);
        }
    }

    /// Writes to somebody, typed (it has a `random_id`) or raw.
    pub(super) fn write(&mut self, index: usize, to: i64) -> Checked<Option<RequestId>> {
        let idempotent = self.dice.chance(1, 2);
        let from = self.people[index].user;
        let tag = self.ledger.submit(from, Deed::Message { to }, idempotent);
        let query = message_to(self.input_peer(to), tag);
        let mut options = CallOptions::default();
        options.idempotent = idempotent;
        options.deadline = self.choose_deadline();
        self.submit(index, About::Deed(tag), query.to_bytes(), &options)
    }

    /// A part of a file, on any data centre.
    pub(super) fn upload(
        &mut self,
        index: usize,
        route: Route,
        size: usize,
    ) -> Checked<Option<RequestId>> {
        let idempotent = self.dice.chance(1, 2);
        let from = self.people[index].user;
        let tag = self.ledger.submit(from, Deed::Part, idempotent);
        let query = upload::SaveFilePart {
            file_id: tag,
            file_part: 0,
            bytes: Bytes::from(vec![7; size]),
        };
        let mut options = CallOptions::default().route(route);
        options.idempotent = idempotent;
        options.deadline = self.choose_deadline();
        self.submit(index, About::Deed(tag), query.to_bytes(), &options)
    }

    /// Asks a data centre which one it is.
    pub(super) fn nearest(&mut self, index: usize, dc: DcId) -> Checked<Option<RequestId>> {
        let route = if self.dice.chance(1, 2) {
            Route::Dc(dc)
        } else {
            Route::Media(dc)
        };
        let mut options = CallOptions::default().route(route).idempotent();
        options.deadline = self.choose_deadline();
        let body = help::GetNearestDc.to_bytes();
        self.submit(index, About::Nearest(dc), body, &options)
    }

    /// Reads what was said to and by somebody; a bot asks who it is.
    pub(super) fn read(&mut self, index: usize, whom: i64) -> Checked<Option<RequestId>> {
        let body = if self.people[index].is_bot() {
            let me = enums::InputUser::InputUserSelf;
            users::GetUsers { id: vec![me] }.to_bytes()
        } else {
            let query = messages::GetHistory {
                peer: self.input_peer(whom),
                offset_id: 0,
                offset_date: 0,
                add_offset: 0,
                limit: 20,
                max_id: 0,
                min_id: 0,
                hash: 0,
            };
            query.to_bytes()
        };
        let mut options = CallOptions::default().idempotent();
        options.deadline = self.choose_deadline();
        self.submit(index, About::Other, body, &options)
    }

    /// Signs out.
    pub(super) fn leave(&mut self, index: usize) -> Checked<Option<RequestId>> {
        self.people[index].left = true;
        let options = CallOptions::default();
        self.submit(index, About::Other, auth::LogOut.to_bytes(), &options)
    }

    /// A call ended.
    pub(super) fn ended(
        &mut self,
        index: usize,
        id: RequestId,
        result: Result<Bytes, CallError>,
    ) -> Checked {
        let now = self.now;
        let Some(call) = self.people[index].calls.remove(&id) else {
            let detail = format!("call {id} of {index} ends ({result:?}) and was not waited for");
            return broken(Invariant::EndsOnce, detail);
        };
        let end = match &result {
            Ok(_) => End::Answered,
            Err(CallError::Request(error)) => End::of(error),
            Err(CallError::SignedOut { fate, .. }) => End::SignedOut((*fate).into()),
            Err(CallError::UnknownDc { fate, .. }) => End::UnknownDc((*fate).into()),
            Err(CallError::KeyDenied { fate, .. }) => End::KeyDenied((*fate).into()),
            Err(other) => return broken(Invariant::EndsOnce, format!("{other:?}")),
        };
        *self.outcome.ends.entry(end).or_default() += 1;
        if matches!(end, End::TimedOut(_)) && now < call.deadline {
            let detail = format!("call {id} of {index} timed out before {call:?}");
            return broken(Invariant::EndsInTime, detail);
        }
        if let Some(by) = call.answered_by
            && (end != End::Answered || now > by)
        {
            let detail = format!("call {id} of {index} ended as {end} ({result:?}): {call:?}");
            return broken(Invariant::Recovers, detail);
        }
        match call.about {
            About::Deed(tag) => self.ledger.ended(tag, end),
            About::Nearest(dc) => {
                let answer = result.ok();
                let answer = answer.map(|body| types::NearestDc::from_bytes(&body));
                match answer {
                    Some(Ok(answer)) if answer.this_dc != i32::from(dc.0) => broken(
                        Invariant::OwnAnswer,
                        format!("DC {dc} was asked, {} answered", answer.this_dc),
                    ),
                    Some(Err(error)) => broken(Invariant::OwnAnswer, error.to_string()),
                    Some(Ok(_)) | None => Ok(()),
                }
            }
            About::SignIn => self.sign_in_ended(index, result),
            About::Other => Ok(()),
        }
    }

    /// Takes updates, if the application does.
    pub(super) fn take_updates(&mut self, index: usize) -> Checked<bool> {
        let mut any = false;
        if !self.people[index].takes {
            return Ok(false);
        }
        while let Some(update) = self.people[index].client.poll_update() {
            any = true;
            let (queue, user) = (self.plan.queue, self.people[index].user);
            let update = match update {
                Update::Update(update) => update,
                Update::Lost(lost) => {
                    let detail = format!("{lost:?} at {index}, and the world has everything");
                    return broken(Invariant::UpdatesComplete, detail);
                }
                other => return broken(Invariant::OwnAnswer, format!("{other:?}")),
            };
            self.outcome.updates += 1;
            let person = &mut self.people[index];
            if let Some(enums::Update::NewMessage(new)) = &update.parsed
                && let enums::Message::Message(message) = &new.message
            {
                let tag = tag_of(&message.message).filter(|_| !message.out);
                person.inbox.take(user, message.id, tag, &self.ledger)?;
            }
            person.untaken.push_back(update.id);
            if person.untaken.len() > queue {
                let detail = format!("{} updates untaken of {queue}", person.untaken.len());
                return broken(Invariant::Memory, detail);
            }
            let slow = self.strikes(Fault::SlowApplication, 3);
            if !slow {
                self.updates_taken(index);
            }
        }
        if !self.stormy && !self.people[index].untaken.is_empty() {
            self.updates_taken(index);
            any = true;
        }
        Ok(any)
    }

    /// The application is done with what it was given.
    pub(super) fn updates_taken(&mut self, index: usize) {
        let last = self.people[index].untaken.back().copied();
        self.people[index].untaken.clear();
        if let Some(last) = last {
            self.tell(index, |client, now| client.update_taken(now, last));
        }
    }
}

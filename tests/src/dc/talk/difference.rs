//! What a client has missed.
//!
//! Does: `updates.getState`, `updates.getDifference`, `updates.getChannelDifference`.
//! In: how far the client has come. Out: what happened since, in slices, or that it is too much.
//! Must not know: what was pushed to whom.
//! Spec: "Working with Updates: recovering gaps".

use mtproto_schema::api::enums::updates::{ChannelDifference, Difference};
use mtproto_schema::api::enums::{ChannelMessagesFilter, Message, Update};
use mtproto_schema::api::functions::updates::{GetChannelDifference, GetDifference, GetState};
use mtproto_schema::api::types;
use mtproto_schema::api::types::updates::State;

use super::boxes::{Event, Logged};
use super::facts::Fact;
use super::limits::{ANSWER_TEXT, CHANNEL_NEWEST, CHANNEL_POLL, CHANNEL_TOO_FAR, SLICE};
use super::peer::Peer;
use super::publish::Item;
use super::refusal::{Outcome, bad, ensure};
use super::view::View;
use super::world::Body;
use super::{Cx, Talk};

pub fn get_state(talk: &mut Talk, cx: &mut Cx<'_>, _: GetState) -> Outcome<State> {
    Ok(talk.state(cx))
}

pub fn get(talk: &mut Talk, cx: &mut Cx<'_>, query: GetDifference) -> Outcome<Difference> {
    let owner = Peer::User(cx.me);
    let state = talk.state(cx);
    talk.check(owner, query.pts)?;
    ensure(query.date > 0, bad("DATE_EMPTY"))?;
    let mailbox = talk.world.mailbox(owner);
    let too_long = Difference::TooLong(types::updates::DifferenceTooLong { pts: state.pts });
    let Some(missed) = mailbox.and_then(|mailbox| mailbox.since(query.pts)) else {
        return Ok(too_long);
    };
    let behind = state.pts.saturating_sub(query.pts);
    if query
        .pts_total_limit
        .is_some_and(|limit| behind > limit.max(0))
    {
        return Ok(too_long);
    }
    let missed: Vec<Logged> = missed.cloned().collect();
    let (slice, rest) = talk.slice(owner, &missed, query.pts_limit);

    let mut view = talk.view(cx);
    let (new_messages, mut other_updates) = view.replay(owner, slice);
    if let (false, Some(last)) = (rest.is_empty(), slice.last()) {
        let (users, chats) = view.related();
        return Ok(Difference::Slice(types::updates::DifferenceSlice {
            new_messages,
            new_encrypted_messages: Vec::new(),
            other_updates,
            chats,
            users,
            intermediate_state: State {
                pts: last.pts,
                // What has no `pts` comes with the last slice, from this date on.
                date: query.date,
                ..state
            },
        }));
    }
    other_updates.extend(view.changed_since(query.date));
    if slice.is_empty() && other_updates.is_empty() {
        return Ok(Difference::Empty(types::updates::DifferenceEmpty {
            date: state.date,
            seq: state.seq,
        }));
    }
    let (users, chats) = view.related();
    Ok(Difference::Difference(types::updates::Difference {
        new_messages,
        new_encrypted_messages: Vec::new(),
        other_updates,
        chats,
        users,
        state,
    }))
}

pub fn get_of_channel(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetChannelDifference,
) -> Outcome<ChannelDifference> {
    let id = talk.channel(cx, &query.channel)?;
    let owner = Peer::Channel(id);
    talk.check(owner, query.pts)?;
    ensure(query.limit > 0, bad("LIMIT_INVALID"))?;
    let pts = talk.pts(owner);
    let timeout = Some(CHANNEL_POLL);
    let mailbox = talk.world.mailbox(owner);
    let missed = mailbox.and_then(|mailbox| mailbox.since(query.pts));
    let missed = missed.filter(|missed| missed.len() <= CHANNEL_TOO_FAR);
    let mut view = talk.view(cx);
    let Some(missed) = missed else {
        let newest = talk
            .world
            .ids(cx.me, owner)
            .into_iter()
            .rev()
            .take(CHANNEL_NEWEST);
        let messages = newest.filter_map(|id| view.message(owner, id)).collect();
        let dialog = view.dialog(owner);
        let (users, chats) = view.related();
        return Ok(ChannelDifference::TooLong(
            types::updates::ChannelDifferenceTooLong {
                r#final: true,
                timeout,
                dialog: mtproto_schema::api::enums::Dialog::Dialog(Box::new(dialog)),
                messages,
                chats,
                users,
            },
        ));
    };
    let missed: Vec<Logged> = missed.cloned().collect();
    let (slice, rest) = talk.slice(owner, &missed, Some(query.limit));
    let Some(last) = slice.last() else {
        return Ok(ChannelDifference::Empty(
            types::updates::ChannelDifferenceEmpty {
                r#final: true,
                pts,
                timeout,
            },
        ));
    };
    let wanted: Vec<Logged> = slice
        .iter()
        .filter(|l| query.filter.wants(l))
        .cloned()
        .collect();
    let (new_messages, other_updates) = view.replay(owner, &wanted);
    view.name(owner);
    let (users, chats) = view.related();
    Ok(ChannelDifference::ChannelDifference(
        types::updates::ChannelDifference {
            r#final: rest.is_empty(),
            pts: last.pts,
            timeout: timeout.filter(|_| rest.is_empty()),
            new_messages,
            other_updates,
            chats,
            users,
        },
    ))
}

impl Talk {
    /// How far the caller's box has come.
    pub(super) fn state(&self, cx: &Cx<'_>) -> State {
        let dialogs = self.world.dialogs(cx.me).into_iter();
        let unread = dialogs.map(|peer| self.world.unread(cx.me, peer));
        State {
            pts: self.pts(Peer::User(cx.me)),
            // There are no secret chats.
            qts: 0,
            date: cx.now,
            seq: self
                .world
                .accounts
                .get(&cx.me)
                .map_or(1, |account| account.seq),
            unread_count: unread.fold(0, i32::saturating_add),
        }
    }

    /// Refuses a `pts` at which the box cannot have been.
    fn check(&self, owner: Peer, pts: i32) -> Outcome<()> {
        ensure(pts != 0, bad("PERSISTENT_TIMESTAMP_EMPTY"))?;
        let is_past = pts > 0 && pts <= self.pts(owner);
        ensure(is_past, bad("PERSISTENT_TIMESTAMP_INVALID"))
    }

    /// As many events as fit into one answer, one at least, and the rest.
    fn slice<'a>(
        &self,
        owner: Peer,
        missed: &'a [Logged],
        limit: Option<i32>,
    ) -> (&'a [Logged], &'a [Logged]) {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(SLICE).clamp(1, SLICE);
        let mut text = 0;
        let fitting = missed.iter().take(limit).take_while(|logged| {
            let fits = text <= ANSWER_TEXT;
            if let Event::New(id) | Event::Edit(id) = logged.event
                && let Some(Body::Said(said)) = self.world.post(owner, id).map(|post| &post.body)
            {
                text = said.bytes().saturating_add(text);
            }
            fits
        });
        missed.split_at(fitting.count())
    }
}

impl View<'_> {
    /// Events as a difference tells them: new messages as they are today, then the rest.
    fn replay(&mut self, owner: Peer, events: &[Logged]) -> (Vec<Message>, Vec<Update>) {
        let mut new = std::collections::BTreeSet::new();
        let (mut messages, mut updates) = (Vec::new(), Vec::new());
        for logged in events {
            match logged.event {
                Event::New(id) => {
                    new.insert(id);
                    messages.extend(self.message(owner, id));
                }
                // It came as it is after the change.
                Event::Edit(id) if new.contains(&id) => {}
                Event::Edit(_)
                | Event::Delete(_)
                | Event::ReadInbox(..)
                | Event::ReadOutbox(..)
                | Event::Contents(_) => {
                    let item = match owner {
                        Peer::Channel(id) => Item::Channel(id, logged.clone()),
                        Peer::User(_) | Peer::Chat(_) => Item::Own(logged.clone()),
                    };
                    updates.extend(self.update(&item));
                }
            }
        }
        (messages, updates)
    }

    /// What is another since this date and has no `pts`. Dates are seconds, so what changed in the
    /// same second may be told twice; it is a state, which does no harm.
    fn changed_since(&mut self, date: i32) -> Vec<Update> {
        let world = self.world;
        let Some(account) = world.accounts.get(&self.me) else {
            return Vec::new();
        };
        let facts = account
            .facts
            .iter()
            .filter(|(_, changed)| changed.date >= date);
        let mut facts: Vec<(i32, Fact)> = facts.map(|(f, changed)| (changed.seq, *f)).collect();
        facts.sort_unstable();
        let facts = facts.into_iter().map(|(_, fact)| Item::Fact(fact));
        let mut updates: Vec<Update> = facts.filter_map(|fact| self.update(&fact)).collect();
        for (id, channel) in &world.channels {
            if channel.members.contains_key(&self.me) && channel.mailbox.changed >= date {
                self.name(Peer::Channel(*id));
                updates.push(Update::ChannelTooLong(types::UpdateChannelTooLong {
                    channel_id: *id,
                    pts: Some(channel.mailbox.pts),
                }));
            }
        }
        updates
    }
}

/// Which new messages of a channel a client wants to hear of.
trait Wants {
    fn wants(&self, logged: &Logged) -> bool;
}

impl Wants for ChannelMessagesFilter {
    fn wants(&self, logged: &Logged) -> bool {
        let ChannelMessagesFilter::ChannelMessagesFilter(filter) = self else {
            return true;
        };
        let Event::New(id) = logged.event else {
            return true;
        };
        let mut ranges = filter.ranges.iter();
        ranges.any(|range| (range.min_id..=range.max_id).contains(&id))
    }
}

//! Who is told what happened.
//!
//! Does: [`News`], what one request brought about, by account, until it is told: to the caller in
//! the answer, to everybody else by a [`Push`].
//! In: [`Item`]s. Out: containers of updates.
//! Must not know: how updates look, who has a stream.
//! Spec: "Working with Updates".

use std::collections::BTreeMap;

use mtproto_schema::Encode;
use mtproto_schema::api::enums::{Update, Updates};

use super::boxes::{Event, Logged};
use super::facts::Fact;
use super::peer::Peer;
use super::view::View;
use super::world::Changed;
use super::{Cx, Push, Talk};

/// One piece of news for one account.
#[derive(Clone)]
pub enum Item {
    /// The message under this id is the one that the caller sent with this `random_id`. For the
    /// origin only.
    Id(i32, i64),
    /// Something happened to the account's own box.
    Own(Logged),
    /// Something happened to this channel's box.
    Channel(i64, Logged),
    /// The state of this is another.
    Fact(Fact),
    /// Who misses this misses nothing.
    Passing(Box<Update>),
}

/// What one request brought about, by account.
#[derive(Default)]
pub struct News(BTreeMap<i64, Vec<Item>>);

impl News {
    /// Adds something for an account.
    pub fn add(&mut self, account: i64, item: Item) {
        self.0.entry(account).or_default().push(item);
    }

    /// What there is for an account.
    pub fn of(&self, account: i64) -> &[Item] {
        self.0.get(&account).map(Vec::as_slice).unwrap_or_default()
    }
}

/// How the session that asked learns what its request brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// From the answer, which is the container made here.
    InAnswer,
    /// From the answer, which says it in other words: `messages.affectedMessages`.
    InOtherWords,
    /// As everybody else, for the answer says nothing.
    ByPush,
}

impl Talk {
    /// Notes an event of a box, and tells those who follow it.
    pub(super) fn record(&mut self, owner: Peer, event: Event) {
        let now = self.now;
        let Some(mailbox) = self.world.mailbox_mut(owner) else {
            return;
        };
        let logged = mailbox.log(now, event);
        match owner {
            Peer::User(id) => self.news.add(id, Item::Own(logged)),
            Peer::Channel(id) => {
                let channel = self.world.channels.get(&id);
                for member in channel.iter().flat_map(|channel| channel.members.keys()) {
                    self.news.add(*member, Item::Channel(id, logged.clone()));
                }
            }
            Peer::Chat(_) => {}
        }
    }

    /// Tells an account that something is another.
    pub(super) fn tell(&mut self, account: i64, fact: Fact) {
        self.news.add(account, Item::Fact(fact));
    }

    /// Tells everybody who knows a user by more than a name.
    pub(super) fn tell_acquaintances(&mut self, user: i64, item: &Item) {
        for (id, account) in &self.world.accounts {
            let knows = account.contacts.contains_key(&user)
                || account.dialogs.contains_key(&Peer::User(user));
            if knows && *id != user {
                self.news.add(*id, item.clone());
            }
        }
    }

    /// Tells the news; the container for the answer, if that is how the origin learns them.
    pub(super) fn publish(&mut self, cx: &mut Cx<'_>, told: Told) -> Updates {
        let mut answer = None;
        for (account, items) in std::mem::take(&mut self.news).0 {
            let seq = self.count(account, &items, cx.now);
            let mut view = View::new(&self.world, cx.people, account, cx.now);
            let is_caller = account == cx.me;
            if is_caller && told == Told::InAnswer {
                answer = Some(view.container(&items, seq));
            }
            if let Some(body) = view.pushed(&items, seq) {
                let except = (is_caller && told != Told::ByPush).then_some(cx.origin);
                self.pushes.push_back(Push {
                    user_id: account,
                    body: body.to_bytes(),
                    except,
                });
            }
        }
        answer.unwrap_or_else(|| View::new(&self.world, cx.people, cx.me, cx.now).container(&[], 0))
    }

    /// Gives a container its `seq`, and notes when its facts changed; 0: it has none.
    fn count(&mut self, account: i64, items: &[Item], date: i32) -> i32 {
        let facts: Vec<Fact> = items
            .iter()
            .filter_map(|item| match item {
                Item::Fact(fact) => Some(*fact),
                Item::Id(..) | Item::Own(_) | Item::Channel(..) | Item::Passing(_) => None,
            })
            .collect();
        if facts.is_empty() {
            return 0;
        }
        let account = self.world.account(account);
        account.seq = account.seq.saturating_add(1);
        let seq = account.seq;
        let changed = facts.into_iter().map(|f| (f, Changed { date, seq }));
        account.facts.extend(changed);
        seq
    }
}

//! Posts in boxes.
//!
//! Does: puts a post into the boxes of those it is for, and takes messages out of boxes.
//! In: posts, ids. Out: events, for whom they concern.
//! Must not know: methods; what may be sent is decided before.
//! Spec: "Messages", "Working with Updates".

use mtproto_schema::api::enums::MessageEntity;

use super::boxes::{Event, Held};
use super::limits::MESSAGES_PER_BOX;
use super::peer::Peer;
use super::world::{Action, Body, Post};
use super::{Cx, Talk};
use crate::dc::people::People;

impl Talk {
    /// Puts a post into all boxes that it is for; its number. `reply_to` is an id in the author's
    /// view of the dialog.
    pub(super) fn deliver(
        &mut self,
        people: &People,
        mut post: Post,
        reply_to: Option<i32>,
    ) -> u64 {
        self.world.last_uid = self.world.last_uid.saturating_add(1);
        let uid = self.world.last_uid;
        let authors = match post.to {
            Peer::Channel(_) => post.to,
            Peer::User(_) | Peer::Chat(_) => Peer::User(post.from),
        };
        let original = reply_to
            .and_then(|id| self.world.post(authors, id))
            .map(|original| (original.from, original.holders.clone()));
        let owners = self.owners(&post);
        let mut added = Vec::new();
        for owner in &owners {
            let reply_to = original.as_ref().and_then(|(_, holders)| {
                let holder = holders.iter().find(|(holder, _)| holder == owner);
                holder.map(|&(_, id)| id)
            });
            let mentioned = match *owner {
                Peer::User(id) => {
                    let replied = original.as_ref().is_some_and(|(author, _)| *author == id);
                    mentions(people, &post, id, replied)
                }
                Peer::Chat(_) | Peer::Channel(_) => false,
            };
            let held = Held {
                uid,
                reply_to,
                mentioned,
                unread_mention: mentioned,
            };
            if let Some(mailbox) = self.world.mailbox_mut(*owner) {
                let id = mailbox.add(held);
                post.holders.push((*owner, id));
                added.push((*owner, id));
            }
        }
        for (owner, id) in &added {
            if let Peer::User(user) = *owner {
                let dialog = post.dialog(*owner);
                let dialogs = &mut self.world.account(user).dialogs;
                dialogs.entry(dialog).or_default().ids.insert(*id);
            }
        }
        self.world.posts.insert(uid, post);
        for (owner, id) in added {
            self.record(owner, Event::New(id));
            self.make_room(owner);
        }
        uid
    }

    /// Lets the caller do something to a chat or a channel, which is told as a message.
    pub(super) fn act(&mut self, cx: &Cx<'_>, to: Peer, action: Action) -> u64 {
        let post = Post {
            from: cx.me,
            to,
            date: cx.now,
            edit_date: None,
            silent: false,
            body: Body::Did(action),
            forward: None,
            holders: Vec::new(),
        };
        self.deliver(cx.people, post, None)
    }

    /// The boxes that a post is for.
    fn owners(&self, post: &Post) -> Vec<Peer> {
        let from = Peer::User(post.from);
        match post.to {
            Peer::User(to) if to == post.from => vec![from],
            // The author does not learn that nobody listens.
            Peer::User(to) if self.world.has_blocked(to, post.from) => vec![from],
            Peer::User(to) => vec![from, Peer::User(to)],
            Peer::Chat(id) => {
                let members = self.world.chats.get(&id).map(|chat| chat.members.keys());
                members
                    .into_iter()
                    .flatten()
                    .map(|m| Peer::User(*m))
                    .collect()
            }
            Peer::Channel(_) => vec![post.to],
        }
    }

    /// Deletes the oldest message of a box that is full.
    fn make_room(&mut self, owner: Peer) {
        let Some(mailbox) = self.world.mailbox(owner) else {
            return;
        };
        if mailbox.held.len() > MESSAGES_PER_BOX
            && let Some(oldest) = mailbox.held.keys().next().copied()
        {
            self.erase(owner, vec![oldest]);
        }
    }

    /// Takes messages out of a box, those that are there; how many.
    pub(super) fn erase(&mut self, owner: Peer, ids: Vec<i32>) -> usize {
        let mut gone = Vec::new();
        for id in ids {
            let Some(mailbox) = self.world.mailbox_mut(owner) else {
                return 0;
            };
            let Some(held) = mailbox.held.remove(&id) else {
                continue;
            };
            gone.push(id);
            let Some(post) = self.world.posts.get_mut(&held.uid) else {
                continue;
            };
            let dialog = post.dialog(owner);
            post.holders.retain(|(holder, _)| *holder != owner);
            if post.holders.is_empty() {
                self.world.posts.remove(&held.uid);
            }
            if let Peer::User(user) = owner
                && let Some(dialog) = self.world.account(user).dialogs.get_mut(&dialog)
            {
                dialog.ids.remove(&id);
            }
        }
        let count = gone.len();
        if count > 0 {
            self.record(owner, Event::Delete(gone));
        }
        count
    }
}

/// Whether a post in a chat calls this member: by name, or by replying.
fn mentions(people: &People, post: &Post, member: i64, replied: bool) -> bool {
    let (Peer::Chat(_), Body::Said(said)) = (post.to, &post.body) else {
        return false;
    };
    if member == post.from {
        return false;
    }
    let by_id = said.entities.0.iter().any(
        |entity| matches!(entity, MessageEntity::MentionName(mention) if mention.user_id == member),
    );
    let username = people
        .get(member)
        .and_then(|person| person.username.as_deref());
    let by_name = username.is_some_and(|username| {
        let words = said
            .text
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '@'));
        let names = words.filter_map(|word| word.strip_prefix('@'));
        names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(username))
    });
    replied || by_id || by_name
}

#[cfg(test)]
mod tests {
    use mtproto_proto::Rng;

    use super::super::Origin;
    use super::*;
    use crate::dc::people::Person;
    use mtproto_proto::{AuthKeyId, DcId, SessionId};

    #[test]
    fn the_oldest_message_makes_room_in_a_full_box() {
        let mut people = People::new();
        people.insert(Person::new(1, 1, "One")).unwrap();
        let mut rng = Rng::from_seed([1; 32]);
        let cx = Cx {
            people: &mut people,
            me: 1,
            now: 1,
            rng: &mut rng,
            origin: Origin {
                dc: DcId(2),
                key: AuthKeyId(1),
                session: SessionId(1),
            },
        };
        let mut talk = Talk::new();
        for n in 0..=MESSAGES_PER_BOX {
            assert_eq!(talk.world.posts.len(), n);
            talk.act(&cx, Peer::User(1), Action::Title(String::new()));
        }
        let account = talk.world.account(1);
        let first = account.mailbox.held.keys().next();
        assert_eq!(
            (account.mailbox.held.len(), first),
            (MESSAGES_PER_BOX, Some(&2))
        );
        let dialog = account
            .dialogs
            .get(&Peer::User(1))
            .map(|dialog| &dialog.ids);
        assert_eq!(dialog.and_then(|ids| ids.first()), Some(&2));
        assert_eq!(talk.world.posts.len(), MESSAGES_PER_BOX);
        let pts = talk.pts(Peer::User(1));
        let last = talk.world.account(1).mailbox.since(pts - 1);
        let last: Vec<Event> = last
            .into_iter()
            .flatten()
            .map(|l| l.event.clone())
            .collect();
        assert_eq!(last, [Event::Delete(vec![1])]);
    }
}

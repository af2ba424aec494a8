//! What everybody has said and who belongs to what.
//!
//! Does: [`World`]: accounts, posts, chats, channels, as they are saved.
//! In: nothing. Out: look-ups.
//! Must not know: the API's objects, who is told of a change.
//! Spec: "Peers", "Channels", "Contacts".

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use mtproto_schema::Encode as _;
use mtproto_schema::api::enums::{MessageEntity, MessageMedia, ReplyMarkup, Updates};
use serde::{Deserialize, Serialize};

use super::boxes::Mailbox;
use super::facts::Fact;
use super::peer::Peer;
use super::saved::{Tl, pairs};

/// Everything.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// What each account has, by the user's id.
    pub accounts: BTreeMap<i64, Account>,
    /// What was said, by a number of its own.
    pub posts: BTreeMap<u64, Post>,
    /// Basic groups.
    pub chats: BTreeMap<i64, Chat>,
    /// Channels and supergroups.
    pub channels: BTreeMap<i64, Channel>,
    /// The number of the newest post.
    pub last_uid: u64,
    /// The id of the newest chat or channel.
    pub last_group: i64,
}

/// What an account has.
#[derive(Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its private chats and basic groups.
    pub mailbox: Mailbox,
    /// Where the messages belong to.
    pub dialogs: BTreeMap<Peer, Dialog>,
    /// Whom it knows.
    pub contacts: BTreeMap<i64, Contact>,
    /// From whom it wants to hear nothing, and since when.
    pub blocked: BTreeMap<i64, i32>,
    /// What it says about itself.
    pub about: String,
    /// Until when it is online, in Unix seconds; in the past: when it was last.
    pub online: Option<i32>,
    /// How many containers of updates without a `pts` there were.
    pub seq: i32,
    /// What it has to know besides messages, and when that changed last.
    #[serde(with = "pairs")]
    pub facts: BTreeMap<Fact, Changed>,
    /// What it sent last: `random_id` and answer.
    pub sent: VecDeque<(i64, Tl<Updates>)>,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            mailbox: Mailbox::default(),
            dialogs: BTreeMap::new(),
            contacts: BTreeMap::new(),
            blocked: BTreeMap::new(),
            about: String::new(),
            online: None,
            // 0 stands for "in any order" in containers.
            seq: 1,
            facts: BTreeMap::new(),
            sent: VecDeque::new(),
        }
    }
}

/// When something changed last.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// Unix seconds.
    pub date: i32,
    /// The `seq` of the container that said so.
    pub seq: i32,
}

/// A private chat or a basic group as one account has it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Dialog {
    /// Its messages.
    pub ids: BTreeSet<i32>,
    /// Read by the account up to here.
    pub read_inbox: i32,
    /// The account's messages are read by others up to here.
    pub read_outbox: i32,
}

/// Whom somebody knows, and under which name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Contact {
    /// First name.
    pub first_name: String,
    /// Last name, maybe empty.
    pub last_name: String,
}

/// Something said: one message, in as many boxes as have it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Post {
    /// Who said it.
    pub from: i64,
    /// To whom.
    pub to: Peer,
    /// When, in Unix seconds.
    pub date: i32,
    /// When it was changed last.
    pub edit_date: Option<i32>,
    /// Whether it makes no sound.
    pub silent: bool,
    /// What.
    pub body: Body,
    /// From where it was forwarded.
    pub forward: Option<Forward>,
    /// The boxes that have it, and the id there.
    pub holders: Vec<(Peer, i32)>,
}

impl Post {
    /// The dialog that it belongs to, for the owner of this box.
    pub fn dialog(&self, owner: Peer) -> Peer {
        match self.to {
            Peer::User(_) if owner != Peer::User(self.from) => Peer::User(self.from),
            Peer::User(_) | Peer::Chat(_) | Peer::Channel(_) => self.to,
        }
    }

    /// Its id in this box.
    pub fn id_in(&self, owner: Peer) -> Option<i32> {
        let holder = self.holders.iter().find(|(holder, _)| *holder == owner);
        holder.map(|&(_, id)| id)
    }
}

/// What is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Body {
    /// Somebody's words.
    Said(Said),
    /// What somebody did.
    Did(Action),
}

/// Somebody's words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The text.
    pub text: String,
    /// How it looks.
    pub entities: Tl<Vec<MessageEntity>>,
    /// What comes with it.
    pub media: Option<Tl<MessageMedia>>,
    /// A bot's buttons.
    pub markup: Option<Tl<ReplyMarkup>>,
}

impl Said {
    /// How long it is in an answer.
    pub fn bytes(&self) -> usize {
        // Without any there is no list either.
        let entities = Some(&self.entities.0).filter(|entities| !entities.is_empty());
        let entities = entities.map_or(0, |entities| entities.to_bytes().len());
        let media = self.media.as_ref().map_or(0, |m| m.0.to_bytes().len());
        let markup = self.markup.as_ref().map_or(0, |m| m.0.to_bytes().len());
        [self.text.len(), entities, media, markup]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// What somebody did to a chat or a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Made the chat, with these users.
    ChatCreate(String, Vec<i64>),
    /// Made the channel.
    ChannelCreate(String),
    /// Gave it another title.
    Title(String),
    /// Added users, or came.
    Add(Vec<i64>),
    /// Put a user out, or left.
    Remove(i64),
    /// Came by the invitation of this user.
    ByLink(i64),
}

/// From where a message was forwarded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forward {
    /// Who said it, or the channel in which it was.
    pub from: Peer,
    /// When it was said.
    pub date: i32,
    /// Its id in the channel.
    pub channel_post: Option<i32>,
    /// Where a saved message comes from: the dialog, and the id there.
    pub saved_from: Option<(Peer, i32)>,
}

/// An invitation that is a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// The end of the link.
    pub hash: String,
    /// Whose link it is.
    pub admin: i64,
    /// Since when.
    pub date: i32,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    Creator,
    /// Nearly everything.
    Admin,
    /// Little.
    Member,
}

/// A member of a chat or a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// What the member may do.
    pub role: Role,
    /// Who brought the member in.
    pub inviter: i64,
    /// Since when.
    pub date: i32,
    /// Channels only: the newest message read.
    pub read_inbox: i32,
    /// Channels only: the newest message of the member that another one has read.
    pub read_outbox: i32,
}

/// A basic group.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chat {
    /// Its title.
    pub title: String,
    /// Since when there is one.
    pub date: i32,
    /// How often its members changed.
    pub version: i32,
    /// Who belongs to it.
    pub members: BTreeMap<i64, Member>,
    /// Who does no more, and whether by the wish of others.
    pub gone: BTreeMap<i64, bool>,
    /// Its invitation.
    pub invite: Option<Invite>,
}

/// A channel, or a supergroup.
#[derive(Debug, Serialize, Deserialize)]
pub struct Channel {
    /// What it is named with, besides the id.
    pub access_hash: i64,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Its public name.
    pub username: Option<String>,
    /// Whether only admins speak.
    pub broadcast: bool,
    /// Since when there is one.
    pub date: i32,
    /// Who belongs to it.
    pub members: BTreeMap<i64, Member>,
    /// Who may not: by whom, and since when.
    pub banned: BTreeMap<i64, (i64, i32)>,
    /// Its messages.
    pub mailbox: Mailbox,
    /// Its invitation.
    pub invite: Option<Invite>,
}

impl World {
    /// What an account has; made when it is first asked for.
    pub fn account(&mut self, id: i64) -> &mut Account {
        self.accounts.entry(id).or_default()
    }

    /// Whether `who` has blocked `whom`.
    pub fn has_blocked(&self, who: i64, whom: i64) -> bool {
        let account = self.accounts.get(&who);
        account.is_some_and(|account| account.blocked.contains_key(&whom))
    }

    /// Whether `who` has `whom` among the contacts.
    pub fn has_contact(&self, who: i64, whom: i64) -> bool {
        let account = self.accounts.get(&who);
        account.is_some_and(|account| account.contacts.contains_key(&whom))
    }

    /// A box.
    pub fn mailbox(&self, owner: Peer) -> Option<&Mailbox> {
        match owner {
            Peer::User(id) => Some(&self.accounts.get(&id)?.mailbox),
            Peer::Channel(id) => Some(&self.channels.get(&id)?.mailbox),
            Peer::Chat(_) => None,
        }
    }

    /// A box, to change it. An account's is made when it is first asked for.
    pub fn mailbox_mut(&mut self, owner: Peer) -> Option<&mut Mailbox> {
        match owner {
            Peer::User(id) => Some(&mut self.account(id).mailbox),
            Peer::Channel(id) => Some(&mut self.channels.get_mut(&id)?.mailbox),
            Peer::Chat(_) => None,
        }
    }

    /// The post under this id in a box.
    pub fn post(&self, owner: Peer, id: i32) -> Option<&Post> {
        let held = self.mailbox(owner)?.held.get(&id)?;
        self.posts.get(&held.uid)
    }

    /// The box in which somebody has a dialog.
    pub fn owner(me: i64, dialog: Peer) -> Peer {
        match dialog {
            Peer::Channel(_) => dialog,
            Peer::User(_) | Peer::Chat(_) => Peer::User(me),
        }
    }

    /// Whether this message belongs to somebody's dialog.
    pub fn is_in(&self, me: i64, dialog: Peer, id: i32) -> bool {
        let owner = World::owner(me, dialog);
        let post = self.post(owner, id);
        post.is_some_and(|post| post.dialog(owner) == dialog)
    }

    /// The ids of somebody's dialog that are above this one, oldest first.
    pub fn ids_after(&self, me: i64, dialog: Peer, id: i32) -> Box<dyn Iterator<Item = i32> + '_> {
        let newer = (Bound::Excluded(id), Bound::Unbounded);
        match dialog {
            Peer::Channel(channel) => match self.channels.get(&channel) {
                Some(channel) => Box::new(channel.mailbox.held.range(newer).map(|(id, _)| *id)),
                None => Box::new(std::iter::empty()),
            },
            Peer::User(_) | Peer::Chat(_) => {
                let account = self.accounts.get(&me);
                match account.and_then(|account| account.dialogs.get(&dialog)) {
                    Some(dialog) => Box::new(dialog.ids.range(newer).copied()),
                    None => Box::new(std::iter::empty()),
                }
            }
        }
    }

    /// The ids of somebody's dialog, oldest first.
    pub fn ids(&self, me: i64, dialog: Peer) -> Vec<i32> {
        self.ids_after(me, dialog, 0).collect()
    }

    /// The newest message of somebody's dialog.
    pub fn top(&self, me: i64, dialog: Peer) -> Option<i32> {
        match dialog {
            Peer::Channel(id) => {
                let channel = self.channels.get(&id)?;
                channel.mailbox.held.keys().next_back().copied()
            }
            Peer::User(_) | Peer::Chat(_) => {
                let dialog = self.accounts.get(&me)?.dialogs.get(&dialog)?;
                dialog.ids.last().copied()
            }
        }
    }

    /// Up to where somebody, and the others, have read a dialog: inbox and outbox.
    pub fn read_up_to(&self, me: i64, dialog: Peer) -> (i32, i32) {
        let marks = match dialog {
            Peer::Channel(id) => {
                let member = self.channels.get(&id).and_then(|c| c.members.get(&me));
                member.map(|member| (member.read_inbox, member.read_outbox))
            }
            Peer::User(_) | Peer::Chat(_) => {
                let account = self.accounts.get(&me);
                let dialog = account.and_then(|account| account.dialogs.get(&dialog));
                dialog.map(|dialog| (dialog.read_inbox, dialog.read_outbox))
            }
        };
        marks.unwrap_or_default()
    }

    /// How many messages of a dialog somebody has yet to read.
    pub fn unread(&self, me: i64, dialog: Peer) -> i32 {
        let (read, _) = self.read_up_to(me, dialog);
        let owner = World::owner(me, dialog);
        let unread = self.ids_after(me, dialog, read);
        let theirs = unread.filter(|id| self.post(owner, *id).is_some_and(|p| p.from != me));
        i32::try_from(theirs.count()).unwrap_or(i32::MAX)
    }

    /// How many mentions in a dialog somebody has yet to look at.
    pub fn unread_mentions(&self, me: i64, dialog: Peer) -> i32 {
        let owner = World::owner(me, dialog);
        let (Peer::Chat(_), Some(mailbox)) = (dialog, self.mailbox(owner)) else {
            return 0;
        };
        let ids = self.ids_after(me, dialog, 0);
        let held = ids.filter_map(|id| mailbox.held.get(&id));
        i32::try_from(held.filter(|held| held.unread_mention).count()).unwrap_or(i32::MAX)
    }

    /// All of somebody's dialogs that have a message, and all channels, as long as one belongs to
    /// them.
    pub fn dialogs(&self, me: i64) -> Vec<Peer> {
        let mut dialogs = Vec::new();
        if let Some(account) = self.accounts.get(&me) {
            let held = account.dialogs.iter().filter(|(_, d)| !d.ids.is_empty());
            dialogs.extend(held.map(|(peer, _)| *peer));
        }
        let mine = |(_, channel): &(&i64, &Channel)| channel.members.contains_key(&me);
        let channels = self.channels.iter().filter(mine);
        dialogs.extend(channels.map(|(id, _)| Peer::Channel(*id)));
        dialogs
    }
}

impl Chat {
    /// What somebody may do in it.
    pub fn role(&self, user: i64) -> Option<Role> {
        self.members.get(&user).map(|member| member.role)
    }
}

impl Channel {
    /// What somebody may do in it.
    pub fn role(&self, user: i64) -> Option<Role> {
        self.members.get(&user).map(|member| member.role)
    }

    /// Whether somebody may read it: members may, and anybody a public one.
    pub fn is_open_to(&self, user: i64) -> bool {
        let invited = self.username.is_some() && !self.banned.contains_key(&user);
        invited || self.members.contains_key(&user)
    }
}

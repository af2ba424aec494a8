//! Everything that a signed-in account does.
//!
//! Does: [`Talk`] answers the methods about users, contacts, messages, dialogs, chats, channels and
//! updates. It keeps a box with a `pts` for each account and each channel, tells everybody concerned
//! of what happens ([`Push`]), and replays it in differences. What it keeps, it saves as JSON.
//! In: a caller ([`Cx`]) and the body of a request. Out: the answer's body, or a refusal.
//! Must not know: keys, streams, sign-in; who has a session is the owner's business.
//! Spec: "Working with Updates", "Peers", "Contacts", "Channels", and the pages of the methods.
//!
//! | Room | Knows |
//! | --- | --- |
//! | `world`, `boxes`, `facts` | the data |
//! | `deliver`, `publish` | posts into boxes, news to accounts |
//! | `view`, `message`, `render`, `full`, `bare` | data as API objects, for one viewer |
//! | `access` | who may name whom |
//! | the others | one group of methods each |

mod access;
mod account;
mod bare;
mod boxes;
mod channels;
mod chats;
mod contacts;
mod delete;
mod deliver;
mod dialogs;
mod difference;
mod entities;
mod facts;
mod full;
mod history;
mod invites;
mod limits;
mod media;
mod members;
mod message;
mod peer;
mod publish;
mod read;
mod refusal;
mod render;
mod saved;
mod search;
mod send;
mod state;
mod users;
mod view;
mod world;

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, DcId, Rng, SessionId};
use mtproto_schema::api::functions as f;
use mtproto_schema::{Decode, Encode, Function};

use super::people::People;
use publish::News;
use refusal::Outcome;
use world::World;

/// The session that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The DC that it is on.
    pub dc: DcId,
    /// Its permanent key.
    pub key: AuthKeyId,
    /// The session.
    pub session: SessionId,
}

/// Who asks, and when.
pub struct Cx<'a> {
    /// All accounts.
    pub people: &'a mut People,
    /// The account that asks.
    pub me: i64,
    /// Unix seconds.
    pub now: i32,
    /// Randomness, for access hashes and invitations.
    pub rng: &'a mut Rng,
    /// The session that asks.
    pub origin: Origin,
}

/// The boxed answer, or the code and the text of an `rpc_error`.
pub type Reply = Result<Bytes, (i32, String)>;

/// Updates for the sessions of an account.
#[derive(Clone, Debug)]
pub struct Push {
    /// Whose sessions.
    pub user_id: i64,
    /// The boxed `Updates`.
    pub body: Bytes,
    /// A session that knows already.
    pub except: Option<Origin>,
}

/// What the real server does not let bots do.
const NOT_FOR_BOTS: [u32; 33] = [
    f::account::CheckUsername::ID,
    f::account::UpdateStatus::ID,
    f::account::UpdateUsername::ID,
    f::channels::CheckUsername::ID,
    f::channels::CreateChannel::ID,
    f::channels::DeleteChannel::ID,
    f::channels::InviteToChannel::ID,
    f::channels::JoinChannel::ID,
    f::channels::ReadHistory::ID,
    f::channels::UpdateUsername::ID,
    f::contacts::AddContact::ID,
    f::contacts::Block::ID,
    f::contacts::DeleteContacts::ID,
    f::contacts::GetBlocked::ID,
    f::contacts::GetContactIDs::ID,
    f::contacts::GetContacts::ID,
    f::contacts::GetStatuses::ID,
    f::contacts::ImportContacts::ID,
    f::contacts::ResolvePhone::ID,
    f::contacts::Search::ID,
    f::contacts::Unblock::ID,
    f::messages::AddChatUser::ID,
    f::messages::CheckChatInvite::ID,
    f::messages::CreateChat::ID,
    f::messages::DeleteHistory::ID,
    f::messages::GetDialogs::ID,
    f::messages::GetHistory::ID,
    f::messages::GetPeerDialogs::ID,
    f::messages::GetPinnedDialogs::ID,
    f::messages::ImportChatInvite::ID,
    f::messages::ReadHistory::ID,
    f::messages::ReceivedMessages::ID,
    f::messages::Search::ID,
];

/// What accounts do with each other.
#[derive(Default)]
pub struct Talk {
    world: World,
    news: News,
    pushes: VecDeque<Push>,
    /// When the request that is being answered came, in Unix seconds.
    now: i32,
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").finish_non_exhaustive()
    }
}

impl Talk {
    /// A world in which nobody has said anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to a request of a signed-in caller; `None`: it is about something else.
    pub fn call(&mut self, cx: &mut Cx<'_>, id: u32, query: &Bytes) -> Option<Reply> {
        let reply = match id {
            f::users::GetUsers::ID => self.run(cx, query, users::get_users),
            f::users::GetFullUser::ID => self.run(cx, query, users::get_full_user),
            f::account::UpdateProfile::ID => self.run(cx, query, account::update_profile),
            f::account::UpdateUsername::ID => self.run(cx, query, account::update_username),
            f::account::CheckUsername::ID => self.run(cx, query, account::check_username),
            f::account::UpdateStatus::ID => self.run(cx, query, account::update_status),
            f::contacts::GetContacts::ID => self.run(cx, query, contacts::get),
            f::contacts::GetContactIDs::ID => self.run(cx, query, contacts::get_ids),
            f::contacts::GetStatuses::ID => self.run(cx, query, contacts::get_statuses),
            f::contacts::ImportContacts::ID => self.run(cx, query, contacts::import),
            f::contacts::AddContact::ID => self.run(cx, query, contacts::add),
            f::contacts::DeleteContacts::ID => self.run(cx, query, contacts::delete),
            f::contacts::Block::ID => self.run(cx, query, contacts::block),
            f::contacts::Unblock::ID => self.run(cx, query, contacts::unblock),
            f::contacts::GetBlocked::ID => self.run(cx, query, contacts::get_blocked),
            f::contacts::Search::ID => self.run(cx, query, users::search),
            f::contacts::ResolveUsername::ID => self.run(cx, query, users::resolve_username),
            f::contacts::ResolvePhone::ID => self.run(cx, query, users::resolve_phone),
            f::messages::SendMessage::ID => self.run(cx, query, send::send_message),
            f::messages::SendMedia::ID => self.run(cx, query, send::send_media),
            f::messages::ForwardMessages::ID => self.run(cx, query, send::forward),
            f::messages::EditMessage::ID => self.run(cx, query, send::edit),
            f::messages::SetTyping::ID => self.run(cx, query, send::set_typing),
            f::messages::GetMessages::ID => self.run(cx, query, history::get_messages),
            f::messages::GetHistory::ID => self.run(cx, query, history::get_history),
            f::messages::Search::ID => self.run(cx, query, search::search),
            f::messages::GetDialogs::ID => self.run(cx, query, dialogs::get),
            f::messages::GetPeerDialogs::ID => self.run(cx, query, dialogs::get_of_peers),
            f::messages::GetPinnedDialogs::ID => self.run(cx, query, dialogs::get_pinned),
            f::messages::GetPeerSettings::ID => self.run(cx, query, dialogs::get_settings),
            f::messages::ReadHistory::ID => self.run(cx, query, read::history),
            f::messages::ReadMessageContents::ID => self.run(cx, query, read::contents),
            f::messages::ReceivedMessages::ID => self.run(cx, query, read::received),
            f::messages::DeleteMessages::ID => self.run(cx, query, delete::messages),
            f::messages::DeleteHistory::ID => self.run(cx, query, delete::history),
            f::messages::GetChats::ID => self.run(cx, query, chats::get),
            f::messages::GetFullChat::ID => self.run(cx, query, chats::get_full),
            f::messages::CreateChat::ID => self.run(cx, query, chats::create),
            f::messages::EditChatTitle::ID => self.run(cx, query, chats::edit_title),
            f::messages::EditChatPhoto::ID => self.run(cx, query, chats::edit_photo),
            f::messages::AddChatUser::ID => self.run(cx, query, chats::add_user),
            f::messages::DeleteChatUser::ID => self.run(cx, query, chats::delete_user),
            f::messages::EditChatAdmin::ID => self.run(cx, query, chats::edit_admin),
            f::messages::ExportChatInvite::ID => self.run(cx, query, invites::export),
            f::messages::CheckChatInvite::ID => self.run(cx, query, invites::check),
            f::messages::ImportChatInvite::ID => self.run(cx, query, invites::import),
            f::channels::CreateChannel::ID => self.run(cx, query, channels::create),
            f::channels::GetChannels::ID => self.run(cx, query, channels::get),
            f::channels::GetFullChannel::ID => self.run(cx, query, channels::get_full),
            f::channels::EditTitle::ID => self.run(cx, query, channels::edit_title),
            f::channels::CheckUsername::ID => self.run(cx, query, channels::check_username),
            f::channels::UpdateUsername::ID => self.run(cx, query, channels::update_username),
            f::channels::DeleteChannel::ID => self.run(cx, query, channels::delete),
            f::channels::JoinChannel::ID => self.run(cx, query, members::join),
            f::channels::LeaveChannel::ID => self.run(cx, query, members::leave),
            f::channels::InviteToChannel::ID => self.run(cx, query, members::invite),
            f::channels::EditAdmin::ID => self.run(cx, query, members::edit_admin),
            f::channels::EditBanned::ID => self.run(cx, query, members::edit_banned),
            f::channels::GetParticipants::ID => self.run(cx, query, members::get),
            f::channels::GetParticipant::ID => self.run(cx, query, members::get_one),
            f::channels::GetMessages::ID => self.run(cx, query, history::get_channel_messages),
            f::channels::DeleteMessages::ID => self.run(cx, query, delete::channel_messages),
            f::channels::ReadHistory::ID => self.run(cx, query, read::channel_history),
            f::updates::GetState::ID => self.run(cx, query, difference::get_state),
            f::updates::GetDifference::ID => self.run(cx, query, difference::get),
            f::updates::GetChannelDifference::ID => self.run(cx, query, difference::get_of_channel),
            _ => return None,
        };
        Some(reply)
    }

    /// An account that is there from now on: it has an empty box.
    pub fn joined(&mut self, _cx: &mut Cx<'_>, user_id: i64) {
        self.world.account(user_id);
    }

    /// The next updates for somebody's sessions.
    pub fn poll_push(&mut self) -> Option<Push> {
        self.pushes.pop_front()
    }

    fn run<F: Function + Decode>(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Bytes,
        method: impl FnOnce(&mut Talk, &mut Cx<'_>, F) -> Outcome<F::Response>,
    ) -> Reply
    where
        F::Response: Encode,
    {
        let Ok(arguments) = F::from_bytes(query) else {
            return Err((400, format!("INPUT_METHOD_INVALID_{}_0", F::ID)));
        };
        let is_bot = cx.people.get(cx.me).is_some_and(|me| me.bot);
        if is_bot && NOT_FOR_BOTS.contains(&F::ID) {
            return Err((400, "BOT_METHOD_INVALID".to_owned()));
        }
        self.now = cx.now;
        // A new account may have had no reason for a box yet.
        self.world.account(cx.me);
        match method(self, cx, arguments) {
            Ok(answer) => Ok(answer.to_bytes()),
            Err(refusal) => Err((refusal.code, refusal.text.to_owned())),
        }
    }
}

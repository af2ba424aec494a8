//! Answers to the application's calls that are updates in disguise.
//!
//! Does: finds `Updates` in answers; tells which counter the others move.
//! In: a call and its answer. Out: [`Found`].
//! Must not know: counters' values.
//! Spec: "Working with updates": results of methods count; "messages.affectedMessages".

use bytes::Bytes;
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Constructor, Decode, Function, Reader};

use super::parse::{self, Packet};

/// What an answer holds for us.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Updates.
    Packet(Packet),
    /// It should hold updates, and they cannot be read.
    Unreadable,
    /// A counter moves: a channel's, or the common one.
    Moved {
        channel: Option<i64>,
        pts: i32,
        count: i32,
    },
}

/// Looks into an answer; `me` is the account's user.
pub(super) fn look(query: &Bytes, answer: &Bytes, me: i64) -> Found {
    let mut r = Reader::new(answer);
    let id = r.u32();
    match id {
        id if parse::is_updates(id) => {
            parse::packet(answer, me).map_or(Found::Unreadable, Found::Packet)
        }
        types::messages::InvitedUsers::ID
        | types::payments::PaymentResult::ID
        | types::messages::ChatInviteJoinResultOk::ID => {
            let inner = r.rest();
            parse::packet_before_others(&inner, me).map_or(Found::Unreadable, Found::Packet)
        }
        types::messages::AffectedMessages::ID
        | types::messages::AffectedHistory::ID
        | types::messages::AffectedFoundMessages::ID => {
            let (pts, count) = (r.i32(), r.i32());
            match r.check() {
                Ok(()) => Found::Moved {
                    channel: channel_in(query),
                    pts,
                    count,
                },
                Err(_) => Found::Unreadable,
            }
        }
        _ => Found::Nothing,
    }
}

/// The channel that a call is about, of those calls whose answers move a counter.
fn channel_in(query: &Bytes) -> Option<i64> {
    let mut r = Reader::new(query);
    match r.u32() {
        functions::channels::DeleteMessages::ID
        | functions::channels::DeleteParticipantHistory::ID => of_channel(&mut r),

        functions::messages::ReadHistory::ID | functions::messages::DeleteTopicHistory::ID => {
            of_peer(&mut r)
        }

        functions::messages::DeleteHistory::ID
        | functions::messages::ReadMentions::ID
        | functions::messages::UnpinAllMessages::ID
        | functions::messages::ReadReactions::ID
        | functions::messages::ReadPollVotes::ID => {
            let _flags = r.u32();
            of_peer(&mut r)
        }

        // The history is of a channel's direct messages, which are in a channel of their own.
        functions::messages::DeleteSavedHistory::ID => {
            let flags = r.u32();
            if flags & 1 == 0 {
                None
            } else {
                of_peer(&mut r)
            }
        }
        _ => None,
    }
}

fn of_channel(r: &mut Reader<'_>) -> Option<i64> {
    match enums::InputChannel::decode(r).ok()? {
        enums::InputChannel::InputChannel(c) => Some(c.channel_id),
        enums::InputChannel::FromMessage(c) => Some(c.channel_id),
        enums::InputChannel::Empty => None,
    }
}

fn of_peer(r: &mut Reader<'_>) -> Option<i64> {
    match enums::InputPeer::decode(r).ok()? {
        enums::InputPeer::Channel(c) => Some(c.channel_id),
        enums::InputPeer::ChannelFromMessage(c) => Some(c.channel_id),
        enums::InputPeer::Empty
        | enums::InputPeer::InputPeerSelf
        | enums::InputPeer::Chat(_)
        | enums::InputPeer::User(_)
        | enums::InputPeer::UserFromMessage(_) => None,
    }
}

//! Messages: sending, changing, reading, deleting.
//!
//! Does: methods of [`Client`].
//! In: a chat and what to do. Out: what the server made of it.
//! Must not know: how chats are found.
//! Spec: `messages.sendMessage`, `sendMedia`, `forwardMessages`, `editMessage`, `readHistory`,
//! `deleteMessages`, `deleteHistory`, `setTyping`, `receivedMessages` and their `channels` kin.

use mtproto_schema::api::{enums, functions, types};

use super::peer::as_channel;
use super::{OutgoingMessage, PeerError, PeerRef, Sent, StoredMessage, random_id};
use crate::client::{Client, Error};

/// The server deletes some hundred messages at a time; a history of ten million is none.
const PORTIONS: u32 = 100_000;

impl Client {
    /// Sends a text. Should the connection break on the way, it is sent again and arrives once.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn send_message(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<OutgoingMessage>,
    ) -> Result<Sent, Error> {
        let (to, message) = (to.into(), message.into());
        let random_id = random_id()?;
        let send = functions::messages::SendMessage {
            no_webpage: message.no_webpage,
            silent: message.silent,
            background: false,
            clear_draft: true,
            noforwards: false,
            update_stickersets_order: false,
            invert_media: false,
            allow_paid_floodskip: false,
            peer: self.input_peer(to).await?,
            reply_to: message.input_reply_to(),
            message: message.text.into(),
            random_id,
            reply_markup: None,
            entities: message.entities,
            schedule_date: message.schedule_date,
            schedule_repeat_period: None,
            send_as: None,
            quick_reply_shortcut: None,
            effect: None,
            allow_paid_stars: None,
            suggested_post: None,
            rich_message: None,
        };
        let answer = self.invoke(&send).await?;
        Sent::of(answer, random_id).ok_or(Error::Peer(PeerError::Missing))
    }

    /// Sends what is at hand by reference, a photo or document of the server, a place, a contact,
    /// a dice, with a caption.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn send_media(
        &self,
        to: impl Into<PeerRef>,
        media: enums::InputMedia,
        caption: impl Into<OutgoingMessage>,
    ) -> Result<Sent, Error> {
        let (to, caption) = (to.into(), caption.into());
        let random_id = random_id()?;
        let send = functions::messages::SendMedia {
            silent: caption.silent,
            background: false,
            clear_draft: true,
            noforwards: false,
            update_stickersets_order: false,
            invert_media: false,
            allow_paid_floodskip: false,
            peer: self.input_peer(to).await?,
            reply_to: caption.input_reply_to(),
            media,
            message: caption.text.into(),
            random_id,
            reply_markup: None,
            entities: caption.entities,
            schedule_date: caption.schedule_date,
            schedule_repeat_period: None,
            send_as: None,
            quick_reply_shortcut: None,
            effect: None,
            allow_paid_stars: None,
            suggested_post: None,
        };
        let answer = self.invoke(&send).await?;
        Sent::of(answer, random_id).ok_or(Error::Peer(PeerError::Missing))
    }

    /// Forwards messages of one chat to another; the answers are in their order.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn forward_messages(
        &self,
        from: impl Into<PeerRef>,
        ids: &[i32],
        to: impl Into<PeerRef>,
    ) -> Result<Vec<Sent>, Error> {
        let (from, to) = (from.into(), to.into());
        let mut random_ids = Vec::with_capacity(ids.len());
        for _ in ids {
            random_ids.push(random_id()?);
        }
        let forward = functions::messages::ForwardMessages {
            silent: false,
            background: false,
            with_my_score: false,
            drop_author: false,
            drop_media_captions: false,
            noforwards: false,
            allow_paid_floodskip: false,
            from_ephemeral: false,
            from_peer: self.input_peer(from).await?,
            id: ids.to_vec(),
            random_id: random_ids.clone(),
            to_peer: self.input_peer(to).await?,
            top_msg_id: None,
            reply_to: None,
            schedule_date: None,
            schedule_repeat_period: None,
            send_as: None,
            quick_reply_shortcut: None,
            effect: None,
            video_timestamp: None,
            allow_paid_stars: None,
            suggested_post: None,
        };
        let answer = self.invoke(&forward).await?;
        let sent = |random_id| Sent::of(answer.clone(), random_id);
        let all: Option<_> = random_ids.into_iter().map(sent).collect();
        all.ok_or(Error::Peer(PeerError::Missing))
    }

    /// Replaces the text of a message that the account has sent.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke); `MESSAGE_NOT_MODIFIED` for the same text.
    pub async fn edit_message(
        &self,
        chat: impl Into<PeerRef>,
        id: i32,
        message: impl Into<OutgoingMessage>,
    ) -> Result<(), Error> {
        let (chat, message) = (chat.into(), message.into());
        let edit = functions::messages::EditMessage {
            no_webpage: message.no_webpage,
            invert_media: false,
            peer: self.input_peer(chat).await?,
            id,
            message: Some(message.text.into()),
            media: None,
            reply_markup: None,
            entities: message.entities,
            schedule_date: message.schedule_date,
            schedule_repeat_period: None,
            quick_reply_shortcut_id: None,
            rich_message: None,
        };
        self.invoke(&edit).await.map(drop)
    }

    /// Messages by their numbers, in that order; those that are not there are left out.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn messages(
        &self,
        chat: impl Into<PeerRef>,
        ids: &[i32],
    ) -> Result<Vec<StoredMessage>, Error> {
        let chat = self.input_peer(chat).await?;
        let id = |id: &i32| enums::InputMessage::Id(types::InputMessageId { id: *id });
        let id = ids.iter().map(id).collect();
        let answer = match as_channel(&chat) {
            Some(channel) => {
                let get = functions::channels::GetMessages { channel, id };
                self.invoke(&get).await?
            }
            None => {
                self.invoke(&functions::messages::GetMessages { id })
                    .await?
            }
        };
        Ok(StoredMessage::all(answer))
    }

    /// Deletes messages, for the account only or `for_everyone`; in channels it is always the
    /// latter. How many the server deleted.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn delete_messages(
        &self,
        chat: impl Into<PeerRef>,
        ids: &[i32],
        for_everyone: bool,
    ) -> Result<i32, Error> {
        let chat = self.input_peer(chat).await?;
        let id = ids.to_vec();
        let affected = match as_channel(&chat) {
            Some(channel) => {
                let delete = functions::channels::DeleteMessages { channel, id };
                self.invoke(&delete).await?
            }
            None => {
                let revoke = for_everyone;
                let delete = functions::messages::DeleteMessages { revoke, id };
                self.invoke(&delete).await?
            }
        };
        Ok(affected.pts_count)
    }

    /// Deletes a chat's messages, for the account only or `for_everyone`, and the dialog with
    /// them. The server does it in portions; this returns after the last one.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn delete_history(
        &self,
        chat: impl Into<PeerRef>,
        for_everyone: bool,
    ) -> Result<(), Error> {
        let peer = self.input_peer(chat).await?;
        if let Some(channel) = as_channel(&peer) {
            let delete = functions::channels::DeleteHistory {
                for_everyone,
                channel,
                max_id: 0,
            };
            return self.invoke(&delete).await.map(drop);
        }
        let delete = functions::messages::DeleteHistory {
            just_clear: false,
            revoke: for_everyone,
            peer,
            max_id: 0,
            min_date: None,
            max_date: None,
        };
        for _ in 0..PORTIONS {
            // Above zero: more is left.
            if self.invoke(&delete).await?.offset <= 0 {
                break;
            }
        }
        Ok(())
    }

    /// Marks a chat as read up to and including this message; 0 for all.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn read_history(&self, chat: impl Into<PeerRef>, max_id: i32) -> Result<(), Error> {
        let peer = self.input_peer(chat).await?;
        match as_channel(&peer) {
            Some(channel) => {
                let read = functions::channels::ReadHistory { channel, max_id };
                self.invoke(&read).await.map(drop)
            }
            None => {
                let read = functions::messages::ReadHistory { peer, max_id };
                self.invoke(&read).await.map(drop)
            }
        }
    }

    /// Says that voice messages were heard and mentions seen.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn read_message_contents(
        &self,
        chat: impl Into<PeerRef>,
        ids: &[i32],
    ) -> Result<(), Error> {
        let peer = self.input_peer(chat).await?;
        let id = ids.to_vec();
        match as_channel(&peer) {
            Some(channel) => {
                let read = functions::channels::ReadMessageContents { channel, id };
                self.invoke(&read).await.map(drop)
            }
            None => {
                let read = functions::messages::ReadMessageContents { id };
                self.invoke(&read).await.map(drop)
            }
        }
    }

    /// Says that messages up to this one have arrived, so that no notification is needed.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn received_messages(
        &self,
        max_id: i32,
    ) -> Result<Vec<types::ReceivedNotifyMessage>, Error> {
        let received = functions::messages::ReceivedMessages { max_id };
        self.invoke(&received).await
    }

    /// Shows "is typing" in a chat for about six seconds, or until a message is sent.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn set_typing(&self, chat: impl Into<PeerRef>) -> Result<(), Error> {
        self.set_action(chat, enums::SendMessageAction::SendMessageTypingAction)
            .await
    }

    /// Shows what the user does, like sending a photo, or that it was given up.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn set_action(
        &self,
        chat: impl Into<PeerRef>,
        action: enums::SendMessageAction,
    ) -> Result<(), Error> {
        let set = functions::messages::SetTyping {
            peer: self.input_peer(chat).await?,
            top_msg_id: None,
            action,
        };
        self.invoke(&set).await.map(drop)
    }
}

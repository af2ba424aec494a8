//! The requests of a load: reads, messages, and calls that must not run twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mtproto_driver::Client;
use mtproto_driver::client::{CallOptions, Error};
use mtproto_schema::Function;
use mtproto_schema::api::enums::{InputPeer, InputUser, SendMessageAction};
use mtproto_schema::api::functions::messages::{CreateChat, SendMessage, SetTyping};
use mtproto_schema::api::functions::users::GetUsers;
use mtproto_schema::api::types;
use mtproto_test::dc::digest;
use mtproto_test::{Dice, Seed};

use crate::book::{Book, Entry, Kind};
use crate::dc::BOB;

/// The calls of a load wait so long: more than all the trouble of a test together.
const DEADLINE: Duration = Duration::from_secs(90);

/// What the titles of the load's groups begin with.
const GROUP: &str = "group";

/// Who calls, and about whom.
pub struct Load {
    pub client: Client,
    bob: (InputPeer, InputUser),
    seed: Seed,
    total: usize,
    at_once: usize,
}

impl Load {
    /// So many requests, of which so many may be in flight at once.
    pub async fn new(client: Client, seed: Seed, total: usize, at_once: usize) -> Self {
        Load {
            bob: (
                client.input_peer(BOB).await.unwrap(),
                client.input_user(BOB).await.unwrap(),
            ),
            client,
            seed,
            total,
            at_once,
        }
    }

    /// Makes all requests, and returns when every one has ended.
    pub async fn run(&self, book: &Book) {
        let next = AtomicUsize::new(0);
        let workers = (0..self.at_once).map(|_| async {
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= self.total {
                    return;
                }
                self.request(book, n).await;
            }
        });
        join_all(workers).await;
    }

    /// What the server knows in the end: the texts that Bob was sent, and the titles of all groups.
    pub async fn found(&self) -> [Vec<String>; 2] {
        let (mut texts, mut titles) = (Vec::new(), Vec::new());
        let mut history = self.client.all_history(BOB);
        while let Some(message) = history.next().await {
            texts.push(message.unwrap().text().to_owned());
        }
        let mut dialogs = self.client.all_dialogs();
        while let Some(dialog) = dialogs.next().await {
            titles.push(dialog.unwrap().title());
        }
        titles.retain(|title| title.starts_with(GROUP));
        [texts, titles]
    }

    async fn request(&self, book: &Book, n: usize) {
        let mut dice = Dice::new(Seed(self.seed.0 ^ (n as u64) << 32));
        let (peer, user) = self.bob.clone();
        match dice.range(1..=100) {
            1..=50 => {
                let id = vec![InputUser::InputUserSelf];
                self.call(book, n, Kind::Read, String::new(), &GetUsers { id })
                    .await;
            }
            51..=70 => {
                let random_id = i64::from_le_bytes(dice.array());
                let text = format!("message {n}");
                let message = message(peer, &text, random_id);
                self.call(book, n, Kind::Message, text, &message).await;
            }
            71..=95 => {
                // Told nobody twice: an upload's progress, each number once.
                let action = types::SendMessageUploadDocumentAction { progress: n as i32 };
                let typing = SetTyping {
                    peer,
                    top_msg_id: None,
                    action: SendMessageAction::SendMessageUploadDocumentAction(action),
                };
                self.call(book, n, Kind::Once, String::new(), &typing).await;
            }
            _ => {
                let title = format!("{GROUP} {n}");
                let create = CreateChat {
                    users: vec![user],
                    title: title.as_str().into(),
                    ttl_period: None,
                };
                self.call(book, n, Kind::Group, title, &create).await;
            }
        }
    }

    async fn call<F: Function>(&self, book: &Book, n: usize, kind: Kind, name: String, call: &F) {
        assert_eq!(F::IDEMPOTENT, kind.is_idempotent(), "{}", F::NAME);
        let mut entry = Entry::new(book, n, kind, name, digest(&call.to_bytes()));
        let options = CallOptions::default().deadline(DEADLINE);
        let result = self.client.invoke_with(call, options).await;
        entry.end(book, result.map(|_| ()));
        book.add(entry);
    }
}

/// What is left of a call's result.
pub type End = Result<(), Error>;

fn message(peer: InputPeer, text: &str, random_id: i64) -> SendMessage {
    SendMessage {
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
        message: text.into(),
        random_id,
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

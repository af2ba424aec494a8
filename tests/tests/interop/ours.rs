//! Somebody with our own client, told what to do like the others.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::client::portable::Portable;
use mtproto_proto::client::{Config, DcTable, PeerId};
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_schema::api::{enums, functions};
use mtproto_tokio::client::{
    Error, Incoming, NewContact, Options, OutgoingMessage, PeerRef, Refusal, SignIn, SignInError,
    StoredMessage, Update,
};
use mtproto_tokio::{Client, MemorySession, Tokio};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Dc;
use crate::users::User;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the server may take to prove itself.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Channels have ids below this, and basic groups below zero, as other libraries write them.
const CHANNELS: i64 = -1_000_000_000_000;

/// Somebody with our own client.
pub struct Ours {
    name: String,
    runtime: Runtime,
    config: Config,
    store: MemorySession,
    client: Option<Client>,
    /// Who it is, once it is known.
    me: i64,
    events: (Sender<Value>, Receiver<Value>),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Value, Failure>;

impl Ours {
    pub fn new(dc: &Dc, name: &str) -> Self {
        let pem = std::fs::read_to_string(&dc.key).unwrap();
        let mut dcs = DcTable::empty();
        for entry in dc.program.line["dcs"].as_array().unwrap() {
            let port = entry["port"].as_u64().unwrap() as u16;
            let id = entry["id"].as_i64().unwrap() as i16;
            dcs.set(DcId(id), SocketAddr::from(([127, 0, 0, 1], port)));
        }
        let keys = vec![RsaPublicKey::from_pem(&pem).unwrap()];
        Ours {
            name: name.to_owned(),
            runtime: Runtime::new().unwrap(),
            config: Config::new(1, "0".repeat(32), dcs, keys),
            store: MemorySession::new(),
            client: None,
            me: 0,
            events: mpsc::channel(),
        }
    }

    async fn connect(&mut self, session: Option<&str>) -> Answer {
        if let Some(text) = session {
            self.store = match Portable::parse(text) {
                Ok(portable) => portable.to_snapshot().into(),
                Err(_) => MemorySession::from_text(text)?,
            };
        }
        let mut options = Options::new(self.config.clone());
        options.connect_wait = CONNECT_WAIT;
        let client = Client::open(&Tokio, options, self.store.clone()).await?;
        let mut updates = client.updates();
        let (tx, me) = (self.events.0.clone(), self.me);
        tokio::spawn(async move {
            while let Some(incoming) = updates.next().await {
                let event = match incoming {
                    Incoming::Update(update) => event(&update, me),
                    Incoming::Lost(lost) => {
                        Some(json!({"event": "lost", "what": format!("{lost:?}")}))
                    }
                    _ => None,
                };
                if event.is_some_and(|event| tx.send(event).is_err()) {
                    return;
                }
            }
        });
        let authorized = match session {
            Some(_) => self.is_taken(&client).await?,
            None => client.is_authorized().await?,
        };
        self.client = Some(client);
        Ok(json!({"authorized": authorized}))
    }

    /// Whether the server takes a session from elsewhere, which may not say whose it is.
    async fn is_taken(&mut self, client: &Client) -> Result<bool, Failure> {
        match client.connect().await {
            // A key that is gone is told by -404, which is no proof, and then by the refusal to bind
            // to it; one that is as young as this may not be known everywhere, so the client goes on
            // trying.
            Err(Error::Unreachable {
                trouble: Some(trouble),
                ..
            }) if ["-404", "ENCRYPTED_MESSAGE_INVALID"]
                .iter()
                .any(|word| trouble.to_string().contains(word)) =>
            {
                return Ok(false);
            }
            other => other?,
        }
        let taken = client.is_authorized().await?;
        if taken {
            self.me = client.get_me().await?.id;
        }
        Ok(taken)
    }

    async fn sign_in(&mut self, command: &Value) -> Answer {
        let mut refused = Vec::new();
        let mut password = false;
        let mut guesses = [&command["wrong_code"], &command["wrong_password"]].map(Value::as_str);
        let mut state = self.client()?.request_code(text(command, "phone")?).await?;
        loop {
            let next = match state {
                SignIn::NeedsCode(code) => {
                    let guess = guesses[0].take();
                    code.submit(guess.unwrap_or(text(command, "code")?)).await
                }
                SignIn::NeedsPassword(question) => {
                    password = true;
                    let guess = guesses[1].take();
                    question
                        .check(guess.unwrap_or(text(command, "password")?))
                        .await
                }
                SignIn::Done(done) => {
                    self.me = done.user.id;
                    return Ok(json!({"user": self.me, "password": password, "refused": refused}));
                }
                SignIn::NeedsRecoveryCode(_) | SignIn::NeedsSignUp(_) | _ => {
                    return Err("another question".into());
                }
            };
            state = match next {
                Err(SignInError::TryAgain { why, again }) => {
                    refused.push(refusal(&why));
                    *again
                }
                other => other?,
            };
        }
    }

    async fn do_it(&mut self, command: &Value) -> Answer {
        let client = match text(command, "do")? {
            "connect" => return self.connect(command["session"].as_str()).await,
            "sign_in" => return self.sign_in(command).await,
            _ => self.client()?.clone(),
        };
        let me = self.me;
        Ok(match text(command, "do")? {
            "me" => {
                let user = client.get_me().await?;
                json!({
                    "user": user.id,
                    "first_name": user.first_name.as_deref(),
                    "username": user.username.as_deref(),
                })
            }
            "state" => {
                let state = client.invoke(&functions::updates::GetState).await?;
                json!({"pts": state.pts, "qts": state.qts, "seq": state.seq})
            }
            "resolve" => {
                let users = client.users([text(command, "username")?]).await?;
                let user = users.first().ok_or("nobody")?;
                json!({"user": user.id, "first_name": user.first_name.as_deref()})
            }
            "full" => {
                let full = client.full_user(text(command, "username")?).await?;
                json!({"user": full.full_user.id})
            }
            "import_contact" => {
                let contact = NewContact {
                    phone: text(command, "phone")?.to_owned(),
                    first_name: text(command, "first_name")?.to_owned(),
                    last_name: String::new(),
                };
                let users = client.import_contacts(&[contact]).await?;
                let ids: Vec<_> = users.iter().flatten().map(|user| user.id).collect();
                json!({"users": ids})
            }
            "send" => {
                let mut message = OutgoingMessage::new(text(command, "text")?);
                if let Some(reply_to) = command["reply_to"].as_i64() {
                    message = message.reply_to(i32::try_from(reply_to)?);
                }
                let sent = client.send_message(peer(&command["to"])?, message).await?;
                json!({"message": sent.id, "text": command["text"]})
            }
            "edit" => {
                let id = i32::try_from(command["message_id"].as_i64().ok_or("message_id")?)?;
                let chat = peer(&command["chat"])?;
                client
                    .edit_message(chat, id, text(command, "text")?)
                    .await?;
                json!({"text": command["text"]})
            }
            "delete" => {
                let ids: Vec<i32> = serde_json::from_value(command["messages"].clone())?;
                client
                    .delete_messages(peer(&command["chat"])?, &ids, true)
                    .await?;
                json!({})
            }
            "read" => {
                client.read_history(peer(&command["chat"])?, 0).await?;
                json!({"read": true})
            }
            "typing" => {
                client.set_typing(peer(&command["chat"])?).await?;
                json!({"sent": true})
            }
            "history" => {
                let mut history = client.all_history(peer(&command["chat"])?);
                let mut messages = Vec::new();
                while let Some(message) = history.next().await {
                    messages.push(stored(&message?, me));
                }
                json!({"total": messages.len(), "messages": messages})
            }
            "search" => {
                let chat = peer(&command["chat"])?;
                let mut found = client.all_found(
                    chat,
                    text(command, "text")?,
                    enums::MessagesFilter::InputMessagesFilterEmpty,
                );
                let mut messages = Vec::new();
                while let Some(message) = found.next().await {
                    messages.push(stored(&message?, me));
                }
                json!({"messages": messages})
            }
            "dialogs" => {
                let mut dialogs = client.all_dialogs();
                let mut all = Vec::new();
                while let Some(dialog) = dialogs.next().await {
                    let dialog = dialog?;
                    let last = dialog.top_message().and_then(|message| match message {
                        enums::Message::Message(message) => Some(message.message.to_string()),
                        enums::Message::Empty(_) | enums::Message::Service(_) => None,
                    });
                    all.push(json!({
                        "chat": marked(dialog.peer()),
                        "name": dialog.title(),
                        "unread": dialog.unread_count(),
                        "last": last,
                    }));
                }
                json!({"dialogs": all})
            }
            "group" => {
                let made = client
                    .create_chat(text(command, "title")?, users(command)?)
                    .await?;
                json!({"chat": marked(made.peer)})
            }
            "supergroup" => {
                let made = client
                    .create_channel(text(command, "title")?, "", true)
                    .await?;
                for user in users(command)? {
                    client.add_user(made, user).await?;
                }
                json!({"chat": marked(made)})
            }
            "sign_in_bot" => {
                let done = client.bot_sign_in(text(command, "token")?).await?;
                self.me = done.user.id;
                json!({"user": self.me, "bot": done.user.bot()})
            }
            "session_text" => json!({"text": *client.export_text().await?}),
            "drop" => {
                client.close().await?;
                self.client = None;
                json!({})
            }
            "sign_out" => {
                client.sign_out().await?;
                json!({"signed_out": true})
            }
            other => return Err(format!("{other}: not a command").into()),
        })
    }

    fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or_else(|| "not connected".into())
    }

    /// What is stored of the account.
    pub fn portable(&self) -> Option<Portable> {
        Portable::from_snapshot(&self.store.snapshot(), &self.config.dcs)
    }
}

impl User for Ours {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&mut self, command: Value) -> Value {
        eprintln!("{}: told {command}", self.name);
        let handle = self.runtime.handle().clone();
        let answer = handle.block_on(bounded(self.do_it(&command)));
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        eprintln!("{}: {answer}", self.name);
        answer
    }

    fn next_event(&mut self, patience: Duration) -> Option<Value> {
        let event = self.events.1.recv_timeout(patience).ok()?;
        eprintln!("{}: {event}", self.name);
        Some(event)
    }
}

async fn bounded(work: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(PATIENCE, work).await?
}

/// By the server's name of it.
fn refusal(why: &Refusal) -> String {
    if let Refusal::CodeInvalid { .. } = why {
        "PHONE_CODE_INVALID".to_owned()
    } else if let Refusal::PasswordInvalid { .. } = why {
        "PASSWORD_HASH_INVALID".to_owned()
    } else {
        why.to_string()
    }
}

fn text<'a>(command: &'a Value, name: &str) -> Result<&'a str, Failure> {
    command[name]
        .as_str()
        .ok_or_else(|| format!("no {name}").into())
}

fn users(command: &Value) -> Result<Vec<PeerRef>, Failure> {
    let users = command["users"].as_array().ok_or("no users")?;
    users.iter().map(peer).collect()
}

fn peer(value: &Value) -> Result<PeerRef, Failure> {
    if let Some(name) = value.as_str() {
        return Ok(name.into());
    }
    let id = value.as_i64().ok_or("no peer")?;
    Ok(match id {
        1.. => PeerId::User(id),
        CHANNELS..1 => PeerId::Chat(-id),
        _ => PeerId::Channel(CHANNELS - id),
    }
    .into())
}

fn marked(peer: PeerId) -> i64 {
    match peer {
        PeerId::User(id) => id,
        PeerId::Chat(id) => -id,
        PeerId::Channel(id) => CHANNELS - id,
        other => panic!("{other:?}"),
    }
}

fn stored(message: &StoredMessage, me: i64) -> Value {
    let from = if message.is_outgoing() {
        Some(me)
    } else {
        message.sender().map(marked)
    };
    json!({
        "message": message.id(),
        "from": from,
        "chat": message.chat().map(marked),
        "out": message.is_outgoing(),
        "text": message.text(),
    })
}

/// What others tell of an update; `None` for those that they do not tell of.
fn event(update: &Update, me: i64) -> Option<Value> {
    if let Some(new) = update.as_new_message() {
        let from = if new.is_outgoing() {
            Some(me)
        } else {
            new.sender().map(marked)
        };
        let reply_to = match new.message().reply_to.as_ref() {
            Some(enums::MessageReplyHeader::MessageReplyHeader(header)) => header.reply_to_msg_id,
            Some(enums::MessageReplyHeader::MessageReplyStoryHeader(_)) | None => None,
        };
        return Some(json!({
            "event": "message",
            "message": new.id(),
            "from": from,
            "chat": marked(new.chat()),
            "out": new.is_outgoing(),
            "text": new.text(),
            "reply_to": reply_to,
        }));
    }
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the API has some two hundred kinds of updates, and this tells of few"
    )]
    match update.typed()? {
        enums::Update::EditMessage(edit) => match &edit.message {
            enums::Message::Message(message) => Some(json!({
                "event": "edit", "message": message.id, "text": message.message.as_str(),
            })),
            enums::Message::Empty(_) | enums::Message::Service(_) => None,
        },
        enums::Update::DeleteMessages(delete) => {
            Some(json!({"event": "delete", "messages": delete.messages}))
        }
        enums::Update::ReadHistoryOutbox(read) => match &read.peer {
            enums::Peer::User(user) => Some(json!({
                "event": "read", "chat": user.user_id, "max": read.max_id, "outbox": true,
            })),
            enums::Peer::Chat(_) | enums::Peer::Channel(_) => None,
        },
        enums::Update::UserTyping(typing) => {
            Some(json!({"event": "typing", "from": typing.user_id}))
        }
        _ => None,
    }
}

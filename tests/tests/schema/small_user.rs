//! A small program over the typed API, as a user would write it: `schema/build-cost.sh` measures
//! what it costs to build one again.

use std::io::{Read, Write};

use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Decode, Function};

/// Stands for a connection: the query goes out, the answer comes in.
fn call<F: Function>(query: &F) -> F::Response {
    std::io::stdout()
        .write_all(&query.to_bytes())
        .expect("written");
    let mut answer = Vec::new();
    std::io::stdin().read_to_end(&mut answer).expect("read");
    F::Response::from_bytes(&answer.into()).expect("an answer")
}

fn main() {
    let resolve = functions::contacts::ResolveUsername {
        username: "telegram".into(),
        referer: None,
    };
    println!("{} users", call(&resolve).users.len());

    let dialogs = call(&functions::messages::GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date: 0,
        offset_id: 0,
        offset_peer: enums::InputPeer::Empty,
        limit: 10,
        hash: 0,
    });
    if let enums::messages::Dialogs::Dialogs(dialogs) = dialogs {
        println!("{} messages", dialogs.messages.len());
    }

    let history = call(&functions::messages::GetHistory {
        peer: enums::InputPeer::User(types::InputPeerUser {
            user_id: 1,
            access_hash: 2,
        }),
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 5,
        max_id: 0,
        min_id: 0,
        hash: 0,
    });
    if let enums::messages::Messages::Messages(history) = history {
        for message in history.messages {
            if let enums::Message::Message(message) = message {
                println!("{}", message.message);
            }
        }
    }

    let state = functions::updates::GetDifference {
        pts: 1,
        pts_limit: None,
        pts_total_limit: None,
        date: 1,
        qts: 1,
        qts_limit: None,
    };
    if let enums::updates::Difference::Difference(difference) = call(&state) {
        for update in difference.other_updates {
            if let enums::Update::NewMessage(new) = update {
                println!("{}", new.pts);
            }
        }
    }
}

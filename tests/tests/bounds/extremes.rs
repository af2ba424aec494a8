//! Bounds of 0, 1 and as much as a number can say: nothing panics, nothing spins, in either role.

use mtproto_proto::connection::ClientConfig;
use mtproto_proto::server::ServerConfig;
use mtproto_proto::session::{self, SendOptions};
use mtproto_proto::{ConnId, MsgId};
use mtproto_test::Seed;
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::{gzip_packed, zlib};

use crate::support::{config, secs, server_config};

/// Every bound of a session, by name.
type Bound = (&'static str, fn(&mut session::Config) -> &mut usize);

const BOUNDS: [Bound; 14] = [
    ("max_requests", |c| &mut c.max_requests),
    ("max_request_bytes", |c| &mut c.max_request_bytes),
    ("max_notices", |c| &mut c.max_notices),
    ("max_notice_bytes", |c| &mut c.max_notice_bytes),
    ("packet", |c| &mut c.limits.packet),
    ("container_items", |c| &mut c.limits.container_items),
    ("inflated", |c| &mut c.limits.inflated),
    ("inflate_ratio", |c| &mut c.limits.inflate_ratio),
    ("acks", |c| &mut c.limits.acks),
    ("unwanted_bytes", |c| &mut c.limits.unwanted_bytes),
    ("update_bytes", |c| &mut c.limits.update_bytes),
    ("answer_bytes", |c| &mut c.limits.answer_bytes),
    ("calls", |c| &mut c.limits.calls),
    ("call_bytes", |c| &mut c.limits.call_bytes),
];

/// What either side may say, some of which the other must not.
fn sayings(own: &[MsgId], salt: i64) -> Vec<Said> {
    let id = own.last().copied().unwrap_or(MsgId(4));
    let packed = gzip_packed(&zlib(&[7; 10_000]));
    vec![
        Said::other(b"a call, or an update"),
        Said::other(&[9; 40_000]),
        Said::other(&packed),
        Said::Acks(own.to_vec()),
        Said::StateReq(own.to_vec()),
        Said::AllInfo {
            ids: own.to_vec(),
            info: vec![4; own.len()],
        },
        Said::ResendReq(own.to_vec()),
        Said::NewDetailedInfo { answer: id },
        Said::result(id, b"answered"),
        Said::result(id, &packed),
        Said::result(MsgId(4), &[0; 20_000]),
        Said::bad_salt(id, salt),
        Said::bad_msg(id, 33),
        Said::NewSession {
            first: id,
            unique_id: 3,
            salt,
        },
        Said::Ping(1),
        Said::Pong {
            req: id,
            ping_id: 1,
        },
        Said::GetFutureSalts(64),
        Said::DropAnswer(id),
        Said::DestroyAuthKey,
    ]
}

fn talk_to_client(config: ClientConfig, seed: u64) {
    let mut rogue = RogueServer::new(config, Seed::from_env_or(seed));
    rogue.answers_pings(true);
    for round in 0..6 {
        for len in [8, 40_000] {
            let now = rogue.now();
            let options = SendOptions::default().deadline(secs(40));
            let _ = rogue.client.send(now, vec![round; len].into(), &options);
        }
        let heard = rogue.hear();
        let messages = heard.iter().flat_map(|packet| &packet.messages);
        let own: Vec<_> = messages.map(|message| message.msg_id).collect();
        let salt = rogue.salt;
        for said in sayings(&own, salt) {
            if rogue.error().is_none() {
                rogue.say(said);
            }
        }
        if rogue.error().is_none() {
            let said = sayings(&own, salt);
            rogue.say_all(&said);
        }
        if round % 2 == 0 {
            rogue.events();
        }
        if rogue.error().is_none() {
            rogue.later(secs(70));
        }
        if rogue.error().is_some() {
            rogue = rogue.reconnect();
            rogue.hear();
        }
    }
}

fn talk_to_server(config: ServerConfig, seed: u64) {
    let mut rogue = RogueClient::new(config, Seed::from_env_or(seed));
    let mut conn: ConnId = rogue.connect();
    let mut own = Vec::new();
    for round in 0..6 {
        let salt = rogue.salt;
        let mut said = sayings(&own, salt);
        // Another session under the same name would confuse who watches the server.
        said.retain(|said| *said != Said::DestroyAuthKey);
        for said in said.clone() {
            own.push(rogue.say(conn, said));
        }
        rogue.say_all(conn, &said);
        for (id, _) in rogue.calls().into_iter().step_by(2) {
            rogue.respond(id, &[8; 2_000]);
        }
        rogue.push(b"an update...");
        for packet in rogue.hear(conn) {
            for message in packet.messages {
                if let Said::BadSalt { new_salt, .. } = message.said() {
                    rogue.salt = new_salt;
                }
                own.push(message.msg_id);
            }
        }
        rogue.later(secs(70));
        if rogue.closed(conn).is_some() || round == 3 {
            rogue.disconnect(conn);
            let key = rogue.key().clone();
            let now = rogue.now();
            rogue.server.provide_key(now, key.id(), Some(key));
            conn = rogue.connect();
        }
    }
}

#[test]
fn any_bound_of_a_session_may_have_any_value_in_either_role() {
    for value in [0, 1, 16, usize::MAX - 1, usize::MAX] {
        for (at, (name, bound)) in BOUNDS.iter().enumerate() {
            println!("{name} = {value}");
            let seed = 7_600 + at as u64;
            let mut client = config();
            *bound(&mut client.session) = value;
            talk_to_client(client, seed);
            let mut server = server_config();
            *bound(&mut server.session) = value;
            talk_to_server(server, seed);
        }
        println!("all = {value}");
        let (mut client, mut server) = (config(), server_config());
        for (_, bound) in BOUNDS {
            *bound(&mut client.session) = value;
            *bound(&mut server.session) = value;
        }
        talk_to_client(client, 7_620);
        talk_to_server(server, 7_620);
    }
}

#[test]
fn no_bound_is_missing_above() {
    let config = format!("{:#?}", session::Config::default());
    let numbers = config
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(": "))
        .filter(|(name, value)| value.parse::<usize>().is_ok() && *name != "max_retries");
    let mut names: Vec<_> = numbers.map(|(name, _)| name).collect();
    let mut known: Vec<_> = BOUNDS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}

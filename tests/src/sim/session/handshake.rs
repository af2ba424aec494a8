//! The handshake of a run that begins with one: both machines, without a stream.
//!
//! Does: [`make_key`] lets a client and a server make a key together.
//! In: dice, both clocks. Out: the key, its first salt, the server's time as the client knows it.
//! Must not know: sessions.
//! Spec: "Creating an Authorization Key".

use std::sync::LazyLock;

use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::handshake::{ClientHandshake, Complete, ServerHandshake, Step, client, server};
use mtproto_proto::{DcId, Time};

use crate::Dice;
use crate::rogue::msg_id_at;
use crate::sim::model::{Checked, broken};
use crate::sim::outcome::Invariant;

/// The data centre of all runs.
pub(in crate::sim) const DC: DcId = DcId(2);

/// The server's key: the suites' own.
pub(in crate::sim) static RSA: LazyLock<RsaPrivateKey> = LazyLock::new(|| {
    RsaPrivateKey::from_pem(include_str!("../../../tests/keys/server.pem"))
        .expect("the key of the suites is a key")
});

/// Questions of a handshake that goes well.
const QUESTIONS: usize = 3;

/// Makes a key.
pub(super) fn make_key(dice: &mut Dice, client_now: Time, server_now: Time) -> Checked<Complete> {
    let mut rng = dice.rng();
    let config = client::Config::new(vec![RSA.public().clone()], DC);
    let server_config = server::Config {
        keys: vec![RSA.clone()],
        dc: Some(DC),
    };
    let failed = |who, error: &dyn std::fmt::Display| {
        broken(
            Invariant::EndsInTime,
            format!("the handshake of the {who}: {error}"),
        )
    };
    let mut ours = ClientHandshake::new(config, client_now, &mut rng);
    let mut theirs = ServerHandshake::new(server_now);
    for question in 0..QUESTIONS {
        let msg_id = msg_id_at(server_now, 1);
        let taken = theirs.handle(
            &server_config,
            server_now,
            ours.query(),
            mtproto_proto::MsgId(msg_id.0 + 4 * question as i64),
            &mut |_| false,
            &mut rng,
        );
        let reply = match taken {
            Ok((next, reply)) => {
                theirs = next;
                reply
            }
            Err(error) => return failed("server", &error),
        };
        match ours.handle(client_now, &reply.packet.unwrap_or_default(), &mut rng) {
            Ok(Step::Continue(next)) => ours = next,
            Ok(Step::Complete(complete)) => return Ok(*complete),
            Err(error) => return failed("client", &error),
        }
    }
    broken(Invariant::EndsInTime, "the handshake goes on and on")
}

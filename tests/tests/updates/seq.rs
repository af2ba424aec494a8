//! The number of containers, which the server counts modulo 2^30.

use mtproto_schema::Encode;

use crate::build::*;
use crate::rig::*;

/// A rig whose containers are numbered up to here.
fn at(seq: i32) -> Rig {
    let mut rig = Rig::unknown(mtproto_proto::client::updates::Config::default());
    let id = rig.need(Call::State);
    rig.answer(id, state(100, 20, 1_000, seq).to_bytes());
    rig
}

#[test]
fn a_seq_that_begins_anew_is_followed() {
    const LAST: i32 = (1 << 30) - 1;
    let mut rig = at(LAST - 1);
    rig.push(updates(vec![phone(1)], LAST, 1_001));
    assert_eq!(rig.told(), [other(1)]);
    // From the beginning: what is missing between nobody can tell, so it is asked for.
    rig.push(updates(vec![phone(2)], 1, 1_002));
    let id = rig.need(Call::Difference {
        pts: 100,
        qts: 20,
        date: 1_001,
    });
    let answer = Difference {
        others: vec![phone(2)],
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(100, 20, 1_002, 1)));
    assert_eq!(rig.told(), [other(2)]);
    rig.push(updates(vec![phone(3)], 2, 1_003));
    assert_eq!(rig.told(), [other(3)]);
    rig.idle();

    // One that is only old is not taken for that.
    let mut rig = at(1_000);
    rig.push(updates(vec![phone(1)], 999, 1_001));
    assert_eq!(rig.told(), []);
    rig.idle();
}

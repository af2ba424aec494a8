//! The model is told lies, one for each of its rules, and notices each.

use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, Fate, MsgId, RequestError, RequestId, RpcError, SessionId};
use mtproto_test::pair::START;
use mtproto_test::sim::{Broken, Checked, Invariant, Model, Submission, Tag};

const KEY: AuthKeyId = AuthKeyId(1);
const SESSION: SessionId = SessionId(2);

/// Two requests, the second after the first.
fn model(idempotent: bool) -> Model {
    let mut model = Model::default();
    for tag in [1, 2] {
        let submission = Submission {
            client: 0,
            tag: Tag(tag),
            id: RequestId(tag),
            idempotent,
            deadline: START + Duration::from_secs(60),
            retries: 5,
            after: (1..tag).map(Tag).collect(),
            unanswered: false,
        };
        model.submitted(submission, START);
    }
    model
}

fn execute(model: &mut Model, tag: u64, msg_id: i64) -> Checked {
    model.executed(Tag(tag), KEY, SESSION, MsgId(msg_id))
}

fn fail(model: &mut Model, tag: u64, error: RequestError) -> Checked {
    let later = START + Duration::from_secs(60);
    model.failed(0, RequestId(tag), &error, later)
}

#[track_caller]
fn assert_breaks(result: Checked, invariant: Invariant) {
    match result {
        Err(Broken(broken, _)) if broken == invariant => {}
        other => panic!("{invariant:?}: {other:?}"),
    }
}

#[test]
fn a_model_that_is_told_the_truth_agrees() {
    let mut model = model(false);
    execute(&mut model, 1, 4).unwrap();
    execute(&mut model, 2, 8).unwrap();
    fail(&mut model, 1, RequestError::TimedOut(Fate::MaybeExecuted)).unwrap();
    fail(&mut model, 2, RequestError::Lost(Fate::MaybeExecuted)).unwrap();
    assert_eq!(model.open_count(), 0);
}

#[test]
fn it_notices_what_is_executed_twice_or_too_early() {
    let mut once = model(false);
    execute(&mut once, 1, 4).unwrap();
    assert_breaks(execute(&mut once, 1, 8), Invariant::NeverTwice);
    let mut often = model(true);
    execute(&mut often, 1, 4).unwrap();
    execute(&mut often, 1, 8).unwrap();
    assert_breaks(execute(&mut often, 1, 8), Invariant::NeverTwice);
    assert_breaks(execute(&mut model(false), 2, 4), Invariant::Order);
    assert_breaks(execute(&mut model(false), 3, 4), Invariant::SenderRules);
}

#[test]
fn it_notices_fates_that_are_not_true() {
    for fate in [Fate::NotSent, Fate::NotReceived] {
        let mut ran = model(false);
        execute(&mut ran, 1, 4).unwrap();
        assert_breaks(
            fail(&mut ran, 1, RequestError::Lost(fate)),
            Invariant::FateIsTrue,
        );
        let mut runs = model(false);
        fail(&mut runs, 1, RequestError::TimedOut(fate)).unwrap();
        assert_breaks(execute(&mut runs, 1, 4), Invariant::FateIsTrue);
    }
}

#[test]
fn it_notices_ends_that_come_twice_early_late_or_unasked() {
    let mut twice = model(false);
    let lost = RequestError::Lost(Fate::MaybeExecuted);
    fail(&mut twice, 1, lost.clone()).unwrap();
    assert_breaks(fail(&mut twice, 1, lost.clone()), Invariant::EndsOnce);
    assert_breaks(fail(&mut model(false), 7, lost), Invariant::EndsOnce);
    let cancelled = RequestError::Cancelled(Fate::NotSent);
    assert_breaks(fail(&mut model(false), 1, cancelled), Invariant::EndsOnce);
    let timed_out = RequestError::TimedOut(Fate::NotSent);
    assert_breaks(
        model(false).failed(0, RequestId(1), &timed_out, START),
        Invariant::EndsInTime,
    );
    let beyond = START + Duration::from_secs(61);
    assert_breaks(
        model(false).check_deadlines(0, beyond),
        Invariant::EndsInTime,
    );
}

#[test]
fn it_notices_answers_of_others_and_of_nobody() {
    let other = Bytes::from_static(b"the answer to something else");
    let mut ran = model(false);
    execute(&mut ran, 1, 4).unwrap();
    assert_breaks(ran.answered(0, RequestId(1), &other), Invariant::OwnAnswer);
    let error = RpcError {
        code: 400,
        message: "SIM_ERROR_1".into(),
    };
    assert_breaks(
        fail(&mut model(false), 1, RequestError::Rpc(error)),
        Invariant::OwnAnswer,
    );
    assert_breaks(model(false).update_told(0, &other), Invariant::OwnAnswer);
}

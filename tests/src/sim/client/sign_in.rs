//! How an application signs its account in.
//!
//! Does: runs the steps of the core's sign-in, by code, password or bot's token, from the beginning
//! again when one fails.
//! In: ends of its calls. Out: the next call.
//! Must not know: streams; how the world judges.
//! Spec: "User authorization"; "Two-factor authentication".

use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::Time;
use mtproto_proto::client::sign_in::{
    App, BotSignIn, CheckPassword, Next, RequestCode, SignIn, SignInError, SignedIn, Step,
    SubmitCode,
};
use mtproto_proto::client::{CallError, CallOptions};

use super::app::About;
use super::ledger::Checked;
use super::plan::Begin;
use super::rig::Rig;

/// A person who is told that it did not work waits before trying again.
const AGAIN: Duration = Duration::from_secs(5);

/// How far it is.
pub(super) enum Signing {
    /// Nothing is asked; from this time on it may begin.
    Idle(Time),
    Code(RequestCode),
    Submit(SubmitCode),
    Password(Box<CheckPassword>),
    Bot(BotSignIn),
}

impl Rig {
    /// Begins where somebody has to sign in.
    pub(super) fn sign_in(&mut self) -> Checked {
        for index in 0..self.people.len() {
            let person = &self.people[index];
            let begins = match self.plan.people[index].begin {
                Begin::Stored { .. } => self.plan.comes_back,
                Begin::Code { .. } | Begin::Bot => {
                    self.plan.comes_back || !person.inbox.has_begun()
                }
            };
            let due = matches!(person.signing, Signing::Idle(at) if at <= self.now);
            if begins && due && !person.is_in() && person.asleep.is_none() {
                let app = App::new(17, "hash");
                let signing = match &person.token {
                    Some(token) => Signing::Bot(BotSignIn::new(app, token.as_str())),
                    None => Signing::Code(RequestCode::new(app, person.phone.as_str())),
                };
                self.go_on(index, signing)?;
            }
        }
        Ok(())
    }

    /// Sends what a step asks for.
    fn go_on(&mut self, index: usize, signing: Signing) -> Checked {
        let ask = match &signing {
            Signing::Idle(_) => None,
            Signing::Code(step) => Some(step.ask()),
            Signing::Submit(step) => Some(step.ask()),
            Signing::Password(step) => Some(step.ask()),
            Signing::Bot(step) => Some(step.ask()),
        };
        self.people[index].signing = signing;
        if let Some(ask) = ask {
            let mut options = CallOptions::default().route(ask.route);
            options.idempotent = ask.idempotent;
            let sent = self.submit(index, About::SignIn, ask.body, &options)?;
            if sent.is_none() {
                self.people[index].signing = Signing::Idle(self.now + AGAIN);
            }
        }
        Ok(())
    }

    /// The call of a step ended.
    pub(super) fn sign_in_ended(
        &mut self,
        index: usize,
        result: Result<Bytes, CallError>,
    ) -> Checked {
        let idle = Signing::Idle(self.now + AGAIN);
        let signing = std::mem::replace(&mut self.people[index].signing, idle);
        let next = match signing {
            Signing::Idle(_) => None,
            Signing::Code(step) => self.followed(index, step.handle(result), Signing::Code),
            Signing::Submit(step) => self.followed(index, step.handle(result), Signing::Submit),
            Signing::Password(step) => done(step.handle(result), |step| {
                Signing::Password(Box::new(step))
            }),
            Signing::Bot(step) => done(step.handle(result), Signing::Bot),
        };
        match next {
            Some(next) => self.go_on(index, next),
            None => Ok(()),
        }
    }

    fn followed<S: Step>(
        &mut self,
        index: usize,
        next: Result<Next<S, SignIn>, SignInError>,
        same: impl FnOnce(S) -> Signing,
    ) -> Option<Signing> {
        match next.ok()? {
            Next::Ask(step) => Some(same(step)),
            Next::Done(SignIn::NeedsCode(code)) => {
                let phone = &self.people[index].phone;
                let sent = self.world.code_of(phone, self.now)?;
                Some(Signing::Submit(code.submit(&sent)))
            }
            Next::Done(SignIn::NeedsPassword(needs)) => {
                let password = self.people[index].password?;
                let mut rng = self.dice.rng();
                let step = needs.check(password, &mut rng).ok()?;
                Some(Signing::Password(Box::new(step)))
            }
            Next::Done(SignIn::NeedsSignUp(_) | SignIn::Done(_)) => None,
        }
    }
}

/// A step after which somebody is signed in.
fn done<S: Step<Done = Box<SignedIn>>>(
    next: Result<Next<S, Box<SignedIn>>, SignInError>,
    same: impl FnOnce(S) -> Signing,
) -> Option<Signing> {
    match next.ok()? {
        Next::Ask(step) => Some(same(step)),
        Next::Done(_) => None,
    }
}

//! A run that bytes decide, step by step, instead of dice: for fuzzers.
//!
//! Does: [`play`] reads what is done and what goes wrong from a script, does it to a [`Level`], and
//! then demands the calm that ends every run. What a step leaves open is chosen by dice that are
//! loaded with bytes of the script, so that each byte means something and a step can be moved.
//! In: a level with its machines, a script. Out: an outcome, or what is broken.
//! Must not know: which machines the level has.
//! Spec: none.

use std::time::Duration;

use mtproto_proto::{AuthKeyId, SessionId};

use super::{Blow, Deed, Forged, Level, Run};
use crate::sim::faults::Fault;
use crate::sim::middle::{Passed, To};
use crate::sim::model::{Broken, Checked};
use crate::sim::outcome::Outcome;
use crate::sim::stage::Stage;
use crate::sim::weather::Weather;
use crate::{Dice, Seed};

/// Steps of one script: a story; the calm after it costs as much again.
const MAX_STEPS: usize = 64;
/// Bursts of one script: each is many times as many requests as all else.
const MAX_BURSTS: u32 = 1;
/// Jumps of clocks in one script, as many as a run by dice has at most. Each may be a day, and a
/// server that lost its sessions judges by the newest message that it remembers.
const MAX_JUMPS: u32 = 10;
/// Time that a script lets pass before the calm: bad weather may cost a stream every few seconds, and
/// an input has to be quick. The simulator has the long storms.
const MAX_TIME: Duration = Duration::from_secs(20 * 60);
/// The longest packet that is made up, in bytes.
const MAX_PACKET: usize = 96;

/// What each step begins with.
mod step {
    pub(super) const WAIT: u8 = 0;
    pub(super) const SUBMIT: u8 = 1;
    pub(super) const CANCEL: u8 = 2;
    pub(super) const PUSH: u8 = 3;
    pub(super) const STRIKE: u8 = 4;
    pub(super) const HOLD: u8 = 5;
    pub(super) const LINE: u8 = 6;
    pub(super) const STATUS: u8 = 7;
    pub(super) const PACKET: u8 = 8;
    pub(super) const COPY: u8 = 9;
    pub(super) const BURST: u8 = 10;
    pub(super) const STORM: u8 = 11;
    pub(super) const ALL: u8 = 12;
}

/// Runs a level through a script, and to its end.
///
/// # Errors
/// The first invariant that breaks.
pub(in crate::sim) fn play<L: Level>(
    level: L,
    stage: &mut Stage,
    script: &[u8],
) -> Result<Outcome, Broken> {
    let mut play = Play {
        run: Run::new(level, stage),
        script,
        bursts: 0,
        jumps: 0,
        left: MAX_TIME,
    };
    play.run.stage.weather = Weather {
        calm: false,
        ..Weather::calm()
    };
    for _ in 0..MAX_STEPS {
        if play.script.is_empty() {
            break;
        }
        play.step()?;
        play.run.stage.dice.load(&[]);
        play.run.settle()?;
    }
    // What was submitted until here was submitted before the calm.
    let end = play.run.stage.now + Duration::from_millis(1);
    play.run.until(end, |_| false)?;
    play.run.calm()?;
    Ok(play.run.outcome())
}

struct Play<'a, 'b, L> {
    run: Run<'a, L>,
    /// What is left of the script; past its end there are zeros.
    script: &'b [u8],
    bursts: u32,
    jumps: u32,
    left: Duration,
}

impl<'b, L: Level> Play<'_, 'b, L> {
    fn take(&mut self, len: usize) -> &'b [u8] {
        let (head, rest) = self.script.split_at(len.min(self.script.len()));
        self.script = rest;
        head
    }

    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A few bytes for the dice, behind how many they are.
    fn load(&mut self) {
        let len = self.u8() & 31;
        let bytes = self.take(len.into());
        self.run.stage.dice.load(bytes);
    }

    fn client(&mut self) -> usize {
        usize::from(self.u8()) % self.run.level.clients()
    }

    /// From a millisecond to hours.
    fn time(&mut self) -> Duration {
        let (amount, unit) = (u64::from(self.u8()), self.u8());
        match unit & 3 {
            0 => Duration::from_millis(amount),
            1 => Duration::from_millis(100 * amount),
            2 => Duration::from_secs(amount),
            _ => Duration::from_secs(60 * amount),
        }
    }

    fn step(&mut self) -> Checked {
        match self.u8() % step::ALL {
            step::WAIT => {
                let time = self.time().min(self.left);
                self.left -= time;
                // What happens to the packets of this time.
                self.load();
                let end = self.run.stage.now + time;
                self.run.until(end, |_| false).map(drop)
            }
            step::SUBMIT => {
                let client = self.client();
                self.load();
                self.run.act(Deed::Submit(client))
            }
            step::CANCEL => {
                let (client, which) = (self.client(), usize::from(self.u8()));
                let open = self.run.stage.model.open(client);
                let open: Vec<_> = open.map(|request| request.submission.tag).collect();
                match which.checked_rem(open.len()) {
                    Some(at) => self.run.act(Deed::Cancel(open[at])),
                    None => Ok(()),
                }
            }
            step::PUSH => {
                let client = self.client();
                self.load();
                self.run.act(Deed::Push(client))
            }
            step::STRIKE => self.strike(),
            step::HOLD => {
                let (client, hold) = (self.client(), self.u8() & 1 == 0);
                if hold {
                    self.run.stage.faults.count(Fault::SlowApplication);
                }
                self.run.act(Deed::Hold(client, hold))
            }
            step::LINE => {
                self.line();
                self.run.level.feel(self.run.stage);
                Ok(())
            }
            step::STATUS => {
                let client = self.client();
                let (code, fault) = match self.u8() {
                    0..=0x7f => (-404, Fault::Status404),
                    0x80..=0xbf => (-429, Fault::Status429),
                    // 0 only keeps a stream alive.
                    other => (-444 - i32::from(other & 0x3f), Fault::Status444),
                };
                self.run.stage.faults.count(fault);
                self.forge(client, Forged::Status(code));
                Ok(())
            }
            step::PACKET => {
                let client = self.client();
                let forged = self.packet();
                self.run.stage.faults.count(Fault::BitFlip);
                self.forge(client, forged);
                Ok(())
            }
            step::COPY => {
                let (client, which) = (self.client(), usize::from(self.u8()));
                if let Some(passed) = self.run.stage.middle.copy(which)
                    && self.forge(client, Forged::Copy(passed))
                {
                    self.run.stage.faults.count(Fault::Replay);
                }
                Ok(())
            }
            step::BURST => {
                let client = self.client();
                self.load();
                self.bursts += 1;
                if self.bursts > MAX_BURSTS {
                    return Ok(());
                }
                self.run.act(Deed::Burst(client))
            }
            _ => {
                self.load();
                let stage = &mut *self.run.stage;
                stage.weather = Weather::roll(&mut stage.dice, &mut stage.faults);
                self.run.level.feel(self.run.stage);
                Ok(())
            }
        }
    }

    fn strike(&mut self) -> Checked {
        let client = self.client();
        let blow = match self.u8() % 11 {
            0 => Blow::Cut,
            1 => Blow::Vanish,
            2 => Blow::Dead,
            3 => Blow::Stall(self.time().min(Duration::from_secs(20))),
            4 => Blow::RestartKept,
            5 => Blow::RestartLost,
            6 => Blow::ClientRestart,
            7 => Blow::Switch,
            8 => Blow::Salts,
            other => {
                let by = self.time() + Duration::from_secs(1);
                self.jumps += 1;
                if self.jumps > MAX_JUMPS {
                    return Ok(());
                }
                if other == 9 {
                    Blow::ClientJump(by)
                } else {
                    Blow::ServerJump(by)
                }
            }
        };
        self.load();
        self.run.act(Deed::Strike(client, blow))
    }

    /// One thing about the line, or about the one on it.
    fn line(&mut self) {
        let (which, value) = (self.u8(), self.u8());
        let weather = &mut self.run.stage.weather;
        let rates = weather.rates().len();
        // As often as the dice ever make it; now and then only, what else would never end.
        let rate = (value != 0).then(|| u64::from(value).clamp(2, 64));
        match usize::from(which) % (rates + 7) {
            at if at < rates => {
                if let Some(slot) = weather.rates().into_iter().nth(at) {
                    *slot = rate;
                }
            }
            at => match at - rates {
                0 => weather.latency = Duration::from_millis(20 * u64::from(value)),
                1 => weather.jitter = Duration::from_millis(10 * u64::from(value)),
                2 => weather.segments = 1.max(usize::from(value)),
                3 => weather.capacity = 200 + 8 * usize::from(value),
                4 => weather.late = (value != 0).then_some(value.into()),
                5 => weather.unanswered = (value != 0).then_some(value.into()),
                _ => weather.error = (value != 0).then_some(value.into()),
            },
        }
    }

    /// A packet that nobody with a key made: noise under the key's id or another one, or a message
    /// without a key.
    fn packet(&mut self) -> Forged {
        let (how, len) = (self.u8(), usize::from(self.u8()) % MAX_PACKET);
        let to = match how & 1 {
            0 => To::Client,
            _ => To::Server,
        };
        let key = match how >> 1 & 3 {
            0 => AuthKeyId(0),
            1 => AuthKeyId(-1),
            _ => {
                let mut known = self.run.stage.keys.keys();
                known.next().copied().unwrap_or(AuthKeyId(0))
            }
        };
        let mut sealed = key.0.to_le_bytes().to_vec();
        sealed.extend(self.take(len));
        sealed.resize(sealed.len().next_multiple_of(4).max(24), 0);
        Forged::Packet(Passed {
            to,
            sealed,
            packet: None,
            key,
            session: SessionId(0),
        })
    }

    fn forge(&mut self, client: usize, forged: Forged) -> bool {
        self.run.level.forge(self.run.stage, client, forged)
    }
}

/// Scripts that a fuzzer begins with.
pub(in crate::sim) fn scripts() -> Vec<(String, Vec<u8>)> {
    const ONE: u8 = 1;
    let second: &[u8] = &[step::WAIT, 1, 2, 0];
    let minute: &[u8] = &[step::WAIT, 1, 3, 0];
    let submit: &[u8] = &[step::SUBMIT, 0, 0];
    let push: &[u8] = &[step::PUSH, 0, 0];
    let hold: &[u8] = &[step::HOLD, 0, 0];
    let take: &[u8] = &[step::HOLD, 0, ONE];
    let cancel: &[u8] = &[step::CANCEL, 0, 0];

    let mut all = Vec::new();
    let mut story = |name: &str, seed: u8, steps: &[&[u8]]| {
        let (machines, how) = match seed % 3 {
            0 => ("sessions", 3),
            _ => ("pair", 0),
        };
        let script = [&[how, seed, 0], &steps.concat()[..]].concat();
        all.push((format!("{machines}-{name}"), script));
    };
    story("calls", 1, &[submit, submit, push, second, submit, minute]);
    story(
        "slow",
        2,
        &[second, hold, submit, push, push, minute, cancel, take],
    );
    for blow in 0..11 {
        let strike = &[step::STRIKE, 0, blow, 5, 2, 2, 0, 40];
        story(
            &format!("blow-{blow}"),
            blow,
            &[
                submit, second, submit, push, strike, submit, second, push, minute,
            ],
        );
    }
    // Each thing that the line or the one on it does.
    for which in 0..18 {
        let line = &[step::LINE, which, 3];
        let calls = &[submit, push, second].concat();
        story(
            &format!("line-{which}"),
            20 + which,
            &[submit, line, calls, calls, calls, minute],
        );
    }
    for (name, forged) in [
        ("status-404", &[step::STATUS, 0, 0][..]),
        ("status-429", &[step::STATUS, 0, 0x80]),
        ("plain-to-client", &[step::PACKET, 0, 0, 8, 1, 2, 3, 4]),
        ("noise-to-client", &[step::PACKET, 0, 4, 8, 1, 2, 3, 4]),
        ("noise-to-server", &[step::PACKET, 0, 5, 8, 1, 2, 3, 4]),
    ] {
        story(
            name,
            40,
            &[submit, second, submit, forged, second, push, minute],
        );
    }
    let kept: &[u8] = &[step::LINE, 2, 64];
    let copies = &[[step::COPY, 0, 0], [step::COPY, 0, 1], [step::COPY, 0, 2]].concat();
    story(
        "copies",
        41,
        &[kept, submit, push, second, copies, second, submit, copies],
    );
    // Many troubles at once, as in the simulator.
    let mut dice = Dice::new(Seed(1));
    for run in 0..4 {
        let mut steps = Vec::new();
        for _ in 0..10 {
            steps.push(
                [
                    &[step::STORM, 31][..],
                    &dice.bytes(31),
                    submit,
                    submit,
                    push,
                ]
                .concat(),
            );
            steps.push([&[step::STRIKE, 0], &dice.bytes(6)[..], second, submit].concat());
        }
        let steps: Vec<&[u8]> = steps.iter().map(Vec::as_slice).collect();
        story(&format!("storm-{run}"), 50 + run, &steps);
    }
    all
}

//! A trace, for people.
//!
//! Does: [`show`] says what a file is, what everybody has to know who holds it, and what came of
//! running it again or opening its packets.
//! In: a file that anybody may have written. Out: text, and a verdict.
//! Must not know: how either is done.
//! Spec: none.

use std::io::{BufRead, Write};

use super::file::{Kind, Lines};
use super::replay::{ReplayError, Replayed, replay_lines};
use super::transcript::transcript;

/// What came of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was recorded.
    AsRecorded,
    /// A packet of a shareable trace contradicts itself.
    Inconsistent,
    /// As recorded, up to where the file is cut off.
    Cut,
}

/// Runs a full trace again, or prints a shareable one.
///
/// # Errors
/// The file cannot be read, or a full trace goes on differently.
pub fn show(input: impl BufRead, out: &mut impl Write) -> Result<Verdict, ReplayError> {
    let mut lines = Lines::open(input)?;
    for line in lines.kind().notice() {
        writeln!(out, "{line}")?;
    }
    match lines.kind() {
        Kind::Full => {
            let replayed = replay_lines(&mut lines)?;
            summary(&replayed, out)?;
            Ok(verdict(replayed.cut))
        }
        Kind::Shareable => {
            let shown = transcript(&mut lines, out)?;
            writeln!(
                out,
                "{} packets on {} streams, {} remarks.",
                shown.packets, shown.streams, shown.remarks
            )?;
            if shown.broken > 0 {
                writeln!(
                    out,
                    "{} packets do not open: the file was changed.",
                    shown.broken
                )?;
                return Ok(Verdict::Inconsistent);
            }
            cut(shown.cut, out)?;
            Ok(verdict(shown.cut))
        }
    }
}

fn verdict(cut: Option<u64>) -> Verdict {
    match cut {
        Some(_) => Verdict::Cut,
        None => Verdict::AsRecorded,
    }
}

fn summary(replayed: &Replayed, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{} steps of {} machines done again: every byte, event and timer is as recorded.",
        replayed.steps, replayed.machines
    )?;
    if let (Some(from), Some(to)) = (replayed.from, replayed.to) {
        let time = to.saturating_since(from);
        writeln!(
            out,
            "From {from:?} on, {time:?} long, by the machines' clocks."
        )?;
    }
    cut(replayed.cut, out)
}

fn cut(line: Option<u64>, out: &mut impl Write) -> std::io::Result<()> {
    if let Some(line) = line {
        writeln!(
            out,
            "THE FILE IS CUT OFF in line {line}: what followed is not known."
        )?;
    }
    Ok(())
}

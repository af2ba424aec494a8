//! `replay`: runs a full trace again, or shows a shareable one.
//!
//! Does: reads a file, says what it is, what is in it, and where it goes on differently.
//! In: the name of a file. Out: text; the exit code is 0 when all is as recorded, 1 when something
//! differs, 2 when the file cannot be read, 3 when it is cut off.
//! Must not know: how traces are written.
//! Spec: none.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use mtproto_test::trace::{ReadError, ReplayError, Verdict, show};

const DIFFERS: u8 = 1;
const UNREADABLE: u8 = 2;
const CUT: u8 = 3;

const USAGE: &str = "\
usage: replay FILE

Runs a full trace again in the core, without a network, and names the first thing that differs;
prints what a shareable trace says. FILE is what `mtproto_test::trace` or `simulate --trace` wrote.

Exit code: 0 as recorded, 1 something differs, 2 no readable trace, 3 as recorded up to where the
file is cut off.";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(UNREADABLE);
    };
    if path == "--help" || path == "-h" {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let mut out = io::stdout().lock();
    let shown = File::open(&path)
        .map_err(|error| ReplayError::Read(ReadError::Io(error)))
        .and_then(|file| show(BufReader::new(file), &mut out));
    let name = path.to_string_lossy();
    let code = match shown {
        Ok(Verdict::AsRecorded) => 0,
        Ok(Verdict::Inconsistent) => DIFFERS,
        Ok(Verdict::Cut) => CUT,
        // Who reads no further, as `head`, has seen enough.
        Err(ReplayError::Read(ReadError::Io(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            0
        }
        Err(ReplayError::Differs(difference)) => {
            let _ = out.flush();
            eprintln!("{name}: {difference}");
            DIFFERS
        }
        Err(error) => {
            let _ = out.flush();
            eprintln!("{name}: {error}");
            UNREADABLE
        }
    };
    ExitCode::from(code)
}

//! The program `mtproto-testdc`, as the suites start it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running test DC; it is killed when this is dropped.
pub struct Program {
    child: Child,
    /// What it printed when it was ready.
    pub line: serde_json::Value,
}

impl Program {
    /// Starts it and waits for its line.
    pub fn start(flags: &[&str]) -> Self {
        let mut child = program(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program of this package");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let parsed = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        Program {
            child,
            line: parsed,
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        let port = self.line["dcs"][0]["port"].as_u64().unwrap();
        port.try_into().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command with these flags.
pub fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtproto-testdc"));
    command.args(flags).stdin(Stdio::null());
    command
}

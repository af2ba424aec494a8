//! Users of other libraries, each a process that does what it is told and tells what it sees.
//!
//! `tests/peers/telethon_user.py` and `mtcute_user.mjs` say which commands there are.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;

use crate::{Dc, node, peers::python};

/// How long an answer or an event may take: a machine with other things to do, and a library that
/// polls once a second.
const PATIENCE: Duration = Duration::from_secs(40);
/// After so many seconds the process ends by itself, whatever became of the test.
const LIFETIME: &str = "240";

/// Somebody who can be told what to do, whatever library does it.
pub trait User {
    /// For messages of the test.
    fn name(&self) -> &str;
    /// Does this and gives the answer.
    fn ask(&mut self, command: Value) -> Value;
    /// The next thing that it saw, if anything comes within this time.
    fn next_event(&mut self, patience: Duration) -> Option<Value>;

    /// Does this, and it works.
    fn must(&mut self, command: Value) -> Value {
        let asked = command.clone();
        let answer = self.ask(command);
        assert!(
            answer["error"].is_null(),
            "{}: {asked}: {answer}",
            self.name()
        );
        answer
    }

    /// The next event of this kind; those of other kinds before it are passed over.
    fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, &|_| true)
    }

    /// The next event of this kind for which this holds; others before it are passed over.
    fn event_where(&mut self, kind: &str, is: &dyn Fn(&Value) -> bool) -> Value {
        let mut passed = Vec::new();
        loop {
            match self.next_event(PATIENCE) {
                Some(event) if event["event"] == kind && is(&event) => return event,
                Some(event) => passed.push(event),
                None => panic!("{}: no {kind}, but {passed:?}", self.name()),
            }
        }
    }
}

/// A process with a library in it.
pub struct Process {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    seen: VecDeque<Value>,
    asked: u64,
}

impl Process {
    /// Somebody with Telethon; `None` if it is not installed.
    pub fn telethon(dc: &Dc, name: &str) -> Option<Self> {
        Some(Process::start(dc, name, python("telethon_user.py")?, &[]))
    }

    /// Somebody with mtcute.
    pub fn mtcute(dc: &Dc, name: &str, flags: &[&str]) -> Option<Self> {
        Some(Process::start(dc, name, node("mtcute_user.mjs")?, flags))
    }

    fn start(dc: &Dc, name: &str, mut command: Command, flags: &[&str]) -> Self {
        let mut child = command
            .args(["--host", "127.0.0.1", "--timeout", LIFETIME])
            .args(["--port", &dc.program.port().to_string()])
            .arg("--key")
            .arg(&dc.key)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tx, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line)
                    .unwrap_or_else(|e| Value::from(format!("{e}: {line}")));
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        let mut process = Process {
            name: name.to_owned(),
            child,
            stdin,
            lines,
            seen: VecDeque::new(),
            asked: 0,
        };
        let ready = process.event("ready");
        eprintln!("{name}: {ready}");
        process
    }

    fn receive(&mut self, patience: Duration) -> Option<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                eprintln!("{}: {line}", self.name);
                Some(line)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                panic!("{}: ended: {:?}", self.name, self.child.wait())
            }
        }
    }
}

impl User for Process {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&mut self, mut command: Value) -> Value {
        self.asked += 1;
        command["id"] = self.asked.into();
        eprintln!("{}: told {command}", self.name);
        writeln!(self.stdin, "{command}").unwrap();
        loop {
            match self.receive(PATIENCE) {
                Some(line) if line["id"] == self.asked => return line,
                Some(line) => self.seen.push_back(line),
                None => panic!("{}: no answer to {command}", self.name),
            }
        }
    }

    fn next_event(&mut self, patience: Duration) -> Option<Value> {
        match self.seen.pop_front() {
            Some(event) => Some(event),
            None => self.receive(patience),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

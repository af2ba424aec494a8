//! The table as a document.
//!
//! Does: `CONFORMANCE.md`, a section for each kind of rule.
//! In: rows, and where their tests are. Out: Markdown.
//! Must not know: whether the rows are right.
//! Spec: none.

use std::fmt::Write as _;

use crate::required::SECTIONS;
use crate::scan::Tests;
use crate::table::{Role, Row};

const HEAD: &str = "# Conformance

What this project keeps, and the tests that hold it: behaviours that implementations of MTProto
learnt by failing, the checks of the specification in both roles, hostile input, trouble without
malice. Where others do otherwise, the rule is ours.

Made from [tests/conformance.toml](tests/conformance.toml), which says what its fields mean; a test
fails when a row is missing, when it names no test that runs, and when this document is stale:
`MTPROTO_BLESS=1 cargo test -p mtproto-test --test conformance` writes it.

";

pub fn render(rows: &[Row], tests: &Tests) -> String {
    let mut out = HEAD.to_owned();
    let kept = rows.iter().filter(|row| row.kept).count();
    let in_part = rows.iter().filter(|row| row.missing.is_some()).count();
    let others = rows.len() - kept;
    writeln!(
        out,
        "{} rows: {} kept, {in_part} kept in part (*missing* says what), {others} not (*why*).",
        rows.len(),
        kept - in_part,
    )
    .unwrap();
    for section in SECTIONS {
        writeln!(out, "\n## {}\n", section.title).unwrap();
        writeln!(out, "| | role | rule | tests |").unwrap();
        writeln!(out, "| --- | --- | --- | --- |").unwrap();
        for number in section.numbers {
            let id = format!("{}{number}", section.prefix);
            for row in rows.iter().filter(|row| row.id == id) {
                line(&mut out, row, tests);
            }
        }
    }
    out
}

fn line(out: &mut String, row: &Row, tests: &Tests) {
    let role = match row.role {
        Role::Client => "client",
        Role::Server => "server",
        Role::Both => "both",
    };
    let mut rule = row.rule.trim().replace('\n', " ");
    for (title, text) in [("why", &row.why), ("missing", &row.missing)] {
        if let Some(text) = text {
            write!(rule, " *{title}: {}*", text.trim().replace('\n', " ")).unwrap();
        }
    }
    let named: Vec<_> = row.tests.iter().map(|name| link(name, tests)).collect();
    writeln!(
        out,
        "| {} | {role} | {} | {} |",
        row.id,
        rule.replace('|', "\\|"),
        named.join("<br>")
    )
    .unwrap();
}

fn link(name: &str, tests: &Tests) -> String {
    match tests.get(name) {
        Some(test) => format!("[{name}]({})", test.file.display()),
        None => name.to_owned(),
    }
}

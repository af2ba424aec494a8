//! The table of what is kept, `conformance.toml`: nothing is missing in it, each row names tests
//! that exist and run, and `CONFORMANCE.md` says the same.
//!
//! `MTPROTO_BLESS=1 cargo test -p mtproto-test --test conformance` writes `CONFORMANCE.md` anew.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "conformance/render.rs"]
mod render;
#[path = "conformance/required.rs"]
mod required;
#[path = "conformance/scan.rs"]
mod scan;
#[path = "conformance/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use scan::{Tests, scan};
use table::Row;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> Vec<Row> {
    table::read(&root().join("tests/conformance.toml"))
}

/// Fails with everything that is wrong, one thing in a line.
fn expect_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

#[test]
fn every_case_has_one_row_and_no_other_has() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = rows
        .iter()
        .filter(|row| !seen.insert(row.id.clone()))
        .map(|row| row.id.clone())
        .collect();
    expect_none("ids that repeat", &twice);
    let required: Vec<_> = required::ids();
    let missing: Vec<_> = required
        .iter()
        .filter(|id| !seen.contains(*id))
        .cloned()
        .collect();
    expect_none("rows that are missing", &missing);
    let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    assert_eq!(ids, required, "the same rows in the same order");
}

#[test]
fn every_row_says_who_keeps_what_and_a_row_that_is_not_kept_says_why() {
    let mut wrong = Vec::new();
    for row in rows() {
        let id = &row.id;
        if row.rule.len() < 20 {
            wrong.push(format!("{id}: no rule"));
        }
        match (row.kept, row.why.as_deref(), row.tests.is_empty()) {
            (true, None, false) => {}
            (true, None, true) => wrong.push(format!("{id}: kept without a test")),
            (true, Some(_), _) => wrong.push(format!("{id}: kept, and why not")),
            (false, None | Some(""), _) => wrong.push(format!("{id}: not kept, and not why")),
            (false, Some(_), _) if row.missing.is_some() => {
                wrong.push(format!("{id}: not kept at all and in part"));
            }
            (false, Some(_), _) => {}
        }
        let named: BTreeSet<_> = row.tests.iter().collect();
        if named.len() != row.tests.len() {
            wrong.push(format!("{id}: names a test twice"));
        }
    }
    expect_none("rows that say too little or too much", &wrong);
}

#[test]
fn every_named_test_exists_and_runs() {
    let tests = scan(&root());
    assert!(tests.len() > 1_000, "{} tests were found", tests.len());
    let mut wrong = Vec::new();
    for row in rows() {
        for name in &row.tests {
            match tests.get(name) {
                Some(test) if test.ignored => wrong.push(format!("{}: {name} is ignored", row.id)),
                Some(_) => {}
                None => wrong.push(format!("{}: {name} does not exist", row.id)),
            }
        }
    }
    expect_none("tests that hold nothing", &wrong);
}

/// A test whose name begins with the number of a case holds that case.
#[test]
fn every_test_with_a_number_is_named_by_its_row() {
    let rows: BTreeMap<String, Row> = rows()
        .into_iter()
        .map(|row| (row.id.clone(), row))
        .collect();
    let mut wrong = Vec::new();
    let mut found = 0;
    for (name, test) in &scan(&root()) {
        for id in cases_of(name) {
            found += 1;
            let named = rows.get(&id).is_some_and(|row| row.tests.contains(name));
            if !named && !test.ignored {
                wrong.push(format!("{id}: {name} is not named"));
            }
        }
    }
    assert!(found > 100, "{found} tests have a number");
    expect_none("numbered tests that no row names", &wrong);
}

/// `m2_m8_what_came_before`: M2 and M8.
fn cases_of(name: &str) -> Vec<String> {
    let test = name.rsplit("::").next().unwrap();
    test.split('_')
        .map_while(|word| {
            let (letter, number) = word.split_at_checked(1)?;
            let is_case = "hmtrs".contains(letter)
                && !number.is_empty()
                && number.bytes().all(|digit| digit.is_ascii_digit());
            is_case.then(|| word.to_uppercase())
        })
        .collect()
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = root().join("CONFORMANCE.md");
    let fresh = render::render(&rows(), &scan(&root()));
    if std::env::var_os("MTPROTO_BLESS").is_some() {
        fs::write(&path, fresh).unwrap();
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == fresh,
        "CONFORMANCE.md is stale; run\n  MTPROTO_BLESS=1 cargo test -p mtproto-test --test conformance"
    );
}

// The scan is what all of this stands on.

fn found(tests: &Tests, name: &str) -> Option<String> {
    let test = tests.get(name)?;
    Some(test.file.display().to_string())
}

#[test]
fn the_scan_names_tests_as_cargo_does_and_by_their_file() {
    let tests = scan(&root());
    for (name, file) in [
        (
            "conformance::the_scan_names_tests_as_cargo_does_and_by_their_file",
            "tests/tests/conformance.rs",
        ),
        (
            "session::acks::r5_an_ack_waits_at_most_thirty_seconds",
            "tests/tests/session/acks.rs",
        ),
        (
            "transport::hostile::t3_a_damaged_frame_ends_the_stream",
            "tests/tests/transport/hostile.rs",
        ),
        (
            "mtproto-proto::session::salts::tests::a_salt_that_replaced_a_bad_one_is_trusted_for_ten_minutes",
            "mtproto-proto/src/session/salts.rs",
        ),
        (
            "mtproto-driver/connection::an_idle_connection_sleeps",
            "mtproto-driver/tests/connection.rs",
        ),
        (
            "client_adapters::on_async_std::calls_inside_the_loop_are_answered_however_full_the_queue_is",
            "tests/tests/client_adapters/updates.rs",
        ),
        (
            "adapters::on_tokio::a_refused_connection_says_so",
            "tests/tests/adapters.rs",
        ),
    ] {
        assert_eq!(found(&tests, name).as_deref(), Some(file), "{name}");
    }
    for name in [
        "session::acks::secs",
        "session::r5_an_ack_waits_at_most_thirty_seconds",
        "acks::r5_an_ack_waits_at_most_thirty_seconds",
        "client_adapters::updates::calls_inside_the_loop_are_answered_however_full_the_queue_is",
    ] {
        assert_eq!(found(&tests, name), None, "{name}");
    }
    assert!(
        tests["testdc_accounts::testdc_accounts::restarts::measures_what_a_state_costs"].ignored
    );
}

#[test]
fn numbers_are_read_from_the_beginning_of_a_name() {
    assert_eq!(cases_of("a::m2_m8_what_came"), ["M2", "M8"]);
    assert_eq!(cases_of("a::r13_a_key"), ["R13"]);
    assert_eq!(cases_of("r1::a_key_m2"), [""; 0]);
    assert_eq!(cases_of("a::rest_r1"), [""; 0]);
}

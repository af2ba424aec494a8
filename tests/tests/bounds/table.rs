//! `BOUNDS.md` says what the code says.

use std::collections::BTreeMap;

use mtproto_proto::client::{self, updates};
use mtproto_proto::connection::ClientConfig;
use mtproto_proto::handshake;
use mtproto_proto::server::ServerConfig;
use mtproto_proto::session::{self, MAX_AFTER, MAX_ANSWER, MAX_BODY};
use mtproto_proto::{DcId, RpcError};

const TABLE: &str = include_str!("../../../mtproto-proto/BOUNDS.md");

/// The whole numbers of a configuration, from its debug form; those of a struct inside behind its
/// field's name.
fn numbers(prefix: &str, value: &impl std::fmt::Debug) -> BTreeMap<String, u64> {
    let mut path = Vec::new();
    let mut found = BTreeMap::new();
    for line in format!("{value:#?}").lines().skip(1) {
        let line = line.trim().trim_end_matches(',');
        if let Some((name, value)) = line.split_once(": ") {
            if let Ok(number) = value.parse() {
                let name = [&path[..], &[name]].concat().join(".");
                found.insert(format!("{prefix}{name}"), number);
            } else if value.ends_with('{') {
                path.push(name);
            }
        } else if line == "}" {
            path.pop();
        }
    }
    found
}

/// The same of a server's configuration, whose debug form shows a part.
fn server_numbers() -> BTreeMap<String, u64> {
    let config = ServerConfig::new(DcId(2), vec![]);
    macro_rules! numbers {
        ($($field:ident)*) => {
            [$((stringify!($field), config.$field as u64),)*]
        };
    }
    let known = numbers!(
        max_streams
        max_refused_streams
        max_streams_per_key
        max_streams_per_source
        max_input_bytes
        max_headers
        handshakes_per_second
        source_handshakes_per_minute
        max_half_open
        max_keys
        max_temp_keys_per_key
        max_sessions_per_key
        max_sessions
        max_unacked_bytes
        max_running_bytes
    );
    let source = include_str!("../../../mtproto-proto/src/server/config.rs");
    let declared = source.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("    pub ")?.split_once(": ")?;
        matches!(kind, "usize," | "u32," | "u64,").then_some(name)
    });
    for name in declared {
        assert!(known.iter().any(|(known, _)| *known == name), "`{name}`");
    }
    let name = |(name, number)| (format!("server::ServerConfig::{name}"), number);
    known.into_iter().map(name).collect()
}

/// The rows whose first column is such a name: name and default.
fn rows() -> BTreeMap<String, u64> {
    TABLE
        .lines()
        .filter_map(|line| {
            let mut columns = line.strip_prefix("| `")?.split(" | ");
            let name = columns.next()?.trim_end_matches('`').to_owned();
            let number = columns.next()?.replace(',', "").parse().ok()?;
            Some((name, number))
        })
        .collect()
}

#[test]
fn every_default_in_the_table_is_that_of_the_code_and_none_is_missing() {
    let mut known = numbers("session::Config::", &session::Config::default());
    for (name, number) in numbers("session::Config::", &session::Config::server()) {
        if known.get(&name) != Some(&number) {
            known.insert(format!("{name} (server)"), number);
        }
    }
    known.remove("session::Config::max_retries");
    known.extend(numbers("client::Limits::", &client::Limits::default()));
    let updates = numbers("client::updates::Config::", &updates::Config::default());
    known.extend(updates);
    // How many are fetched at once is no bound on what comes.
    known.remove("client::updates::Config::channels_at_once");
    known.extend(server_numbers());
    for (name, number) in [
        ("session::MAX_BODY", MAX_BODY),
        ("session::MAX_ANSWER", MAX_ANSWER),
        ("session::MAX_AFTER", MAX_AFTER),
        ("RpcError::MAX_MESSAGE", RpcError::MAX_MESSAGE),
        ("handshake::MAX_RETRIES", handshake::MAX_RETRIES.into()),
    ] {
        known.insert(name.to_owned(), number as u64);
    }
    let rows = rows();
    for (name, number) in &known {
        assert_eq!(rows.get(name), Some(number), "`{name}` in BOUNDS.md");
    }
    for name in rows.keys() {
        assert!(known.contains_key(name), "`{name}` is no bound any more");
    }
}

#[test]
fn a_connection_has_the_bounds_of_its_session_by_default() {
    let config = ClientConfig::new(DcId(2), vec![]);
    assert_eq!(config.session, session::Config::default());
    let config = ServerConfig::new(DcId(2), vec![]);
    assert_eq!(config.session, session::Config::server());
}

#[test]
fn every_constant_that_the_table_names_is_in_its_file_with_its_value() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../mtproto-proto/src/");
    let mut seen = 0;
    for line in TABLE.lines().filter(|line| line.contains(".rs` | ")) {
        let columns: Vec<_> = line.split(" | ").collect();
        let place = columns[0].trim_start_matches("| ").trim_matches('`');
        let (name, file) = (columns[1].trim_matches('`'), place);
        let source = std::fs::read_to_string(format!("{root}{file}"));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = source.lines().find_map(|line| {
            line.split_once(&format!("const {name}: "))?
                .1
                .split_once(" = ")
        });
        let Some((_, value)) = declared else {
            panic!("`{name}` is not declared in {file}");
        };
        let stated = columns[2].trim_matches('`');
        assert_eq!(value.trim_end_matches(';'), stated, "`{name}` of {file}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} rows");
}

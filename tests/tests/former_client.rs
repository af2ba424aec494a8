//! The guide's table of what the Elixir client could do names tests and files that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = fs::read_to_string(root.join("mtproto-driver/src/guide/former_client.rs")).unwrap();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("//! | ")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let held_by = cells.last().unwrap().trim_end_matches(" |").trim();
        let Some(name) = held_by
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        else {
            assert!(matches!(held_by, "Held by" | "---"), "{line}");
            continue;
        };
        let (path, test) = match name.split_once("::") {
            Some((path, test)) => (path, Some(test)),
            None => (name, None),
        };
        let text = fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        if let Some(test) = test {
            // With a parameter for the runtime, or without.
            let found = ["(", "<"].map(|next| text.contains(&format!("fn {test}{next}")));
            assert!(found.contains(&true), "{path} has no test {test}");
        }
        rows += 1;
    }
    assert!(rows > 40, "{rows} rows");
}

//! Which tests there are, by the sources.
//!
//! Does: follows `mod` lines from each suite's and each crate's root, and finds what stands under
//! `#[test]` there, or in the list of a `suite!` that runs once per runtime.
//! In: the repository. Out: names as cargo gives them, with file and whether the test is ignored.
//! Must not know: the table.
//! Spec: none.
//!
//! The sources are formatted, so that lines and indents say what a parser would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    /// From the root of the repository.
    pub file: PathBuf,
    pub ignored: bool,
}

/// By name: `suite::module::test`, `crate/suite::module::test` of other crates than the test kit,
/// `crate::module::tests::test` of a crate's own sources.
pub type Tests = BTreeMap<String, Test>;

/// The package whose suites are named without it.
const SUITES: &str = "tests";
/// The others, by folder and name.
const CRATES: [(&str, &str); 5] = [
    ("mtproto-proto", "mtproto-proto"),
    ("mtproto-driver", "mtproto-driver"),
    ("mtproto-tokio", "mtproto-tokio"),
    ("mtproto-async-std", "mtproto-async-std"),
    ("schema", "mtproto-schema"),
];

pub fn scan(root: &Path) -> Tests {
    let mut tests = Tests::new();
    let mut of_crate = |folder: &str, name: &str, prefix: &str| {
        let lib = Path::new(folder).join("src/lib.rs");
        walk(root, &Source::root(lib), name, &mut tests);
        for (suite, file) in suites(root, folder) {
            let suite = format!("{prefix}{suite}");
            walk(root, &Source::root(file), &suite, &mut tests);
        }
    };
    of_crate(SUITES, "mtproto-test", "");
    for (folder, name) in CRATES {
        of_crate(folder, name, &format!("{name}/"));
    }
    tests
}

/// Suites of a crate: files, and folders with a `main.rs`.
fn suites(root: &Path, folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(folder).join("tests");
    let Ok(entries) = fs::read_dir(root.join(&folder)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = folder.join(entry.unwrap().file_name());
        let suite = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.extension().is_some_and(|extension| extension == "rs") {
            found.push((suite, file));
        } else if root.join(&file).join("main.rs").is_file() {
            found.push((suite, file.join("main.rs")));
        }
    }
    found
}

/// A file, and where the files of its modules are.
#[derive(Clone)]
struct Source {
    file: PathBuf,
    folder: PathBuf,
}

impl Source {
    /// A crate's root, or a file that an attribute names.
    fn root(file: PathBuf) -> Self {
        let folder = file.parent().unwrap().to_owned();
        Source { file, folder }
    }

    /// The module `name` of the sources in this folder.
    fn of_module(root: &Path, folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.rs"));
        let folder = folder.join(name);
        if root.join(&file).is_file() {
            Source { file, folder }
        } else {
            Source::root(folder.join("mod.rs"))
        }
    }
}

/// A module that a line belongs to: where its block ends, its path, and where its files are.
struct Block {
    indent: usize,
    path: String,
    folder: PathBuf,
}

/// What the attributes before a line say.
#[derive(Default)]
struct Attributes {
    path: Option<String>,
    test: bool,
    ignored: bool,
}

/// Reads a file whose module has this path, and the files of its modules.
fn walk(root: &Path, source: &Source, module: &str, tests: &mut Tests) {
    let Ok(text) = fs::read_to_string(root.join(&source.file)) else {
        panic!("{} is a module and no file", source.file.display());
    };
    let mut blocks: Vec<Block> = Vec::new();
    let mut attributes = Attributes::default();
    let mut broken = false;
    let listed = listed(&text);
    let mut files = BTreeMap::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if code.starts_with('}') {
            blocks.retain(|block| block.indent < indent);
        }
        let (path, folder) = blocks.last().map_or_else(
            || (module.to_owned(), source.folder.clone()),
            |block| (block.path.clone(), block.folder.clone()),
        );
        if broken {
            // The lines of an attribute that did not fit one.
            broken = code != ")]";
            continue;
        }
        if code.starts_with("#[") || code.starts_with("#![") {
            broken = !code.ends_with(']');
            if let Some(named) = code.strip_prefix("#[path = \"") {
                attributes.path = named.split('"').next().map(str::to_owned);
            }
            attributes.test |= code == "#[test]" || code.starts_with("#[tokio::test");
            attributes.ignored |= code.starts_with("#[ignore");
            continue;
        }
        let words: Vec<&str> = code.split_whitespace().collect();
        let words = words.strip_prefix(&["pub"]).unwrap_or(&words);
        let words = words.strip_prefix(&["pub(crate)"]).unwrap_or(words);
        match words {
            ["mod", name, "{"] => blocks.push(Block {
                indent,
                path: format!("{path}::{name}"),
                folder: folder.join(name),
            }),
            ["mod", name] if name.ends_with(';') => {
                let name = name.trim_end_matches(';');
                let module = match &attributes.path {
                    // Outside of blocks it is told from where the file is.
                    Some(named) if blocks.is_empty() => {
                        Source::root(source.file.parent().unwrap().join(named))
                    }
                    Some(named) => Source::root(folder.join(named)),
                    None => Source::of_module(root, &folder, name),
                };
                files.insert(name.to_owned(), module.file.clone());
                walk(root, &module, &format!("{path}::{name}"), tests);
            }
            ["fn", name, ..] | ["async", "fn", name, ..] if attributes.test => {
                let name = name.split(['(', '<']).next().unwrap();
                if !name.starts_with('$') {
                    let test = Test {
                        file: source.file.clone(),
                        ignored: attributes.ignored,
                    };
                    tests.insert(format!("{path}::{name}"), test);
                }
            }
            _ => {}
        }
        // A list of tests, run for one runtime.
        if code.starts_with("suite!(") && !blocks.is_empty() {
            for (within, name) in &listed {
                let test = Test {
                    file: files.get(within).unwrap_or(&source.file).clone(),
                    ignored: false,
                };
                tests.insert(format!("{path}::{name}"), test);
            }
        }
        if !code.is_empty() && !code.starts_with("//") {
            attributes = Attributes::default();
        }
    }
}

/// The tests that the macro `suite!` of this file lists, each with its module, if it has one.
fn listed(text: &str) -> Vec<(String, String)> {
    let Some((_, list)) = text.split_once("suite! { $runtime, $block_on;") else {
        return Vec::new();
    };
    let (list, _) = list.split_once('}').unwrap();
    let (mut within, mut tests) = (String::new(), Vec::new());
    for word in list.split_whitespace() {
        if let Some(module) = word.strip_suffix(':') {
            within = module.to_owned();
        } else {
            tests.push((within.clone(), word.trim_end_matches(';').to_owned()));
        }
    }
    tests
}

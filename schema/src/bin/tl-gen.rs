//! Turns schemas into data and Rust source.
//!
//! ```text
//! tl-gen                      writes src/generated/ from json/
//! tl-gen FILE.tl [FILE.tl]    takes newer schemas into json/ first
//! ```
//! It works in the directory of the crate, wherever it is started.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use mtproto_schema::codegen::{Target, generate, idempotent_table, source};
use mtproto_schema::json;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    match run(&files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tl-gen: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(files: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in files {
        let (target, document) = source::import(&read(Path::new(file))?)?;
        write(&root.join(data(target)), &json::write(&document))?;
    }
    let idempotent: BTreeSet<String> = source::idempotent(&read(&root.join("idempotent.txt"))?);
    let mut documents = Vec::new();
    let mut code = Vec::new();
    for target in [Target::Mtproto, Target::Api] {
        let path = root.join(data(target));
        let document =
            json::parse(&read(&path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        code.extend(generate(&document, target, &idempotent)?);
        documents.push(document);
    }
    code.push(idempotent_table(&documents, &idempotent)?);
    // A namespace that the new layer does not have would stay behind.
    remove(&root.join("src/generated/api"))?;
    for file in code {
        write(&root.join("src/generated").join(file.path), &file.text)?;
    }
    Ok(())
}

fn data(target: Target) -> &'static str {
    match target {
        Target::Mtproto => "json/mtproto.json",
        Target::Api => "json/api.json",
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("{}: {e}", folder.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

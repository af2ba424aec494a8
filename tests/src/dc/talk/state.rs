//! Going on where it stopped.
//!
//! Does: [`Talk::save`], [`Talk::load`].
//! In and out: JSON, with a version.
//! Must not know: files.
//! Spec: none.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Talk;
use super::publish::News;
use super::world::World;

/// What is written today; another is not read.
const VERSION: u64 = 1;

impl Talk {
    /// Everything, but what waits to be pushed: who is not there then asks for the difference.
    pub fn save(&self) -> Value {
        json!({ "version": VERSION, "world": &self.world })
    }

    /// What was saved.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn load(value: &Value) -> Result<Self, String> {
        let version = value.get("version").and_then(Value::as_u64);
        if version != Some(VERSION) {
            return Err(format!("version {version:?}, but this reads {VERSION}"));
        }
        let world = value.get("world").ok_or("there is no `world`")?;
        Ok(Talk {
            world: World::deserialize(world).map_err(|e| e.to_string())?,
            news: News::default(),
            pushes: VecDeque::new(),
            now: 0,
        })
    }
}

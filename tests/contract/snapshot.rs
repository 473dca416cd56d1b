//! Documents that are committed and compared.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// The command in every message about a snapshot that differs.
const COMMAND: &str = "UPDATE_SNAPSHOTS=1 cargo test -p tests --test contract";

/// What a run may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    Nothing,
    /// `UPDATE_SNAPSHOTS=1`
    Compatible,
    /// `UPDATE_SNAPSHOTS=breaking`: clients that exist will break.
    Breaking,
}

impl Update {
    /// What the environment allows.
    #[expect(clippy::disallowed_methods, reason = "how a test run is told to write")]
    pub fn allowed() -> Self {
        match std::env::var("UPDATE_SNAPSHOTS").as_deref() {
            Ok("breaking") => Self::Breaking,
            Ok("1") => Self::Compatible,
            _ => Self::Nothing,
        }
    }
}

/// A path in the repository.
pub fn path(file: &str) -> PathBuf {
    devstack::parameters::root().join(file)
}

/// A text file of the repository; empty if there is none.
pub fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_default()
}

/// Asserts that `file` holds `document`, or writes it when that is allowed.
#[track_caller]
pub fn assert_snapshot(file: &str, document: &Value) {
    let text = format!("{document:#}\n");
    let committed = read(file);
    if committed == text {
        return;
    }
    if Update::allowed() != Update::Nothing {
        let path = path(file);
        fs::create_dir_all(path.parent().expect("files lie in folders")).expect("a folder");
        fs::write(&path, text).expect("the snapshot is written");
        return;
    }
    let pairs = committed.lines().zip(text.lines()).enumerate();
    let first = pairs.filter(|(_, (old, new))| old != new).map(|(line, (old, new))| {
        format!("line {}:\n  committed: {}\n  generated: {}", line + 1, old.trim(), new.trim())
    });
    let first = first.take(1).collect::<String>();
    panic!("{file} is not what the code says. {first}\nIf the change is meant, run: {COMMAND}");
}

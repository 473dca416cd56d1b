//! The frames that a watching player must have seen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Socket;

/// `(seq, type)` of all frames about entries.
fn seen(socket: &Socket) -> BTreeSet<(u64, String)> {
    let known = |frame: &Value| {
        let kind = frame["type"].as_str()?;
        let about_entry = ["profile_update", "game_update", "stats_update"].contains(&kind);
        about_entry.then(|| (frame["seq"].as_u64().unwrap_or_default(), kind.to_owned()))
    };
    socket.frames.iter().filter_map(known).collect()
}

/// The frames of rounds in entries 2 to `last`, and the statistics after them. The
/// latter take a way of their own and may come before the former.
#[must_use]
pub fn everything(last: u64) -> BTreeSet<(u64, String)> {
    let of = |seq| ["profile_update", "game_update"].map(|kind| (seq, kind.to_owned()));
    (2..=last).flat_map(of).chain([(last, "stats_update".to_owned())]).collect()
}

/// Whether the frame has come, or a later one that says it again: of a burst, the newest
/// profile is told.
#[must_use]
pub fn has_come(frame: &(u64, String), seen: &BTreeSet<(u64, String)>) -> bool {
    let profile = "profile_update";
    let later = || seen.range(frame.clone()..).any(|(_, kind)| kind == profile);
    seen.contains(frame) || frame.1 == profile && later()
}

/// Reads on until every one of `wanted` has come, once or more often.
pub async fn until_seen(socket: &mut Socket, wanted: &BTreeSet<(u64, String)>) {
    while !wanted.iter().all(|frame| has_come(frame, &seen(socket))) {
        socket.next().await;
    }
}

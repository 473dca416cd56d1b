//! What others depend on: the HTTP API, the events, the frames, the template.
//!
//! Snapshots are files in the repository. After a change that is meant,
//! `UPDATE_SNAPSHOTS=1 cargo test -p tests --test contract` writes them anew.

mod api;
mod binaries;
mod breaking;
mod facts;
mod harness;
mod permissions;
mod snapshot;
mod template;

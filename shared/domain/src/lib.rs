//! The rules of the game, pure.
//!
//! A player is a small state and an append-only journal. Every command is a
//! function from the state, the command and a [`Ctx`] to a [`Plan`]: one journal
//! [`Entry`] and the facts it relied on. [`Player::apply`] is the only place
//! that changes a state, so a state is always the fold of its journal.
//!
//! Deliberately absent: async, AWS, HTTP, the system clock, randomness, the
//! environment, and floating point on any path that ends in a balance. `now`
//! and the random seed arrive as values in [`Ctx`].

pub mod activity;
pub mod attempts;
pub mod catalog;
pub mod command;
mod ctx;
pub mod dead_letter;
mod device;
mod email;
mod entry;
mod envelope;
pub mod event_type;
pub mod fairness;
mod frame;
pub mod fraud;
mod gold;
mod ids;
mod invite;
pub mod level;
pub mod limited;
pub mod limits;
pub mod outbox;
mod plan;
mod player;
pub mod purchase;
mod rejection;
mod role;
pub mod segment;
mod session;
pub mod slot;
pub mod stats;
pub mod streak;
pub mod telemetry;
pub mod webhook;

pub use ctx::Ctx;
pub use device::{Device, Devices, InvalidDevices, MOST_DEVICES};
pub use email::{Email, EmailAddress};
pub use entry::{
    Account, After, Answer, Closed, EmailChange, Entry, Fact, Game, Legs, Once, OnceKey,
};
pub use envelope::{Envelope, envelope};
pub use frame::{
    Frame, FrameData, ProfileChanges, Refusal, StatsChange, coalesced, frames, refused_purchase,
    repeated_purchase, stats_frame,
};
pub use gold::{Gold, Overflow};
pub use ids::{
    AttemptId, DeadLetterId, PlayerId, ReceiptId, RoundId, SessionId, TelemetryBatchId,
    WebhookEndpointId,
};
pub use invite::Invite;
pub use plan::{Change, Credential, PasswordHash, Plan};
pub use player::{FairnessEpoch, Player, Profile, Streak};
pub use rejection::Rejection;
pub use role::Role;
pub use session::{Credentials, MOST_SESSIONS, Presented, SESSION_LIFE, Session, Sessions};

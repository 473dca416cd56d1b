//! What an HTTP handler is made of, so that it reads as a paragraph.
//!
//! Extractors ([`Json`], [`Query`], [`Caller`], [`IdempotencyKey`], [`Meta`])
//! turn a request into checked values or a [`Problem`](crate::Problem);
//! [`guarded`] says who may call a route; [`app`] or [`signed_in_app`] wraps a router in everything that is the same for all: request ids,
//! wording of problems, panics, security headers, one log line, metrics.

mod answer;
mod app;
mod arrival;
mod by_name;
mod caller;
mod cursor;
mod guard;
mod idempotency;
mod json;
mod meta;
mod path;
mod query;
mod scope;

pub use answer::{
    IfNoneMatch, created, deprecated, document, event_stream, json_answer, ok, ok_if_changed,
    rendered_answer, stored_answer,
};
pub use contract::auth::Role;

pub use app::{app, signed_in_app};
pub(crate) use arrival::tame;
pub use caller::Caller;
pub use cursor::{CursorError, Cursors};
pub use guard::{REQUIRED_ROLE, guarded};
pub use idempotency::{IdempotencyKey, InvalidKey};
pub use json::{BODY_LIMIT_BYTES, Json, Raw, read_json};
pub use meta::Meta;
pub use path::Path;
pub use query::Query;

#[cfg(test)]
mod tests;

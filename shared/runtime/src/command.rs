//! From a request to a command, and from its receipt to the answer.

use axum::response::Response;
use base64::{Engine, prelude::BASE64_STANDARD};
use domain::{Answer, Ctx, Once, OnceKey, SessionId};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::Receipt;

use crate::{
    Entropy, Problem,
    http::{IdempotencyKey, Meta, stored_answer},
};

/// What a decision may know of the request: its instant, a fresh seed, its trace.
#[must_use]
pub fn context(meta: &Meta, entropy: &Entropy) -> Ctx {
    Ctx { now: meta.now, seed: entropy.bytes(), trace_id: meta.trace_id.clone() }
}

/// What makes a command with the player's own key happen once.
///
/// `operation` and `body` are what "the same request" means; the body counts as
/// read, so white space and the order of fields do not.
#[must_use]
pub fn once(key: IdempotencyKey, operation: &str, body: &impl Serialize) -> Once {
    Once { key: OnceKey::Header(key.into_string()), request_hash: request_hash(operation, body) }
}

/// As [`once`], of a command that may happen as often as it is asked for, since it moves
/// nothing of anybody's: without a key it is carried out each time.
#[must_use]
pub fn once_or_anew(
    key: Option<IdempotencyKey>,
    operation: &str,
    body: &impl Serialize,
    ctx: &Ctx,
) -> Once {
    match key {
        Some(key) => once(key, operation, body),
        // Nobody can repeat this request; the key only settles unknown outcomes.
        None => once_by_nature(format!("{operation}:{}", SessionId::mint(ctx))),
    }
}

/// What makes a command with a natural key happen once. The key says it all, so
/// every request with it is the same request.
#[must_use]
pub fn once_by_nature(key: String) -> Once {
    Once { request_hash: request_hash("natural", &key), key: OnceKey::Natural(key) }
}

/// SHA-256 of operation and body, base64.
///
/// # Panics
/// When the body does not serialize, which for a contract type is a defect.
#[must_use]
pub fn request_hash(operation: &str, body: &impl Serialize) -> String {
    let mut hash = Sha256::new();
    hash.update(operation.as_bytes());
    hash.update(b"\n");
    hash.update(serde_json::to_vec(body).expect("contract types serialize"));
    BASE64_STANDARD.encode(hash.finalize())
}

/// SHA-256 of what came, base64: tells it from anything else.
#[must_use]
pub fn bytes_hash(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(bytes))
}

/// As [`request_hash`], of what is personal: nobody who lacks the key can find it
/// from its hash by guessing, and the journal outlives a wish to be forgotten.
///
/// # Panics
/// As [`request_hash`].
#[must_use]
pub fn personal_request_hash(key: &[u8; 32], operation: &str, body: &impl Serialize) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(request_hash(operation, body).as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The answer to keep with the entry.
///
/// # Panics
/// When the body does not serialize, which for a contract type is a defect.
#[must_use]
pub fn answer(status: u16, body: &impl Serialize) -> Answer {
    Answer { status, body: serde_json::to_string(body).expect("contract types serialize") }
}

/// The stored answer, now or again.
///
/// # Errors
/// An entry without an answer: a key of scheduled work, which no caller can have.
pub fn answered(receipt: Receipt) -> Result<Response, Problem> {
    let answer = receipt
        .entry
        .answer
        .ok_or_else(|| Problem::internal("the entry behind this key holds no answer"))?;
    Ok(stored_answer(answer.status, answer.body, receipt.replayed))
}

//! Whether a purchase that is paid with money goes through.
//!
//! [`Features`] say in whole numbers what was seen of the attempt's address, device
//! and player within ten minutes and a day ([`Sightings`], [`Payments`]); [`Rules`]
//! are a document that operators change without a deployment; [`assess`] is a
//! function of the two, and explains itself. Counting and keeping are the store's,
//! see `store::fraud`.

mod assess;
mod features;
mod rules;
mod window;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Builder;

pub use assess::{Action, Decision, Matched, assess};
pub use features::{Feature, Features};
pub use rules::{
    Comparison, Condition, Document, Fault, FaultKind, LARGEST_DOCUMENT_BYTES, Rule, Rules,
    Thresholds,
};
pub use window::{LONG, MOST_REMEMBERED, Payment, Payments, SHORT, Sightings};

use crate::{AttemptId, Once, OnceKey, PlayerId};

/// What a decision was about, and how it came about: one line of the fraud audit.
///
/// Holds nothing personal: address, device and card are in it only as counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    pub attempt: AttemptId,
    pub player: PlayerId,
    /// When it was decided, whole milliseconds.
    pub at: Timestamp,
    /// ISO 4217, of [`Features::amount_minor`].
    pub currency: String,
    pub features: Features,
    pub decision: Decision,
    pub trace_id: String,
}

impl AttemptId {
    /// The attempt of a request: the same however often it is sent, another for
    /// another key, and for another request with the same key.
    #[must_use]
    pub fn of(player: PlayerId, once: &Once) -> Self {
        let (kind, key) = match &once.key {
            OnceKey::Header(key) => ("header", key),
            OnceKey::Anonymous(key) => ("anonymous", key),
            OnceKey::Natural(key) => ("natural", key),
        };
        derived(&[&player.to_string(), kind, key, &once.request_hash])
    }

    /// The attempt that a request is when it comes again after it was slowed down
    /// for long enough.
    #[must_use]
    pub fn next(self) -> Self {
        derived(&[&self.to_string(), "again"])
    }

    /// The attempt in a window of fifty: it is taken for another one of them once in
    /// eighty million times, and then not counted.
    fn short(self) -> u32 {
        let [.., a, b, c, d] = *self.uuid().as_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A UUID of hashed parts, version 8: no part runs into the next.
fn derived(parts: &[&str]) -> AttemptId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().into()
}

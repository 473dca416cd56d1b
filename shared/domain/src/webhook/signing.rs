//! Signatures of the Standard Webhooks scheme, and the secrets behind them.
//!
//! ```text
//! signature = "v1," base64(HMAC-SHA256(secret, webhook-id "." webhook-timestamp "." body))
//! ```
//!
//! No secret is stored: an endpoint's are functions of one master key, the endpoint
//! and a generation, as server seeds are of theirs ([`crate::fairness`]). So the answer
//! that shows a secret can be given again, and reading the table gives nobody one.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::Endpoint;
use crate::WebhookEndpointId;

/// What secrets begin with on the wire.
const PREFIX: &str = "whsec_";

/// The key all endpoints' secrets are derived from. `Debug` does not show it.
#[derive(Clone)]
pub struct WebhookMasterKey([u8; 32]);

impl WebhookMasterKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// An endpoint's secret of a generation, from 1 on.
    #[must_use]
    pub fn secret(&self, endpoint: WebhookEndpointId, generation: u32) -> SecretKey {
        let id = endpoint.uuid();
        let parts: [&[u8]; 3] =
            [b"casino-club/webhook-secret/1", id.as_bytes(), &generation.to_be_bytes()];
        SecretKey(mac(&self.0, &parts).to_vec())
    }

    /// The secrets that sign an endpoint's messages at an instant: the present one,
    /// then the one before it for as long as it still counts.
    #[must_use]
    pub fn signing(&self, endpoint: &Endpoint, now: Timestamp) -> Vec<SecretKey> {
        let mut secrets = vec![self.secret(endpoint.id, endpoint.generation)];
        let overlaps = endpoint.previous_until.is_some_and(|until| now < until);
        if overlaps && endpoint.generation > 1 {
            secrets.push(self.secret(endpoint.id, endpoint.generation - 1));
        }
        secrets
    }
}

impl fmt::Debug for WebhookMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookMasterKey(…)")
    }
}

/// A secret that signs messages. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Vec<u8>);

impl SecretKey {
    /// Reads `whsec_` and base64; `None` if it is not that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok().map(Self)
    }

    /// The secret as its receiver is given it: `whsec_` and base64.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    /// The signature of one message; `at` in Unix seconds.
    #[must_use]
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let at = at.to_string();
        let message: [&[u8]; 5] = [id.as_bytes(), b".", at.as_bytes(), b".", body.as_bytes()];
        format!("v1,{}", BASE64_STANDARD.encode(mac(&self.0, &message)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The value of `webhook-signature`: one signature for each secret, with a space
/// between, so that a receiver may know either.
#[must_use]
pub fn signatures(secrets: &[SecretKey], id: &str, at: i64, body: &str) -> String {
    secrets.iter().map(|secret| secret.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

//! The keys that a provider signs its notices with.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use contract::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

const SHORTEST_SECRET_BYTES: usize = 32;

/// The webhook keys. The active one signs, every listed one is accepted, so that
/// the next key is known before it signs and the last one until its notices are
/// through.
pub struct WebhookKeys {
    active: usize,
    keys: Vec<Key>,
}

/// One of them.
pub(super) struct Key {
    pub kid: String,
    pub secret: Zeroizing<Vec<u8>>,
}

/// The secret cannot be used. Never shows a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WebhookKeyError {
    /// Deliberately without serde's message, which may quote the value.
    #[error("not {{\"active\", \"keys\": [{{\"kid\", \"secret\"}}]}}")]
    Shape,
    #[error("a kid is not 1 to 64 letters, digits, dots, hyphens and underscores")]
    Kid,
    #[error("key {0} needs a base64 secret of at least {SHORTEST_SECRET_BYTES} bytes")]
    Secret(String),
    #[error("key {0} is listed twice")]
    Twice(String),
    #[error("the active key {0} is not listed")]
    NotListed(String),
}

impl WebhookKeys {
    /// Reads `{"active":"k1","keys":[{"kid":"k1","secret":"<base64>"}]}`.
    ///
    /// A secret of Stripe's, `whsec_…`, is the base64 of that whole text: Stripe
    /// takes the text itself as the key.
    ///
    /// # Errors
    /// When a key is unusable.
    pub fn from_json(json: &str) -> Result<Self, WebhookKeyError> {
        #[derive(Deserialize)]
        struct Shape {
            active: String,
            keys: Vec<KeyShape>,
        }
        #[derive(Deserialize)]
        struct KeyShape {
            kid: String,
            secret: Secret,
        }

        let shape: Shape = serde_json::from_str(json).map_err(|_| WebhookKeyError::Shape)?;
        let mut keys: Vec<Key> = Vec::with_capacity(shape.keys.len());
        for KeyShape { kid, secret } in shape.keys {
            if !is_kid(&kid) {
                return Err(WebhookKeyError::Kid);
            }
            if keys.iter().any(|key| key.kid == kid) {
                return Err(WebhookKeyError::Twice(kid));
            }
            match BASE64_STANDARD.decode(secret.expose()).map(Zeroizing::new) {
                Ok(secret) if secret.len() >= SHORTEST_SECRET_BYTES => {
                    keys.push(Key { kid, secret });
                }
                _ => return Err(WebhookKeyError::Secret(kid)),
            }
        }
        let active = keys.iter().position(|key| key.kid == shape.active);
        Ok(Self { active: active.ok_or(WebhookKeyError::NotListed(shape.active))?, keys })
    }

    /// The key that signs.
    pub(super) fn active(&self) -> &Key {
        &self.keys[self.active]
    }

    /// The key of this name.
    pub(super) fn named(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Every accepted key.
    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }
}

/// What may stand in a header without quoting.
pub(super) fn is_kid(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("WebhookKeys")
            .field("active", &self.active().kid)
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 32 bytes of 1, in base64.
    const SECRET: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn with(active: &str, kids: &[&str], secret: &str) -> Result<WebhookKeys, WebhookKeyError> {
        let keys: Vec<_> =
            kids.iter().map(|kid| serde_json::json!({ "kid": kid, "secret": secret })).collect();
        WebhookKeys::from_json(&serde_json::json!({ "active": active, "keys": keys }).to_string())
    }

    #[test]
    fn refuses_keys_that_cannot_be_used() {
        let short = BASE64_STANDARD.encode([1; 31]);
        assert_eq!(WebhookKeys::from_json("[]").unwrap_err(), WebhookKeyError::Shape);
        assert_eq!(with("a,b", &["a,b"], SECRET).unwrap_err(), WebhookKeyError::Kid);
        assert_eq!(with("", &[""], SECRET).unwrap_err(), WebhookKeyError::Kid);
        assert_eq!(
            with("k1", &["k1"], &short).unwrap_err(),
            WebhookKeyError::Secret("k1".to_owned())
        );
        assert_eq!(
            with("k1", &["k1"], "not base64").unwrap_err(),
            WebhookKeyError::Secret("k1".to_owned())
        );
        assert_eq!(
            with("k1", &["k1", "k1"], SECRET).unwrap_err(),
            WebhookKeyError::Twice("k1".to_owned())
        );
        assert_eq!(
            with("k2", &["k1"], SECRET).unwrap_err(),
            WebhookKeyError::NotListed("k2".to_owned())
        );
    }

    #[test]
    fn shows_names_and_no_secret() {
        let keys = with("k2", &["k1", "k2"], SECRET).unwrap();
        let shown = format!("{keys:?}");
        assert!(shown.contains("k1") && shown.contains("k2"), "{shown}");
        assert!(!shown.contains("AQEB") && !shown.contains("1, 1"), "{shown}");
        let refused = with("k1", &["k1"], "aHVudGVyMg==").unwrap_err().to_string();
        assert!(!refused.contains("aHVudGVyMg"), "{refused}");
    }
}

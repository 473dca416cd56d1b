//! Tokens that mean nothing by themselves: refresh tokens, socket tickets.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contract::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Entropy;

/// A token of 256 random bits and the fingerprint it is stored under. Only the
/// fingerprint is ever kept; reading the table gives nobody a session.
#[derive(Debug)]
pub struct Opaque {
    /// For the client, 43 characters.
    pub token: Secret,
    /// For the table: SHA-256 of the token, in hexadecimal.
    pub fingerprint: String,
}

impl Opaque {
    #[must_use]
    pub fn generate(entropy: &Entropy) -> Self {
        let bytes = Zeroizing::new(entropy.bytes::<32>());
        let token = BASE64_URL_SAFE_NO_PAD.encode(*bytes);
        Self { fingerprint: fingerprint(&token), token: token.into() }
    }
}

/// What a presented token is looked up by. The token has 256 bits of entropy, so
/// a fast hash is enough.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_again_by_its_fingerprint() {
        let opaque = Opaque::generate(&Entropy::new(|bytes| bytes.fill(7)));
        assert_eq!(opaque.token.expose().len(), 43);
        assert_eq!(fingerprint(opaque.token.expose()), opaque.fingerprint);
        assert_eq!(opaque.fingerprint.len(), 64);
    }
}

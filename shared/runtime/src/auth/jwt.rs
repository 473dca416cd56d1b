//! Access tokens: HMAC-signed JWTs, a key id in each, the algorithm fixed by key.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use contract::{
    Secret,
    auth::{AccessClaims, Role},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long an access token is good for.
pub const ACCESS_TOKEN_SECONDS: i64 = 15 * 60;
/// How far two machines' clocks may differ.
const LEEWAY_SECONDS: i64 = 5;
const ISSUER: &str = "casino-club";
const AUDIENCE: &str = "casino-club-api";
const SHORTEST_SECRET_BYTES: usize = 32;

/// The signing keys. New tokens are signed by the active one; every listed one is
/// accepted, so that the next key is known before it signs and the last one until
/// its tokens are gone.
pub struct JwtKeys {
    active: usize,
    keys: Vec<Key>,
}

struct Key {
    kid: String,
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// For what is signed but is no access token; see [`JwtKeys::derive`].
    secret: Zeroizing<Vec<u8>>,
}

/// `JWT_KEYS` cannot be used. Never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Deliberately without serde's message, which may quote the value.
    #[error("JWT_KEYS is not {{\"active\", \"keys\": [{{\"kid\", \"alg\", \"secret\"}}]}}")]
    Shape,
    #[error("JWT_KEYS: key {0} has an algorithm other than HS256, HS384, HS512")]
    Algorithm(String),
    #[error("JWT_KEYS: key {0} needs a base64 secret of at least {SHORTEST_SECRET_BYTES} bytes")]
    Secret(String),
    #[error("JWT_KEYS: key {0} is listed twice")]
    Twice(String),
    #[error("JWT_KEYS: the active key {0} is not listed")]
    NotListed(String),
}

/// Why a token was refused. For the log; callers only learn `unauthenticated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a JWT")]
    Malformed,
    #[error("signed by a key that is not listed")]
    UnknownKey,
    #[error("an algorithm other than the key's")]
    WrongAlgorithm,
    #[error("the signature does not match")]
    Forged,
    #[error("issued by or for somebody else, or a claim is missing")]
    WrongClaims,
    #[error("issued in the future")]
    NotYet,
    #[error("expired")]
    Expired,
}

/// A fresh access token.
#[derive(Debug)]
pub struct Issued {
    pub token: Secret,
    /// Seconds it is good for.
    pub expires_in: u32,
}

impl JwtKeys {
    /// Reads the environment's `JWT_KEYS`:
    /// `{"active":"k1","keys":[{"kid":"k1","alg":"HS256","secret":"<base64>"}]}`.
    ///
    /// # Errors
    /// When a key is unusable; the function must not start.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Config {
            active: String,
            keys: Vec<KeyConfig>,
        }
        #[derive(Deserialize)]
        struct KeyConfig {
            kid: String,
            alg: String,
            secret: Secret,
        }

        let config: Config = serde_json::from_str(json).map_err(|_| KeyError::Shape)?;
        let mut keys: Vec<Key> = Vec::with_capacity(config.keys.len());
        for KeyConfig { kid, alg, secret } in config.keys {
            if keys.iter().any(|key| key.kid == kid) {
                return Err(KeyError::Twice(kid));
            }
            let algorithm = match alg.as_str() {
                "HS256" => Algorithm::HS256,
                "HS384" => Algorithm::HS384,
                "HS512" => Algorithm::HS512,
                _ => return Err(KeyError::Algorithm(kid)),
            };
            match BASE64_STANDARD.decode(secret.expose()).map(Zeroizing::new) {
                Ok(secret) if secret.len() >= SHORTEST_SECRET_BYTES => {
                    keys.push(Key::new(kid, algorithm, secret));
                }
                _ => return Err(KeyError::Secret(kid)),
            }
        }
        let active = keys.iter().position(|key| key.kid == config.active);
        Ok(Self { active: active.ok_or(KeyError::NotListed(config.active))?, keys })
    }

    /// An access token for a player's session, good from `now` for
    /// [`ACCESS_TOKEN_SECONDS`].
    #[must_use]
    pub fn issue(&self, player: Uuid, role: Role, session: Uuid, now: Timestamp) -> Issued {
        let key = &self.keys[self.active];
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: player,
            role,
            sid: session,
            iat: now.as_second(),
            exp: now.as_second() + ACCESS_TOKEN_SECONDS,
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) };
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding)
            .expect("claims serialize and an HMAC key signs anything");
        let expires_in = u32::try_from(ACCESS_TOKEN_SECONDS).expect("fifteen minutes");
        Issued { token: token.into(), expires_in }
    }

    /// The claims of a token that is good at `now`.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            // An extension we must understand, and we understand none.
            return Err(TokenError::Malformed);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(TokenError::UnknownKey)?;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, &key.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Forged,
                ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
                ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => {
                    TokenError::Malformed
                }
                _ => TokenError::WrongClaims,
            })?
            .claims;
        let now = now.as_second();
        if claims.iat > now.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::NotYet);
        }
        let lifetime = claims.exp.checked_sub(claims.iat).ok_or(TokenError::WrongClaims)?;
        if !(1..=ACCESS_TOKEN_SECONDS).contains(&lifetime) {
            return Err(TokenError::WrongClaims);
        }
        if now >= claims.exp.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// A key for another purpose from each signing key, the active one first, so
    /// that page cursors and the like need no secret of their own. One-way, and
    /// different for each purpose.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Vec<Zeroizing<[u8; 32]>> {
        let active = &self.keys[self.active];
        let others = self.keys.iter().filter(|key| key.kid != active.kid);
        std::iter::once(active)
            .chain(others)
            .map(|key| {
                let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret)
                    .expect("HMAC takes keys of any length");
                mac.update(b"derive:");
                mac.update(purpose.as_bytes());
                Zeroizing::new(mac.finalize().into_bytes().into())
            })
            .collect()
    }
}

impl Key {
    fn new(kid: String, algorithm: Algorithm, secret: Zeroizing<Vec<u8>>) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library reads the system clock; `verify` compares with the caller's.
        validation.validate_exp = false;
        Self {
            kid,
            algorithm,
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            validation,
            secret,
        }
    }
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("JwtKeys")
            .field("active", &self.keys[self.active].kid)
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

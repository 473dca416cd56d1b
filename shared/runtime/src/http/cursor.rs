//! Page cursors: opaque to the client, and only good where they were given.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contract::Rule;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Problem, auth::JwtKeys};

const TAG_BYTES: usize = 16;

/// Makes and reads the cursors of lists. Signed, not encrypted: a position is no
/// secret, but a client must not invent one.
pub struct Cursors {
    /// The signing key first; every one is accepted.
    keys: Vec<Zeroizing<[u8; 32]>>,
}

/// Not a cursor, or one of another list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct CursorError;

impl Cursors {
    /// Keys derived from the token keys, so that they rotate with them.
    #[must_use]
    pub fn new(keys: &JwtKeys) -> Self {
        Self { keys: keys.derive("page-cursor:1") }
    }

    /// The cursor of a position in one list. `list` names the list and whose it
    /// is, for example `streak-history:<player>`.
    ///
    /// # Panics
    /// When the position does not serialize.
    pub fn seal<T: Serialize>(&self, list: &str, position: &T) -> String {
        let mut bytes = serde_json::to_vec(position).expect("positions serialize");
        let tag = tag(&self.keys[0], list, &bytes);
        bytes.extend_from_slice(&tag);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor of this list.
    ///
    /// # Errors
    /// When it is not one; as a [`Problem`] that is 422 with `/cursor`.
    pub fn open<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<T, CursorError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError)?;
        let split = bytes.len().checked_sub(TAG_BYTES).ok_or(CursorError)?;
        let (position, presented) = bytes.split_at(split);
        let genuine =
            self.keys.iter().any(|key| bool::from(tag(key, list, position).ct_eq(presented)));
        if !genuine {
            return Err(CursorError);
        }
        serde_json::from_slice(position).map_err(|_| CursorError)
    }
}

impl From<CursorError> for Problem {
    fn from(_: CursorError) -> Self {
        Self::invalid(Vec::new()).field("/cursor", Rule::InvalidCursor)
    }
}

fn tag(key: &[u8; 32], list: &str, position: &[u8]) -> [u8; TAG_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&(list.len() as u64).to_be_bytes());
    mac.update(list.as_bytes());
    mac.update(position);
    let full = mac.finalize().into_bytes();
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&full[..TAG_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::JwtKeys;

    fn cursors(active: &str) -> Cursors {
        let secret = |byte: u8| base64::prelude::BASE64_STANDARD.encode([byte; 32]);
        let json = serde_json::json!({"active": active, "keys": [
            {"kid": "k1", "alg": "HS256", "secret": secret(1)},
            {"kid": "k2", "alg": "HS256", "secret": secret(2)},
        ]});
        Cursors::new(&JwtKeys::from_json(&json.to_string()).unwrap())
    }

    #[test]
    fn a_cursor_opens_only_in_its_list_and_untouched() {
        let cursors = cursors("k1");
        let cursor = cursors.seal("history:a", &41_i64);
        assert_eq!(cursors.open::<i64>("history:a", &cursor), Ok(41));
        assert_eq!(cursors.open::<i64>("history:b", &cursor), Err(CursorError));
        let touched = cursor.replacen(&cursor[..1], "A", 1);
        assert_eq!(cursors.open::<i64>("history:a", &touched), Err(CursorError));
        for nonsense in ["", "x", "****", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(cursors.open::<i64>("history:a", nonsense), Err(CursorError));
        }
    }

    #[test]
    fn cursors_outlive_a_key_rotation() {
        let cursor = cursors("k1").seal("history:a", &7_i64);
        assert_eq!(cursors("k2").open::<i64>("history:a", &cursor), Ok(7));
    }
}

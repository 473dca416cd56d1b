//! What shows that a mail arrived where it was sent to.
//!
//! As text `<seq>.<tag>`: which entry asked for the address, and an HMAC of player,
//! entry, time and address by a key that is derived from a signing key. Nothing of it
//! is stored, and nothing but the mail holds it; it is good once, as long as that very
//! address waits.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contract::Secret;
use domain::{Email, PlayerId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::JwtKeys;

const PURPOSE: &str = "email-confirmation:1";

/// The token of an address that waits, by the active key.
#[must_use]
pub fn issue(keys: &JwtKeys, player: PlayerId, email: &Email) -> Secret {
    token(&keys.derive(PURPOSE)[0], player, email).into()
}

/// Number of the entry that the token is about, if it is one at all.
#[must_use]
pub fn requested_by(token: &str) -> Option<u64> {
    token.split_once('.')?.0.parse().ok()
}

/// Whether one of the keys made the token for this player and address.
#[must_use]
pub fn proves(keys: &JwtKeys, player: PlayerId, email: &Email, text: &str) -> bool {
    // The whole text, so that each token has one spelling.
    let made_by = |key: &[u8; 32]| token(key, player, email).as_bytes().ct_eq(text.as_bytes());
    keys.derive(PURPOSE).iter().any(|key| bool::from(made_by(key)))
}

fn token(key: &[u8; 32], player: PlayerId, email: &Email) -> String {
    let Email { address, requested_by, confirm_until } = email;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    // The address last: it alone may hold what separates the others.
    let claim = format!("{player}.{requested_by}.{}.", confirm_until.as_second());
    mac.update(claim.as_bytes());
    mac.update(address.expose().as_bytes());
    format!("{requested_by}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use domain::EmailAddress;

    use super::*;

    fn keys(active: &str) -> JwtKeys {
        let json = format!(
            r#"{{"active":"{active}","keys":[
                {{"kid":"k1","alg":"HS256","secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
                {{"kid":"k2","alg":"HS256","secret":"/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}]}}"#
        );
        JwtKeys::from_json(&json).expect("usable keys")
    }

    fn email(address: &str, requested_by: u64, confirm_until: i64) -> Email {
        let confirm_until = jiff::Timestamp::from_second(confirm_until).expect("an instant");
        let address = EmailAddress::new(address.to_owned());
        Email { address, requested_by, confirm_until }
    }

    const PLAYER: PlayerId = PlayerId::from_bytes([1; 16]);

    #[test]
    fn a_token_proves_one_address_of_one_player_and_outlives_its_key() {
        let given = email("jimin@example.com", 7, 1_795_000_000);
        let token = issue(&keys("k1"), PLAYER, &given);
        let token = token.expose();
        assert_eq!(requested_by(token), Some(7));
        assert!(proves(&keys("k1"), PLAYER, &given, token));
        assert!(proves(&keys("k2"), PLAYER, &given, token));
        let stranger = PlayerId::from_bytes([2; 16]);
        assert!(!proves(&keys("k1"), stranger, &given, token));
        for other in [
            email("jimin@example.org", 7, 1_795_000_000),
            email("jimin@example.com", 8, 1_795_000_000),
            email("jimin@example.com", 7, 1_795_000_001),
        ] {
            assert!(!proves(&keys("k1"), PLAYER, &other, token), "{other:?}");
        }
    }

    #[test]
    fn a_token_cannot_be_altered() {
        let given = email("jimin@example.com", 7, 1_795_000_000);
        let token = issue(&keys("k1"), PLAYER, &given).expose().to_owned();
        let altered =
            [format!("0{token}"), format!("{token}A"), token[..token.len() - 1].to_owned()];
        for text in altered.iter().chain([&String::new(), &".".to_owned(), &"7.".to_owned()]) {
            assert!(!proves(&keys("k1"), PLAYER, &given, text), "{text}");
        }
    }
}

//! What a session hands out.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contract::{
    Secret,
    account::User,
    auth::{RefreshAnswer, Role, SignupAnswer, TokenType},
};
use domain::{PlayerId, SessionId};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::JwtKeys;

/// One of a session's refresh tokens: each generation is good for one refresh.
///
/// As text `<player>.<session>.<generation>.<tag>`, the tag an HMAC by a key that
/// is derived from a signing key. Nothing that gives a session is stored anywhere,
/// and a retried request gets the same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub player: PlayerId,
    pub session: SessionId,
    pub generation: u32,
}

impl RefreshToken {
    /// The token as text, by the active key.
    #[must_use]
    pub fn issue(&self, keys: &JwtKeys) -> Secret {
        let claim = self.claim();
        let tag = mac(&keys.derive(PURPOSE)[0][..], &claim).finalize().into_bytes();
        format!("{claim}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag)).into()
    }

    /// The token that `text` is, if one of the keys made it.
    #[must_use]
    pub fn verify(keys: &JwtKeys, text: &str) -> Option<Self> {
        let (claim, tag) = text.rsplit_once('.')?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
        let mut parts = claim.splitn(3, '.');
        let token = Self {
            player: parts.next()?.parse().ok()?,
            session: parts.next()?.parse().ok()?,
            generation: parts.next()?.parse().ok()?,
        };
        let genuine =
            keys.derive(PURPOSE).iter().any(|key| mac(&key[..], claim).verify_slice(&tag).is_ok());
        // One spelling for each token: `claim` itself is what was signed.
        (genuine && token.claim() == claim).then_some(token)
    }

    fn claim(&self) -> String {
        let Self { player, session, generation } = self;
        format!("{player}.{session}.{generation}")
    }
}

const PURPOSE: &str = "refresh-token:1";

fn mac(key: &[u8], claim: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(claim.as_bytes());
    mac
}

/// The tokens of a session at a generation that began at `at`.
#[must_use]
pub fn tokens(keys: &JwtKeys, token: RefreshToken, role: Role, at: Timestamp) -> RefreshAnswer {
    let access = keys.issue(token.player.uuid(), role, token.session.uuid(), at);
    RefreshAnswer {
        access_token: access.token,
        token_type: TokenType::Bearer,
        expires_in: access.expires_in,
        refresh_token: token.issue(keys),
    }
}

/// The first tokens of a session that began at `began`, and whose they are.
#[must_use]
pub fn session_answer(
    keys: &JwtKeys,
    session: SessionId,
    began: Timestamp,
    user: User,
) -> SignupAnswer {
    let token = RefreshToken { player: user.id.into(), session, generation: 1 };
    let RefreshAnswer { access_token, token_type, expires_in, refresh_token } =
        tokens(keys, token, user.role, began);
    SignupAnswer { access_token, token_type, expires_in, refresh_token, user }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(active: &str) -> JwtKeys {
        let json = format!(
            r#"{{"active":"{active}","keys":[
                {{"kid":"k1","alg":"HS256","secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
                {{"kid":"k2","alg":"HS256","secret":"/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}]}}"#
        );
        JwtKeys::from_json(&json).expect("usable keys")
    }

    const TOKEN: RefreshToken = RefreshToken {
        player: PlayerId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        generation: 3,
    };

    #[test]
    fn a_refresh_token_outlives_the_rotation_of_its_key() {
        let text = TOKEN.issue(&keys("k1"));
        assert_eq!(RefreshToken::verify(&keys("k2"), text.expose()), Some(TOKEN));
    }

    #[test]
    fn a_refresh_token_cannot_be_altered() {
        let keys = keys("k1");
        let text = TOKEN.issue(&keys).expose().to_owned();
        let altered = [
            text.replacen(".3.", ".4.", 1),
            text.replacen(".3.", ".03.", 1),
            text.replacen(".3.", ".+3.", 1),
            text.to_uppercase(),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            format!(" {text}"),
            String::new(),
            "...".to_owned(),
        ];
        for text in altered {
            assert_eq!(RefreshToken::verify(&keys, &text), None, "{text}");
        }
    }
}

//! What a login hands out.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contract::{
    Secret,
    account::User,
    auth::{SignupAnswer, TokenType},
};
use domain::SessionId;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::JwtKeys;

/// The tokens of a session that began at `began`, and whose they are.
///
/// Both tokens are functions of the session and the keys: nothing that gives a
/// session is stored anywhere, and a retried request gets the same bytes again.
#[must_use]
pub fn session_answer(
    keys: &JwtKeys,
    session: SessionId,
    began: Timestamp,
    user: User,
) -> SignupAnswer {
    let access = keys.issue(user.id, user.role, session.uuid(), began);
    SignupAnswer {
        access_token: access.token,
        token_type: TokenType::Bearer,
        expires_in: access.expires_in,
        refresh_token: refresh_token(keys, &user, session, 1),
        user,
    }
}

/// `<player>.<session>.<generation>.<tag>`; each generation is good for one refresh.
fn refresh_token(keys: &JwtKeys, user: &User, session: SessionId, generation: u32) -> Secret {
    let claim = format!("{}.{session}.{generation}", user.id);
    let key = &keys.derive("refresh-token:1")[0];
    let mut mac = Hmac::<Sha256>::new_from_slice(&key[..]).expect("HMAC takes keys of any length");
    mac.update(claim.as_bytes());
    let tag = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{claim}.{tag}").into()
}

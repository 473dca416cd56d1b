//! Our own signature of a notice, as the simulated provider writes it:
//!
//! ```text
//! X-Webhook-Signature: algo=HMAC-SHA256,kid=k1,ts=1800000000,nonce=…,sig=…
//! ```
//!
//! `sig` is the base64 of `HMAC-SHA256(secret, ts "." nonce "." body)`, with `ts`
//! (Unix seconds) and `nonce` as they are written and the body as it was sent,
//! byte for byte. A signature is good for five minutes; within them the nonce,
//! which the receiver remembers, makes it good for once.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    Nonce, NoticeError, WebhookKeys,
    keys::{Key, is_kid},
};

/// The header's name.
pub const HEADER: &str = "x-webhook-signature";
/// How far the sender's clock may be from ours, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
const ALGORITHM: &str = "HMAC-SHA256";

/// The header, taken apart. Nothing of it is believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    kid: &'a str,
    /// As it is written, because that is what was signed.
    ts: &'a str,
    at_second: i64,
    nonce: &'a str,
    sig: [u8; 32],
}

/// The value of the header for `body`, signed by the active key. `nonce` is a
/// random text of 1 to 128 visible ASCII characters without a comma.
#[must_use]
pub fn sign(keys: &WebhookKeys, now: Timestamp, nonce: &str, body: &[u8]) -> String {
    let Key { kid, secret } = keys.active();
    let ts = now.as_second().to_string();
    let sig = BASE64_STANDARD.encode(mac(secret, &ts, nonce, body));
    format!("algo={ALGORITHM},kid={kid},ts={ts},nonce={nonce},sig={sig}")
}

/// Whether one of the keys signed exactly these bytes, not long ago. In this order:
/// the header is one, its key is known, its time is near, its signature is right.
/// The body is not looked into.
///
/// # Errors
/// The first of these that is not so.
pub fn verify(
    keys: &WebhookKeys,
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Nonce, NoticeError> {
    let parts = parse(header).ok_or(NoticeError::SignatureMalformed)?;
    let key = keys.named(parts.kid).ok_or(NoticeError::KeyUnknown)?;
    let skew = now.as_second().abs_diff(parts.at_second);
    if skew > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(NoticeError::TimestampOutOfRange);
    }
    let expected = mac(&key.secret, parts.ts, parts.nonce, body);
    if !bool::from(expected.ct_eq(&parts.sig)) {
        return Err(NoticeError::SignatureInvalid);
    }
    Ok(Nonce { kid: parts.kid.to_owned(), nonce: parts.nonce.to_owned() })
}

/// Each field once, in any order, and no other.
fn parse(header: &str) -> Option<Parts<'_>> {
    let [mut algo, mut kid, mut ts, mut nonce, mut sig] = [None; 5];
    for field in header.split(',') {
        let (name, value) = field.trim_matches([' ', '\t']).split_once('=')?;
        let slot = match name {
            "algo" => &mut algo,
            "kid" => &mut kid,
            "ts" => &mut ts,
            "nonce" => &mut nonce,
            "sig" => &mut sig,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    let (kid, ts, nonce, sig) = (kid?, ts?, nonce?, sig?);
    if algo? != ALGORITHM || !is_kid(kid) || !is_nonce(nonce) {
        return None;
    }
    let sig = BASE64_STANDARD.decode(sig).ok()?.try_into().ok()?;
    Some(Parts { kid, ts, at_second: second(ts)?, nonce, sig })
}

/// Digits only: no sign, no space. As many as the year 9999 needs.
fn second(ts: &str) -> Option<i64> {
    let digits = (1..=12).contains(&ts.len()) && ts.bytes().all(|byte| byte.is_ascii_digit());
    if digits { ts.parse().ok() } else { None }
}

/// As far as the header can carry it. Base64 may end in `=`. No dot: it ends the nonce in
/// what is signed, and the signature of one nonce is to be that of no other.
fn is_nonce(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

fn mac(secret: &[u8], ts: &str, nonce: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in [ts.as_bytes(), b".", nonce.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;

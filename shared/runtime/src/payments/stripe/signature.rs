//! Stripe's signature of its notices:
//!
//! ```text
//! Stripe-Signature: t=1800000000,v1=<hex>,v1=<hex>,v0=<hex>
//! ```
//!
//! `v1` is HMAC-SHA256 of `t "." body` with the endpoint's secret, the text
//! `whsec_…` itself; while a secret is being rotated there is one from each. Other
//! schemes are for Stripe's own tests and prove nothing.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::payments::{NoticeError, WebhookKeys, signature::TOLERANCE_SECONDS};

/// The header's name.
pub(in crate::payments) const HEADER: &str = "stripe-signature";
/// More than any rotation needs; a limit to what a stranger can make us compute.
const MOST_SIGNATURES: usize = 8;

/// Whether one of the keys signed exactly these bytes, not long ago.
///
/// # Errors
/// The first of these that is not so: the header is one, its time is near, one of its
/// signatures is right.
pub(in crate::payments) fn verify(
    keys: &WebhookKeys,
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), NoticeError> {
    let (t, signatures) = parse(header).ok_or(NoticeError::SignatureMalformed)?;
    let at: i64 = t.parse().map_err(|_| NoticeError::SignatureMalformed)?;
    if now.as_second().abs_diff(at) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(NoticeError::TimestampOutOfRange);
    }
    let mut genuine = Choice::from(0);
    for key in keys.all() {
        let expected = mac(&key.secret, t, body);
        for signature in &signatures {
            genuine |= expected.ct_eq(signature);
        }
    }
    if bool::from(genuine) { Ok(()) } else { Err(NoticeError::SignatureInvalid) }
}

fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut t = None;
    let mut signatures = Vec::new();
    for field in header.split(',') {
        match field.trim_matches([' ', '\t']).split_once('=')? {
            ("t", value) => {
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                if !digits || !(1..=12).contains(&value.len()) || t.replace(value).is_some() {
                    return None;
                }
            }
            ("v1", value) => signatures.push(unhex(value)?),
            _ => {}
        }
    }
    let some = (1..=MOST_SIGNATURES).contains(&signatures.len());
    some.then_some((t?, signatures))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn mac(secret: &[u8], t: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in [t.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;

//! What a request came from, as far as it can be told apart.

use std::fmt;

use axum::http::HeaderMap;
use domain::Device;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::JwtKeys;

/// Names a device better than its `User-Agent` does: 1 to 128 visible ASCII
/// characters, of the client's own making.
const FINGERPRINT: &str = "x-device-fingerprint";

/// What a client says of itself. Nothing that proves anything: it decides whether a
/// player is told of a login, never whether there is one. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientDevice(String);

impl ClientDevice {
    /// `X-Device-Fingerprint`, else `User-Agent`, of which numbers do not count: an
    /// updated browser is the same device. Who says nothing is a device, too.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        if let Some(given) = device_fingerprint(headers) {
            return Self(format!("fingerprint:{given}"));
        }
        let agent = headers.get("user-agent").map(|value| value.as_bytes()).unwrap_or_default();
        let mut agent = String::from_utf8_lossy(agent).into_owned();
        agent.retain(|c| !c.is_ascii_digit());
        Self(format!("user-agent:{agent}"))
    }

    /// The device by every key that is in use, the active one first: one that was met
    /// before a key rotated is still known.
    #[must_use]
    pub fn known_as(&self, keys: &JwtKeys) -> Vec<Device> {
        keys.derive("device:1").iter().map(|key| self.hash(key)).collect()
    }

    fn hash(&self, key: &Zeroizing<[u8; 32]>) -> Device {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&key[..]).expect("HMAC takes keys of any length");
        mac.update(self.0.as_bytes());
        let full = mac.finalize().into_bytes();
        let mut hash = [0; 8];
        hash.copy_from_slice(&full[..8]);
        Device(hash)
    }
}

/// The client's `X-Device-Fingerprint`, if it is one.
pub(crate) fn device_fingerprint(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(FINGERPRINT)?.to_str().ok()?;
    let sound = (1..=128).contains(&given.len()) && given.bytes().all(|b| b.is_ascii_graphic());
    sound.then_some(given)
}

impl fmt::Debug for ClientDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientDevice(…)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn device(headers: &[(&'static str, &str)]) -> ClientDevice {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header");
            (HeaderName::from_static(name), value)
        };
        ClientDevice::of(&headers.iter().map(pair).collect())
    }

    #[test]
    fn an_updated_browser_is_the_same_device_and_another_one_is_not() {
        let chrome = device(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0.0.0")]);
        let update = device(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/9.1.2.345")]);
        let firefox = device(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/138.0")]);
        assert_eq!(chrome, update);
        assert_ne!(chrome, firefox);
        assert_eq!(device(&[]), device(&[("user-agent", "")]));
        assert_ne!(chrome, device(&[]));
    }

    #[test]
    fn a_sound_fingerprint_goes_before_the_user_agent() {
        let agent = ("user-agent", "Chrome");
        let with = |fingerprint| device(&[agent, (FINGERPRINT, fingerprint)]);
        assert_eq!(with("f-1"), device(&[("user-agent", "Firefox"), (FINGERPRINT, "f-1")]));
        assert_ne!(with("f-1"), with("f-2"));
        let long = "f".repeat(129);
        for unsound in ["", "f 1", "별", &long] {
            assert_eq!(with(unsound), device(&[agent]), "{unsound}");
        }
        // The one cannot pass for the other.
        assert_ne!(with("Chrome"), device(&[agent]));
    }

    #[test]
    fn a_device_is_known_by_every_key() {
        let keys = |active: &str| {
            let json = format!(
                r#"{{"active":"{active}","keys":[
                    {{"kid":"k1","alg":"HS256","secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
                    {{"kid":"k2","alg":"HS256","secret":"/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}]}}"#
            );
            JwtKeys::from_json(&json).expect("usable keys")
        };
        let device = device(&[]);
        let (before, after) = (device.known_as(&keys("k1")), device.known_as(&keys("k2")));
        assert_ne!(before[0], after[0]);
        assert!(after.contains(&before[0]));
    }
}

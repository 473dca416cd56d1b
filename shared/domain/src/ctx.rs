//! What a decision may know of the world besides the state.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use sha2::Sha256;
use uuid::{Builder, Uuid};

/// Sampled once per invocation and passed as a value, so that a decision is a
/// function of its arguments.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The instant of the request.
    pub now: Timestamp,
    /// Fresh random bytes; ids are derived from them. Never an outcome: those
    /// come from [`crate::fairness`].
    pub seed: [u8; 32],
    /// Follows the request into the journal, the stream, the socket and
    /// ClickHouse.
    pub trace_id: String,
}

impl Ctx {
    /// The UTC day of the request. Every "day" of the product is cut at 00:00 UTC.
    #[must_use]
    pub fn today(&self) -> Date {
        day_of(self.now)
    }

    /// A UUIDv7 for `label`: the same context and label give the same id.
    pub(crate) fn uuid(&self, label: &str) -> Uuid {
        let digest = self.derive(label);
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(self.now.as_millisecond()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// 16 hexadecimal digits for `label`.
    pub(crate) fn hex16(&self, label: &str) -> String {
        crate::fairness::hex(&self.derive(label)[..8])
    }

    fn derive(&self, label: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.seed).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// The UTC day of an instant.
pub(crate) fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

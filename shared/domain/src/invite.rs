//! Invite codes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A code that lets a number of players in, until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    pub code: String,
    /// Never negative.
    pub uses_left: u32,
    /// Whole seconds; stored as epoch seconds, so that the table can forget the code.
    #[serde(with = "epoch_seconds")]
    pub expires_at: Timestamp,
}

impl Invite {
    /// Whether one more player may come in with it. The commit asks again.
    #[must_use]
    pub fn admits(&self, code: &str, now: Timestamp) -> bool {
        self.code == code && self.uses_left > 0 && self.expires_at > now
    }
}

mod epoch_seconds {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_second())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_second(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

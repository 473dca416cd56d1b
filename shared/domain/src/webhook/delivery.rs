//! One event on its way to one endpoint.
//!
//! ```text
//!            claim                    2xx
//!  pending ────────► (in an attempt) ─────► delivered
//!     ▲                │        │
//!     │  wait, and     │        │ the sixth attempt, or the endpoint is gone
//!     └────────────────┘        └─────────► failed ──replay──► pending
//! ```
//!
//! The item is the truth; a queue message only says "look at it". As long as it is
//! pending there is a message on its way: whoever takes one without finishing the
//! delivery sends the next before letting go of it.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::{PlayerId, WebhookEndpointId};

/// Attempts, after which a delivery has failed.
pub const ATTEMPTS: u32 = 6;

/// How long an attempt may take at most, with everything around it. Longer than a
/// function lives, so that whoever finds a lease expired knows the attempt dead.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// How long a delivery is remembered after its event or its last replay. Events
/// themselves stay in the journal.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What `webhook-id` is made of: which event, and for whom. The same event and endpoint
/// give the same id, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub endpoint: WebhookEndpointId,
    /// The event's instant and a hash of its identity, as a UUIDv7: sorts by time.
    pub event: Uuid,
}

/// Not a [`DeliveryId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a delivery")]
pub struct InvalidDeliveryId;

const ID_PREFIX: &str = "msg_";

impl DeliveryId {
    /// The delivery of event `(player, seq)`, which happened at `at`, to `endpoint`.
    #[must_use]
    pub fn of(endpoint: WebhookEndpointId, player: PlayerId, seq: u64, at: Timestamp) -> Self {
        let mut hash = Sha256::new();
        hash.update(player.uuid().as_bytes());
        hash.update(seq.to_be_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&hash.finalize()[..10]);
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let event = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Self { endpoint, event }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [*self.endpoint.uuid().as_bytes(), *self.event.as_bytes()].concat();
        write!(f, "{ID_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidDeliveryId;

    fn from_str(text: &str) -> Result<Self, InvalidDeliveryId> {
        let encoded = text.strip_prefix(ID_PREFIX).ok_or(InvalidDeliveryId)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidDeliveryId)?;
        let (endpoint, event) = bytes.split_first_chunk().ok_or(InvalidDeliveryId)?;
        let event = event.try_into().map_err(|_| InvalidDeliveryId)?;
        Ok(Self {
            endpoint: WebhookEndpointId::from_bytes(*endpoint),
            event: Uuid::from_bytes(event),
        })
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Delivered,
    Failed,
}

impl Status {
    /// The status as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver answered, with this HTTP status.
    Answered(u16),
    Failed(Failure),
}

impl Outcome {
    /// Whether the receiver took it.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// Whether trying again is pointless.
    const fn is_final(self) -> bool {
        matches!(self, Self::Answered(410) | Self::Failed(Failure::EndpointInactive))
    }
}

/// `status 503`, or the failure's name. All that is kept of an answer.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "status {status}"),
            Self::Failed(failure) => f.write_str(failure.as_str()),
        }
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The URL, or an address its name resolves to, is out of reach.
    NotAllowed,
    /// The name has no address.
    Unresolvable,
    /// Nobody there, or TLS failed.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that is not HTTP.
    Broken,
    /// The endpoint was deactivated or deleted in the meantime.
    EndpointInactive,
    /// The attempt ended without a word: its function died.
    Interrupted,
}

impl Failure {
    /// The failure's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Unresolvable => "unresolvable",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::EndpointInactive => "endpoint_inactive",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The last attempt that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Timestamp,
    pub outcome: Outcome,
}

/// The waits between attempts: `first`, then 6, 24, 120 and 720 times that long. From
/// 5 s they are 30 s, 2 min, 10 min and 1 h, so that a receiver may be down for over an
/// hour and still get everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
}

impl Backoff {
    /// The wait after the attempt of this number, from 1 on.
    #[must_use]
    pub fn after(self, attempt: u32) -> Duration {
        self.first.saturating_mul(match attempt {
            0 | 1 => 1,
            2 => 6,
            3 => 24,
            4 => 120,
            _ => 720,
        })
    }
}

/// One event on its way to one endpoint, with what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event_type: String,
    /// What is sent, byte for byte the same each time.
    pub body: String,
    pub status: Status,
    /// Attempts begun since the event or the last replay.
    pub attempts: u32,
    /// Not before then.
    pub due_at: Timestamp,
    /// Somebody is at it until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Attempt>,
    /// Counts writes: each is conditional on the one before.
    pub revision: u64,
    /// Epoch seconds.
    pub expires_at: i64,
}

/// What whoever was told of a delivery has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Write this, and if nobody came first, send it.
    Attempt(Delivery),
    /// Come back at that time.
    Later(Timestamp),
    /// Write this: the last attempt died.
    Exhausted(Delivery),
    /// Nothing: it is delivered, or has failed.
    Settled,
}

impl Delivery {
    /// A new delivery of an event that happened at `at`: due at once.
    #[must_use]
    pub fn new(id: DeliveryId, event_type: String, body: String, at: Timestamp) -> Self {
        Self {
            id,
            event_type,
            body,
            status: Status::Pending,
            attempts: 0,
            due_at: at,
            leased_until: None,
            last: None,
            revision: 1,
            expires_at: forgotten_at(at),
        }
    }

    /// What there is to do at `now`.
    #[must_use]
    pub fn claim(&self, now: Timestamp) -> Claim {
        let busy_until = self.leased_until.filter(|until| *until > now);
        if self.status != Status::Pending {
            return Claim::Settled;
        }
        if let Some(until) = busy_until {
            return Claim::Later(until);
        }
        if self.due_at > now {
            return Claim::Later(self.due_at);
        }
        if self.attempts >= ATTEMPTS {
            let outcome = Outcome::Failed(Failure::Interrupted);
            return Claim::Exhausted(self.ended(Status::Failed, outcome, now));
        }
        Claim::Attempt(Self {
            attempts: self.attempts + 1,
            leased_until: now.checked_add(LEASE).ok(),
            revision: self.revision + 1,
            ..self.clone()
        })
    }

    /// The delivery once its attempt has ended so.
    #[must_use]
    pub fn settled(&self, outcome: Outcome, now: Timestamp, backoff: Backoff) -> Self {
        if outcome.is_success() {
            return self.ended(Status::Delivered, outcome, now);
        }
        if outcome.is_final() || self.attempts >= ATTEMPTS {
            return self.ended(Status::Failed, outcome, now);
        }
        let wait = SignedDuration::try_from(backoff.after(self.attempts));
        let due_at = now.checked_add(wait.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX);
        Self { due_at, ..self.ended(Status::Pending, outcome, now) }
    }

    /// The delivery to be made anew; `None` unless it has failed.
    #[must_use]
    pub fn replayed(&self, now: Timestamp) -> Option<Self> {
        (self.status == Status::Failed).then(|| Self {
            status: Status::Pending,
            attempts: 0,
            due_at: now,
            leased_until: None,
            revision: self.revision + 1,
            expires_at: forgotten_at(now),
            ..self.clone()
        })
    }

    fn ended(&self, status: Status, outcome: Outcome, now: Timestamp) -> Self {
        Self {
            status,
            leased_until: None,
            last: Some(Attempt { at: now, outcome }),
            revision: self.revision + 1,
            ..self.clone()
        }
    }
}

fn forgotten_at(now: Timestamp) -> i64 {
    now.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second()
}

//! Identifiers, one type per kind of thing, all from this registry.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Ctx;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7), a function of the context alone.
            #[must_use]
            pub fn mint(ctx: &Ctx) -> Self {
                Self(ctx.uuid(stringify!($name)))
            }

            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A player.
    PlayerId
);
id!(
    /// A round of a game.
    RoundId
);
id!(
    /// A purchase.
    ReceiptId
);
impl ReceiptId {
    /// The receipt of a purchase that is over at once: names the entry `seq` it is
    /// written in, so that it is found again without an item of its own.
    #[must_use]
    pub fn of_entry(ctx: &Ctx, seq: u64) -> Self {
        let mut bytes = *ctx.uuid("ReceiptId of an entry").as_bytes();
        bytes[10..].copy_from_slice(&seq.to_be_bytes()[2..]);
        Self::from_bytes(bytes)
    }

    /// The entry that a receipt would be of, if it is of one.
    #[must_use]
    pub fn entry(self) -> u64 {
        let mut seq = [0; 8];
        seq[2..].copy_from_slice(&self.uuid().as_bytes()[10..]);
        u64::from_be_bytes(seq)
    }
}

id!(
    /// A login: one family of refresh tokens.
    SessionId
);
id!(
    /// One try at paying with money, see [`crate::fraud`].
    AttemptId
);
id!(
    /// A receiver of outgoing webhooks.
    WebhookEndpointId
);
id!(
    /// A journal record that could not be published, see [`crate::dead_letter`].
    DeadLetterId
);
id!(
    /// What one request told about a client, see [`crate::telemetry`].
    TelemetryBatchId
);
impl TelemetryBatchId {
    /// The same for every request of the player that has the key and tells the same.
    #[must_use]
    pub fn of_key(player: PlayerId, key: &str, told: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(player.uuid()).chain_update(key);
        // No key has a line's end.
        let hash = hash.chain_update("\n").chain_update(told).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

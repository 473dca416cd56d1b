//! What is known of an attempt, in whole numbers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    rules::{Fault, FaultKind},
    window::{LONG, MOST_REMEMBERED, Payments, SHORT, Sightings},
};
use crate::PlayerId;

macro_rules! features {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $field:ident, most $most:expr; )*) => {
        /// What rules may ask about. Every one counts or measures, and the attempt
        /// itself is in it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Features { $( $(#[$doc])* pub $field: u64, )* }

        /// The name of a feature in a rule.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Feature { $( $(#[$doc])* #[serde(rename = $name)] $variant, )* }

        impl Feature {
            /// Every feature there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As documents write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The most it can be: what is counted is counted up to a bound.
            #[must_use]
            pub const fn most(self) -> u64 {
                match self { $(Self::$variant => $most,)* }
            }
        }

        impl Features {
            /// The value of one feature.
            #[must_use]
            pub const fn get(&self, feature: Feature) -> u64 {
                match feature { $(Feature::$variant => self.$field,)* }
            }

            /// The same with another value of one feature.
            #[must_use]
            pub const fn with(mut self, feature: Feature, value: u64) -> Self {
                match feature { $(Feature::$variant => self.$field = value,)* }
                self
            }
        }
    };
}

/// What windows count up to.
const COUNTED: u64 = MOST_REMEMBERED as u64;

/// The largest whole number that every JSON reader takes exactly (2^53 - 1). No price
/// and no age comes near it.
const MEASURED: u64 = (1 << 53) - 1;

features! {
    /// Attempts from the same address in ten minutes; 0 when the address is unknown.
    AddressAttempts10m = "address_attempts_10m", address_attempts_10m, most COUNTED;
    /// Attempts from the same address in 24 hours; 0 when the address is unknown.
    AddressAttempts24h = "address_attempts_24h", address_attempts_24h, most COUNTED;
    /// Attempts by the same device in ten minutes; 0 when it does not say which it is.
    DeviceAttempts10m = "device_attempts_10m", device_attempts_10m, most COUNTED;
    /// Attempts by the same device in 24 hours; 0 when it does not say which it is.
    DeviceAttempts24h = "device_attempts_24h", device_attempts_24h, most COUNTED;
    /// Different cards of the player in 24 hours.
    Cards24h = "cards_24h", cards_24h, most COUNTED;
    /// The largest less the smallest amount that the player tried in 24 hours in the
    /// attempt's currency, minor units. A difference and not a ratio: it is a whole
    /// number without rounding, and one attempt more never makes it smaller.
    AmountSpread24h = "amount_spread_24h", amount_spread_24h, most MEASURED;
    /// Whole hours since the player signed up.
    AccountAgeHours = "account_age_hours", account_age_hours, most MEASURED;
    /// Attempts of the player in 24 hours whose payment failed at the provider. What
    /// was blocked here is none: a block would be a reason for the next one.
    FailedAttempts24h = "failed_attempts_24h", failed_attempts_24h, most COUNTED;
    /// What is to be paid, minor units of the attempt's currency.
    AmountMinor = "amount_minor", amount_minor, most MEASURED;
}

impl Features {
    /// What no attempt could have, each at its pointer.
    ///
    /// # Errors
    /// What is more than it can be.
    pub fn possible(&self) -> Result<(), Vec<Fault>> {
        let beyond = Feature::ALL.iter().filter(|feature| self.get(**feature) > feature.most());
        let faults: Vec<_> = beyond
            .map(|feature| Fault {
                pointer: format!("/{}", feature.as_str()),
                kind: FaultKind::TooLarge(feature.most()),
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// What the windows say, once the attempt has been counted in them.
    #[must_use]
    pub fn of(
        address: Option<&Sightings>,
        device: Option<&Sightings>,
        payments: &Payments,
        player: PlayerId,
        (amount_minor, currency): (u64, &str),
        now: Timestamp,
    ) -> Self {
        let seen = |sightings: Option<&Sightings>, span| {
            sightings.map_or(0, |sightings| sightings.within(span, now))
        };
        Self {
            address_attempts_10m: seen(address, SHORT),
            address_attempts_24h: seen(address, LONG),
            device_attempts_10m: seen(device, SHORT),
            device_attempts_24h: seen(device, LONG),
            cards_24h: payments.cards(now),
            amount_spread_24h: payments.spread(currency, now),
            account_age_hours: age_hours(player, now),
            failed_attempts_24h: payments.failed(now),
            amount_minor,
        }
    }
}

/// Whole hours since the player's id was made, which signing up does. An id that
/// does not say when counts as new: the stricter rules apply.
fn age_hours(player: PlayerId, now: Timestamp) -> u64 {
    let Some(made) = player.uuid().get_timestamp() else { return 0 };
    let (seconds, _) = made.to_unix();
    u64::try_from(now.as_second()).unwrap_or(0).saturating_sub(seconds) / 3_600
}

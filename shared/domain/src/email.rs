//! Where a player can be written to.

use std::fmt;

use jiff::Timestamp;

/// A mail address. Personal: `Debug` does not show it, and no entry holds one.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address as it was given; that it looks like one was checked before.
    #[must_use]
    pub const fn new(address: String) -> Self {
        Self(address)
    }

    /// The address itself. Never log what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// An address of a player, and how they came by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub address: EmailAddress,
    /// Number of the entry that asked for it: tells two requests apart.
    pub requested_by: u64,
    /// Until when it can be confirmed; whole seconds.
    pub confirm_until: Timestamp,
}

//! Roles.

use serde::{Deserialize, Serialize};

/// What a caller may do. Ordered: a later role may do all that an earlier one may.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Standard,
    Premium,
    Vip,
    Operator,
    Admin,
}

impl Role {
    /// The role as it is written in tokens and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Premium => "premium",
            Self::Vip => "vip",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

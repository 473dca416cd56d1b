//! Types of events that are asked for by name, as [`crate::envelope()`] writes them.

pub const SIGNUP: &str = "user.signup";
pub const LOGIN: &str = "user.login";
pub const ERASED: &str = "user.erased";
pub const STREAK_CLAIM: &str = "streak.claim";
pub const ROUND_SETTLED: &str = "game.round.settled";
pub const PURCHASE_SUCCEEDED: &str = "shop.purchase.succeeded";
pub const PURCHASE_REFUNDED: &str = "shop.purchase.refunded";

//! What operators do, and what developers may do to seed accounts.

use std::collections::BTreeMap;

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rules;

/// `POST /api/admin/invite-codes`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueInviteRequest {
    /// The code; without one, a random one is made.
    #[garde(inner(length(min = 4, max = 64), custom(rules::visible_ascii)))]
    #[schema(min_length = 4, max_length = 64, pattern = "^[!-~]+$", example = "SPRING-2027")]
    pub code: Option<String>,
    /// How many players it lets in.
    #[garde(range(min = 1, max = 100_000))]
    #[schema(minimum = 1, maximum = 100_000, example = 100)]
    pub uses: u32,
    /// From when on it lets nobody in: in the future, within a year. Counts in whole
    /// seconds.
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Spring campaign")]
    pub reason: String,
}

/// An invite code that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssueInviteAnswer {
    pub code: String,
    pub uses: u32,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// `POST /api/admin/limited-packages`: a package does not change once it is offered.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferPackageRequest {
    #[garde(length(min = 1, max = 64), custom(rules::plain_code))]
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]+$",
        example = "new-year-2027"
    )]
    pub code: String,
    #[garde(dive)]
    pub name: Wording,
    #[garde(dive)]
    pub description: Wording,
    /// Of one.
    #[garde(dive)]
    pub price: OfferPrice,
    /// What one gives, by item code; `gold` is gold.
    #[garde(length(min = 1, max = 20), custom(rules::grants))]
    #[schema(example = json!({ "gold": 20000, "streak_protection": 1 }))]
    pub grants: BTreeMap<String, u32>,
    /// How many there are.
    #[garde(range(min = 1, max = 1_000_000))]
    #[schema(minimum = 1, maximum = 1_000_000, example = 500)]
    pub stock: u32,
    /// Over how many items of the table the stock is spread; the more, the faster it
    /// can be sold.
    #[garde(inner(range(min = 1, max = 32)))]
    #[schema(minimum = 1, maximum = 32, default = 8)]
    pub shards: Option<u16>,
    /// How many one player may buy in all.
    #[garde(range(min = 1, max = 99))]
    #[schema(minimum = 1, maximum = 99, example = 2)]
    pub per_user_cap: u32,
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// After `starts_at`.
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

/// A text in the languages of the product.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub ko: String,
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub en: String,
}

/// What something costs: gold, or money in the currency's smallest unit.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferPrice {
    /// Exactly one of the two.
    #[garde(inner(range(min = 1, max = 1_000_000_000_000)))]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    pub gold: Option<i64>,
    #[garde(dive)]
    pub money: Option<OfferMoney>,
}

/// Money of a price.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferMoney {
    #[garde(range(min = 1, max = 1_000_000_000_000))]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, example = 9900)]
    pub amount_minor: i64,
    /// ISO 4217, in capitals.
    #[garde(custom(rules::currency))]
    #[schema(pattern = "^[A-Z]{3}$", example = "KRW")]
    pub currency: String,
}

/// A package that was offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferPackageAnswer {
    pub code: String,
    pub stock: u32,
    pub shards: u16,
}

/// `POST /api/admin/limited-packages/{code}/promo-codes`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuePromoRequest {
    #[garde(length(min = 4, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 4, max_length = 64, pattern = "^[!-~]+$", example = "EARLY-BIRD")]
    pub code: String,
    /// Of one, in the money of the package.
    #[garde(dive)]
    pub price: OfferPrice,
    /// For how many purchases.
    #[garde(range(min = 1, max = 1_000_000))]
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    pub uses: u32,
    /// The first instant at which it is no longer good.
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

/// A promo code that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuePromoAnswer {
    pub code: String,
    pub package: String,
    pub uses: u32,
}

/// `POST /api/dev/reset/{site_id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetAnswer {
    pub id: Uuid,
    /// What the account begins with again.
    #[schema(example = 1000)]
    pub gold_balance: i64,
}

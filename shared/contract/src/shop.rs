//! The shop.

use std::collections::BTreeMap;

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Secret, rules};

/// `GET /api/shop/catalog`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Catalog {
    pub items: Vec<CatalogItem>,
}

/// Something for sale. Names are in the reader's language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CatalogItem {
    pub product_id: String,
    pub kind: ProductKind,
    pub name: String,
    pub description: String,
    /// For kind `item`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_gold: Option<i64>,
    /// For kind `gold_pack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_money: Option<Money>,
    /// What one of it grants, by item code.
    pub grants: BTreeMap<String, u32>,
}

/// How a product is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// Gold, bought with money through the payment provider.
    GoldPack,
    /// Bought with gold.
    Item,
}

/// Real money, in the currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    pub amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "KRW")]
    pub currency: String,
}

/// `POST /api/shop/buy`. The price is the catalog's, never the client's.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyRequest {
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64, example = "streak_protection_1")]
    pub product_id: String,
    #[garde(range(min = 1, max = 99))]
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: u32,
    /// The payment provider's token, for kind `gold_pack`.
    #[garde(inner(custom(rules::presented)))]
    #[schema(inline)]
    pub payment_token: Option<Secret>,
}

/// What became of a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuyAnswer {
    pub receipt: Uuid,
    pub status: PurchaseStatus,
    pub product_id: String,
    pub quantity: u32,
    /// Gold paid in all.
    pub price_gold: i64,
    /// The balance after the purchase.
    pub gold_balance: i64,
    /// What was granted in all, by item code.
    pub granted: BTreeMap<String, i64>,
}

/// A purchase that waits for its payment. What becomes of it is pushed as
/// `purchase_update`, and can be asked for by its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingPurchase {
    pub receipt: Uuid,
    /// `pending`, whatever has become of it meanwhile: the same request gets the same
    /// answer.
    pub status: PurchaseStatus,
    /// The product, or the code of the limited package.
    pub product_id: String,
    pub quantity: u32,
    /// To be paid in all.
    pub price_money: Money,
    /// The balance, to which nothing is added yet.
    pub gold_balance: i64,
}

/// `GET /api/shop/limited`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitedPackages {
    pub items: Vec<LimitedPackage>,
}

/// A package of which there are only so many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitedPackage {
    pub code: String,
    pub name: String,
    pub description: String,
    /// Of one, if it is paid for with gold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_gold: Option<i64>,
    /// Of one, if it is paid for with money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_money: Option<Money>,
    /// What one of it grants, by item code; `gold` is gold.
    pub grants: BTreeMap<String, i64>,
    pub stock: u32,
    /// How many nobody has bought or is about to pay for.
    pub remaining: u32,
    pub per_user_cap: u32,
    /// How many of them the caller has bought or is about to pay for.
    pub bought: u32,
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}

/// `POST /api/shop/limited/buy`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyLimitedRequest {
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64, example = "new-year-2027")]
    pub code: String,
    #[garde(range(min = 1, max = 99))]
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: u32,
    #[garde(inner(length(min = 1, max = 64), custom(rules::visible_ascii)))]
    #[schema(min_length = 1, max_length = 64)]
    pub promo_code: Option<String>,
    /// The payment provider's token, for what is paid for with money.
    #[garde(inner(custom(rules::presented)))]
    #[schema(inline)]
    pub payment_token: Option<Secret>,
}

/// One of the caller's purchases, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transaction {
    pub receipt: Uuid,
    pub status: TransactionStatus,
    /// The product, or the code of the limited package.
    pub product_id: String,
    pub quantity: u32,
    /// Paid in all, if with gold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_gold: Option<i64>,
    /// Paid or to be paid in all, if with money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_money: Option<Money>,
    /// What it grants in all once it has succeeded, by item code; `gold` is gold.
    pub grants: BTreeMap<String, i64>,
    /// Why it failed: the provider's word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// How a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionStatus {
    /// Not paid yet.
    Pending,
    /// Paid and granted.
    Success,
    /// The provider declined; nothing was paid.
    Failed,
    /// Not paid in time, and called off.
    Expired,
    /// Paid, but it could not be granted; the money is on its way back.
    GrantFailed,
    /// The money went back.
    Refunded,
    /// The bank took the money back.
    ChargedBack,
}

/// The answer to a notice of the payment provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoticeAnswer {
    /// Heard; it need not be sent again.
    pub received: bool,
}

/// The states of a purchase, as answered and as pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseStatus {
    Success,
    Failed,
    Pending,
    IdempotentReuse,
    GrantFailed,
    InsufficientFunds,
    ItemPurchaseFailed,
}

/// `GET /api/recommendations`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Recommendations {
    /// When the caller was last looked at; nobody has, if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub computed_at: Option<Timestamp>,
    /// Best first.
    pub items: Vec<Recommended>,
}

/// A product, and why it is recommended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Recommended {
    #[serde(flatten)]
    pub item: CatalogItem,
    pub reason: RecommendationReason,
}

/// Why a product is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationReason {
    KeepYourStreak,
    FirstPack,
    BestValue,
    WelcomeBack,
    ShowYourself,
}

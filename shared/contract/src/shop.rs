//! The shop.

use std::collections::BTreeMap;

use garde::Validate;
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
    pub granted: BTreeMap<String, u32>,
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

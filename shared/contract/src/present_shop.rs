//! How the shop's things look on the wire.

use std::collections::BTreeMap;

use domain::{
    Entry, Fact,
    catalog::{self, Product, Text},
    limited::{Package, Shard},
    purchase::{self, Granted, Price, Purchase, Status},
    segment::{Reason, Recommendation},
};

use crate::{
    Language,
    shop::{
        BuyAnswer, CatalogItem, LimitedPackage, Money, PendingPurchase, ProductKind,
        PurchaseStatus, RecommendationReason, Recommended, Transaction, TransactionStatus,
    },
};

impl CatalogItem {
    /// A product in the reader's language.
    #[must_use]
    pub fn of(product: &Product, language: Language) -> Self {
        let (price_gold, price_money) = prices(&product.price);
        Self {
            product_id: product.product_id.clone(),
            kind: if price_money.is_some() { ProductKind::GoldPack } else { ProductKind::Item },
            name: worded(&product.name, language),
            description: worded(&product.description, language),
            price_gold,
            price_money,
            grants: product.grants.clone(),
        }
    }
}

impl Recommended {
    /// A recommendation in the reader's language; `None` when the product is not for sale
    /// any more.
    #[must_use]
    pub fn of(recommendation: &Recommendation, language: Language) -> Option<Self> {
        let item = CatalogItem::of(catalog::product(&recommendation.product)?, language);
        Some(Self { item, reason: recommendation.reason.into() })
    }
}

impl From<Reason> for RecommendationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::KeepYourStreak => Self::KeepYourStreak,
            Reason::FirstPack => Self::FirstPack,
            Reason::BestValue => Self::BestValue,
            Reason::WelcomeBack => Self::WelcomeBack,
            Reason::ShowYourself => Self::ShowYourself,
        }
    }
}

impl From<&purchase::Money> for Money {
    fn from(money: &purchase::Money) -> Self {
        Self { amount_minor: money.amount_minor, currency: money.currency.clone() }
    }
}

impl LimitedPackage {
    /// A package in the reader's language; `bought` by the reader.
    #[must_use]
    pub fn of(package: &Package, shards: &[Shard], bought: u32, language: Language) -> Self {
        let (price_gold, price_money) = prices(&package.price);
        Self {
            code: package.code.clone(),
            name: worded(&package.name, language),
            description: worded(&package.description, language),
            price_gold,
            price_money,
            grants: granted(&package.grants),
            stock: package.stock,
            remaining: shards.iter().fold(0, |sum: u32, shard| sum.saturating_add(shard.free)),
            per_user_cap: package.per_user_cap,
            bought,
            starts_at: package.starts_at,
            ends_at: package.ends_at,
        }
    }
}

impl BuyAnswer {
    /// The purchase that an entry is, if it was over at once.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let (receipt, product, quantity, price, grants) = match &entry.fact {
            Fact::ItemPurchased { receipt, product, quantity, price, .. } => {
                let grants = catalog::product(product)?.granted(*quantity).ok()?;
                (receipt, product, *quantity, *price, grants)
            }
            Fact::PurchaseAdvanced {
                receipt,
                product,
                quantity,
                price: Price::Gold(price),
                from: None,
                to: Status::Succeeded,
                granted,
                ..
            } => (receipt, product, *quantity, *price, granted.clone()),
            _ => return None,
        };
        Some(Self {
            receipt: receipt.uuid(),
            status: PurchaseStatus::Success,
            product_id: product.clone(),
            quantity,
            price_gold: price.units(),
            gold_balance: entry.after.gold.units(),
            granted: granted(&grants),
        })
    }
}

impl PendingPurchase {
    /// The purchase that an entry begins; `None` for another entry, or one that was
    /// over at once.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let Fact::PurchaseAdvanced {
            receipt,
            product,
            quantity,
            price: Price::Money(money),
            from: None,
            to: Status::Created,
            ..
        } = &entry.fact
        else {
            return None;
        };
        Some(Self {
            receipt: receipt.uuid(),
            status: PurchaseStatus::Pending,
            product_id: product.clone(),
            quantity: *quantity,
            price_money: money.into(),
            gold_balance: entry.after.gold.units(),
        })
    }
}

impl Transaction {
    /// A purchase with a life of its own.
    #[must_use]
    pub fn of(purchase: &Purchase) -> Self {
        let (price_gold, price_money) = prices(&purchase.price);
        Self {
            receipt: purchase.receipt.uuid(),
            status: purchase.status.into(),
            product_id: purchase.product.clone(),
            quantity: purchase.quantity,
            price_gold,
            price_money,
            grants: granted(&purchase.grants),
            reason: purchase.reason.clone(),
            created_at: purchase.created_at,
            updated_at: purchase.updated_at,
        }
    }

    /// A purchase that was over at once, if the entry is one.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let Fact::ItemPurchased { receipt, product, quantity, price, .. } = &entry.fact else {
            return None;
        };
        let grants = catalog::product(product).and_then(|found| found.granted(*quantity).ok());
        Some(Self {
            receipt: receipt.uuid(),
            status: TransactionStatus::Success,
            product_id: product.clone(),
            quantity: *quantity,
            price_gold: Some(price.units()),
            price_money: None,
            grants: granted(&grants.unwrap_or_default()),
            reason: None,
            created_at: entry.at,
            updated_at: entry.at,
        })
    }
}

impl From<Status> for TransactionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Created | Status::Pending => Self::Pending,
            Status::Succeeded => Self::Success,
            Status::Failed => Self::Failed,
            Status::Expired => Self::Expired,
            Status::GrantFailed => Self::GrantFailed,
            Status::Refunded => Self::Refunded,
            Status::ChargedBack => Self::ChargedBack,
        }
    }
}

/// What is granted, by item code: gold is one of them.
fn granted(grants: &Granted) -> BTreeMap<String, i64> {
    let items = grants.items.iter().map(|(code, count)| (code.clone(), i64::from(*count)));
    let gold = [(catalog::GOLD.to_owned(), grants.gold.units())];
    items.chain(gold).filter(|(_, count)| *count != 0).collect()
}

fn prices(price: &Price) -> (Option<i64>, Option<Money>) {
    match price {
        Price::Gold(gold) => (Some(gold.units()), None),
        Price::Money(money) => (None, Some(money.into())),
    }
}

fn worded(text: &Text, language: Language) -> String {
    match language {
        Language::Korean => text.ko.clone(),
        Language::English => text.en.clone(),
    }
}

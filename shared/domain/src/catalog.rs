//! What the shop always sells: items for gold, and gold for money.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{
    Gold, Overflow,
    purchase::{Granted, Money, Price},
};

/// The catalog in force.
pub static CATALOG: LazyLock<Vec<Product>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/catalog.json")).expect("the built-in catalog parses")
});

/// The grant that covers missed days.
pub const STREAK_PROTECTION: &str = "streak_protection";

/// The grant that is gold.
pub const GOLD: &str = "gold";

/// Something that can be bought.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub product_id: String,
    pub name: Text,
    pub description: Text,
    /// Of one. What has a price in money is a gold pack, the rest are items.
    pub price: Price,
    /// The most that one purchase may hold.
    pub max_quantity: u32,
    /// What one of it grants, by item code.
    pub grants: BTreeMap<String, u32>,
}

impl Product {
    /// What it costs in money, if that is how it is paid for.
    #[must_use]
    pub const fn money(&self) -> Option<&Money> {
        match &self.price {
            Price::Money(money) => Some(money),
            Price::Gold(_) => None,
        }
    }

    /// What `quantity` of it give.
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit.
    pub fn granted(&self, quantity: u32) -> Result<Granted, Overflow> {
        let mut items = self.grants.clone();
        let gold = items.remove(GOLD).map_or(Gold::ZERO, |gold| Gold::new(gold.into()));
        Granted { gold, items }.times(quantity)
    }
}

/// A text in the languages of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub ko: String,
    pub en: String,
}

/// The product with this id.
#[must_use]
pub fn product(id: &str) -> Option<&'static Product> {
    CATALOG.iter().find(|product| product.product_id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gold_is_bought_with_money_and_items_with_gold() {
        for product in CATALOG.iter() {
            let gold = product.granted(product.max_quantity).unwrap().gold;
            assert_eq!(product.money().is_some(), gold > Gold::ZERO, "{}", product.product_id);
        }
    }

    #[test]
    fn every_product_costs_something_and_ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = CATALOG.iter().map(|p| &p.product_id).collect();
        assert_eq!(ids.len(), CATALOG.len());
        assert!(
            CATALOG
                .iter()
                .all(|p| p.price.is_positive() && p.max_quantity > 0 && !p.grants.is_empty())
        );
    }
}

//! What the shop sells for gold.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// The catalog in force.
pub static CATALOG: LazyLock<Vec<Product>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/catalog.json")).expect("the built-in catalog parses")
});

/// The grant that covers missed days.
pub const STREAK_PROTECTION: &str = "streak_protection";

/// Something that can be bought with gold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub product_id: String,
    pub name: Text,
    pub description: Text,
    /// Price of one, gold.
    pub price_gold: i64,
    /// The most that one purchase may hold.
    pub max_quantity: u32,
    /// What one of it grants, by item code.
    pub grants: BTreeMap<String, u32>,
}

/// A text in the languages of the product.
#[derive(Clone, Debug, Deserialize)]
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
    fn every_product_costs_something_and_ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = CATALOG.iter().map(|p| &p.product_id).collect();
        assert_eq!(ids.len(), CATALOG.len());
        assert!(
            CATALOG.iter().all(|p| p.price_gold > 0 && p.max_quantity > 0 && !p.grants.is_empty())
        );
    }
}

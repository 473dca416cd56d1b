//! A purchase paid with gold.

use crate::{
    Account, Ctx, Fact, Legs, Plan, Player, ReceiptId, Rejection,
    catalog::{self, Product, STREAK_PROTECTION},
    purchase::Price,
};

/// Buys `quantity` of a product. The price is the catalog's.
///
/// # Errors
/// [`Rejection::ProductNotFound`], [`Rejection::QuantityOutOfRange`],
/// [`Rejection::ProductNotForGold`], [`Rejection::InsufficientFunds`],
/// [`Rejection::AmountOutOfRange`].
pub fn decide(
    player: &Player,
    product_id: &str,
    quantity: u32,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let product = wanted(product_id, quantity)?;
    let Price::Gold(price) = product.price.times(quantity)? else {
        return Err(Rejection::ProductNotForGold);
    };
    let protections = product.grants.get(STREAK_PROTECTION).copied().unwrap_or(0);
    let fact = Fact::ItemPurchased {
        receipt: ReceiptId::of_entry(ctx, player.next_seq()),
        product: product.product_id.clone(),
        quantity,
        price,
        protections: protections.checked_mul(quantity).ok_or(Rejection::AmountOutOfRange)?,
    };
    Plan::new(player, ctx, fact, Legs::to_player(Account::BurnShop, price.negated()?)?)
}

/// The product, if there is one and it is sold in this quantity.
pub(super) fn wanted(product_id: &str, quantity: u32) -> Result<&'static Product, Rejection> {
    let product = catalog::product(product_id).ok_or(Rejection::ProductNotFound)?;
    if quantity == 0 || quantity > product.max_quantity {
        return Err(Rejection::QuantityOutOfRange { maximum: product.max_quantity });
    }
    Ok(product)
}

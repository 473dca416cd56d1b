//! A purchase paid with gold.

use crate::{
    Account, Ctx, Fact, Gold, Legs, Plan, Player, ReceiptId, Rejection,
    catalog::{self, STREAK_PROTECTION},
};

/// Buys `quantity` of a product. The price is the catalog's.
///
/// # Errors
/// [`Rejection::ProductNotFound`], [`Rejection::QuantityOutOfRange`],
/// [`Rejection::InsufficientFunds`], [`Rejection::AmountOutOfRange`].
pub fn decide(
    player: &Player,
    product_id: &str,
    quantity: u32,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let product = catalog::product(product_id).ok_or(Rejection::ProductNotFound)?;
    if quantity == 0 || quantity > product.max_quantity {
        return Err(Rejection::QuantityOutOfRange { maximum: product.max_quantity });
    }
    let price = Gold::new(product.price_gold).times(i64::from(quantity))?;
    let protections = product.grants.get(STREAK_PROTECTION).copied().unwrap_or(0);
    let fact = Fact::ItemPurchased {
        receipt: ReceiptId::mint(ctx),
        product: product.product_id.clone(),
        quantity,
        price,
        protections: protections.checked_mul(quantity).ok_or(Rejection::AmountOutOfRange)?,
    };
    Plan::new(player, ctx, fact, Legs::to_player(Account::BurnShop, price.negated()?)?)
}

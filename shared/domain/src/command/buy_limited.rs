//! A purchase out of a limited stock.

use super::buy_pack::begin;
use crate::{
    Account, Change, Ctx, Legs, Plan, Player, ReceiptId, Rejection,
    limited::{HELD_FOR, Package, Promo, Shard, allot},
    purchase::{Assessed, Granted, Hold, Price, Purchase, Status},
};

/// What is wanted, and what was found of it.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub package: &'a Package,
    pub quantity: u32,
    /// The stock as it was when it was read.
    pub shards: &'a [Shard],
    /// The promo code the player gave, and what was found under it.
    pub promo: Option<(&'a str, Option<&'a Promo>)>,
    pub assessed: Option<Assessed>,
}

impl Order<'_> {
    /// What all of it costs now, if it is sold now, so many to one player and with this
    /// promo code. Does not look at the stock.
    ///
    /// # Errors
    /// [`Rejection::SaleNotOpen`], [`Rejection::SaleOver`],
    /// [`Rejection::QuantityOutOfRange`], [`Rejection::CapReached`],
    /// [`Rejection::InvalidPromoCode`], [`Rejection::AmountOutOfRange`].
    pub fn price(&self, ctx: &Ctx) -> Result<Price, Rejection> {
        let Order { package, quantity, .. } = *self;
        package.on_sale(ctx.now)?;
        if quantity == 0 {
            return Err(Rejection::QuantityOutOfRange { maximum: package.per_user_cap });
        }
        if quantity > package.per_user_cap {
            return Err(Rejection::CapReached { cap: package.per_user_cap });
        }
        let each = match self.promo {
            None => &self.package.price,
            Some((_, found)) => {
                let promo = found.ok_or(Rejection::InvalidPromoCode)?;
                promo.admits(&self.package.code, ctx.now)?;
                &promo.price
            }
        };
        Ok(each.times(self.quantity)?)
    }
}

/// Buys at once what is paid for with gold; begins a purchase of what is paid for with
/// money, and keeps the stock back for it until the clean-up looks.
///
/// # Errors
/// [`Rejection::SaleNotOpen`], [`Rejection::SaleOver`],
/// [`Rejection::QuantityOutOfRange`], [`Rejection::InvalidPromoCode`],
/// [`Rejection::SoldOut`], [`Rejection::InsufficientFunds`],
/// [`Rejection::AmountOutOfRange`]; at commit [`Rejection::CapReached`] and
/// [`Rejection::InvalidPromoCode`].
pub fn decide(player: &Player, order: &Order<'_>, ctx: &Ctx) -> Result<Plan, Rejection> {
    let Order { package, quantity, .. } = *order;
    let price = order.price(ctx)?;
    let receipt = ReceiptId::mint(ctx);
    // Where to begin: anywhere, but the same on every attempt.
    let start = u64::from_be_bytes(receipt.uuid().as_bytes()[8..].try_into().unwrap_or_default());
    let taken = allot(order.shards, quantity, start)?;
    let grants = package.grants.times(quantity)?;
    let (status, granted, legs) = match &price {
        Price::Gold(gold) => {
            let legs = Legs::to_player(Account::BurnShop, gold.negated()?)?
                .and_from_player(Account::MintShop, grants.gold.negated()?)?;
            (Status::Succeeded, grants.clone(), legs)
        }
        Price::Money(_) => (Status::Created, Granted::default(), Legs::none()),
    };
    if let Price::Gold(gold) = price
        && gold > player.gold
    {
        // What the package gives does not pay for it.
        return Err(Rejection::InsufficientFunds { needed: gold, available: player.gold });
    }
    let sold = status == Status::Succeeded;
    let promo = order.promo.map(|(code, _)| code.to_owned());
    let hold = Hold { package: package.code.clone(), taken, promo: promo.clone() };
    let purchase = Purchase {
        receipt,
        player: player.id,
        product: package.code.clone(),
        quantity,
        price,
        grants,
        status,
        reason: None,
        hold: Some(hold.clone()),
        clawback: None,
        assessed: order.assessed,
        created_at: ctx.now,
        updated_at: ctx.now,
        due_at: ctx.now.checked_add(HELD_FOR).unwrap_or(ctx.now),
    };
    let mut plan = begin(player, purchase, granted, legs, ctx)?.with(Change::CountTowardsCap {
        package: package.code.clone(),
        units: quantity,
        cap: package.per_user_cap,
    });
    for taken in hold.taken {
        plan = plan.with(Change::TakeStock { package: package.code.clone(), taken, sold });
    }
    if let Some(code) = promo {
        plan = plan.with(Change::UsePromo { package: package.code.clone(), code });
    }
    Ok(plan)
}

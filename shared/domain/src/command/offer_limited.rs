//! A limited package and its promo codes, offered by an operator.

use crate::{
    Change, Ctx, Fact, Legs, Plan, Player, Rejection,
    limited::{Package, Promo},
};

/// Offers the package, on the journal of the operator who asks for it.
///
/// # Errors
/// At commit [`Rejection::PackageExists`].
pub fn decide(
    operator: &Player,
    package: &Package,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = Fact::LimitedPackageOffered {
        code: package.code.clone(),
        stock: package.stock,
        reason: reason.to_owned(),
    };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok(plan.with(Change::OfferPackage { package: Box::new(package.clone()) }))
}

/// Makes a promo code for a package.
///
/// # Errors
/// [`Rejection::PackageNotFound`], [`Rejection::PromoPriceUnlike`]; at commit
/// [`Rejection::PromoCodeExists`].
pub fn issue_promo(
    operator: &Player,
    package: Option<&Package>,
    promo: &Promo,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let package = package.ok_or(Rejection::PackageNotFound)?;
    if !promo.price.is_like(&package.price) {
        return Err(Rejection::PromoPriceUnlike);
    }
    // Not the code itself: whoever reads events could use it.
    let fact = Fact::PromoCodeIssued {
        package: package.code.clone(),
        uses: promo.uses_left,
        reason: reason.to_owned(),
    };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok(plan.with(Change::IssuePromo { promo: promo.clone() }))
}

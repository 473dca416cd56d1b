//! The order of things when something is paid for with money.

use std::future::Future;

use contract::Secret;
use domain::{
    Ctx, Once, Rejection,
    purchase::{Assessed, Price},
};
use store::{Receipt, Store, Subject};

use super::Desk;
use crate::{Deps, Error, Problem, fraud::Guard, http::Meta};

/// Takes who pays past the fraud rules to the provider.
#[derive(Clone)]
pub struct Checkout {
    store: Store,
    desk: Desk,
    guard: Guard,
}

/// A request that is paid for with money.
#[derive(Clone, Debug)]
pub struct Paying<'a> {
    pub subject: Subject,
    /// Its hash must tell one product, quantity and payment token from another.
    pub once: Once,
    pub token: Secret,
    pub meta: &'a Meta,
    pub ctx: &'a Ctx,
}

impl Checkout {
    /// # Errors
    /// `JWT_KEYS_SECRET` or a variable of [`crate::payments`] is not set.
    pub fn new(deps: &Deps, store: Store) -> Result<Self, Error> {
        let desk = Desk::new(store.clone(), deps.payments()?, "buy");
        let guard = Guard::new(store.clone(), deps.jwt_keys()?);
        Ok(Self { store, desk, guard })
    }

    /// Finds what a request led to if it was carried out before; otherwise assesses it, has
    /// `begin` commit the purchase, and charges for it. `price` comes before the
    /// assessment: what is refused anyway is no attempt.
    ///
    /// # Errors
    /// What `price` and `begin` reject, and what [`Guard::admit`] fails with. Nothing
    /// that becomes of the charge: [`Desk::charge`] says why.
    pub async fn pay<F>(
        &self,
        request: Paying<'_>,
        price: impl FnOnce() -> Result<Price, Rejection> + Send,
        begin: impl FnOnce(Once, Option<Assessed>) -> F + Send,
    ) -> Result<Receipt, Problem>
    where
        F: Future<Output = Result<Receipt, Problem>> + Send,
    {
        let Paying { subject, once, token, meta, ctx } = request;
        let receipt = match self.store.receipt(subject, &once).await? {
            Some(receipt) => receipt,
            None => {
                let price = price()?;
                let assessed =
                    self.guard.assessed(subject, &once, &token, &price, meta, ctx).await?;
                begin(once, assessed).await?
            }
        };
        self.desk.charge(&receipt.entry, receipt.replayed, token, ctx).await;
        Ok(receipt)
    }
}

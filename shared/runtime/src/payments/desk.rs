//! Where purchases and payments meet: whatever is learned of a payment, from
//! whomever, becomes the same step of the same purchase.

use contract::Secret;
use domain::{
    Change, Ctx, Entry, Fact, PlayerId, ReceiptId, Rejection,
    command::advance_purchase,
    purchase::{Event, Price, Purchase, Status},
};
use store::{Decision, Needs, Store, Subject};

use super::{Charge, Order, Payment, Payments, Provider, ProviderError, Standing};
use crate::{boxed, command, metrics};

/// A notice of the provider's, as it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub event_id: &'a str,
    /// Tells the same notice again from another one with its id.
    pub body_hash: &'a str,
}

/// What came of a piece of news.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The purchase as it is now.
    pub purchase: Purchase,
    /// Whether it was news.
    pub changed: bool,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<Rejection> for DeskError {
    fn from(rejection: Rejection) -> Self {
        Self::Store(rejection.into())
    }
}

/// The journal on the one hand, the provider on the other.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    payments: Payments,
    /// Who asks, for the metrics.
    on_behalf_of: &'static str,
}

impl Desk {
    #[must_use]
    pub const fn new(store: Store, payments: Payments, on_behalf_of: &'static str) -> Self {
        Self { store, payments, on_behalf_of }
    }

    /// Charges for the purchase that `entry` has begun. To be called every time the
    /// request is answered: where an earlier call was cut off, this one goes on, and
    /// the provider takes the money once. What is not learned now, a notice, a settle
    /// call or the clean-up learns later: so nothing of it is the caller's concern.
    #[boxed]
    pub async fn charge(&self, entry: &Entry, replayed: bool, token: Secret, ctx: &Ctx) {
        let Some(order) = begun(entry) else { return };
        let receipt = order.receipt;
        if replayed {
            let needs = Needs::default().purchase(receipt);
            let found = self.store.find(order.player, &needs).await.map(|found| found.purchase);
            if !matches!(found, Ok(Some(Purchase { status: Status::Created, .. }))) {
                return;
            }
        }
        let paid = match self.payments.charge(Charge { order, token }).await {
            Ok(payment) => self.learn(&payment, ctx, None).await.map(drop),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = paid {
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(%receipt, cause, "the purchase stays open for now");
        }
    }

    /// What is learned of a payment: the purchase moves on, if this is news to it. A
    /// notice that was heard before does nothing, whatever it says now: `None`.
    ///
    /// # Errors
    /// [`Rejection::PurchaseNotFound`]; [`Rejection::PaymentMismatch`] when product,
    /// amount or currency are others, and of a notice when there is no such purchase; the
    /// table's.
    #[boxed]
    pub async fn learn(
        &self,
        payment: &Payment,
        ctx: &Ctx,
        told: Option<&Told<'_>>,
    ) -> Result<Option<Learned>, DeskError> {
        let Order { receipt, player, .. } = payment.order;
        let event = event_of(&payment.standing);
        let mut needs = Needs::default().purchase(receipt);
        if let Some(told) = told {
            needs = needs.notice(told.event_id);
        }
        // Most news is old, and a look costs less than a command.
        let found = self.store.find(player, &needs).await?;
        if was_heard(found.notice.as_deref(), told) {
            return Ok(None);
        }
        let purchase = checked(found.purchase.as_ref(), payment, told)?;
        if purchase.after(&event).is_none() {
            if let Some(told) = told {
                self.store.remember_notice(told.event_id, told.body_hash).await?;
            }
            return Ok(Some(unchanged(purchase)));
        }
        let once = command::once_by_nature(advance_purchase::natural_key(receipt, &event));
        let advanced =
            self.store.execute_with(Subject::system(player), once, &needs, |state, found| {
                if was_heard(found.notice.as_deref(), told) {
                    return Ok(None);
                }
                let purchase = checked(found.purchase.as_ref(), payment, told)?;
                let Some(plan) = advance_purchase::decide(state, purchase, &event, ctx)? else {
                    return Ok(None);
                };
                let plan = match told {
                    Some(told) => plan.with(Change::RememberNotice {
                        event_id: told.event_id.to_owned(),
                        body_hash: told.body_hash.to_owned(),
                    }),
                    None => plan,
                };
                Ok(Some(Decision { plan, answer: None }))
            });
        let receipt_of = advanced.await?;
        let changed = receipt_of.as_ref().is_some_and(|receipt| !receipt.replayed);
        if !changed && let Some(told) = told {
            // Somebody else brought the same news meanwhile.
            self.store.remember_notice(told.event_id, told.body_hash).await?;
        }
        let now = self.store.find(player, &Needs::default().purchase(receipt)).await?.purchase;
        let purchase = now.ok_or(nowhere(told))?;
        if changed {
            metrics::purchase_attempt(flow(&purchase), purchase.status.as_str(), self.on_behalf_of);
        }
        if changed {
            self.failed(&purchase).await;
        }
        self.with_refund(purchase, changed, ctx).await.map(Some)
    }

    /// What the provider answered about a purchase, learned.
    async fn answered(
        &self,
        purchase: &Purchase,
        payment: &Payment,
        ctx: &Ctx,
    ) -> Result<Learned, DeskError> {
        let learned = self.learn(payment, ctx, None).await?;
        Ok(learned.unwrap_or_else(|| unchanged(purchase)))
    }

    /// A payment that was declined is remembered against the player. That this fails is
    /// no reason to fail what was learned; it only makes the next assessment milder.
    async fn failed(&self, purchase: &Purchase) {
        let (Status::Failed, Some(assessed)) = (purchase.status, purchase.assessed) else { return };
        let told = self.store.payment_failed(purchase.player, assessed.attempt).await;
        if let Err(error) = told {
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(receipt = %purchase.receipt, cause, "a failed payment is not counted");
        }
    }

    /// Money that came for what cannot be granted goes back. Where that fails now, the
    /// clean-up tries again.
    async fn with_refund(
        &self,
        purchase: Purchase,
        changed: bool,
        ctx: &Ctx,
    ) -> Result<Learned, DeskError> {
        if changed && purchase.status == Status::GrantFailed {
            match Box::pin(self.refund(&purchase, ctx)).await {
                Ok(learned) => return Ok(Learned { changed, ..learned }),
                Err(error) => {
                    let cause: &dyn std::error::Error = &error;
                    tracing::warn!(receipt = %purchase.receipt, cause, "not refunded yet");
                }
            }
        }
        Ok(Learned { purchase, changed })
    }

    /// Asks the provider how an open purchase stands, and takes it from there.
    ///
    /// # Errors
    /// As [`Desk::learn`], and the provider's.
    #[boxed]
    pub async fn ask(&self, purchase: &Purchase, ctx: &Ctx) -> Result<Learned, DeskError> {
        match purchase.status {
            Status::GrantFailed => self.refund(purchase, ctx).await,
            Status::Created | Status::Pending => {
                let Some(order) = order_of(purchase) else { return Ok(unchanged(purchase)) };
                match self.payments.look(order).await? {
                    Some(payment) => self.answered(purchase, &payment, ctx).await,
                    None => Ok(unchanged(purchase)),
                }
            }
            _ => Ok(unchanged(purchase)),
        }
    }

    /// As [`Desk::ask`], of a purchase whose time is up: what is not paid is called
    /// off. One that the provider cannot call off any more stays open.
    ///
    /// # Errors
    /// As [`Desk::ask`].
    #[boxed]
    pub async fn give_up(&self, purchase: &Purchase, ctx: &Ctx) -> Result<Learned, DeskError> {
        match (purchase.status.holds(), order_of(purchase)) {
            (true, Some(order)) => {
                let payment = self.payments.cancel(order).await?;
                self.answered(purchase, &payment, ctx).await
            }
            _ => self.ask(purchase, ctx).await,
        }
    }

    async fn refund(&self, purchase: &Purchase, ctx: &Ctx) -> Result<Learned, DeskError> {
        let Some(order) = order_of(purchase) else { return Ok(unchanged(purchase)) };
        let payment = self.payments.refund(order).await?;
        self.answered(purchase, &payment, ctx).await
    }
}

/// The purchase, if the payment is the one that it asks for.
fn checked<'a>(
    purchase: Option<&'a Purchase>,
    payment: &Payment,
    told: Option<&Told<'_>>,
) -> Result<&'a Purchase, Rejection> {
    let Order { product, amount_minor, currency, .. } = &payment.order;
    let purchase = purchase.ok_or(nowhere(told))?;
    if purchase.is_paid_by(product, *amount_minor, currency) {
        Ok(purchase)
    } else {
        Err(Rejection::PaymentMismatch)
    }
}

/// Why a payment is refused whose purchase is nowhere: a notice of it is about a payment
/// that nobody asked for.
const fn nowhere(told: Option<&Told<'_>>) -> Rejection {
    if told.is_some() { Rejection::PaymentMismatch } else { Rejection::PurchaseNotFound }
}

/// Whether the notice was heard before, whatever it says now.
fn was_heard(found: Option<&str>, told: Option<&Told<'_>>) -> bool {
    let (Some(found), Some(told)) = (found, told) else { return false };
    if found != told.body_hash {
        tracing::warn!(event_id = told.event_id, "a notice was told before, with other content");
    }
    true
}

fn unchanged(purchase: &Purchase) -> Learned {
    Learned { purchase: purchase.clone(), changed: false }
}

fn flow(purchase: &Purchase) -> &'static str {
    if purchase.hold.is_some() { "limited" } else { "money" }
}

fn event_of(standing: &Standing) -> Event {
    match standing {
        Standing::Pending => Event::Pending,
        Standing::Succeeded => Event::Paid,
        Standing::Declined { reason } => Event::Declined { reason: reason.clone() },
        Standing::Canceled => Event::Canceled,
        Standing::Refunded => Event::Refunded,
        Standing::ChargedBack => Event::ChargedBack,
    }
}

/// What a purchase asks the provider for; `None` if it is not paid with money.
fn order_of(purchase: &Purchase) -> Option<Order> {
    order(purchase.receipt, purchase.player, &purchase.product, &purchase.price)
}

/// What the purchase that an entry begins asks the provider for.
fn begun(entry: &Entry) -> Option<Order> {
    match &entry.fact {
        Fact::PurchaseAdvanced { receipt, product, price, from: None, .. } => {
            order(*receipt, entry.player, product, price)
        }
        _ => None,
    }
}

fn order(receipt: ReceiptId, player: PlayerId, product: &str, price: &Price) -> Option<Order> {
    let Price::Money(money) = price else { return None };
    Some(Order {
        receipt,
        player,
        product: product.to_owned(),
        amount_minor: money.amount_minor,
        currency: money.currency.clone(),
    })
}

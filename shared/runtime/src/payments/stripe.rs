//! Stripe, through PaymentIntents.
//!
//! **Not run live.** Written against Stripe's published API reference (version
//! [`VERSION`]) and tested against answers of the shapes it documents, in
//! `fixtures`; no request has been sent to Stripe itself.
//!
//! # Charging
//! One `POST /v1/payment_intents` creates and confirms, with the receipt as
//! `Idempotency-Key`. Nobody can be sent to a bank's page in between:
//! `automatic_payment_methods[allow_redirects]=never`, and
//! `error_on_requires_action` makes a card that asks for more a declined one. Stripe
//! leaves a declined intent open for another card; ours is canceled, so that it is
//! over. A token that Stripe does not know becomes a canceled intent with the reason
//! in its metadata, so that it can be looked up like any other.
//!
//! # Looking
//! An intent's id is known only to whoever got the answer; what we always know is
//! the receipt, in the intent's metadata. Search finds it there, but lags writes by
//! up to a minute, more in an outage, so what it does not find may exist. Lists do
//! not lag. A receipt is a UUIDv7, so it says when the purchase began, and the list
//! of that hour's intents decides. (Repeating the create with its key would answer
//! too, but needs the token, which we do not keep, and would charge if there was
//! nothing yet.) What was found is then read by its id, with its latest charge, for
//! refunds, and its disputes.
//!
//! # Canceling what may not exist
//! The idempotency key decides the race with a charge that is still under way. An
//! intent is created under the receipt's key *without* confirming it, and canceled:
//! a charge that comes later has other parameters for the same key, which Stripe
//! refuses with an `idempotency_error`. If the charge was first, we are the ones
//! refused, and know that there is something to be found. Stripe keeps keys for at
//! least a day; a function lives for minutes.

mod answer;
mod notice;
mod signature;

use axum::http::Method;
use domain::ReceiptId;
use serde::de::DeserializeOwned;

use self::answer::{Disputes, Failure, Intent, Intents, Refund};
pub(super) use self::signature::{HEADER as SIGNATURE_HEADER, verify};
use super::{
    Answer, Charge, Order, Payment, Provider, ProviderError, Standing,
    config::ApiKey,
    http::{Body, Http},
};
use crate::secrets::Rotating;

/// The version whose shapes we read. Webhook endpoints have a version of their own,
/// set where they are made; it should be this one.
pub const VERSION: &str = "2024-06-20";

/// How long after its purchase began a charge may still be made, at the most.
const CHARGED_WITHIN_SECONDS: u64 = 3_600;
/// How far our clocks and Stripe's may differ.
const SKEW_SECONDS: u64 = 300;
/// Pages of a hundred that are looked through before search must have caught up.
const PAGES: usize = 20;

/// Stripe, over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Stripe {
    http: Http,
    key: Rotating<ApiKey>,
}

/// Why a call gave nothing: no answer, or an answer that says so.
enum Trouble {
    Provider(ProviderError),
    Failure(Failure),
}

type Parameters<'a> = Vec<(&'a str, String)>;

impl Stripe {
    /// Stripe's own address.
    pub(super) const URL: &'static str = "https://api.stripe.com";

    pub(super) fn new(http: Http, key: Rotating<ApiKey>) -> Self {
        Self { http, key }
    }

    async fn charged(&self, Charge { order, token }: Charge) -> Result<Payment, ProviderError> {
        let mut parameters = described(&order);
        parameters.extend([
            ("confirm", "true".to_owned()),
            ("error_on_requires_action", "true".to_owned()),
            ("payment_method", token.expose().to_owned()),
        ]);
        let failure = match self.create(&order, parameters).await {
            Ok(intent) => return self.over_if_declined(intent).await,
            Err(Trouble::Provider(error)) => return Err(error),
            Err(Trouble::Failure(failure)) => failure,
        };
        if failure.of_the_key() {
            // Canceled before the charge came, or charged with another token.
            let first = self.find(order.receipt).await?;
            return self.payment(first.ok_or_else(|| failure.into_error())?).await;
        }
        if failure.of_the_token() {
            return self.entombed(&order, Some("invalid_token")).await;
        }
        match failure.error.payment_intent {
            Some(intent) => self.over_if_declined(*intent).await,
            None => Err(failure.into_error()),
        }
    }

    async fn looked(&self, order: &Order) -> Result<Option<Payment>, ProviderError> {
        match self.find(order.receipt).await? {
            Some(intent) => self.payment(intent).await.map(Some),
            None => Ok(None),
        }
    }

    async fn canceled(&self, order: &Order) -> Result<Payment, ProviderError> {
        match self.find(order.receipt).await? {
            Some(intent) => self.over(intent).await,
            None => self.entombed(order, None).await,
        }
    }

    async fn refunded(&self, order: &Order) -> Result<Payment, ProviderError> {
        let refused =
            |code: &str| Err(ProviderError::Refused { status: 409, code: code.to_owned() });
        let Some(payment) = self.looked(order).await? else { return refused("unknown_receipt") };
        match payment.standing {
            Standing::Refunded => return Ok(payment),
            Standing::Succeeded => {}
            _ => return refused("not_refundable"),
        }
        let key = format!("{}:refund", order.receipt);
        let parameters = vec![
            ("payment_intent", payment.id.clone()),
            ("metadata[receipt]", order.receipt.to_string()),
        ];
        match self.post::<Refund>("/v1/refunds", Some(&key), parameters).await {
            Ok(refund) if refund.on_its_way() => {}
            Ok(_) => return refused("refund_failed"),
            Err(Trouble::Failure(failure)) if failure.code() == "charge_already_refunded" => {}
            Err(trouble) => return Err(trouble.into()),
        }
        Ok(Payment { standing: Standing::Refunded, ..payment })
    }

    /// An intent that never takes money, in the place of the order's charge.
    async fn entombed(
        &self,
        order: &Order,
        declined: Option<&str>,
    ) -> Result<Payment, ProviderError> {
        let mut parameters = described(order);
        parameters.extend(declined.map(|reason| ("metadata[declined]", reason.to_owned())));
        match self.create(order, parameters).await {
            Ok(intent) => self.over(intent).await,
            Err(Trouble::Failure(failure)) if failure.of_the_key() => {
                // Somebody was first.
                match self.find(order.receipt).await? {
                    Some(intent) => self.over(intent).await,
                    None => Err(ProviderError::Busy {
                        status: failure.status,
                        code: failure.code().to_owned(),
                    }),
                }
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn over_if_declined(&self, intent: Intent) -> Result<Payment, ProviderError> {
        if intent.is_open() && intent.declined().is_some() {
            return self.over(intent).await;
        }
        self.payment(intent).await
    }

    /// Cancels the intent, if it still can be.
    async fn over(&self, intent: Intent) -> Result<Payment, ProviderError> {
        if intent.is_final() {
            return self.payment(intent).await;
        }
        let path = format!("/v1/payment_intents/{}/cancel", intent.id);
        let why = vec![("cancellation_reason", "abandoned".to_owned())];
        match self.post(&path, None, why).await {
            Ok(intent) => self.payment(intent).await,
            // It went on meanwhile, or cannot be stopped any more.
            Err(Trouble::Failure(failure))
                if failure.code() == "payment_intent_unexpected_state" =>
            {
                let intent = self.intent(&intent.id).await?;
                self.payment(intent).await
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn payment(&self, intent: Intent) -> Result<Payment, ProviderError> {
        let disputed = intent.is_disputed() && self.lost_to_a_dispute(&intent.id).await?;
        let order = intent.order().ok_or(ProviderError::Unintelligible("not one of ours"))?;
        let standing = intent.standing(disputed);
        let standing = standing.ok_or(ProviderError::Unintelligible("an unknown status"))?;
        Ok(Payment { id: intent.id, order, standing })
    }

    /// Whether the money is gone for a dispute: it is from its beginning on, and comes
    /// back if we win. Inquiries take none.
    async fn lost_to_a_dispute(&self, intent: &str) -> Result<bool, ProviderError> {
        let query = encoded(&[("payment_intent", intent.to_owned()), ("limit", "100".to_owned())]);
        let disputes: Disputes = self.get(&format!("/v1/disputes?{query}")).await?;
        Ok(disputes.data.iter().any(|dispute| dispute.holds_the_money()))
    }

    async fn find(&self, receipt: ReceiptId) -> Result<Option<Intent>, ProviderError> {
        let searched = match self.search(receipt).await {
            // Not every account has search.
            Err(ProviderError::Refused { .. }) => None,
            answer => answer?,
        };
        let id = match searched {
            Some(id) => Some(id),
            None => self.listed(receipt).await?,
        };
        match id {
            Some(id) => self.intent(&id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn search(&self, receipt: ReceiptId) -> Result<Option<String>, ProviderError> {
        let query = encoded(&[("query", format!("metadata['receipt']:'{receipt}'"))]);
        let found: Intents = self.get(&format!("/v1/payment_intents/search?{query}")).await?;
        Ok(found.of(receipt))
    }

    async fn listed(&self, receipt: ReceiptId) -> Result<Option<String>, ProviderError> {
        // An id of another kind does not say when: there, search has the last word.
        let Some(began) = receipt.uuid().get_timestamp() else { return Ok(None) };
        let (began, _) = began.to_unix();
        let window = [
            ("created[gte]", began.saturating_sub(SKEW_SECONDS).to_string()),
            ("created[lte]", (began + CHARGED_WITHIN_SECONDS).to_string()),
            ("limit", "100".to_owned()),
        ];
        let mut after = None;
        for _ in 0..PAGES {
            let mut query = window.to_vec();
            query.extend(after.take().map(|id| ("starting_after", id)));
            let path = format!("/v1/payment_intents?{}", encoded(&query));
            let page: Intents = self.get(&path).await?;
            if let Some(id) = page.of(receipt) {
                return Ok(Some(id));
            }
            match page.next() {
                Some(last) => after = Some(last),
                None => return Ok(None),
            }
        }
        // Search will know soon.
        Err(ProviderError::Busy { status: 200, code: "too_many_payments".to_owned() })
    }

    /// As it is now.
    async fn intent(&self, id: &str) -> Result<Intent, ProviderError> {
        let query = encoded(&[("expand[]", "latest_charge".to_owned())]);
        self.get(&format!("/v1/payment_intents/{id}?{query}")).await
    }

    async fn create(&self, order: &Order, parameters: Parameters<'_>) -> Result<Intent, Trouble> {
        let key = order.receipt.to_string();
        self.post("/v1/payment_intents", Some(&key), parameters).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ProviderError> {
        Ok(self.call(Method::GET, path, None, Body::Nothing).await?)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        parameters: Parameters<'_>,
    ) -> Result<T, Trouble> {
        let form = Body::Form(encoded(&parameters));
        self.call(Method::POST, path, idempotency_key, form).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        idempotency_key: Option<&str>,
        body: Body,
    ) -> Result<T, Trouble> {
        let key = self.key.current().await.map_err(ProviderError::Key)?;
        let mut headers = vec![("stripe-version", VERSION)];
        headers.extend(idempotency_key.map(|key| ("idempotency-key", key)));
        let answer = self.http.send(method, path, &key.0, &headers, body).await?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|_| ProviderError::Unintelligible("not the object asked for").into());
        }
        Err(Trouble::Failure(Failure::read(answer.status, &answer.body)))
    }
}

impl Provider for Stripe {
    fn charge(&self, charge: Charge) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move { this.charged(charge).await })
    }

    fn look(&self, order: Order) -> Answer<Option<Payment>> {
        let this = self.clone();
        Box::pin(async move { this.looked(&order).await })
    }

    fn cancel(&self, order: Order) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move { this.canceled(&order).await })
    }

    fn refund(&self, order: Order) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move { this.refunded(&order).await })
    }
}

/// What every intent of an order says, whatever becomes of it.
fn described(order: &Order) -> Parameters<'static> {
    vec![
        ("amount", order.amount_minor.to_string()),
        ("currency", order.currency.to_ascii_lowercase()),
        ("automatic_payment_methods[enabled]", "true".to_owned()),
        ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
        ("metadata[receipt]", order.receipt.to_string()),
        ("metadata[player]", order.player.to_string()),
        ("metadata[product]", order.product.clone()),
    ]
}

fn encoded(parameters: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<Trouble> for ProviderError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Provider(error) => error,
            Trouble::Failure(failure) => failure.into_error(),
        }
    }
}

#[cfg(test)]
mod tests;

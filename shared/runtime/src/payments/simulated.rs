//! The client of the simulated provider, the service in `localstack/provider`, and
//! the form of what both say.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/payments`, a [`wire::Charge`] | the payment; the first one, if there is one |
//! | `GET /v1/payments/{receipt}` | the payment; 404 `unknown_receipt` |
//! | `POST /v1/payments/{receipt}/cancel`, a [`wire::Order`] | the payment; canceled, if it was unknown |
//! | `POST /v1/payments/{receipt}/refund` | the payment; 409 `not_refundable` |

pub mod wire;

use axum::http::{Method, StatusCode};
use domain::ReceiptId;
use serde::Serialize;

use super::{
    Answer, Charge, Nonce, Notice, NoticeError, Order, Payment, Provider, ProviderError,
    config::ApiKey,
    http::{Answered, Body, Http},
};
use crate::secrets::Rotating;

/// The simulated provider, over HTTP.
#[derive(Clone, Debug)]
pub(super) struct Simulated {
    http: Http,
    key: Rotating<ApiKey>,
}

impl Simulated {
    pub(super) fn new(http: Http, key: Rotating<ApiKey>) -> Self {
        Self { http, key }
    }

    async fn ask(&self, method: Method, path: &str, body: Body) -> Result<Answered, ProviderError> {
        let key = self.key.current().await.map_err(ProviderError::Key)?;
        self.http.send(method, path, &key.0, &[], body).await
    }
}

impl Provider for Simulated {
    fn charge(&self, Charge { order, token }: Charge) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move {
            let body = json(&wire::Charge { order: order.into(), token });
            payment(&this.ask(Method::POST, "/v1/payments", body).await?)
        })
    }

    fn look(&self, order: Order) -> Answer<Option<Payment>> {
        let this = self.clone();
        Box::pin(async move {
            let path = path(order.receipt, "");
            match payment(&this.ask(Method::GET, &path, Body::Nothing).await?) {
                Err(ProviderError::Refused { code, .. }) if code == wire::UNKNOWN_RECEIPT => {
                    Ok(None)
                }
                answer => answer.map(Some),
            }
        })
    }

    fn cancel(&self, order: Order) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move {
            let path = path(order.receipt, "/cancel");
            let body = json(&wire::Order::from(order));
            payment(&this.ask(Method::POST, &path, body).await?)
        })
    }

    fn refund(&self, order: Order) -> Answer<Payment> {
        let this = self.clone();
        Box::pin(async move {
            let path = path(order.receipt, "/refund");
            payment(&this.ask(Method::POST, &path, Body::Nothing).await?)
        })
    }
}

fn path(receipt: ReceiptId, action: &str) -> String {
    format!("/v1/payments/{receipt}{action}")
}

fn json(body: &impl Serialize) -> Body {
    Body::Json(serde_json::to_vec(body).expect("texts and numbers serialize"))
}

fn payment(answer: &Answered) -> Result<Payment, ProviderError> {
    if answer.status.is_success() {
        let payment: Option<wire::Payment> = serde_json::from_slice(&answer.body).ok();
        let payment = payment.and_then(|payment| Payment::try_from(payment).ok());
        return payment.ok_or(ProviderError::Unintelligible("not a payment"));
    }
    let status = answer.status.as_u16();
    let problem: Option<wire::Problem> = serde_json::from_slice(&answer.body).ok();
    let code = problem.map(|problem| problem.code).unwrap_or_default();
    Err(match answer.status {
        StatusCode::TOO_MANY_REQUESTS => ProviderError::Busy { status, code },
        status_code if status_code.is_server_error() => ProviderError::Busy { status, code },
        _ => ProviderError::Refused { status, code },
    })
}

/// Reads a notice whose signature was right.
pub(super) fn notice(body: &[u8], nonce: Nonce) -> Result<Notice, NoticeError> {
    let notice: wire::Notice =
        serde_json::from_slice(body).map_err(|_| NoticeError::Unreadable("not a notice"))?;
    let payment = Payment::try_from(notice.payment)
        .map_err(|_| NoticeError::Unreadable("an unknown status"))?;
    Ok(Notice { event_id: notice.event_id, nonce: Some(nonce), payment: Some(payment) })
}

//! The provider over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use domain::ReceiptId;
use runtime::payments::simulated::wire;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::service::{Refusal, Service};

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/payments", post(charge))
        .route("/v1/payments/{receipt}", get(look))
        .route("/v1/payments/{receipt}/cancel", post(cancel))
        .route("/v1/payments/{receipt}/refund", post(refund))
        .route("/v1/payments/{receipt}/chargeback", post(chargeback))
        .route("/v1/book", get(book))
        .route("/v1/notices", get(notices))
        .route("/v1/advance", post(advance))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), authenticated))
        .with_state(service)
}

/// A refusal on its way out.
enum Failure {
    Refused(Refusal),
    Unauthenticated,
    /// The body is not what it should be.
    Unreadable,
}

type Answer = Result<Json<wire::Payment>, Failure>;

#[expect(clippy::disallowed_methods, reason = "an answer that comes too late is what is asked for")]
async fn charge(State(service): State<Arc<Service>>, body: Bytes) -> Answer {
    let charged = service.charge(read(&body)?)?;
    if charged.silent {
        tokio::time::sleep(service.delays.silence).await;
    }
    Ok(Json(charged.payment))
}

async fn look(State(service): State<Arc<Service>>, Path(receipt): Path<String>) -> Answer {
    Ok(Json(service.look(named(&receipt)?)?))
}

async fn cancel(
    State(service): State<Arc<Service>>,
    Path(receipt): Path<String>,
    body: Bytes,
) -> Answer {
    let order: wire::Order = read(&body)?;
    if order.receipt != named(&receipt)? {
        return Err(Failure::Unreadable);
    }
    Ok(Json(service.cancel(order)?))
}

async fn refund(State(service): State<Arc<Service>>, Path(receipt): Path<String>) -> Answer {
    Ok(Json(service.refund(named(&receipt)?)?))
}

async fn chargeback(State(service): State<Arc<Service>>, Path(receipt): Path<String>) -> Answer {
    Ok(Json(service.charge_back(named(&receipt)?)?))
}

async fn book(State(service): State<Arc<Service>>) -> Response {
    Json(json!({ "payments": service.entries() })).into_response()
}

async fn notices(State(service): State<Arc<Service>>) -> Response {
    Json(json!({ "notices": service.sent() })).into_response()
}

async fn advance(State(service): State<Arc<Service>>, body: Bytes) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Advance {
        millis: u32,
    }
    let Advance { millis } = read(&body)?;
    service.advance(Duration::from_millis(millis.into())).await;
    Ok(Json(json!({})).into_response())
}

async fn authenticated(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    let key = given.and_then(|value| value.strip_prefix(b"Bearer "));
    let key = key.ok_or(Failure::Unauthenticated)?;
    if !bool::from(key.ct_eq(service.api_key.expose().as_bytes())) {
        return Err(Failure::Unauthenticated);
    }
    Ok(next.run(request).await)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::Unreadable)
}

/// What is no receipt is one that nobody has heard of.
fn named(receipt: &str) -> Result<ReceiptId, Failure> {
    receipt.parse().map_err(|_| Refusal::UnknownReceipt.into())
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Unreadable => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            Self::Refused(refusal) => {
                let status = match refusal {
                    Refusal::UnknownReceipt => StatusCode::NOT_FOUND,
                    Refusal::ReceiptReused | Refusal::NotRefundable | Refusal::NotChargeable => {
                        StatusCode::CONFLICT
                    }
                    Refusal::InvalidOrder => StatusCode::UNPROCESSABLE_ENTITY,
                    Refusal::Broken => StatusCode::SERVICE_UNAVAILABLE,
                };
                (status, refusal.code())
            }
        };
        (status, Json(wire::Problem { code: code.to_owned() })).into_response()
    }
}

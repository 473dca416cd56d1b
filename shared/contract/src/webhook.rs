//! Outgoing webhooks, as operators see them.

use domain::webhook::{Delivery, Endpoint, Status};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{Secret, rules};

/// `POST /api/admin/webhooks/endpoints`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterWebhookRequest {
    /// `https`, to a name on the public internet, without a user or a fragment.
    #[garde(length(min = 1, max = 512))]
    #[schema(min_length = 1, max_length = 512, example = "https://hooks.example.com/casino")]
    pub url: String,
    /// Event types, `shop.*` for all below a name, or `*` for all.
    #[garde(length(min = 1, max = 20), inner(custom(rules::event_filter)))]
    #[schema(min_items = 1, max_items = 20, example = json!(["streak.claim", "shop.*"]))]
    pub event_types: Vec<String>,
    #[garde(inner(length(chars, max = 200)))]
    #[schema(max_length = 200, example = "Marketing's data pipeline")]
    pub description: Option<String>,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Ticket 4711")]
    pub reason: String,
}

/// `PUT /api/admin/webhooks/endpoints/{id}`: what is left out stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhookRequest {
    #[garde(inner(length(min = 1, max = 512)))]
    #[schema(min_length = 1, max_length = 512, example = "https://hooks.example.com/casino")]
    pub url: Option<String>,
    #[garde(inner(length(min = 1, max = 20), inner(custom(rules::event_filter))))]
    #[schema(min_items = 1, max_items = 20, example = json!(["*"]))]
    pub event_types: Option<Vec<String>>,
    #[garde(inner(length(chars, max = 200)))]
    #[schema(max_length = 200)]
    pub description: Option<String>,
    /// Whether it gets anything.
    #[garde(skip)]
    pub active: Option<bool>,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Ticket 4711")]
    pub reason: String,
}

/// The body of what needs nothing but a reason.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookReason {
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Ticket 4711")]
    pub reason: String,
}

/// The query of `DELETE /api/admin/webhooks/endpoints/{id}`.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteWebhookQuery {
    /// Why, for the audit log. Required.
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub reason: Option<String>,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpoint {
    pub id: Uuid,
    pub url: String,
    pub event_types: Vec<String>,
    pub description: String,
    pub active: bool,
    /// It answered 410 and was deactivated for that.
    pub gone: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Number of the present secret.
    pub secret_generation: u32,
    /// Until when the secret before it signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_secret_until: Option<Timestamp>,
}

impl From<&Endpoint> for WebhookEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id.uuid(),
            url: endpoint.url.clone(),
            event_types: endpoint.filters.iter().map(|of| of.as_str().to_owned()).collect(),
            description: endpoint.description.clone(),
            active: endpoint.active,
            gone: endpoint.gone,
            created_at: endpoint.created_at,
            secret_generation: endpoint.generation,
            previous_secret_until: endpoint.previous_until,
        }
    }
}

/// An endpoint with its new secret, which no other answer shows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookSecretAnswer {
    pub endpoint: WebhookEndpoint,
    /// `whsec_` and base64.
    pub secret: Secret,
}

/// `GET /api/admin/webhooks/endpoints`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookEndpoints {
    pub items: Vec<WebhookEndpoint>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDeliveryStatus {
    Pending,
    Delivered,
    Failed,
}

impl From<Status> for WebhookDeliveryStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Delivered => Self::Delivered,
            Status::Failed => Self::Failed,
        }
    }
}

impl From<WebhookDeliveryStatus> for Status {
    fn from(status: WebhookDeliveryStatus) -> Self {
        match status {
            WebhookDeliveryStatus::Pending => Self::Pending,
            WebhookDeliveryStatus::Delivered => Self::Delivered,
            WebhookDeliveryStatus::Failed => Self::Failed,
        }
    }
}

/// The query of `GET /api/admin/webhooks/deliveries`.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Of which endpoint. Required.
    #[garde(skip)]
    pub endpoint: Option<Uuid>,
    #[garde(skip)]
    pub status: Option<WebhookDeliveryStatus>,
    /// Most items to answer with.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(inner(length(min = 1, max = 1024)))]
    pub cursor: Option<String>,
}

/// An event on its way to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// The `webhook-id` of every attempt.
    pub id: String,
    pub endpoint_id: Uuid,
    pub event_type: String,
    pub status: WebhookDeliveryStatus,
    /// Attempts since the event or the last replay.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// `status 503`, `timed_out` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
}

impl From<&Delivery> for WebhookDelivery {
    fn from(delivery: &Delivery) -> Self {
        let pending = delivery.status == Status::Pending;
        Self {
            id: delivery.id.to_string(),
            endpoint_id: delivery.id.endpoint.uuid(),
            event_type: delivery.event_type.clone(),
            status: delivery.status.into(),
            attempts: delivery.attempts,
            next_attempt_at: pending.then_some(delivery.due_at),
            last_attempt_at: delivery.last.map(|last| last.at),
            last_result: delivery.last.map(|last| last.outcome.to_string()),
        }
    }
}

//! Outgoing webhooks: events of the product, told to receivers that operators
//! register, in the [Standard Webhooks](https://www.standardwebhooks.com) scheme.
//!
//! An [`Endpoint`] subscribes to event types. Each event it subscribes to becomes one
//! [`Delivery`], which is tried up to [`ATTEMPTS`] times until a receiver answers 2xx.
//! The receiver gets every event at least once, under a `webhook-id` that is the same
//! for every attempt.

mod address;
mod delivery;
mod endpoint;
mod message;
mod signing;

pub use address::{Host, InvalidUrl, MOST_URL_BYTES, Reach, Target};
pub use delivery::{
    ATTEMPTS, Attempt, Backoff, Claim, Delivery, DeliveryId, Failure, InvalidDeliveryId, LEASE,
    Outcome, Status,
};
pub use endpoint::{
    Directory, Edit, Endpoint, EndpointChange, EventFilter, InvalidFilter, MOST_ENDPOINTS,
    SECRET_OVERLAP,
};
pub use message::{REPLAY_ACTION, message, replayed};
pub use signing::{SecretKey, WebhookMasterKey, signatures};

#[cfg(test)]
mod tests;

//! Who is told of what.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Rejection, WebhookEndpointId};

/// Endpoints there may be at once. All are one small item, read with every batch of
/// events.
pub const MOST_ENDPOINTS: usize = 50;

/// How long the secret before the present one signs beside it.
pub const SECRET_OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    /// As it was given. Its path may be a secret of the receiver's, so it is shown to
    /// operators only, and stands in no event and no log.
    pub url: String,
    pub filters: Vec<EventFilter>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it gets anything.
    pub active: bool,
    /// It answered 410, which is why it is not active.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Events from before are not sent; that of the registration itself is the first.
    pub created_at: Timestamp,
    /// Number of the present secret, from 1 on.
    pub generation: u32,
    /// Until when the secret before that one signs as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Timestamp>,
}

impl Endpoint {
    /// Whether it is to be told of an event of this type that happened at `at`.
    #[must_use]
    pub fn wants(&self, event_type: &str, at: Timestamp) -> bool {
        self.active
            && at >= self.created_at
            && self.filters.iter().any(|filter| filter.matches(event_type))
    }
}

/// Event types that are subscribed to together: one (`streak.claim`), those below a
/// name (`shop.*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventFilter(String);

/// Not an [`EventFilter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event filter is an event type, a name with .* behind it, or *")]
pub struct InvalidFilter;

impl EventFilter {
    /// The filter as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lets an event type through.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        match self.0.strip_suffix('*') {
            // Empty, or with its dot: `shop.*` is no filter of `shopping.cart`.
            Some(prefix) => event_type.starts_with(prefix),
            None => self.0 == event_type,
        }
    }
}

impl TryFrom<String> for EventFilter {
    type Error = InvalidFilter;

    fn try_from(text: String) -> Result<Self, InvalidFilter> {
        let of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(of_name);
        let names = text.strip_suffix(".*").unwrap_or(&text);
        let sound = text == "*" || names.split('.').all(is_name);
        if sound && text.len() <= 64 { Ok(Self(text)) } else { Err(InvalidFilter) }
    }
}

impl From<EventFilter> for String {
    fn from(filter: EventFilter) -> Self {
        filter.0
    }
}

/// Every endpoint there is: one item, whose `version` counts its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub version: u64,
    pub endpoints: Vec<Endpoint>,
}

/// What an operator does to the endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    Register {
        id: WebhookEndpointId,
        url: String,
        filters: Vec<EventFilter>,
        description: String,
    },
    /// What is `None` stays as it is.
    Update {
        id: WebhookEndpointId,
        url: Option<String>,
        filters: Option<Vec<EventFilter>>,
        description: Option<String>,
        active: Option<bool>,
    },
    RotateSecret {
        id: WebhookEndpointId,
    },
    Delete {
        id: WebhookEndpointId,
    },
}

/// What became of an endpoint, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointChange {
    Registered,
    Updated,
    Activated,
    Deactivated,
    SecretRotated,
    Deleted,
}

impl EndpointChange {
    /// The name as events have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Updated => "updated",
            Self::Activated => "activated",
            Self::Deactivated => "deactivated",
            Self::SecretRotated => "secret_rotated",
            Self::Deleted => "deleted",
        }
    }
}

impl Directory {
    /// The endpoint with this id.
    #[must_use]
    pub fn find(&self, id: WebhookEndpointId) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    /// The directory after an edit at `now`, the endpoint it was about (as it is then,
    /// or was last), and what to call it.
    ///
    /// # Errors
    /// [`Rejection::TooManyWebhookEndpoints`], [`Rejection::WebhookEndpointNotFound`].
    pub fn edited(
        &self,
        edit: &Edit,
        now: Timestamp,
    ) -> Result<(Self, Endpoint, EndpointChange), Rejection> {
        let mut next = self.clone();
        next.version += 1;
        let (endpoint, change) = match edit {
            Edit::Register { id, url, filters, description } => {
                if next.endpoints.len() >= MOST_ENDPOINTS {
                    return Err(Rejection::TooManyWebhookEndpoints { maximum: MOST_ENDPOINTS });
                }
                let endpoint = Endpoint {
                    id: *id,
                    url: url.clone(),
                    filters: filters.clone(),
                    description: description.clone(),
                    active: true,
                    gone: false,
                    // As exact as events, the one of its own registration among them.
                    created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
                    generation: 1,
                    previous_until: None,
                };
                next.endpoints.push(endpoint.clone());
                (endpoint, EndpointChange::Registered)
            }
            Edit::Update { id, url, filters, description, active } => {
                let endpoint = next.find_mut(*id)?;
                let was_active = endpoint.active;
                if let Some(url) = url {
                    endpoint.url.clone_from(url);
                }
                if let Some(filters) = filters {
                    endpoint.filters.clone_from(filters);
                }
                if let Some(description) = description {
                    endpoint.description.clone_from(description);
                }
                endpoint.active = active.unwrap_or(was_active);
                endpoint.gone = endpoint.gone && !endpoint.active;
                let change = match (was_active, endpoint.active) {
                    (false, true) => EndpointChange::Activated,
                    (true, false) => EndpointChange::Deactivated,
                    _ => EndpointChange::Updated,
                };
                (endpoint.clone(), change)
            }
            Edit::RotateSecret { id } => {
                let endpoint = next.find_mut(*id)?;
                endpoint.generation += 1;
                endpoint.previous_until = now.checked_add(SECRET_OVERLAP).ok();
                (endpoint.clone(), EndpointChange::SecretRotated)
            }
            Edit::Delete { id } => {
                let endpoint = next.find_mut(*id)?.clone();
                next.endpoints.retain(|endpoint| endpoint.id != *id);
                (endpoint, EndpointChange::Deleted)
            }
        };
        Ok((next, endpoint, change))
    }

    /// The directory once an endpoint has answered that it is gone; `None` when there
    /// is nothing to change.
    #[must_use]
    pub fn without_gone(&self, id: WebhookEndpointId) -> Option<Self> {
        let mut next = self.clone();
        let endpoint = next.find_mut(id).ok().filter(|endpoint| endpoint.active)?;
        (endpoint.active, endpoint.gone) = (false, true);
        next.version += 1;
        Some(next)
    }

    fn find_mut(&mut self, id: WebhookEndpointId) -> Result<&mut Endpoint, Rejection> {
        let found = self.endpoints.iter_mut().find(|endpoint| endpoint.id == id);
        found.ok_or(Rejection::WebhookEndpointNotFound)
    }
}

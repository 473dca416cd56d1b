//! Notices: what a provider says by itself, through its webhook.

use axum::http::HeaderMap;
use jiff::Timestamp;

use super::{Payment, ProviderError, WebhookKeys, signature, simulated, stripe::Stripe};
use crate::boxed;
use crate::secrets::{Rotating, SecretError};

/// A genuine notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The provider's id of the event: the same for every time it is sent. Whoever
    /// handles it remembers the id, and does nothing the second time.
    pub event_id: String,
    /// Of this one time, to be remembered for a day and refused if it comes again.
    /// Stripe has none: its event ids and timestamps do the work.
    pub nonce: Option<Nonce>,
    /// The payment, with the standing that the notice is about, which may be out of
    /// date: notices come late, twice and in any order. `None` if the notice is
    /// about nothing that the shop acts on, which is to be acknowledged.
    pub payment: Option<Payment>,
}

/// A number used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The key it was signed with.
    pub kid: String,
    pub nonce: String,
}

/// Why a notice was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoticeError {
    #[error("the notice has no signature")]
    SignatureMissing,
    #[error("the notice's signature is not of the form it should have")]
    SignatureMalformed,
    #[error("the notice is signed by a key that is not listed")]
    KeyUnknown,
    #[error("the notice was signed too long ago, or in the future")]
    TimestampOutOfRange,
    #[error("the notice's signature does not match")]
    SignatureInvalid,
    /// It is genuine all the same.
    #[error("the notice's body is not understood: {0}")]
    Unreadable(&'static str),
    #[error("the webhook keys cannot be had")]
    Keys(#[source] SecretError),
    /// It is genuine, but what it is about had to be asked for, in vain.
    #[error("what the notice is about cannot be found out")]
    Unresolved(#[source] ProviderError),
}

/// Reads one provider's notices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    keys: Rotating<WebhookKeys>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Simulated,
    Stripe(Stripe),
}

impl Notices {
    /// Notices signed as [`signature`] says.
    pub(super) fn simulated(keys: Rotating<WebhookKeys>) -> Self {
        Self { keys, form: Form::Simulated }
    }

    /// Stripe's.
    pub(super) fn stripe(keys: Rotating<WebhookKeys>, stripe: Stripe) -> Self {
        Self { keys, form: Form::Stripe(stripe) }
    }

    /// The notice, if it is genuine. `body` is what came, before anything parsed it:
    /// the signature is over these very bytes.
    ///
    /// # Errors
    /// The first thing that is wrong, see [`NoticeError`].
    #[boxed]
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Notice, NoticeError> {
        let keys = self.keys.current().await.map_err(NoticeError::Keys)?;
        match &self.form {
            Form::Simulated => {
                let header = only(headers, signature::HEADER)?;
                let nonce = signature::verify(&keys, header, body, now)?;
                simulated::notice(body, nonce)
            }
            Form::Stripe(stripe) => {
                let header = only(headers, super::stripe::SIGNATURE_HEADER)?;
                super::stripe::verify(&keys, header, body, now)?;
                stripe.notice(body).await
            }
        }
    }
}

/// The header's one value. A second one is a guess at which of them gets checked.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, NoticeError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(NoticeError::SignatureMissing)?;
    if values.next().is_some() {
        return Err(NoticeError::SignatureMalformed);
    }
    value.to_str().map_err(|_| NoticeError::SignatureMalformed)
}

#[cfg(test)]
mod tests;

//! Which provider a function talks to, and as whom.

use std::{fmt, sync::Arc, time::Duration};

use contract::Secret;
use serde::Deserialize;

use super::{
    Answer, Charge, Notices, Order, Payment, Provider, WebhookKeys,
    http::{BaseUrl, Http},
    simulated::Simulated,
    stripe::Stripe,
};
use crate::{Deps, MissingVariable, secrets::Rotating};

/// What one request to the provider may take, if nothing else is said: a function
/// has ten seconds, and must still write down what it learned.
const TIMEOUT: Duration = Duration::from_secs(6);

/// The function is not told which provider to use, or something that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    #[error("PAYMENT_PROVIDER is neither simulated nor stripe")]
    UnknownProvider,
    #[error("PAYMENT_PROVIDER_URL is not an http or https address")]
    Url,
    #[error("PAYMENT_PROVIDER_TIMEOUT_MS is not a number of milliseconds")]
    Timeout,
}

/// The provider a function was configured with. Cheap to clone.
#[derive(Clone)]
pub struct Payments(Arc<dyn Provider>);

impl Payments {
    /// This provider.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self(provider)
    }
}

/// Documented at [`Provider`].
impl Provider for Payments {
    fn charge(&self, charge: Charge) -> Answer<Payment> {
        self.0.charge(charge)
    }

    fn look(&self, order: Order) -> Answer<Option<Payment>> {
        self.0.look(order)
    }

    fn cancel(&self, order: Order) -> Answer<Payment> {
        self.0.cancel(order)
    }

    fn refund(&self, order: Order) -> Answer<Payment> {
        self.0.refund(order)
    }
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Simulated,
    Stripe,
}

impl Deps {
    /// The payment provider that the function is told of, or what stands in for it.
    ///
    /// # Errors
    /// A variable of [`crate::payments`] is not set, or is none of what it may be.
    pub fn payments(&self) -> Result<Payments, ConfigError> {
        if let Some(provider) = &self.payments {
            return Ok(Payments(Arc::clone(provider)));
        }
        Ok(Payments(match self.kind()? {
            Kind::Simulated => Arc::new(self.simulated()?),
            Kind::Stripe => Arc::new(self.stripe()?),
        }))
    }

    /// The reader of the configured provider's notices. Stripe's needs the provider
    /// too: what it says of disputes does not name the purchase.
    ///
    /// # Errors
    /// A variable of [`crate::payments`] is not set, or is none of what it may be.
    pub fn payment_notices(&self) -> Result<Notices, ConfigError> {
        let keys = self.secret("PAYMENT_WEBHOOK_KEYS_SECRET", |json| {
            WebhookKeys::from_json(json).map_err(|error| error.to_string())
        })?;
        Ok(match self.kind()? {
            Kind::Simulated => Notices::simulated(keys),
            Kind::Stripe => Notices::stripe(keys, self.stripe()?),
        })
    }

    fn kind(&self) -> Result<Kind, ConfigError> {
        match self.env.require("PAYMENT_PROVIDER")? {
            "simulated" => Ok(Kind::Simulated),
            "stripe" => Ok(Kind::Stripe),
            _ => Err(ConfigError::UnknownProvider),
        }
    }

    fn simulated(&self) -> Result<Simulated, ConfigError> {
        let http = self.http(self.env.require("PAYMENT_PROVIDER_URL")?)?;
        Ok(Simulated::new(http, self.api_key()?))
    }

    pub(super) fn stripe(&self) -> Result<Stripe, ConfigError> {
        let http = self.http(self.env.get("PAYMENT_PROVIDER_URL").unwrap_or(Stripe::URL))?;
        Ok(Stripe::new(http, self.api_key()?))
    }

    fn http(&self, url: &str) -> Result<Http, ConfigError> {
        let timeout = match self.env.get("PAYMENT_PROVIDER_TIMEOUT_MS") {
            Some(text) => Duration::from_millis(text.parse().map_err(|_| ConfigError::Timeout)?),
            None => TIMEOUT,
        };
        Ok(Http::new(BaseUrl::parse(url).ok_or(ConfigError::Url)?, timeout))
    }

    fn api_key(&self) -> Result<Rotating<ApiKey>, MissingVariable> {
        self.secret("PAYMENT_PROVIDER_SECRET", ApiKey::from_json)
    }
}

/// What the provider knows us by. `Debug` hides it.
#[derive(Debug)]
pub(super) struct ApiKey(pub Secret);

impl ApiKey {
    /// Reads `{"api_key": …}`. Without serde's message, which may quote the value.
    fn from_json(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Shape {
            api_key: Secret,
        }
        let Shape { api_key } =
            serde_json::from_str(json).map_err(|_| "not {\"api_key\"}".to_owned())?;
        let text = api_key.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the api_key is not visible ASCII".to_owned());
        }
        Ok(Self(api_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Entropy};

    fn deps(variables: &[(&str, &str)]) -> Deps {
        let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let entropy = Entropy::new(|bytes| bytes.fill(0));
        Deps::new(env.collect(), Clock::system(), entropy).with_secrets([])
    }

    #[test]
    fn says_which_setting_is_wrong() {
        const SECRET: (&str, &str) = ("PAYMENT_PROVIDER_SECRET", "payment-provider");
        let refused = |variables: &[(&str, &str)]| {
            deps(variables).payments().expect_err("a wrong setting").to_string()
        };
        assert!(refused(&[SECRET]).contains("PAYMENT_PROVIDER is not set"));
        assert!(refused(&[("PAYMENT_PROVIDER", "paypal"), SECRET]).contains("neither"));
        let stripe = ("PAYMENT_PROVIDER", "stripe");
        assert!(refused(&[stripe]).contains("PAYMENT_PROVIDER_SECRET"));
        for url in ["ftp://x", "api.stripe.com", "https://user:key@x", "https://x/?a=b"] {
            let url = refused(&[stripe, ("PAYMENT_PROVIDER_URL", url), SECRET]);
            assert!(url.contains("PAYMENT_PROVIDER_URL"), "{url}");
        }
        let timeout = ("PAYMENT_PROVIDER_TIMEOUT_MS", "soon");
        assert!(refused(&[stripe, timeout, SECRET]).contains("TIMEOUT"));
        let simulated = ("PAYMENT_PROVIDER", "simulated");
        assert!(refused(&[simulated, SECRET]).contains("PAYMENT_PROVIDER_URL is not set"));
    }

    #[test]
    fn stripe_has_an_address_of_its_own() {
        let stripe = ("PAYMENT_PROVIDER", "stripe");
        assert!(deps(&[stripe, ("PAYMENT_PROVIDER_SECRET", "s")]).payments().is_ok());
    }

    #[test]
    fn an_api_key_is_never_shown() {
        let key = ApiKey::from_json(r#"{"api_key":"sk_live_hunter2"}"#).unwrap();
        assert!(!format!("{key:?}").contains("hunter2"));
        for wrong in [r#"{"key":"hunter2"}"#, r#"{"api_key":"hunter2\n"}"#, r#"{"api_key":""}"#] {
            assert!(!ApiKey::from_json(wrong).unwrap_err().contains("hunter2"));
        }
    }
}

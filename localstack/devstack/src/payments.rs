//! The stack's payment provider: the simulated one, on a port of its own.

use anyhow::{Context as _, Result};
use contract::Secret;
use provider::{Keys, Provider, Running};
use runtime::payments::WebhookKeys;
use serde::Deserialize;

use crate::{parameters::Parameters, stack::Options};

/// Where the template puts the webhook.
const WEBHOOK_PATH: &str = "/api/shop/webhook/payment";

/// Starts it, with the keys that the functions get. Until the gateway at `base_url`
/// serves, notices are tried again.
pub(crate) async fn start(
    options: &Options,
    base_url: &str,
    secrets: &Parameters,
) -> Result<Running> {
    #[derive(Deserialize)]
    struct ApiKey {
        api_key: Secret,
    }
    let secret = |name: &str| secrets.get(name).with_context(|| format!("no secret {name}"));
    let ApiKey { api_key } = serde_json::from_str(secret("payment-provider")?)
        .ok()
        .context("the secret payment-provider is not {\"api_key\"}")?;
    let keys = WebhookKeys::from_json(secret("payment-webhook-keys")?)
        .context("the secret payment-webhook-keys")?;
    let webhook = format!("{base_url}{WEBHOOK_PATH}");
    Provider::start(provider::Options {
        data: options.data.as_deref().map(|data| data.join("payments")),
        delays: options.payment_delays,
        pace: options.payment_pace,
        clock: options.clock.clone(),
        entropy: options.entropy.clone(),
        ..provider::Options::new(webhook, Keys::new(keys), api_key)
    })
    .await
    .context("the payment provider")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{PlayerId, ReceiptId};
    use runtime::{
        Clock, Deps, Entropy,
        payments::{Charge, Order, Provider as _, Standing},
    };
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;
    use crate::parameters;

    #[tokio::test]
    async fn takes_the_functions_key_and_tells_the_stacks_webhook() {
        let options = Options { payment_delays: provider::Delays::none(), ..Options::default() };
        let secrets = parameters::secrets(None, &options.entropy).unwrap();
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", gateway.local_addr().unwrap());
        let running = start(&options, &base_url, &secrets).await.unwrap();

        let env = [
            ("PAYMENT_PROVIDER", "simulated"),
            ("PAYMENT_PROVIDER_URL", running.url.as_str()),
            ("PAYMENT_PROVIDER_SECRET", "payment-provider"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let deps = Deps::new(env.into_iter().collect(), Clock::system(), Entropy::system());
        let deps = deps.with_secrets([("payment-provider", &secrets["payment-provider"])]);
        let order = Order {
            receipt: ReceiptId::from_bytes([1; 16]),
            player: PlayerId::from_bytes([2; 16]),
            product: "gold_pack_s".to_owned(),
            amount_minor: 4_900,
            currency: "KRW".to_owned(),
        };
        let charge = Charge { order, token: "tok_ok".into() };
        let payment = deps.payments().unwrap().charge(charge).await.unwrap();
        assert_eq!(payment.standing, Standing::Succeeded);

        let line = async {
            let (mut stream, _) = gateway.accept().await.unwrap();
            let mut line = [0; 32];
            stream.read_exact(&mut line).await.unwrap();
            String::from_utf8(line.into()).unwrap()
        };
        let line = tokio::time::timeout(Duration::from_secs(20), line).await.unwrap();
        assert!(line.starts_with("POST /api/shop/webhook/payment "), "{line}");
    }
}

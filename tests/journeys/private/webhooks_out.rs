//! `/api/admin/webhooks/…`: receivers are told of what happens, and operators see to it.
//!
//! All on private stacks: the receivers are on this machine, where only a stack on this
//! machine reaches them.

mod deliveries;
mod endpoints;

use devstack::{Options, Stack};
use domain::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    Answer, DEADLINE, Maker, Player, Reaction, Receiver, eventually, fresh_name, stack_with,
};

const ENDPOINTS: &str = "/api/admin/webhooks/endpoints";

/// A stack that tries again at once, an operator, and a player who does things.
struct World {
    stack: Stack,
    maker: Maker,
    operator: Player,
    player: Player,
}

impl World {
    async fn new() -> Self {
        Self::with(Options::default(), &[("WebhookFirstRetrySeconds", "0")]).await
    }

    async fn with(options: Options, parameters: &[(&str, &str)]) -> Self {
        let clock = options.clock.clone();
        let given =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let stack = stack_with(Options { parameters: given.collect(), ..options }).await;
        let maker = Maker::new(&stack, clock).await;
        let operator = maker.player(Role::Operator).await;
        let player = maker.player(Role::Standard).await;
        Self { stack, maker, operator, player }
    }

    /// Registers a receiver for these events; its id and secret.
    async fn register(&self, receiver: &Receiver, event_types: &[&str]) -> (String, String) {
        let answer = register(&self.operator, &receiver.url, event_types).await.ok();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&answer["endpoint"]["id"]), text(&answer["secret"]))
    }

    async fn endpoint(&self, id: &str) -> Value {
        let list = self.operator.api.get(ENDPOINTS).await.ok();
        let items = list["items"].as_array().expect("items");
        items.iter().find(|item| item["id"] == id).cloned().unwrap_or_default()
    }

    /// An endpoint's deliveries, as `query` asks for them.
    async fn deliveries(&self, endpoint: &str, query: &str) -> Vec<Value> {
        let path = format!("/api/admin/webhooks/deliveries?endpoint={endpoint}{query}");
        let page = self.operator.api.get(&path).await.ok();
        page["items"].as_array().expect("items").clone()
    }

    /// Waits until the endpoint's newest delivery has this status, and returns it.
    async fn becomes(&self, endpoint: &str, status: &str) -> Value {
        eventually(status, || async {
            self.deliveries(endpoint, "").await.first().is_some_and(|of| of["status"] == status)
        })
        .await;
        self.deliveries(endpoint, "").await.swap_remove(0)
    }

    async fn replay(&self, delivery: &Value, key: &str) -> Answer {
        let id = delivery["id"].as_str().expect("an id");
        let path = format!("/api/admin/webhooks/replay/{id}");
        self.operator.api.post(&path, &json!({ "reason": "a test" })).key(key).send().await
    }

    async fn settled(&self) {
        self.stack.settled(DEADLINE).await.expect("settles");
    }
}

fn body(url: &str, event_types: &[&str]) -> Value {
    json!({ "url": url, "event_types": event_types, "description": "A test's", "reason": "a test" })
}

async fn register(operator: &Player, url: &str, event_types: &[&str]) -> Answer {
    operator.api.post(ENDPOINTS, &body(url, event_types)).key(&fresh_name()).send().await
}

async fn change(operator: &Player, endpoint: &str, mut body: Value) -> Answer {
    body["reason"] = json!("a test");
    let path = format!("/api/admin/webhooks/endpoints/{endpoint}");
    let call = operator.api.call(Method::PUT, &path).key(&fresh_name());
    call.body(body.to_string()).send().await
}

async fn receiver(reactions: &[Reaction]) -> Receiver {
    Receiver::start(reactions).await
}

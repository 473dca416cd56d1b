//! The payment provider, as far as the shop can tell: a book of payments that each
//! receipt is in once, and notices of what becomes of them, which come late, more than
//! once and in any order until they are taken.
//!
//! What is asked of it waits at the wire as every call does, and is answered, held back,
//! cut off, refused or too late. What it does by itself, the scheduler has it do.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::config::AsyncSleep;
use futures::{
    FutureExt,
    future::{Either, select},
};
use runtime::payments::{
    Answer, Charge, Order, Payment, Provider, ProviderError, WebhookKeys, signature,
    simulated::wire,
};
use serde_json::{Value, json};

use crate::{
    functions,
    history::{Event, Invocation},
    run::{Purpose, Run},
    wire::{Timers, Turn},
    world::{Call, Failure, Reply, Shared, World},
};

/// How long the shop waits for an answer.
const ANSWER: Duration = Duration::from_secs(6);

/// Most notices under way at once.
const AT_ONCE: usize = 3;

/// What becomes of a payment, by its token: at once, and later by itself.
pub static TOKENS: [(&str, &str, &[&str]); 8] = [
    ("tok_ok", "succeeded", &[]),
    ("tok_declined", "declined", &[]),
    ("tok_later_ok", "pending", &["succeeded"]),
    ("tok_later_declined", "pending", &["declined"]),
    ("tok_never", "pending", &[]),
    ("tok_refund", "succeeded", &["refunded"]),
    ("tok_chargeback", "succeeded", &["charged_back"]),
    ("tok_later_refund", "pending", &["succeeded", "refunded"]),
];

/// What becomes of a payment by any other.
const UNKNOWN: (&str, &[&str]) = ("declined", &[]);

/// A payment in the book.
struct Paid {
    id: String,
    order: wire::Order,
    status: &'static str,
    later: VecDeque<&'static str>,
    /// Cannot be called off any more.
    stubborn: bool,
}

/// A notice that was not taken yet.
#[derive(Clone, Debug)]
pub struct Notice {
    pub event_id: String,
    body: String,
}

/// The provider. What it did is in the history.
#[derive(Default)]
pub struct Book {
    payments: BTreeMap<String, Paid>,
    notices: Vec<Notice>,
    under_way: usize,
    events: usize,
    /// What notices are signed with.
    pub keys: Option<WebhookKeys>,
}

impl Book {
    /// Whether a notice can be sent.
    pub fn has_news(&self) -> bool {
        !self.notices.is_empty() && self.under_way < AT_ONCE
    }

    /// Whether something is still to become of a payment.
    pub fn has_plans(&self) -> bool {
        self.payments.values().any(|paid| !paid.later.is_empty())
    }
}

/// The way to the provider.
pub struct Link(Shared);

impl Link {
    pub fn port(world: &Shared) -> Arc<dyn Provider> {
        Arc::new(Self(world.clone()))
    }
}

impl Provider for Link {
    fn charge(&self, Charge { order, token }: Charge) -> Answer<Payment> {
        let mut body = json!(wire::Order::from(order));
        body["token"] = token.expose().into();
        let asked = ask(self.0.clone(), "charge", body);
        async move { payment(&asked.await?) }.boxed()
    }

    fn look(&self, order: Order) -> Answer<Option<Payment>> {
        let asked = ask(self.0.clone(), "look", json!(wire::Order::from(order)));
        async move {
            let reply = asked.await?;
            if reply.status == 404 { Ok(None) } else { payment(&reply).map(Some) }
        }
        .boxed()
    }

    fn cancel(&self, order: Order) -> Answer<Payment> {
        let asked = ask(self.0.clone(), "cancel", json!(wire::Order::from(order)));
        async move { payment(&asked.await?) }.boxed()
    }

    fn refund(&self, order: Order) -> Answer<Payment> {
        let asked = ask(self.0.clone(), "refund", json!(wire::Order::from(order)));
        async move { payment(&asked.await?) }.boxed()
    }
}

async fn ask(world: Shared, operation: &'static str, body: Value) -> Result<Reply, ProviderError> {
    let call = Call {
        by: 0,
        function: "",
        service: "payments",
        operation: operation.to_owned(),
        body: body.to_string().into_bytes(),
        socket: String::new(),
    };
    let ticket = world.lock().park(call);
    let patience = Timers(world.clone()).sleep(ANSWER);
    match select(Turn { world, ticket }, patience).await {
        Either::Left((Ok(reply), _)) => Ok(reply),
        Either::Left((Err(Failure::Timeout), _)) | Either::Right(_) => {
            Err(ProviderError::TimedOut(ANSWER))
        }
        Either::Left((Err(Failure::Disconnect), _)) => {
            Err(ProviderError::Unreachable("cut off".into()))
        }
    }
}

/// What an answer says. What the injector says, it says in AWS's words.
fn payment(Reply { status, body }: &Reply) -> Result<Payment, ProviderError> {
    match *status {
        200 => {
            let payment: Option<wire::Payment> = serde_json::from_slice(body).ok();
            let payment = payment.and_then(|payment| Payment::try_from(payment).ok());
            payment.ok_or(ProviderError::Unintelligible("not a payment"))
        }
        status @ 409 => Err(ProviderError::Refused { status, code: "not_refundable".to_owned() }),
        status => Err(ProviderError::Busy { status, code: "injected".to_owned() }),
    }
}

fn said(paid: &Paid) -> wire::Payment {
    wire::Payment {
        id: paid.id.clone(),
        order: paid.order.clone(),
        status: paid.status.to_owned(),
        reason: (paid.status == "declined").then(|| "card_declined".to_owned()),
    }
}

fn problem(status: u16, code: &str) -> Reply {
    Reply { status, body: json!({ "code": code }).to_string().into_bytes() }
}

impl World {
    /// What the provider answers.
    pub fn payments_call(&mut self, call: &Call) -> Reply {
        let asked = call.json();
        let receipt = asked["receipt"].as_str().unwrap_or_default().to_owned();
        let known = self.provider.payments.get(&receipt);
        let known = known.map(|paid| (paid.status, paid.stubborn));
        match (call.operation.as_str(), known) {
            ("look", None) => return problem(404, wire::UNKNOWN_RECEIPT),
            ("charge", None) => {
                let token = asked["token"].as_str().unwrap_or_default();
                let outcome = TOKENS.iter().find(|(name, ..)| *name == token);
                let (now, later) = outcome.map_or(UNKNOWN, |(_, now, later)| (*now, *later));
                let stubborn = !later.is_empty() && self.rng.chance(500);
                self.begin(call.by, &receipt, &asked, now, later, stubborn);
            }
            ("cancel", None) => self.begin(call.by, &receipt, &asked, "canceled", &[], false),
            ("cancel", Some(("pending", false))) => self.becomes(call.by, &receipt, "canceled"),
            ("refund", Some(("succeeded", _))) => self.becomes(call.by, &receipt, "refunded"),
            ("refund", Some(("refunded", _))) => {}
            ("refund", _) => return problem(409, "not_refundable"),
            _ => {}
        }
        let body = serde_json::to_vec(&said(&self.provider.payments[&receipt]));
        Reply { status: 200, body: body.expect("payments serialize") }
    }

    fn begin(
        &mut self,
        by: Invocation,
        receipt: &str,
        asked: &Value,
        status: &'static str,
        later: &[&'static str],
        stubborn: bool,
    ) {
        let order = serde_json::from_value(asked.clone()).expect("an order");
        let id = format!("pay_{}", self.provider.payments.len() + 1);
        let later = later.iter().copied().collect();
        let paid = Paid { id, order, status, later, stubborn };
        self.provider.payments.insert(receipt.to_owned(), paid);
        self.becomes(by, receipt, status);
    }

    /// The payment stands so from now on, and the shop is to hear of it.
    fn becomes(&mut self, by: Invocation, receipt: &str, status: &'static str) {
        let now = self.clock("");
        let Some(paid) = self.provider.payments.get_mut(receipt) else { return };
        paid.status = status;
        if status == "canceled" {
            paid.later.clear();
        }
        let payment = said(paid);
        let event = Event::Payment {
            by,
            receipt: receipt.to_owned(),
            player: payment.order.player.to_string(),
            product: payment.order.product.clone(),
            amount_minor: payment.order.amount_minor,
            currency: payment.order.currency.clone(),
            status,
        };
        self.provider.events += 1;
        let event_id = format!("evt_{}", self.provider.events);
        let notice = wire::Notice { event_id: event_id.clone(), created_at: now, payment };
        let body = serde_json::to_string(&notice).expect("notices serialize");
        self.provider.notices.push(Notice { event_id, body });
        self.note(event);
    }

    /// Something becomes of a payment without anybody asking.
    pub fn provider_acts(&mut self) {
        let planned = self.provider.payments.iter().filter(|(_, paid)| !paid.later.is_empty());
        let planned: Vec<String> = planned.map(|(receipt, _)| receipt.clone()).collect();
        if planned.is_empty() {
            return;
        }
        let receipt = self.rng.pick(&planned).clone();
        let paid = self.provider.payments.get_mut(&receipt);
        if let Some(status) = paid.and_then(|paid| paid.later.pop_front()) {
            self.becomes(0, &receipt, status);
        }
    }
}

impl Run {
    /// The provider sends one of its notices, or takes its time.
    pub fn send_notice(&mut self) {
        let mut world = self.world.lock();
        let waiting = world.provider.notices.len();
        if waiting == 0 || (!world.calm && world.rng.chance(400)) {
            return;
        }
        let at = world.rng.index(waiting);
        let notice = world.provider.notices.remove(at);
        world.provider.under_way += 1;
        let nonce = format!("{:016x}{:016x}", world.rng.next(), world.rng.next());
        let now = world.clock("");
        let keys = world.provider.keys.as_ref().expect("notices are signed");
        let signed = signature::sign(keys, now, &nonce, notice.body.as_bytes());
        let clock_ms = world.clock_ms("payment-webhook");
        drop(world);
        let by = self.next_invocation();
        let headers = BTreeMap::from([
            ("host", "sim".to_owned()),
            ("content-type", "application/json".to_owned()),
            (signature::HEADER, signed),
        ]);
        let path = "/api/shop/webhook/payment";
        let request = format!("r{by}");
        let body = Some(notice.body.as_str());
        let event = functions::http_event("POST", path, &headers, body, &request, now);
        let about = format!("{} {}", notice.event_id, notice.body);
        let function = "payment-webhook";
        self.world.lock().note(Event::Invoked { by, function, about, clock_ms });
        self.invoke(by, function, event, Purpose::Notice { notice });
    }

    /// What became of a notice: one that was not taken comes again, and others do too.
    pub fn notice_returned(&mut self, by: Invocation, notice: Notice, answer: Option<&Value>) {
        let taken = answer.is_some_and(|answer| answer["statusCode"] == 200);
        let mut world = self.world.lock();
        world.provider.under_way -= 1;
        if taken {
            let event_id = notice.event_id.clone();
            world.note(Event::Taken { by, event_id });
        }
        let duplicates = world.weather.duplicates;
        let again = !world.calm && world.rng.chance(duplicates);
        if !taken || again {
            world.provider.notices.push(notice);
        }
    }
}

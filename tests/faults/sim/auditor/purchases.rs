//! Purchases with money: the journal, the items and the provider's book say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, clients::Attempt, model::Snap};
use crate::history::{Event, Invocation};

/// A purchase, as the journal has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    pub status: String,
    pub product: String,
    pub quantity: i64,
    /// Of all of it, in the currency's smallest unit.
    pub amount_minor: i64,
    pub currency: String,
    /// What all of it gives.
    pub gold: i64,
}

impl Bought {
    fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "created" | "pending" | "grant_failed")
    }

    /// How its status is answered.
    fn shown(&self) -> &str {
        match self.status.as_str() {
            "created" | "pending" => "pending",
            "succeeded" => "success",
            other => other,
        }
    }
}

/// A gold pack: price of one in won, gold in one. Ten are the most of one purchase.
pub fn pack(id: &str) -> Option<(i64, i64)> {
    match id {
        "gold_pack_1000" => Some((1_200, 1_000)),
        "gold_pack_5500" => Some((5_900, 5_500)),
        "gold_pack_12000" => Some((12_000, 12_000)),
        _ => None,
    }
}

/// Whether a purchase may go from one status to another; it begins with none.
pub fn leads(from: &str, to: &str) -> bool {
    match from {
        "" => to == "created",
        "created" => matches!(
            to,
            "pending"
                | "succeeded"
                | "failed"
                | "expired"
                | "grant_failed"
                | "refunded"
                | "charged_back"
        ),
        "pending" => matches!(
            to,
            "succeeded" | "failed" | "expired" | "grant_failed" | "refunded" | "charged_back"
        ),
        "failed" | "expired" => {
            matches!(to, "succeeded" | "grant_failed" | "refunded" | "charged_back")
        }
        "succeeded" | "grant_failed" => matches!(to, "refunded" | "charged_back"),
        _ => false,
    }
}

/// A payment, as the provider's book has it.
#[derive(Clone, Debug, Default)]
struct Paid {
    player: String,
    product: String,
    amount_minor: i64,
    currency: String,
    status: &'static str,
    /// Whether the money was ours at any time.
    came: bool,
}

impl Paid {
    /// The status that a purchase has at last.
    fn amounts_to(&self) -> &'static str {
        match self.status {
            "declined" => "failed",
            "canceled" => "expired",
            other => other,
        }
    }
}

type Wrong = (&'static str, Option<String>, Vec<Invocation>, String);

impl Case<'_> {
    pub fn purchases(&mut self) {
        let mut wrong: Vec<Wrong> = Vec::new();
        let mut book = self.book();
        let (mut theirs, mut ours) = (0_i128, 0_i128);
        for paid in book.values().filter(|paid| paid.status == "succeeded") {
            theirs += i128::from(paid.amount_minor);
        }
        for (player, books) in &self.players {
            let nothing = BTreeMap::new();
            let purchases = books.snaps.last().map_or(&nothing, |snap| &snap.purchases);
            for (receipt, bought) in purchases {
                let mut found = |rule, what| wrong.push((rule, Some(player.clone()), vec![], what));
                let item = books.items.get(&format!("BUY#{receipt}"));
                if !item.is_some_and(|item| is_item(item, player, receipt, bought)) {
                    let what = format!("{receipt} is {item:?}, the journal says {bought:?}");
                    found("a purchase is what its journal says", what);
                }
                if bought.is_open() {
                    found("no purchase stays open", format!("{receipt} is {bought:?}"));
                }
                if bought.status == "succeeded" {
                    ours += i128::from(bought.amount_minor);
                }
                let paid = book.remove(receipt);
                let same = paid.as_ref().is_some_and(|paid| {
                    paid.player == *player
                        && paid.product == bought.product
                        && paid.amount_minor == bought.amount_minor
                        && paid.currency == bought.currency
                        && paid.amounts_to() == bought.status
                });
                if !same {
                    let what = format!("{receipt} is {bought:?}, the provider has {paid:?}");
                    found("the provider's book is ours", what);
                }
                let granted = books.entries.iter().filter(|entry| {
                    entry.kind == "purchase_advanced"
                        && entry.fact["receipt"] == receipt.as_str()
                        && entry.fact["to"] == "succeeded"
                });
                let granted = granted.count();
                let (came, stayed) = paid
                    .as_ref()
                    .map_or((false, false), |paid| (paid.came, paid.status == "succeeded"));
                if granted > usize::from(came) || (stayed && granted == 0) {
                    let what = format!("{receipt} was granted {granted} times, paid: {paid:?}");
                    found("a payment is granted once", what);
                }
            }
            let unknown = books.items.keys().filter(|key| {
                key.strip_prefix("BUY#").is_some_and(|receipt| !purchases.contains_key(receipt))
            });
            for key in unknown {
                let what = format!("{key} is in no journal");
                let rule = "a purchase is what its journal says";
                wrong.push((rule, Some(player.clone()), vec![], what));
            }
        }
        for (receipt, paid) in book {
            let what = format!("{receipt} is nobody's, the provider has {paid:?}");
            wrong.push(("the provider's book is ours", Some(paid.player), vec![], what));
        }
        if theirs != ours {
            let what = format!("the provider took {theirs}, the journals say {ours}");
            wrong.push(("the provider's book is ours", None, vec![], what));
        }
        for key in self.others.keys().filter(|key| key.starts_with("DUE#")) {
            wrong.push(("no purchase stays open", None, vec![], format!("{key} is still there")));
        }
        self.notices(&mut wrong);
        for (rule, player, by, what) in wrong {
            self.find(rule, player.as_deref(), &by, what);
        }
    }

    /// What the provider did, by receipt.
    fn book(&self) -> BTreeMap<String, Paid> {
        let mut book: BTreeMap<String, Paid> = BTreeMap::new();
        for event in &self.evidence.history {
            if let Event::Payment {
                receipt, player, product, amount_minor, currency, status, ..
            } = event
            {
                let came = book.get(receipt).is_some_and(|paid| paid.came);
                let paid = Paid {
                    player: player.clone(),
                    product: product.clone(),
                    amount_minor: *amount_minor,
                    currency: currency.clone(),
                    status,
                    came: came || *status == "succeeded",
                };
                book.insert(receipt.clone(), paid);
            }
        }
        book
    }

    /// A notice is taken sooner or later, and remembered then.
    fn notices(&self, wrong: &mut Vec<Wrong>) {
        let mut told: Vec<Invocation> = Vec::new();
        for event in &self.evidence.history {
            match event {
                Event::Invoked { by, function: "payment-webhook", .. } => told.push(*by),
                Event::Taken { by, event_id }
                    if !self.others.contains_key(&format!("NOTICE#{event_id}/NOTICE")) =>
                {
                    let what = format!("{event_id} was taken, and nobody knows of it");
                    let rule = "a notice that was taken is remembered";
                    wrong.push((rule, None, vec![*by], what));
                }
                Event::Taken { .. } => {}
                Event::Returned { by, answer: Some(answer), .. } if told.contains(by) => {
                    let status = answer["statusCode"].as_u64().unwrap_or(0);
                    let body = answer["body"].as_str().unwrap_or_default();
                    // A nonce that was written without an answer, and written again.
                    let used = body.contains("webhook_nonce_reused");
                    if !(status == 200 || status == 503 || used) {
                        let what = format!("a notice was answered with {status}: {body}");
                        wrong.push(("a genuine notice is taken", None, vec![*by], what));
                    }
                }
                _ => {}
            }
        }
    }

    /// A settle call shows the purchase as it was at some moment.
    pub fn settled(&self, attempt: &Attempt, body: &str) -> Option<String> {
        let books = self.players.get(attempt.player.as_ref()?)?;
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let receipt = attempt.text("receipt");
        let fits = |snap: &Snap| {
            snap.purchases.get(receipt).is_some_and(|bought| {
                answer["receipt"] == receipt
                    && answer["status"] == bought.shown()
                    && answer["product_id"] == bought.product.as_str()
                    && answer["quantity"] == bought.quantity
                    && answer["price_money"]["amount_minor"] == bought.amount_minor
                    && answer["price_money"]["currency"] == bought.currency.as_str()
                    && answer["grants"]["gold"] == bought.gold
            })
        };
        let snaps = books.snaps_between(attempt.start, attempt.end);
        (!snaps.iter().any(fits)).then(|| format!("no moment was like that: {body}"))
    }
}

/// Whether the item is the purchase of the journal.
fn is_item(item: &Value, player: &str, receipt: &str, bought: &Bought) -> bool {
    let money = &item["price"]["money"];
    item["entity"] == "purchase"
        && item["receipt"] == receipt
        && item["player"] == player
        && item["product"] == bought.product.as_str()
        && item["quantity"] == bought.quantity
        && money["amount_minor"] == bought.amount_minor
        && money["currency"] == bought.currency.as_str()
        && item["grants"]["gold"] == bought.gold
        && item["status"] == bought.status.as_str()
}

//! Whether a purchase with money goes through: the one place to ask.
//!
//! A handler asks once it knows that the request is no replay, and before it makes
//! the purchase:
//!
//! ```no_run
//! # use runtime::{Problem, fraud::{Attempt, Card, Guard}, http::{Caller, Meta}};
//! # async fn handler(
//! #     guard: &Guard, caller: Caller, meta: Meta, once: domain::Once, token: contract::Secret,
//! #     store: store::Store, ctx: domain::Ctx,
//! # ) -> Result<(), Problem> {
//! if let Some(receipt) = store.receipt(caller.subject(), &once).await? {
//!     return Ok(()); // the stored answer again
//! }
//! let attempt = Attempt {
//!     subject: caller.subject(),
//!     once: &once,
//!     card: Card::Token(&token),
//!     amount_minor: 1_100,
//!     currency: "KRW",
//! };
//! let assessment = guard.admit(&attempt, &meta, &ctx).await?;
//! // Makes the purchase, and keeps `assessment.attempt` in it, and whether it is
//! // flagged: `assessment.decision.action == Action::Review`.
//! # Ok(())
//! # }
//! ```
//!
//! What a request is asked twice, is answered the same: the attempt is the player, the
//! idempotency key and the request. So a crash between decision and purchase neither
//! counts the attempt twice nor gives it a second chance. Only a request that was
//! slowed down is assessed anew, when it comes again after the time it was told.
//!
//! When the provider refuses the money, [`Guard::failed`] makes the attempt one that
//! failed.

use contract::{Code, Secret};
use domain::{
    AttemptId, Ctx, Once, PlayerId, Rejection,
    command::record_fraud_decision,
    fraud::{Action, Assessment, assess},
    purchase::{Assessed, Price},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use store::{Decision, Seen, Store, Subject, Tried};
use zeroize::Zeroizing;

use crate::{
    Problem,
    auth::{JwtKeys, network},
    boxed,
    command::once_by_nature,
    http::Meta,
    metrics,
    secrets::Rotating,
};

/// How long a request is slowed down: as long as the short window is.
pub const SLOWED_FOR: SignedDuration = domain::fraud::SHORT;

/// How often one request is assessed anew after it was slowed down; then its last
/// decision stands.
const MOST_RETURNS: u32 = 16;

/// Assesses purchases with money.
#[derive(Clone)]
pub struct Guard {
    store: Store,
    keys: Rotating<JwtKeys>,
}

/// A purchase that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub subject: Subject,
    /// What makes the purchase happen once. Its hash must tell one product, quantity
    /// and payment token from another.
    pub once: &'a Once,
    pub card: Card<'a>,
    /// Minor units of the currency.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: &'a str,
}

/// What tells one card of a player from another.
#[derive(Clone, Copy, Debug)]
pub enum Card<'a> {
    /// The payment token. A provider that makes a new one for each payment makes every
    /// payment another card: then rules should not ask for cards alone.
    Token(&'a Secret),
    /// What the provider says is the same for the same card.
    Fingerprint(&'a Secret),
}

impl Guard {
    #[must_use]
    pub const fn new(store: Store, keys: Rotating<JwtKeys>) -> Self {
        Self { store, keys }
    }

    /// As [`Guard::admit`], of a purchase that is about to begin at a price; `None` if it
    /// is not paid with money.
    ///
    /// # Errors
    /// As [`Guard::admit`].
    #[boxed]
    pub async fn assessed(
        &self,
        subject: Subject,
        once: &Once,
        token: &Secret,
        price: &Price,
        meta: &Meta,
        ctx: &Ctx,
    ) -> Result<Option<Assessed>, Problem> {
        let Price::Money(money) = price else { return Ok(None) };
        let attempt = Attempt {
            subject,
            once,
            card: Card::Token(token),
            amount_minor: money.amount_minor,
            currency: &money.currency,
        };
        let Assessment { attempt, decision, .. } = self.admit(&attempt, meta, ctx).await?;
        Ok(Some(Assessed { attempt, flagged: decision.action == Action::Review }))
    }

    /// Assesses the attempt, or finds what was decided on it.
    ///
    /// # Errors
    /// 429 `purchase_slowed`, with `Retry-After`, 403 `purchase_blocked`; what
    /// [`Guard::assess`] fails with.
    #[boxed]
    pub async fn admit(
        &self,
        attempt: &Attempt<'_>,
        meta: &Meta,
        ctx: &Ctx,
    ) -> Result<Assessment, Problem> {
        let assessment = self.assess(attempt, meta, ctx).await?;
        match assessment.decision.action {
            Action::Allow | Action::Review => Ok(assessment),
            Action::SoftBlock => {
                let left = free_at(&assessment).duration_since(ctx.now).as_secs();
                let seconds = u32::try_from(left.saturating_add(1)).unwrap_or(1).max(1);
                Err(Problem::new(Code::PurchaseSlowed).retry_after(seconds))
            }
            Action::HardBlock => Err(Code::PurchaseBlocked.into()),
        }
    }

    /// As [`Guard::admit`], whatever the decision is.
    ///
    /// # Errors
    /// 503 when the windows are too busy or the table does not answer: nothing was
    /// decided, the same request finds out. 429 `rate_limited` and 401
    /// `unauthenticated` when a decision that goes into the journal does not get there.
    #[boxed]
    pub async fn assess(
        &self,
        attempt: &Attempt<'_>,
        meta: &Meta,
        ctx: &Ctx,
    ) -> Result<Assessment, Problem> {
        let player = attempt.subject.player();
        let mut tried = self.tried(attempt, meta, ctx).await?;
        let mut returns = 0;
        loop {
            match self.store.see(&tried).await? {
                Seen::Decided(decided)
                    if returns < MOST_RETURNS && comes_again(&decided, ctx.now) =>
                {
                    tried.attempt = tried.attempt.next();
                    returns += 1;
                }
                Seen::Decided(decided) => return Ok(decided),
                Seen::Counted { features, rules } => {
                    let assessment = Assessment {
                        attempt: tried.attempt,
                        player,
                        at: whole_millis(ctx.now),
                        currency: attempt.currency.to_owned(),
                        features,
                        decision: assess(&rules, &features),
                        trace_id: ctx.trace_id.clone(),
                    };
                    return self.decided(attempt.subject, assessment, ctx).await;
                }
            }
        }
    }

    /// The provider did not take the attempt's money. To be said once or more often,
    /// at any time.
    ///
    /// # Errors
    /// [`store::Error::Contended`], [`store::Error::Unavailable`]. The purchase has
    /// failed all the same; a caller may go on without.
    #[boxed]
    pub async fn failed(&self, player: PlayerId, attempt: AttemptId) -> Result<(), store::Error> {
        self.store.payment_failed(player, attempt).await
    }

    /// Stores a decision: one that says something about the player with an entry on
    /// their journal, in one transaction; one that lets the purchase through alone.
    async fn decided(
        &self,
        subject: Subject,
        assessment: Assessment,
        ctx: &Ctx,
    ) -> Result<Assessment, Problem> {
        self.store.list_fraud_decision(&assessment).await?;
        let (attempt, action) = (assessment.attempt, assessment.decision.action);
        let stored = if action == Action::Allow {
            self.store.store_fraud_decision(assessment.clone()).await?
        } else {
            let once = once_by_nature(record_fraud_decision::natural_key(attempt));
            let entry = self.store.execute(subject, once, |player| {
                let plan = record_fraud_decision::decide(player, &assessment, ctx)?;
                Ok(Decision { plan, answer: None })
            });
            match entry.await {
                Ok(receipt) if !receipt.replayed => assessment.clone(),
                // The same request was faster, or this one and nobody heard of it.
                Ok(_) | Err(store::Error::Rejected(Rejection::FraudAlreadyDecided)) => {
                    self.store.fraud_decision(attempt).await?
                }
                Err(error) => return Err(error.into()),
            }
        };
        if stored == assessment {
            metrics::fraud_decision(action.as_str());
            tracing::info!(
                player = %stored.player, %attempt, action = action.as_str(),
                score = stored.decision.score, rules_version = stored.decision.rules_version,
                "a purchase was assessed"
            );
        }
        Ok(stored)
    }

    async fn tried<'a>(
        &self,
        attempt: &Attempt<'a>,
        meta: &Meta,
        ctx: &Ctx,
    ) -> Result<Tried<'a>, Problem> {
        let keys = self.keys.current().await?;
        let key = &keys.derive(PURPOSE)[0];
        let player = attempt.subject.player();
        let (kind, card) = match attempt.card {
            Card::Token(token) => ("token", token),
            Card::Fingerprint(fingerprint) => ("card", fingerprint),
        };
        let [a, b, c, d, ..] = digest(key, &format!("{kind}:{player}"), card.expose());
        let address = meta.source_ip.map(|address| network(address).to_string());
        let device = meta.device_fingerprint.as_ref();
        Ok(Tried {
            attempt: AttemptId::of(player, attempt.once),
            player,
            address: address.map(|address| hex(&digest(key, "address", &address))),
            device: device.map(|device| hex(&digest(key, "device", device.expose()))),
            card: u32::from_be_bytes([a, b, c, d]),
            amount_minor: u64::try_from(attempt.amount_minor).unwrap_or(0),
            currency: attempt.currency,
            now: ctx.now,
        })
    }
}

/// Windows are named by keys that are derived from the token key in use: when it
/// rotates, they begin anew.
const PURPOSE: &str = "fraud-windows:1";

/// Of something personal, so that nobody who reads the table can find it by guessing.
fn digest(key: &Zeroizing<[u8; 32]>, kind: &str, value: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key[..]).expect("HMAC takes keys of any length");
    mac.update(&(kind.len() as u64).to_be_bytes());
    mac.update(kind.as_bytes());
    mac.update(value.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Half of a digest: as good as unique, and the windows stay below a kilobyte.
fn hex(digest: &[u8; 32]) -> String {
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the attempt was slowed down for long enough.
fn comes_again(decided: &Assessment, now: Timestamp) -> bool {
    decided.decision.action == Action::SoftBlock && free_at(decided) <= now
}

fn free_at(slowed: &Assessment) -> Timestamp {
    slowed.at.checked_add(SLOWED_FOR).unwrap_or(Timestamp::MAX)
}

/// As entries have it, and as it reads back.
fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use domain::fraud::{Decision, Features};

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_window_is_named_by_key_and_kind_and_tells_nothing() {
        let name = |key: [u8; 32], kind: &str, value: &str| {
            hex(&digest(&Zeroizing::new(key), kind, value))
        };
        let address = name(KEY, "address", "203.0.113.7");
        assert_eq!(address, name(KEY, "address", "203.0.113.7"));
        assert!(address.len() == 32 && address.bytes().all(|b| b.is_ascii_hexdigit()));
        for other in [
            name([8; 32], "address", "203.0.113.7"),
            name(KEY, "device", "203.0.113.7"),
            name(KEY, "address", "203.0.113.8"),
            name(KEY, "address2", "03.0.113.7"),
        ] {
            assert_ne!(other, address);
        }
    }

    #[test]
    fn only_who_was_slowed_down_comes_again_and_not_too_early() {
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let decided = |action| Assessment {
            attempt: AttemptId::from_bytes([1; 16]),
            player: PlayerId::from_bytes([2; 16]),
            at: at(0),
            currency: "KRW".to_owned(),
            features: Features::default(),
            decision: Decision { score: 0, action, matched: Vec::new(), rules_version: 0 },
            trace_id: String::new(),
        };
        for (action, minutes, again) in [
            (Action::SoftBlock, 9, false),
            (Action::SoftBlock, 10, true),
            (Action::HardBlock, 10, false),
            (Action::Review, 10, false),
            (Action::Allow, 10, false),
        ] {
            assert_eq!(comes_again(&decided(action), at(minutes)), again, "{action:?}, {minutes}");
        }
    }
}

//! Purchases with money, as far as their assessment.

use std::net::IpAddr;

use contract::{Language, Secret};
use devstack::Stack;
use domain::{AttemptId, Ctx, Once, OnceKey, PlayerId, fraud::Assessment};
use reqwest::header::HeaderMap;
use runtime::{
    Clock, Deps, Entropy, Problem,
    auth::ClientDevice,
    fraud::{Attempt, Card, Guard},
    http::Meta,
};
use store::Subject;

use crate::Player;

/// Assesses purchases as a function that sells for money does.
pub struct Till {
    guard: Guard,
    clock: Clock,
}

/// A purchase with money; two with the same key are the same request.
#[derive(Clone, Debug)]
pub struct Purchase {
    pub player: PlayerId,
    pub key: String,
    pub amount_minor: i64,
    pub card: String,
    pub address: Option<IpAddr>,
    pub device: Option<String>,
}

impl Till {
    /// For a stack that goes by `clock`, with what `function` is allowed.
    ///
    /// # Panics
    /// When the stack lacks the keys that functions have.
    #[must_use]
    pub fn new(stack: &Stack, function: &str, clock: Clock) -> Self {
        let env = stack.spec().functions["AuthLoginFunction"].env.clone().into_iter().collect();
        let deps = Deps::new(env, clock.clone(), Entropy::system())
            .with_aws(stack.engine().sdk_config_for("test"));
        let keys = deps.jwt_keys().expect("logins name their keys");
        Self { guard: Guard::new(stack.store(function), keys), clock }
    }

    /// What is decided on a purchase.
    ///
    /// # Errors
    /// As [`Guard::assess`].
    pub async fn assess(&self, purchase: &Purchase) -> Result<Assessment, Problem> {
        let (once, card) = (purchase.once(), Secret::from(purchase.card.as_str()));
        let (meta, ctx) = self.surroundings(purchase);
        self.guard.assess(&purchase.attempt(&once, &card), &meta, &ctx).await
    }

    /// What its caller is told.
    ///
    /// # Errors
    /// As [`Guard::admit`].
    pub async fn admit(&self, purchase: &Purchase) -> Result<Assessment, Problem> {
        let (once, card) = (purchase.once(), Secret::from(purchase.card.as_str()));
        let (meta, ctx) = self.surroundings(purchase);
        self.guard.admit(&purchase.attempt(&once, &card), &meta, &ctx).await
    }

    /// The provider says no.
    ///
    /// # Panics
    /// When the table does not answer.
    pub async fn fail(&self, player: PlayerId, attempt: AttemptId) {
        self.guard.failed(player, attempt).await.expect("is noted");
    }

    fn surroundings(&self, purchase: &Purchase) -> (Meta, Ctx) {
        let now = self.clock.now();
        let meta = Meta {
            request_id: "request".to_owned(),
            trace_id: "trace".to_owned(),
            language: Language::default(),
            source_ip: purchase.address,
            device_fingerprint: purchase.device.as_deref().map(Secret::from),
            device: ClientDevice::of(&HeaderMap::new()),
            now,
        };
        let seed = Entropy::system().bytes();
        (meta, Ctx { now, seed, trace_id: "trace".to_owned() })
    }
}

impl Purchase {
    /// A purchase of the player's for 1,100, with a card of their own, from an address
    /// of their own.
    ///
    /// # Panics
    /// When the player's id is none.
    #[must_use]
    pub fn of(player: &Player, key: &str) -> Self {
        let id: PlayerId = player.id.parse().expect("an id");
        Self {
            player: id,
            key: key.to_owned(),
            amount_minor: 1_100,
            card: "tok_visa".to_owned(),
            address: None,
            device: None,
        }
    }

    /// From this address.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        Self { address: Some(address.parse().expect("an address")), ..self }
    }

    fn once(&self) -> Once {
        let Self { key, amount_minor, card, .. } = self;
        Once { key: OnceKey::Header(key.clone()), request_hash: format!("{amount_minor} {card}") }
    }

    fn attempt<'a>(&self, once: &'a Once, card: &'a Secret) -> Attempt<'a> {
        Attempt {
            subject: Subject::system(self.player),
            once,
            card: Card::Token(card),
            amount_minor: self.amount_minor,
            currency: "KRW",
        }
    }
}

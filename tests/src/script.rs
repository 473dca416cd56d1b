//! What players do, chosen by a seed.

use crate::{Call, PASSWORD, Player};
use reqwest::Method;
use serde_json::json;

/// `SplitMix64`: the same numbers for the same seed, everywhere.
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed, from the first.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, evenly enough.
    ///
    /// # Panics
    /// When there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).expect("below a usize")
    }

    /// The numbers below `end` in some order.
    pub fn shuffled(&mut self, end: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..end).collect();
        for last in (1..end).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// One command of one player, with its own key.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which of the players.
    pub player: usize,
    /// Its `Idempotency-Key`.
    pub key: String,
    pub kind: Kind,
}

/// What it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Spin {
        bet: usize,
    },
    /// Its key is the day, whatever it carries.
    Claim,
    Buy {
        product: &'static str,
    },
    Rotate,
    LogIn,
}

/// `count` commands of `players` players, in the order of sending.
pub fn script(dice: &mut Dice, players: usize, count: usize) -> Vec<Command> {
    let mut command = |number: usize| Command {
        player: dice.below(players),
        key: format!("command-{number}"),
        kind: match dice.below(100) {
            0..72 => Kind::Spin { bet: 1 + dice.below(10) },
            72..78 => Kind::Buy { product: ["neon_frame", "streak_shield"][dice.below(2)] },
            78..88 => Kind::Rotate,
            88..97 => Kind::Claim,
            // Few: the ninth session of a player ends the first, whose token they use.
            _ => Kind::LogIn,
        },
    };
    (0..count).map(&mut command).collect()
}

impl Command {
    /// The request, always the same.
    #[must_use]
    pub fn call(&self, player: &Player) -> Call {
        let api = &player.api;
        let call = match &self.kind {
            Kind::Spin { bet } => api.post("/api/games/slot/spin", &json!({ "bet": bet })),
            Kind::Claim => api.call(Method::POST, "/api/streak/claim"),
            Kind::Buy { product } => {
                api.post("/api/shop/buy", &json!({ "product_id": product, "quantity": 1 }))
            }
            Kind::Rotate => {
                api.post("/api/games/fairness/rotate", &json!({ "client_seed": self.key }))
            }
            Kind::LogIn => {
                let body = json!({ "site_id": player.site_id, "password": PASSWORD });
                api.post("/api/auth/login", &body)
            }
        };
        call.key(&self.key)
    }

    /// Whether the product may refuse it: only for want of gold.
    #[must_use]
    pub fn may_lack_gold(&self) -> bool {
        matches!(self.kind, Kind::Spin { .. } | Kind::Buy { .. })
    }
}

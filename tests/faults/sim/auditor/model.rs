//! The rules of the game, as simply as they can be said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Entry, day_number,
    purchases::{Bought, leads, pack},
};

pub const STARTING_GOLD: i64 = 1_000;
pub const MAX_BET: i64 = 100_000;
const DAY_MS: i64 = 86_400_000;

pub const fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// A product: price of one, most of one purchase, protections in one.
pub fn product(id: &str) -> Option<(i64, i64, i64)> {
    match id {
        "streak_shield" => Some((500, 10, 1)),
        "neon_frame" => Some((300, 1, 0)),
        "lucky_cat_avatar" => Some((800, 1, 0)),
        _ => None,
    }
}

/// What a claim pays that makes the streak `count`: gold and experience.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub fn reward(count: i64) -> (i64, i64) {
    let s = count as f64;
    let gold = 800.0_f64.mul_add(1.0 - (-s / 6.0).exp(), 1000.0).round_ties_even();
    let xp = 40.0_f64.mul_add(1.0 - (-s / 8.0).exp(), 50.0).round_ties_even();
    (gold as i64, xp as i64)
}

/// Level and experience within it.
pub fn level(total_xp: i64) -> (i64, i64) {
    let (mut level, mut left) = (1, total_xp);
    while left >= 900 + level * 100 {
        left -= 900 + level * 100;
        level += 1;
    }
    (level, left)
}

/// A player after some entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snap {
    pub version: u64,
    pub gold: i64,
    /// Gold that was bought, spent and taken back: what comes next repays it.
    pub debt: i64,
    pub xp: i64,
    pub count: i64,
    pub longest: i64,
    pub protections: i64,
    /// The last day claimed or covered.
    pub last_day: Option<i64>,
    pub epoch: u32,
    pub client_seed: String,
    pub at_ms: i64,
    pub plays: i64,
    pub wins: i64,
    pub losses: i64,
    pub bet: i64,
    pub won: i64,
    pub highest: i64,
    pub days: BTreeSet<i64>,
    pub site_id: String,
    /// `None` where nothing but the state tells it: chosen by chance at a reset.
    pub nickname: Option<String>,
    pub password: String,
    /// Number of the entry that set it.
    pub password_seq: u64,
    pub erased: bool,
    /// In the order of the state.
    pub sessions: Vec<Signed>,
    /// With money, by receipt.
    pub purchases: BTreeMap<String, Bought>,
    /// When each of [`PACES`] is full again, milliseconds.
    pub full_at: [i64; 5],
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Without hyphens.
    pub id: String,
    /// Number of the refresh token that is good.
    pub generation: u64,
    pub ends_s: i64,
}

/// How fast a player may be: name, how many at once, in how many milliseconds so many
/// more come.
pub const PACES: [(&str, i64, i64); 5] = [
    ("claim", 5, 10_000),
    ("play", 200, 4_000),
    ("buy", 60, 3_000),
    ("account", 60, 60_000),
    ("mail", 5, 3_600_000),
];

/// What an entry, or the command that asks for it, is paced by.
pub fn pace(kind_or_operation: &str) -> Option<usize> {
    match kind_or_operation {
        "streak_claimed" | "claim" => Some(0),
        "round_settled" | "spin" => Some(1),
        "item_purchased" | "buy" | "fraud_decided" => Some(2),
        "fairness_rotated"
        | "rotate"
        | "session_refreshed"
        | "refresh"
        | "player_renamed"
        | "rename"
        | "password_changed"
        | "password"
        | "invite_code_issued"
        | "invite"
        | "limited_package_offered"
        | "promo_code_issued"
        | "fraud_rules_activated"
        | "webhook_endpoint_changed"
        | "webhook_delivery_replayed"
        | "dead_letter_replayed" => Some(3),
        _ => None,
    }
}

/// What an entry is paced by.
fn pace_of(entry: &Entry) -> Option<usize> {
    match entry.kind.as_str() {
        "purchase_advanced" => entry.fact["from"].is_null().then_some(2),
        "email_changed" => Some(if entry.fact["change"] == "requested" { 4 } else { 3 }),
        kind => pace(kind),
    }
}

/// Whether the player did it, so that the day counts as active: what the product does
/// by itself, and what clients do without being asked, is none of it.
fn is_action(entry: &Entry) -> bool {
    match entry.kind.as_str() {
        "session_closed" => entry.fact["reason"] == "logout",
        // What a provider or the clock did to a purchase is none of it.
        "purchase_advanced" => entry.fact["from"].is_null(),
        "session_refreshed"
        | "streak_protection_consumed"
        | "streak_broken"
        | "player_erased"
        | "player_reset"
        | "fraud_decided" => false,
        _ => true,
    }
}

/// How a streak stands before a day is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Claimed,
    Going,
    Covered { days: i64 },
    Over { used: i64 },
}

impl Snap {
    pub fn standing(&self, today: i64) -> Standing {
        let Some(last) = self.last_day else { return Standing::Going };
        if last >= today {
            return Standing::Claimed;
        }
        let missed = today - last - 1;
        if missed == 0 {
            return Standing::Going;
        }
        if self.count == 0 {
            return Standing::Over { used: 0 };
        }
        if missed <= self.protections {
            return Standing::Covered { days: missed };
        }
        Standing::Over { used: self.protections }
    }

    /// Days with any action among the last thirty, up to the latest of them for
    /// whoever asks by a clock of before it.
    pub fn recent(&self, today: i64) -> i64 {
        let today = self.days.last().map_or(today, |latest| today.max(*latest));
        i64::try_from(self.days.range(today - 29..=today).count()).unwrap_or(i64::MAX)
    }

    /// The session, if it is one of the player's.
    pub fn session(&self, id: &str) -> Option<&Signed> {
        let id = id.replace('-', "");
        self.sessions.iter().find(|session| session.id == id)
    }

    /// How many sessions have not expired.
    pub fn live_sessions(&self, now_ms: i64) -> i64 {
        let live = self.sessions.iter().filter(|session| session.ends_s * 1_000 > now_ms);
        i64::try_from(live.count()).unwrap_or(i64::MAX)
    }

    /// Whether one more of what is so paced comes too fast.
    pub fn is_too_fast(&self, pace: usize, now_ms: i64) -> bool {
        let (_, burst, period_ms) = PACES[pace];
        self.full_at[pace].max(now_ms) + period_ms / burst - now_ms > period_ms
    }

    fn set_password(&mut self, seq: u64, password: &Value) {
        self.password = password.as_str().unwrap_or_default().to_owned();
        self.password_seq = seq;
    }

    fn begin_session(&mut self, id: &str, at_ms: i64) {
        self.sessions.retain(|session| session.ends_s * 1_000 > at_ms);
        if self.sessions.len() == 8 {
            self.sessions.remove(0);
        }
        self.put_session(id, 1, at_ms);
    }

    fn put_session(&mut self, id: &str, generation: u64, at_ms: i64) {
        let id = id.replace('-', "");
        self.sessions.retain(|session| session.id != id);
        self.sessions.push(Signed { id, generation, ends_s: (at_ms + 30 * DAY_MS) / 1_000 });
    }

    /// The player after one more entry, and all that is wrong with it. `asked` is the
    /// body of the request that wrote it.
    pub fn then(
        &self,
        entry: &Entry,
        asked: &Value,
        draw: impl FnOnce(u32, &str, u64) -> Vec<String>,
    ) -> (Self, Vec<String>) {
        let mut next = self.clone();
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("entry {} ({}): {what}", entry.seq, entry.kind));
            }
        };
        let fact = &entry.fact;
        let number = |name: &str| fact[name].as_i64().unwrap_or(i64::MIN);
        let moved = entry.legs.get("player").copied().unwrap_or(0);
        let sum: i128 = entry.legs.values().map(|gold| i128::from(*gold)).sum();
        must(sum == 0, &format!("its legs sum to {sum}: {:?}", entry.legs));
        must(entry.seq == self.version + 1, &format!("follows entry {}", self.version));
        next.version = entry.seq;
        next.gold = self.gold.saturating_add(moved);
        must(next.gold >= 0, &format!("the balance is {}", next.gold));
        must(
            entry.gold_after == next.gold,
            &format!("says {} gold, the legs say {}", entry.gold_after, next.gold),
        );
        must(entry.at_ms >= self.at_ms, "goes back in time");
        next.at_ms = entry.at_ms;
        if is_action(entry) {
            next.days.insert(day_of(entry.at_ms));
        }
        if let Some(pace) = pace_of(entry) {
            must(!self.is_too_fast(pace, entry.at_ms), "comes too fast");
            let (_, burst, period_ms) = PACES[pace];
            next.full_at[pace] = self.full_at[pace].max(entry.at_ms) + period_ms / burst;
        }
        let repair = matches!(entry.kind.as_str(), "streak_protection_consumed" | "streak_broken");
        let paid = entry.kind == "purchase_advanced" && !fact["from"].is_null();
        must(!self.erased || repair || paid, "of somebody who wished to be forgotten");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let session = text(&fact["session"]);
        let known = self.session(&session);
        let mut house = "";
        let mut expected = 0;
        let mut owed = 0;
        match entry.kind.as_str() {
            "player_signed_up" => {
                must(entry.seq == 1, "a player signs up once");
                (house, expected) = ("mint:signup", STARTING_GOLD);
                next.epoch = 1;
                next.client_seed = text(&fact["client_seed"]);
                next.site_id = text(&asked["site_id"]);
                next.nickname = Some(text(&asked["nickname"]));
                next.set_password(entry.seq, &asked["password"]);
                next.begin_session(&session, entry.at_ms);
            }
            "player_logged_in" => {
                must(asked["password"] == self.password.as_str(), "with another password");
                // All clients are one device: none says what it is.
                must(fact["new_device"].is_null(), "from a device that is no other");
                next.begin_session(&session, entry.at_ms);
            }
            "session_refreshed" => {
                let generation = known.map_or(0, |known| known.generation + 1);
                must(known.is_some(), "of a session that is over");
                must(
                    fact["generation"] == generation,
                    &format!("gives the refresh token after {generation} generations"),
                );
                next.put_session(&session, generation, entry.at_ms);
            }
            "session_closed" => {
                must(known.is_some(), "of a session that is over");
                next.sessions.retain(|other| Some(other) != known);
            }
            "sessions_closed" => {
                let live = self.live_sessions(entry.at_ms);
                must(number("sessions") == live, &format!("counts other than {live} sessions"));
                next.sessions.clear();
            }
            "password_changed" => {
                must(asked["current_password"] == self.password.as_str(), "with another password");
                must(known.is_some(), "of a session that is over");
                next.sessions.retain(|other| Some(other) == known);
                next.set_password(entry.seq, &asked["new_password"]);
            }
            "player_renamed" => next.nickname = Some(text(&asked["nickname"])),
            "player_erased" => {
                (house, expected) = ("burn:erasure", -self.gold);
                next.sessions.clear();
                next.full_at = [0; 5];
                next.set_password(0, &Value::Null);
                next.erased = true;
            }
            "player_reset" => {
                (house, expected) = ("mint:reset", STARTING_GOLD - self.gold);
                next.sessions.clear();
                next.full_at = [0; 5];
                (next.xp, next.nickname) = (0, None);
                (next.count, next.longest, next.protections, next.last_day) = (0, 0, 0, None);
                // As the account was seeded.
                next.set_password(entry.seq, &asked["password"]);
            }
            "invite_code_issued"
            | "limited_package_offered"
            | "promo_code_issued"
            | "email_changed"
            | "webhook_endpoint_changed"
            | "webhook_delivery_replayed"
            | "dead_letter_replayed" => {}
            "streak_claimed" => {
                let day = day_number(&fact["day"]).unwrap_or(i64::MIN);
                let (count, used) = match self.standing(day) {
                    Standing::Claimed => {
                        must(false, "the day was claimed already");
                        (self.count, 0)
                    }
                    Standing::Going => (self.count + 1, 0),
                    Standing::Covered { days } => (self.count + 1, days),
                    Standing::Over { used } => (1, used),
                };
                must(number("count") == count, &format!("counts {}, not {count}", number("count")));
                must(
                    number("protections_used") == used,
                    &format!("uses other than {used} protections"),
                );
                let (gold, xp) = reward(count);
                must(number("gold") == gold, &format!("pays {}, not {gold}", number("gold")));
                must(number("xp") == xp, &format!("gives {} experience, not {xp}", number("xp")));
                (house, expected) = ("mint:streak", gold);
                next.xp += xp;
                next.count = count;
                next.longest = next.longest.max(count);
                next.protections -= used;
                next.last_day = Some(day);
            }
            "streak_protection_consumed" => {
                let day = day_number(&fact["day"]).unwrap_or(i64::MIN);
                let days = number("protections_used");
                must(
                    self.standing(day + 1) == Standing::Covered { days },
                    &format!("the streak stood otherwise: {:?}", self.standing(day + 1)),
                );
                next.protections -= days;
                next.last_day = Some(day);
            }
            "streak_broken" => {
                let day = day_number(&fact["day"]).unwrap_or(i64::MIN);
                let used = number("protections_used");
                must(
                    self.standing(day) == Standing::Over { used },
                    &format!("the streak stood otherwise: {:?}", self.standing(day)),
                );
                must(
                    number("count_before") == self.count && self.count > 0,
                    "ends a streak of another length",
                );
                next.count = 0;
                next.protections -= used;
            }
            "round_settled" => {
                let (bet, win, times) = (number("bet"), number("win"), number("multiplier"));
                must((1..=MAX_BET).contains(&bet), &format!("a bet of {bet}"));
                must(bet <= self.gold, &format!("bets {bet} of {}", self.gold));
                must(win == bet * times, "the win is not the bet times the multiplier");
                must(number("epoch") == i64::from(self.epoch), "is of another epoch");
                let drawn = draw(self.epoch, &self.client_seed, entry.seq);
                let drawn: Vec<&str> = drawn.iter().map(String::as_str).collect();
                must(
                    fact["outcome"] == serde_json::json!(drawn),
                    &format!("shows {}, the seeds say {drawn:?}", fact["outcome"]),
                );
                must(times == super::slot::multiplier(&drawn), "pays other than its symbols do");
                (house, expected) = ("house:slot", win - bet);
                next.plays += 1;
                if win >= bet {
                    next.wins += 1
                } else {
                    next.losses += 1
                }
                next.bet += bet;
                next.won += win;
                next.highest = next.highest.max(times);
            }
            "item_purchased" => {
                let id = fact["product"].as_str().unwrap_or_default();
                let quantity = number("quantity");
                let (price, most, each) = product(id).unwrap_or((i64::MIN, 0, 0));
                must((1..=most).contains(&quantity), &format!("{quantity} of {id}"));
                must(number("price") == price.saturating_mul(quantity), "at another price");
                (house, expected) = ("burn:shop", -price.saturating_mul(quantity));
                next.protections += each * quantity;
            }
            "purchase_advanced" => {
                let (receipt, id) = (text(&fact["receipt"]), text(&fact["product"]));
                let (from, to) = (text(&fact["from"]), text(&fact["to"]));
                let quantity = number("quantity");
                let (price, each) = pack(&id).unwrap_or((0, 0));
                let begun = Bought {
                    status: from.clone(),
                    product: id.clone(),
                    quantity,
                    amount_minor: price.saturating_mul(quantity),
                    currency: "KRW".to_owned(),
                    gold: each.saturating_mul(quantity),
                };
                let money = &fact["price"]["money"];
                must((1..=10).contains(&quantity) && price > 0, &format!("{quantity} of {id}"));
                must(
                    money["amount_minor"] == begun.amount_minor && money["currency"] == "KRW",
                    "at another price",
                );
                must(leads(&from, &to), &format!("goes from {from:?} to {to:?}"));
                let known = self.purchases.get(&receipt);
                must(
                    if from.is_empty() { known.is_none() } else { known == Some(&begun) },
                    &format!("{receipt} was {known:?}"),
                );
                let gives = if to == "succeeded" { begun.gold } else { 0 };
                let granted = fact["granted"]["gold"].as_i64().unwrap_or(0);
                must(granted == gives, &format!("grants {granted}, not {gives}"));
                must(fact["granted"]["items"].is_null(), "grants items");
                (house, expected) = ("mint:shop", gives);
                let (mut taken, mut clawed) = (Value::Null, Value::Null);
                if from == "succeeded" {
                    let there = begun.gold.min(self.gold).max(0);
                    owed = begun.gold - there;
                    (house, expected) = ("burn:refund", -there);
                    (taken, clawed) = (there.into(), owed.into());
                }
                let clawback = &fact["clawback"];
                must(
                    clawback["taken"] == taken && clawback["owed"] == clawed,
                    &format!("takes back {clawback}, not {taken} and {clawed}"),
                );
                next.purchases.insert(receipt, Bought { status: to, ..begun });
            }
            "fairness_rotated" => {
                must(number("epoch") == i64::from(self.epoch) + 1, "skips an epoch");
                next.epoch += 1;
                next.client_seed = text(&fact["client_seed"]);
            }
            "fraud_decided" | "fraud_rules_activated" => {}
            other => must(false, &format!("nobody knows what {other} is")),
        }
        // What comes in repays a debt first, and reaches nobody who is gone.
        let (into, kept) = match entry.kind.as_str() {
            "player_reset" => ("", 0),
            _ if self.erased => ("burn:erasure", expected.max(0)),
            _ => ("burn:debt", expected.min(self.debt).max(0)),
        };
        let expected = expected - kept;
        must(moved == expected, &format!("moves {moved} gold, not {expected}"));
        let leg = entry.legs.get(into).copied().unwrap_or(0);
        must(kept == 0 || leg == kept, &format!("keeps {leg} gold back, not {kept}"));
        next.debt = match entry.kind.as_str() {
            "player_reset" => 0,
            _ if self.erased => self.debt + owed,
            _ => self.debt - kept + owed,
        };
        must(
            entry.debt_after == next.debt,
            &format!("says {} gold are owed, not {}", entry.debt_after, next.debt),
        );
        let others: Vec<_> = entry.legs.keys().filter(|name| *name != "player").collect();
        let fits = |name: &str| name == house || (kept != 0 && name == into);
        must(others.iter().all(|name| fits(name)), &format!("moves gold of {others:?}"));
        must(
            entry.xp_after == next.xp,
            &format!("says {} experience, not {}", entry.xp_after, next.xp),
        );
        must(next.protections >= 0, "a protection that was not there");
        (next, wrong)
    }

    /// Whether a stored or shown statistic is this player's.
    pub fn is_view(&self, view: &Value) -> bool {
        let slot = &view["games"]["slot"];
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let latest = self.days.last().copied().unwrap_or(0);
        let recent: BTreeSet<i64> =
            view["recent_days"].as_array().into_iter().flatten().filter_map(day_number).collect();
        number(&view["applied_seq"]) == i64::try_from(self.version).unwrap_or(-1)
            && number(&slot["plays"]) == self.plays
            && number(&slot["wins"]) == self.wins
            && number(&slot["losses"]) == self.losses
            && number(&slot["bet"]) == self.bet
            && number(&slot["won"]) == self.won
            && number(&slot["highest_multiplier"]) == self.highest
            && number(&view["lifetime_active_days"]) == i64::try_from(self.days.len()).unwrap_or(-1)
            && recent == self.days.range(latest - 29..).copied().collect()
    }
}

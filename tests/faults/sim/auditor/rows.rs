//! ClickHouse: every journal entry one row and counted once in every view, and
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Case, Entry};
use crate::history::Event;

/// Of a view: what is grouped by, and what is summed up.
type Sums = BTreeMap<Vec<String>, Vec<i64>>;

/// Table, columns to group by, columns to sum up.
const VIEWS: [(&str, &[&str], &[&str]); 3] = [
    ("actions_hourly", &["hour", "event_type"], &["actions"]),
    (
        "player_results_daily",
        &["day", "user_id", "game"],
        &["bets", "wins", "losses", "bet_gold", "win_gold"],
    ),
    ("shop_revenue_daily", &["day", "product_id"], &["purchases", "quantity", "burned_gold"]),
];

impl Case<'_> {
    pub fn rows(&mut self) {
        self.log();
        let mut wrong = Vec::new();
        for (table, groups, sums) in VIEWS {
            let mut expected = Sums::new();
            for (player, entry) in self.entries() {
                if let Some((group, more)) = counted(table, player, entry) {
                    add(&mut expected, group, &more);
                }
            }
            let mut found = Sums::new();
            for row in self.stored(table).map(|(_, row)| row) {
                let group = groups.iter().map(|column| text(&row[*column])).collect();
                let more: Vec<i64> =
                    sums.iter().map(|column| row[*column].as_i64().unwrap_or(i64::MIN)).collect();
                add(&mut found, group, &more);
            }
            let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let (should, is) = (expected.get(key), found.get(key));
                if should != is {
                    wrong.push(format!("{table} {key:?}: {is:?}, the journal says {should:?}"));
                }
            }
        }
        let days = self.entries().map(|(player, entry)| (day(entry.at_ms), player.clone()));
        let days: BTreeSet<_> = days.collect();
        let mut seen = BTreeSet::new();
        for (_, row) in self.stored("active_players_daily") {
            let players = row["players"].as_array().into_iter().flatten();
            seen.extend(players.map(|player| (text(&row["day"]), text(player))));
        }
        if days != seen {
            wrong.push(format!("active_players_daily: {seen:?}, the journal says {days:?}"));
        }
        for what in wrong {
            self.find("every view counts an entry once", None, &[], what);
        }
    }

    /// Everything that was ever written to a table, and by whom.
    fn stored<'c>(&'c self, table: &'c str) -> impl Iterator<Item = (u32, &'c Value)> {
        let blocks = self.evidence.history.iter().filter_map(move |event| match event {
            Event::Stored { by, table: of, rows } if *of == table => Some((*by, rows)),
            _ => None,
        });
        blocks.flat_map(|(by, rows)| rows.iter().map(move |row| (by, row)))
    }

    fn log(&mut self) {
        let mut published = BTreeMap::new();
        for event in &self.evidence.history {
            if let Event::Published { data, .. } = event {
                let envelope: Value = serde_json::from_str(data).unwrap_or_default();
                let key = (text(&envelope["user_id"]), envelope["seq"].as_u64().unwrap_or(0));
                published.insert(key, envelope);
            }
        }
        let mut rows: BTreeMap<(String, u64), Vec<(u32, &Value)>> = BTreeMap::new();
        for (by, row) in self.stored("events_log") {
            let key = (text(&row["user_id"]), row["seq"].as_u64().unwrap_or(0));
            rows.entry(key).or_default().push((by, row));
        }
        let mut wrong = Vec::new();
        for (player, books) in &self.players {
            for entry in &books.entries {
                let found = rows.remove(&(player.clone(), entry.seq)).unwrap_or_default();
                let by: Vec<_> = found.iter().map(|(by, _)| *by).collect();
                let what = match found.as_slice() {
                    [] => format!("entry {} has none", entry.seq),
                    [(_, row)] => {
                        let envelope = published.get(&(player.clone(), entry.seq));
                        if envelope.is_some_and(|envelope| says(row, entry, envelope)) {
                            continue;
                        }
                        format!("entry {} has another: {row}", entry.seq)
                    }
                    more => format!("entry {} has {}", entry.seq, more.len()),
                };
                wrong.push((player.clone(), by, what));
            }
        }
        for ((player, seq), found) in rows {
            let by = found.iter().map(|(by, _)| *by).collect();
            wrong.push((player, by, format!("{seq} is no entry, and has {}", found.len())));
        }
        for (by, row) in self.stored("events_rejected") {
            wrong.push((String::new(), vec![by], format!("a record was set aside: {row}")));
        }
        for (player, by, what) in wrong {
            self.find("every entry is one row", Some(&player), &by, what);
        }
    }
}

/// Whether the row is the entry, in every column.
fn says(row: &Value, entry: &Entry, envelope: &Value) -> bool {
    let payload: Value = row["payload"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let same = |name: &str| row[name] == envelope[name];
    row["event_type"] == event_type(entry)
        && row["ts"] == entry.at_ms
        && payload == envelope["payload"]
        && payload["balance_after"] == entry.gold_after
        && ["trace_id", "idempotency_key", "version"].into_iter().all(same)
}

fn event_type(entry: &Entry) -> &str {
    match entry.kind.as_str() {
        "purchase_advanced" => match entry.fact["to"].as_str().unwrap_or_default() {
            "created" | "pending" => "shop.purchase.pending",
            "succeeded" => "shop.purchase.succeeded",
            "failed" | "expired" | "grant_failed" => "shop.purchase.failed",
            _ => "shop.purchase.refunded",
        },
        "player_signed_up" => "user.signup",
        "player_logged_in" => "user.login",
        "session_refreshed" => "user.session.refreshed",
        "session_closed" => "user.session.closed",
        "sessions_closed" => "user.session.closed_all",
        "password_changed" => "user.password_changed",
        "player_renamed" => "user.renamed",
        "player_erased" => "user.erased",
        "player_reset" => "user.reset",
        "invite_code_issued"
        | "webhook_endpoint_changed"
        | "webhook_delivery_replayed"
        | "dead_letter_replayed" => "admin.action",
        "streak_claimed" => "streak.claim",
        "streak_protection_consumed" => "streak.protection_consumed",
        "streak_broken" => "streak.broken",
        "round_settled" => "game.round.settled",
        "item_purchased" => "shop.purchase.succeeded",
        "fairness_rotated" => "game.fairness.rotated",
        "fraud_decided" => "fraud.decision",
        "fraud_rules_activated" | "limited_package_offered" | "promo_code_issued" => "admin.action",
        "email_changed" => "user.email_changed",
        other => other,
    }
}

/// What an entry adds to a view, and where.
fn counted(table: &str, player: &str, entry: &Entry) -> Option<(Vec<String>, Vec<i64>)> {
    let number = |name: &str| entry.fact[name].as_i64().unwrap_or(i64::MAX);
    let day = day(entry.at_ms);
    match (table, entry.kind.as_str()) {
        ("actions_hourly", _) => {
            let hour = entry.at_ms - entry.at_ms.rem_euclid(3_600_000);
            Some((vec![hour.to_string(), event_type(entry).to_owned()], vec![1]))
        }
        ("player_results_daily", "round_settled") => {
            let (bet, win) = (number("bet"), number("win"));
            let won = i64::from(win >= bet);
            let group = vec![day, player.to_owned(), text(&entry.fact["game"])];
            Some((group, vec![1, won, 1 - won, bet, win]))
        }
        ("shop_revenue_daily", "item_purchased") => {
            let group = vec![day, text(&entry.fact["product"])];
            Some((group, vec![1, number("quantity"), number("price")]))
        }
        // Paid with money, it burns no gold.
        ("shop_revenue_daily", "purchase_advanced") if entry.fact["to"] == "succeeded" => {
            let group = vec![day, text(&entry.fact["product"])];
            Some((group, vec![1, number("quantity"), 0]))
        }
        _ => None,
    }
}

fn add(sums: &mut Sums, group: Vec<String>, more: &[i64]) {
    let sum = sums.entry(group).or_insert_with(|| vec![0; more.len()]);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
}

fn day(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

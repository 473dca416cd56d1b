//! What each materialized view makes of a block, as `infra/clickhouse` has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Row, sql::date};

type View = fn(&[Row]) -> Vec<Value>;

/// Each view's table.
pub const ALL: [(&str, View); 4] = [
    ("actions_hourly", actions),
    ("player_results_daily", results),
    ("shop_revenue_daily", revenue),
    ("active_players_daily", active),
];

fn actions(rows: &[Row]) -> Vec<Value> {
    let mut groups: BTreeMap<(i64, &str), u64> = BTreeMap::new();
    for row in rows {
        let hour = row.ts - row.ts.rem_euclid(3_600_000);
        *groups.entry((hour, &row.event_type)).or_default() += 1;
    }
    let group =
        |((hour, kind), actions)| json!({ "hour": hour, "event_type": kind, "actions": actions });
    groups.into_iter().map(group).collect()
}

fn results(rows: &[Row]) -> Vec<Value> {
    let mut groups: BTreeMap<_, [i64; 5]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.event_type == "game.round.settled") {
        let integer = |name: &str| row.payload[name].as_i64().unwrap_or_default();
        let (bet, win) = (integer("bet_gold"), integer("win_gold"));
        let game = row.payload["game"].as_str().unwrap_or_default();
        let sums = groups.entry((date(row.ts), &row.user_id, game)).or_default();
        let more = [1, i64::from(win >= bet), i64::from(win < bet), bet, win];
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    let group =
        |((day, user_id, game), [bets, wins, losses, bet_gold, win_gold]): (_, [i64; 5])| {
            json!({
                "day": day, "user_id": user_id, "game": game, "bets": bets, "wins": wins,
                "losses": losses, "bet_gold": bet_gold, "win_gold": win_gold,
            })
        };
    groups.into_iter().map(group).collect()
}

fn revenue(rows: &[Row]) -> Vec<Value> {
    let mut groups: BTreeMap<_, [i64; 3]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.event_type == "shop.purchase.succeeded") {
        let integer = |name: &str| row.payload[name].as_i64().unwrap_or_default();
        let product = row.payload["product_id"].as_str().unwrap_or_default();
        let sums = groups.entry((date(row.ts), product)).or_default();
        let more = [1, integer("quantity"), integer("price_gold")];
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    let group = |((day, product), [purchases, quantity, burned_gold]): (_, [i64; 3])| {
        json!({
            "day": day, "product_id": product, "purchases": purchases, "quantity": quantity,
            "burned_gold": burned_gold,
        })
    };
    groups.into_iter().map(group).collect()
}

fn active(rows: &[Row]) -> Vec<Value> {
    let mut groups: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        groups.entry(date(row.ts)).or_default().insert(&row.user_id);
    }
    groups.into_iter().map(|(day, players)| json!({ "day": day, "players": players })).collect()
}

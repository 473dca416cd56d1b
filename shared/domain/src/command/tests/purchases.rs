//! Purchases with a life of their own: what each step changes, and every pair of events.

use std::collections::BTreeMap;

use super::*;
use crate::{
    Account, Change, ReceiptId,
    catalog::STREAK_PROTECTION,
    command::{
        advance_purchase,
        buy_limited::{self, Order},
        buy_pack, erase, reset,
    },
    limited::{Package, Promo, Shard},
    purchase::{Clawback, Event, Granted, Money, Price, Purchase, Status},
};

fn won(amount_minor: i64) -> Price {
    Price::Money(Money { amount_minor, currency: "KRW".to_owned() })
}

fn record(plan: &Plan) -> Purchase {
    let record = plan.changes().iter().find_map(|change| match change {
        Change::BeginPurchase { purchase } | Change::AdvancePurchase { purchase, .. } => {
            Some((**purchase).clone())
        }
        _ => None,
    });
    record.expect("every step writes the record")
}

/// The player and the purchase of 1,000 gold after it has begun.
fn begun(gold: i64) -> (Player, Purchase) {
    let plan =
        buy_pack::decide(&player(gold), "gold_pack_1000", 1, None, &ctx(NOON)).expect("it is sold");
    (plan.after().clone(), record(&plan))
}

fn package(price: Price) -> Package {
    let text = crate::catalog::Text { ko: "새해".to_owned(), en: "New year".to_owned() };
    Package {
        code: "new-year".to_owned(),
        name: text.clone(),
        description: text,
        price,
        grants: Granted {
            gold: Gold::new(2_000),
            items: BTreeMap::from([(STREAK_PROTECTION.to_owned(), 1)]),
        },
        stock: 10,
        shards: 2,
        per_user_cap: 3,
        starts_at: "2026-11-21T00:00:00Z".parse().expect("an instant"),
        ends_at: "2026-11-22T00:00:00Z".parse().expect("an instant"),
    }
}

fn stock(package: &Package) -> Vec<Shard> {
    package.spread().collect()
}

fn order<'a>(package: &'a Package, shards: &'a [Shard], quantity: u32) -> Order<'a> {
    Order { package, quantity, shards, promo: None, assessed: None }
}

/// The player and the purchase of two packages, held.
fn held(gold: i64) -> (Player, Purchase) {
    let package = package(won(9_900));
    let shards = stock(&package);
    let plan = buy_limited::decide(&player(gold), &order(&package, &shards, 2), &ctx(NOON));
    let plan = plan.expect("it is on sale");
    (plan.after().clone(), record(&plan))
}

/// Both after the event, if it changes anything.
fn step(
    (player, purchase): &(Player, Purchase),
    event: &Event,
) -> Option<(Player, Purchase, Plan)> {
    let plan = advance_purchase::decide(player, purchase, event, &ctx(NOON)).expect("it fits")?;
    Some((plan.after().clone(), record(&plan), plan))
}

#[test]
fn a_pack_begins_without_gold_and_on_the_clean_ups_list() {
    let plan = buy_pack::decide(&player(50), "gold_pack_5500", 2, None, &ctx(NOON)).unwrap();
    let purchase = record(&plan);
    assert_eq!(balance(plan.clone()), 50);
    assert_eq!(purchase.price, won(11_800));
    assert_eq!(purchase.grants.gold, Gold::new(11_000));
    assert_eq!(purchase.due_at.to_string(), "2026-11-21T12:15:00Z");
    let watch = Change::Watch { receipt: purchase.receipt, due_at: purchase.due_at };
    assert!(plan.changes().contains(&watch));

    let refused = |product, quantity| {
        buy_pack::decide(&player(50), product, quantity, None, &ctx(NOON)).expect_err("refused")
    };
    assert_eq!(refused("gold_pack_5500", 0), Rejection::QuantityOutOfRange { maximum: 10 });
    assert_eq!(refused("gold_pack_5500", 11), Rejection::QuantityOutOfRange { maximum: 10 });
    assert_eq!(refused("neon_frame", 1), Rejection::ProductNotFound);
    assert_eq!(refused("nothing", 1), Rejection::ProductNotFound);
    let for_gold = buy_item::decide(&player(50_000), "gold_pack_5500", 1, &ctx(NOON));
    assert_eq!(for_gold.expect_err("refused"), Rejection::ProductNotForGold);
}

/// The gold a player has in the end, who had `gold` and hears the events.
fn end(begin: &(Player, Purchase), events: &[&Event]) -> (Status, i64, i64) {
    let mut now = begin.clone();
    for event in events {
        if let Some((player, purchase, _)) = step(&now, event) {
            now = (player, purchase);
        }
    }
    (now.1.status, now.0.gold.units(), now.0.debt.units())
}

/// Every pair of events on a purchase in each state that one event reaches, and what the
/// money says about the end: this model knows nothing of states.
#[test]
fn every_pair_of_events_ends_as_the_money_did() {
    for (begin, grant, limited) in [(begun(50), 1_000, false), (held(50), 4_000, true)] {
        for before in [None, Some(Event::Pending)].into_iter().chain(Event::all().map(Some)) {
            for first in Event::all() {
                for second in Event::all() {
                    let events: Vec<&Event> = before.iter().chain([&first, &second]).collect();
                    let (status, gold, debt) = end(&begin, &events);
                    let at = |event: &dyn Fn(&Event) -> bool| events.iter().position(|e| event(e));
                    let paid = at(&|e| *e == Event::Paid);
                    let back = at(&|e| matches!(e, Event::Refunded | Event::ChargedBack));
                    let lost = at(&|e| matches!(e, Event::Declined { .. } | Event::Canceled));
                    let expected = match (paid, back) {
                        // Whoever got the money back has no gold of it.
                        (_, Some(back)) => {
                            let charged_back = *events[back] == Event::ChargedBack;
                            if charged_back { Status::ChargedBack } else { Status::Refunded }
                        }
                        // The stock of what was given up has gone back.
                        (Some(paid), None) if limited && lost.is_some_and(|lost| lost < paid) => {
                            Status::GrantFailed
                        }
                        (Some(_), None) => Status::Succeeded,
                        (None, None) => match lost.map(|lost| events[lost]) {
                            Some(Event::Canceled) => Status::Expired,
                            Some(_) => Status::Failed,
                            None => Status::Pending,
                        },
                    };
                    let granted = if expected == Status::Succeeded { grant } else { 0 };
                    assert_eq!((status, gold, debt), (expected, 50 + granted, 0), "{events:?}");
                }
            }
        }
    }
}

#[test]
fn each_event_told_again_changes_nothing() {
    for begin in [begun(50), held(50)] {
        for event in Event::all() {
            let (player, purchase, _) = step(&begin, &event).expect("the first time it counts");
            assert!(step(&(player, purchase), &event).is_none(), "{event:?}");
        }
    }
}

#[test]
fn a_payment_grants_and_leaves_the_list() {
    let begin = begun(50);
    let (player, purchase, plan) = step(&begin, &Event::Paid).unwrap();
    assert_eq!((player.gold, purchase.status), (Gold::new(1_050), Status::Succeeded));
    assert_eq!(plan.entry().legs.of(Account::MintShop), Gold::new(-1_000));
    let unwatch = Change::Unwatch { receipt: purchase.receipt, due_at: purchase.due_at };
    assert!(plan.changes().contains(&unwatch));
}

#[test]
fn a_hold_is_sold_or_given_back_with_its_cap_and_promo() {
    let package = package(won(9_900));
    let shards = stock(&package);
    let promo = Promo {
        code: "EARLY".to_owned(),
        package: package.code.clone(),
        price: won(5_000),
        uses_left: 1,
        ends_at: package.ends_at,
    };
    let order = Order { promo: Some(("EARLY", Some(&promo))), ..order(&package, &shards, 2) };
    let plan = buy_limited::decide(&player(0), &order, &ctx(NOON)).unwrap();
    let purchase = record(&plan);
    assert_eq!(purchase.price, won(10_000));
    assert_eq!(purchase.due_at.to_string(), "2026-11-21T12:10:00Z");
    let kinds = |plan: &Plan| -> Vec<String> {
        let kind =
            |change: &Change| format!("{change:?}").split(' ').next().unwrap_or("").to_owned();
        plan.changes().iter().map(kind).collect()
    };
    let begins = ["Watch", "BeginPurchase", "CountTowardsCap", "TakeStock", "UsePromo"];
    assert_eq!(kinds(&plan), begins);

    let begin = (plan.after().clone(), purchase);
    let (_, _, sold) = step(&begin, &Event::Paid).unwrap();
    assert_eq!(kinds(&sold), ["Unwatch", "SettleStock", "AdvancePurchase"]);
    assert!(format!("{:?}", sold.changes()).contains("sold: true"));
    for event in [Event::Declined { reason: "no".to_owned() }, Event::Canceled, Event::Refunded] {
        let (_, _, back) = step(&begin, &event).unwrap();
        let expected =
            ["Unwatch", "SettleStock", "DiscountFromCap", "ReturnPromo", "AdvancePurchase"];
        assert_eq!(kinds(&back), expected, "{event:?}");
        assert!(format!("{:?}", back.changes()).contains("sold: false"));
    }
}

#[test]
fn what_is_paid_with_gold_is_sold_at_once() {
    let package = package(Price::Gold(Gold::new(300)));
    let shards = stock(&package);
    let bought =
        |gold| buy_limited::decide(&player(gold), &order(&package, &shards, 2), &ctx(NOON));
    let plan = bought(600).unwrap();
    assert_eq!(balance(plan.clone()), 4_000);
    assert_eq!(plan.after().streak.protections, 2);
    assert_eq!(record(&plan).status, Status::Succeeded);
    // What the package gives does not pay for it.
    let short = Rejection::InsufficientFunds { needed: Gold::new(600), available: Gold::new(599) };
    assert_eq!(bought(599).expect_err("refused"), short);
}

#[test]
fn limited_packages_have_their_own_rejections() {
    let package = package(won(9_900));
    let shards = stock(&package);
    let at = |now, order: &Order<'_>| {
        buy_limited::decide(&player(0), order, &ctx(now)).expect_err("refused")
    };
    let one = order(&package, &shards, 1);
    let opens = package.starts_at;
    assert_eq!(at("2026-11-20T23:59:59Z", &one), Rejection::SaleNotOpen { starts_at: opens });
    assert_eq!(at("2026-11-22T00:00:00Z", &one), Rejection::SaleOver);
    assert_eq!(at(NOON, &order(&package, &shards, 4)), Rejection::CapReached { cap: 3 });
    assert_eq!(
        at(NOON, &order(&package, &shards, 0)),
        Rejection::QuantityOutOfRange { maximum: 3 }
    );
    assert_eq!(at(NOON, &order(&package, &[], 1)), Rejection::SoldOut);
    let promo = Promo {
        code: "EARLY".to_owned(),
        package: "another".to_owned(),
        price: won(1),
        uses_left: 9,
        ends_at: package.ends_at,
    };
    for found in [None, Some(&promo)] {
        let order = Order { promo: Some(("EARLY", found)), ..one };
        assert_eq!(at(NOON, &order), Rejection::InvalidPromoCode);
    }
}

#[test]
fn a_refund_takes_what_is_there_and_the_rest_is_owed_and_repaid_first() {
    let (mut player, purchase, _) = step(&begun(0), &Event::Paid).unwrap();
    player.gold = Gold::new(400);
    for event in [Event::Refunded, Event::ChargedBack] {
        let (player, purchase, plan) = step(&(player.clone(), purchase.clone()), &event).unwrap();
        let clawback = Clawback { taken: Gold::new(400), owed: Gold::new(600), protections: 0 };
        assert_eq!(purchase.clawback, Some(clawback));
        assert_eq!((player.gold, player.debt), (Gold::ZERO, Gold::new(600)));
        assert_eq!(plan.entry().after.debt, Gold::new(600));

        // Two claims repay it: the first whole, the second in part.
        let first = claim_streak::decide(&player, &ctx("2026-11-22T01:00:00Z")).unwrap();
        let (gold, debt) = (first.after().gold.units(), first.after().debt);
        assert_eq!((gold, debt), (1_123 - 600, Gold::ZERO));
        assert_eq!(first.entry().legs.of(Account::BurnDebt), Gold::new(600));
        assert_eq!(first.entry().legs.sum(), 0);

        let deep = Player { debt: Gold::new(5_000), ..player };
        let first = claim_streak::decide(&deep, &ctx("2026-11-22T01:00:00Z")).unwrap();
        assert_eq!((first.after().gold, first.after().debt), (Gold::ZERO, Gold::new(3_877)));
    }
}

#[test]
fn a_net_win_repays_and_a_lost_bet_does_not() {
    let seed = seed();
    let debtor = |player: Player| Player { debt: Gold::new(30), gold: Gold::new(100), ..player };
    let winner = debtor(about_to_win(player(100), 5));
    let plan = spin_slot::decide(&winner, Gold::new(10), &PAYTABLE, &seed, &ctx(NOON)).unwrap();
    assert_eq!((plan.after().gold, plan.after().debt), (Gold::new(110), Gold::ZERO));
    let loser = debtor(about_to_win(player(100), 0));
    let plan = spin_slot::decide(&loser, Gold::new(10), &PAYTABLE, &seed, &ctx(NOON)).unwrap();
    assert_eq!((plan.after().gold, plan.after().debt), (Gold::new(90), Gold::new(30)));
}

#[test]
fn a_grant_that_does_not_fit_is_no_grant_and_the_money_goes_back() {
    let (mut player, purchase) = begun(0);
    player.gold = Gold::new(i64::MAX);
    let (player, purchase, _) = step(&(player, purchase), &Event::Paid).unwrap();
    assert_eq!((player.gold.units(), purchase.status), (i64::MAX, Status::GrantFailed));
    let (player, purchase, _) = step(&(player, purchase), &Event::Refunded).unwrap();
    assert_eq!((player.gold.units(), purchase.status), (i64::MAX, Status::Refunded));
    assert_eq!(player.debt, Gold::ZERO);
}

#[test]
fn gold_for_somebody_who_is_gone_is_burned() {
    let (player, purchase) = begun(70);
    let gone = erase::decide(&player, &ctx(NOON)).unwrap().after().clone();
    let (player, _, plan) = step(&(gone, purchase), &Event::Paid).unwrap();
    assert_eq!(player.gold, Gold::ZERO);
    assert_eq!(plan.entry().legs.of(Account::BurnErasure), Gold::new(1_000));
    assert_eq!(plan.entry().legs.sum(), 0);
}

#[test]
fn who_begins_anew_owes_nothing() {
    let debtor = Player { debt: Gold::new(30), ..player(10) };
    let hash = crate::PasswordHash("hash".to_owned());
    let plan = reset::decide(&debtor, hash, &ctx(NOON)).unwrap();
    assert_eq!((plan.after().gold, plan.after().debt), (Gold::new(1_000), Gold::ZERO));
}

#[test]
fn the_receipt_of_an_item_names_its_entry() {
    let receipt = ReceiptId::of_entry(&ctx(NOON), 4_711);
    assert_eq!(receipt.entry(), 4_711);
    assert_eq!(receipt.uuid().get_version_num(), 7);
    let plan = buy_item::decide(&player(500), "neon_frame", 1, &ctx(NOON)).unwrap();
    let Fact::ItemPurchased { receipt, .. } = &plan.entry().fact else { panic!("an item") };
    assert_eq!(receipt.entry(), plan.entry().seq);
}

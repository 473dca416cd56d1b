//! What is written down or published once, and must read the same for ever: ids,
//! names, events, frames. The numbers are computed elsewhere, by Python's
//! `hmac` and `hashlib`.

mod support;

use domain::{
    Account, After, AttemptId, Closed, Ctx, DeadLetterId, EmailChange, Entry, Fact, Game, Gold,
    Invite, Legs, Once, OnceKey, Plan, Player, PlayerId, Profile, ReceiptId, Refusal, Role,
    RoundId, SessionId, Streak, WebhookEndpointId,
    command::{claim_streak, erase, repair_streak},
    envelope, frames, fraud, level,
    purchase::{Granted, Money, Price, Status},
    refused_purchase, repeated_purchase,
    stats::{GameStats, Stats},
    stats_frame,
    webhook::{DeliveryId, EndpointChange},
};
use jiff::{ToSpan, civil::date};
use serde_json::{Value, json};

const NOON: &str = "2026-11-21T12:00:00Z";
const PLAYER: &str = "0199a0a0-0000-7000-8000-000000000001";

fn ctx() -> Ctx {
    Ctx { now: NOON.parse().expect("an instant"), seed: [9; 32], trace_id: "t-1".to_owned() }
}

fn player() -> PlayerId {
    PLAYER.parse().expect("a player id")
}

fn entry(seq: u64, fact: Fact) -> Entry {
    Entry {
        player: player(),
        seq,
        at: ctx().now,
        fact,
        legs: Legs::to_player(Account::HouseSlot, Gold::new(90)).expect("it has an opposite"),
        after: After { gold: Gold::new(1090), total_xp: 2100, debt: Gold::ZERO },
        trace_id: "t-1".to_owned(),
        once: Some(Once {
            key: OnceKey::Header("key-1".to_owned()),
            request_hash: "hash".to_owned(),
        }),
        answer: None,
    }
}

fn round(bet: i64, win: i64, multiplier: u32) -> Fact {
    Fact::RoundSettled {
        game: Game::Slot,
        round: RoundId::mint(&ctx()),
        bet: Gold::new(bet),
        win: Gold::new(win),
        multiplier,
        outcome: vec!["bell".to_owned(), "bell".to_owned(), "bell".to_owned()],
        epoch: 2,
        paytable: "slot-1".to_owned(),
    }
}

fn purchase(protections: u32) -> Fact {
    Fact::ItemPurchased {
        receipt: ReceiptId::mint(&ctx()),
        product: "neon_frame".to_owned(),
        quantity: 1,
        price: Gold::new(300),
        protections,
    }
}

/// Every fact there is, with its name, the event's, and its frames'.
fn facts() -> Vec<(Fact, &'static str, &'static str, &'static [&'static str])> {
    let day = date(2026, 11, 21);
    let session = SessionId::mint(&ctx());
    let client_seed = || "mine".to_owned();
    let claim = Fact::StreakClaimed {
        day,
        count: 3,
        gold: Gold::new(1315),
        xp: 63,
        protections_used: 0,
        formula: "f".to_owned(),
    };
    vec![
        (
            Fact::PlayerSignedUp { client_seed: client_seed(), session },
            "player_signed_up",
            "user.signup",
            &["profile_update", "user_action"],
        ),
        (
            Fact::PlayerLoggedIn { session, new_device: true },
            "player_logged_in",
            "user.login",
            &["user_action"],
        ),
        (
            Fact::SessionRefreshed { session, generation: 2 },
            "session_refreshed",
            "user.session.refreshed",
            &[],
        ),
        (
            Fact::SessionClosed { session, reason: Closed::Logout },
            "session_closed",
            "user.session.closed",
            &["user_action"],
        ),
        (
            Fact::SessionClosed { session, reason: Closed::TokenReused },
            "session_closed",
            "user.session.closed",
            &["user_action"],
        ),
        (
            Fact::SessionsClosed { sessions: 2 },
            "sessions_closed",
            "user.session.closed_all",
            &["user_action"],
        ),
        (
            Fact::PasswordChanged { session },
            "password_changed",
            "user.password_changed",
            &["user_action"],
        ),
        (Fact::PlayerRenamed {}, "player_renamed", "user.renamed", &["user_action"]),
        (Fact::PlayerErased {}, "player_erased", "user.erased", &["user_action"]),
        (Fact::PlayerReset {}, "player_reset", "user.reset", &["profile_update", "user_action"]),
        (
            Fact::InviteCodeIssued {
                code: "SPRING".to_owned(),
                uses: 10,
                expires_at: ctx().now,
                reason: "spring".to_owned(),
            },
            "invite_code_issued",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::WebhookEndpointChanged {
                endpoint: WebhookEndpointId::from_bytes([5; 16]),
                change: EndpointChange::Registered,
                reason: "ticket".to_owned(),
            },
            "webhook_endpoint_changed",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::WebhookDeliveryReplayed {
                delivery: DeliveryId::of(
                    WebhookEndpointId::from_bytes([5; 16]),
                    PlayerId::from_bytes([1; 16]),
                    7,
                    ctx().now,
                ),
                reason: "ticket".to_owned(),
            },
            "webhook_delivery_replayed",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::DeadLetterReplayed {
                letter: DeadLetterId::of("{}", ctx().now),
                player: PlayerId::from_bytes([1; 16]),
                seq: 7,
                reason: "ticket".to_owned(),
            },
            "dead_letter_replayed",
            "admin.action",
            &["user_action"],
        ),
        (
            claim,
            "streak_claimed",
            "streak.claim",
            &["profile_update", "reward_granted", "streak_update"],
        ),
        (
            Fact::StreakProtectionConsumed { day, protections_used: 2 },
            "streak_protection_consumed",
            "streak.protection_consumed",
            &["user_action"],
        ),
        (
            Fact::StreakBroken { day, count_before: 3, protections_used: 1 },
            "streak_broken",
            "streak.broken",
            &["streak_update"],
        ),
        (
            round(10, 100, 10),
            "round_settled",
            "game.round.settled",
            &["profile_update", "game_update"],
        ),
        (
            purchase(0),
            "item_purchased",
            "shop.purchase.succeeded",
            &["profile_update", "purchase_update"],
        ),
        (
            Fact::FairnessRotated { epoch: 2, client_seed: client_seed() },
            "fairness_rotated",
            "game.fairness.rotated",
            &["user_action"],
        ),
        (
            advanced(None, Status::Created),
            "purchase_advanced",
            "shop.purchase.pending",
            &["purchase_update"],
        ),
        (
            advanced(Some(Status::Created), Status::Pending),
            "purchase_advanced",
            "shop.purchase.pending",
            &["purchase_update"],
        ),
        (
            advanced(Some(Status::Pending), Status::Succeeded),
            "purchase_advanced",
            "shop.purchase.succeeded",
            &["profile_update", "purchase_update"],
        ),
        (
            advanced(Some(Status::Pending), Status::Failed),
            "purchase_advanced",
            "shop.purchase.failed",
            &["purchase_update"],
        ),
        (
            advanced(Some(Status::Pending), Status::Expired),
            "purchase_advanced",
            "shop.purchase.failed",
            &["purchase_update"],
        ),
        (
            advanced(Some(Status::Pending), Status::GrantFailed),
            "purchase_advanced",
            "shop.purchase.failed",
            &["purchase_update"],
        ),
        (
            advanced(Some(Status::Succeeded), Status::Refunded),
            "purchase_advanced",
            "shop.purchase.refunded",
            &["profile_update", "purchase_update"],
        ),
        (
            advanced(Some(Status::Succeeded), Status::ChargedBack),
            "purchase_advanced",
            "shop.purchase.refunded",
            &["profile_update", "purchase_update"],
        ),
        (
            Fact::LimitedPackageOffered {
                code: "new-year".to_owned(),
                stock: 500,
                reason: "new year".to_owned(),
            },
            "limited_package_offered",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::PromoCodeIssued {
                package: "new-year".to_owned(),
                uses: 10,
                reason: "new year".to_owned(),
            },
            "promo_code_issued",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::FraudDecided {
                attempt: AttemptId::mint(&ctx()),
                score: 110,
                action: fraud::Action::HardBlock,
                matched: vec!["many_cards".to_owned()],
                rules_version: 3,
            },
            "fraud_decided",
            "fraud.decision",
            &[],
        ),
        (
            Fact::FraudRulesActivated {
                version: 4,
                previous_version: 3,
                reason: "cards".to_owned(),
            },
            "fraud_rules_activated",
            "admin.action",
            &["user_action"],
        ),
        (
            Fact::EmailChanged { change: EmailChange::Requested },
            "email_changed",
            "user.email_changed",
            &["user_action"],
        ),
    ]
}

fn advanced(from: Option<Status>, to: Status) -> Fact {
    let grants = Granted { gold: Gold::new(1_000), ..Granted::default() };
    Fact::PurchaseAdvanced {
        receipt: ReceiptId::mint(&ctx()),
        product: "gold_pack_1000".to_owned(),
        quantity: 1,
        price: Price::Money(Money { amount_minor: 1_200, currency: "KRW".to_owned() }),
        from,
        to,
        granted: if to == Status::Succeeded { grants } else { Granted::default() },
        clawback: None,
        reason: None,
    }
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("it serializes")
}

#[test]
fn ids_are_a_function_of_instant_seed_and_kind() {
    let ids = [
        PlayerId::mint(&ctx()).to_string(),
        RoundId::mint(&ctx()).to_string(),
        SessionId::mint(&ctx()).to_string(),
        ReceiptId::mint(&ctx()).to_string(),
    ];
    let expected = [
        "01a1fdfa-4600-7a95-b5a8-edfee4b654d3",
        "01a1fdfa-4600-7a60-9312-8ac1a5c739cf",
        "01a1fdfa-4600-7143-b90e-be594f25be10",
        "01a1fdfa-4600-7d41-b705-7cd0db4f235f",
    ];
    assert_eq!(ids, expected);
    let player = player();
    assert_eq!((player.to_string().as_str(), PlayerId::from(player.uuid())), (PLAYER, player));
    assert_eq!(PlayerId::from_bytes(*player.uuid().as_bytes()), player);
}

#[test]
fn a_new_player_has_a_client_seed_of_the_context() {
    let plan = support::signed_up("h", &ctx());
    assert_eq!(plan.after().fairness.client_seed, "4ae246e15e27d044");
    assert_eq!(plan.player().to_string(), "01a1fdfa-4600-7a95-b5a8-edfee4b654d3");
    let shown = format!("{plan:?}");
    assert!(shown.contains("PasswordHash(…)") && !shown.contains("\"h\""), "{shown}");
}

#[test]
fn facts_events_and_frames_have_their_names() {
    for (fact, kind, event_type, types) in facts() {
        assert_eq!(fact.kind(), kind);
        assert_eq!(json_of(&fact)["kind"], kind);
        let stored = serde_json::from_value::<Fact>(json_of(&fact));
        assert_eq!(stored.expect("reads back"), fact);
        let entry = entry(7, fact);
        assert_eq!(envelope(&entry).event_type, event_type);
        let frames: Vec<_> = frames(&entry).iter().map(json_of).collect();
        let named: Vec<_> = frames.iter().map(|frame| frame["type"].clone()).collect();
        assert_eq!(named, types);
        for frame in frames {
            let about = ["user_id", "seq", "timestamp", "trace_id"].map(|name| &frame[name]);
            assert_eq!(about, [&json!(PLAYER), &json!(7), &json!(NOON), &json!("t-1")]);
        }
    }
}

#[test]
fn why_a_session_ended_and_who_invited_stand_in_the_event() {
    let payload = |fact| envelope(&entry(7, fact)).payload;
    let session = SessionId::mint(&ctx());
    for (reason, word) in [(Closed::Logout, "logout"), (Closed::TokenReused, "token_reused")] {
        let payload = payload(Fact::SessionClosed { session, reason });
        assert_eq!((&payload["session_id"], &payload["reason"]), (&json!(session), &json!(word)));
    }
    let issued = Fact::InviteCodeIssued {
        code: "SPRING".to_owned(),
        uses: 10,
        expires_at: ctx().now,
        reason: "spring".to_owned(),
    };
    let expected = json!({ "action": "invite_code.issue", "uses": 10,
        "expires_at": NOON, "reason": "spring", "legs": { "player": 90, "house:slot": -90 },
        "balance_after": 1090 });
    assert_eq!(payload(issued), expected);
}

#[test]
fn an_invite_is_kept_in_whole_seconds() {
    let invite = Invite { code: "SPRING".to_owned(), uses_left: 10, expires_at: ctx().now };
    let stored = json!({ "code": "SPRING", "uses_left": 10, "expires_at": 1_795_262_400 });
    assert_eq!(json_of(&invite), stored);
    assert_eq!(serde_json::from_value::<Invite>(stored).expect("reads back"), invite);
}

#[test]
fn a_state_from_before_there_were_sessions_reads_as_one_without() {
    let plan = support::signed_up("h", &ctx());
    let mut stored = json_of(plan.after());
    let fields = stored.as_object_mut().expect("a state is a map");
    for field in ["sessions", "paces", "password_seq"] {
        fields.remove(field);
    }
    let read: Player = serde_json::from_value(stored).expect("reads");
    assert!(read.sessions.is_empty() && read.paces.is_empty() && !read.profile.erased);
    assert_eq!(read.password_seq, 1, "signing up set the password");
}

#[test]
fn an_event_says_whose_it_is_and_what_became_of_the_gold() {
    let event = json_of(&envelope(&entry(7, round(10, 100, 10))));
    let expected = json!({
        "event_type": "game.round.settled", "user_id": PLAYER, "ts": NOON, "trace_id": "t-1",
        "idempotency_key": "key-1", "version": 1, "seq": 7,
        "payload": {
            "game": "slot", "round_id": "01a1fdfa-4600-7a60-9312-8ac1a5c739cf", "bet_gold": 10,
            "win_gold": 100, "multiplier": 10, "outcome": ["bell", "bell", "bell"], "epoch": 2,
            "paytable_version": "slot-1", "legs": { "player": 90, "house:slot": -90 },
            "balance_after": 1090,
        },
    });
    assert_eq!(event, expected);
}

#[test]
fn a_round_is_shown_with_balance_level_and_outcome() {
    let frames = frames(&entry(7, round(10, 100, 10)));
    let changes = json!({ "changes": { "gold_balance": 1090, "level": 3, "exp": 0 } });
    assert_eq!(json_of(&frames[0])["data"], changes);
    let game = json!({ "game": "slot", "round_id": "01a1fdfa-4600-7a60-9312-8ac1a5c739cf",
        "outcome": ["bell", "bell", "bell"], "bet_gold": 10, "win_gold": 100, "multiplier": 10,
        "gold_balance": 1090 });
    assert_eq!(json_of(&frames[1])["data"], game);
}

#[test]
fn a_request_to_buy_that_led_to_no_entry_is_told_of_itself() {
    let of_none = |data: Value| {
        json!({ "type": "purchase_update", "user_id": PLAYER, "timestamp": NOON, "seq": 0,
                "trace_id": "t-2", "data": data })
    };
    for (refusal, status, reason) in [
        (Refusal::ShortOfGold, "insufficient_funds", "insufficient_funds"),
        (Refusal::Other("sold_out"), "item_purchase_failed", "sold_out"),
    ] {
        let frame = refused_purchase(player(), "moon", 2, refusal, ctx().now, "t-2");
        let expected = of_none(json!({ "status": status, "product_id": "moon", "quantity": 2,
                                       "reason": reason }));
        assert_eq!(json_of(&frame), expected);
    }
    let bought = json_of(&frames(&entry(7, purchase(0)))[1]);
    let mut once = bought["data"].clone();
    once["status"] = json!("idempotent_reuse");
    once.as_object_mut().expect("data is a map").remove("gold_balance");
    let again = |entry: &Entry| repeated_purchase(entry, ctx().now, "t-2");
    assert_eq!(again(&entry(7, purchase(0))).map(|frame| json_of(&frame)), Some(of_none(once)));
    assert_eq!(again(&entry(7, round(10, 100, 10))), None);
}

#[test]
fn a_purchase_without_protections_keeps_no_word_of_them() {
    assert!(json_of(&purchase(0)).get("protections").is_none());
    assert_eq!(json_of(&purchase(2))["protections"], 2);
    for fact in [purchase(0), purchase(2)] {
        assert_eq!(serde_json::from_value::<Fact>(json_of(&fact)).expect("reads back"), fact);
    }
}

#[test]
fn accounts_games_and_roles_are_shown_as_they_are_stored() {
    use Account::{
        BurnDebt, BurnErasure, BurnRefund, BurnShop, HouseSlot, MintReset, MintShop, MintSignup,
        MintStreak,
    };
    for (account, name) in [
        (Account::Player, "player"),
        (MintSignup, "mint:signup"),
        (MintStreak, "mint:streak"),
        (MintReset, "mint:reset"),
        (HouseSlot, "house:slot"),
        (BurnShop, "burn:shop"),
        (BurnErasure, "burn:erasure"),
        (MintShop, "mint:shop"),
        (BurnRefund, "burn:refund"),
        (BurnDebt, "burn:debt"),
    ] {
        assert_eq!(json_of(&account), name);
        assert_eq!(json_of(&account), account.to_string());
    }
    assert_eq!(json_of(&Game::Slot), Game::Slot.as_str());
    for role in [Role::Standard, Role::Premium, Role::Vip, Role::Operator, Role::Admin] {
        assert_eq!(json_of(&role), role.as_str());
    }
    assert_eq!(Gold::new(-5).to_string(), "-5");
}

#[test]
fn legs_are_listed_and_summed_and_unbalanced_ones_are_a_defect() {
    let legs = Legs::to_player(Account::MintStreak, Gold::new(5)).expect("it has an opposite");
    let listed: Vec<_> = legs.iter().collect();
    assert_eq!(listed, [(Account::Player, Gold::new(5)), (Account::MintStreak, Gold::new(-5))]);
    assert_eq!((legs.sum(), legs.of_player()), (0, Gold::new(5)));
    assert_eq!(Legs::none().iter().count(), 0);
    let unbalanced: Legs = serde_json::from_value(json!({ "player": 5 })).expect("reads");
    assert_eq!(unbalanced.sum(), 5);
    let before = Player::unborn(player(), Profile::default());
    let fact = Fact::PlayerLoggedIn { session: SessionId::mint(&ctx()), new_device: false };
    let planned = std::panic::catch_unwind(|| Plan::new(&before, &ctx(), fact, unbalanced));
    assert!(planned.is_err(), "{planned:?}");
}

#[test]
fn gold_is_added_taken_and_turned_without_wrapping() {
    let (one, most, least) = (Gold::new(1), Gold::new(i64::MAX), Gold::new(i64::MIN));
    assert_eq!(Gold::new(5).minus(Gold::new(7)), Ok(Gold::new(-2)));
    assert_eq!(Gold::new(5).plus(Gold::new(7)), Ok(Gold::new(12)));
    assert_eq!(Gold::new(5).times(7), Ok(Gold::new(35)));
    assert_eq!(Gold::new(5).negated(), Ok(Gold::new(-5)));
    assert!(most.plus(one).is_err() && least.minus(one).is_err() && least.negated().is_err());
    assert!(most.times(2).is_err());
    assert!(Gold::new(-1).is_negative() && !Gold::ZERO.is_negative() && !one.is_negative());
}

#[test]
fn levels_cost_a_hundred_more_each() {
    let reached = level::of(u64::MAX / 1_000_000_000);
    let spent: u64 = (1..reached.level).map(|level| 1000 + (u64::from(level) - 1) * 100).sum();
    assert_eq!(spent + reached.experience, u64::MAX / 1_000_000_000);
    assert_eq!(reached.max_experience, 1000 + (u64::from(reached.level) - 1) * 100);
    assert!(reached.experience < reached.max_experience);
}

#[test]
fn natural_keys_name_player_act_and_day() {
    let day = date(2026, 11, 21);
    assert_eq!(
        claim_streak::natural_key(player(), day),
        format!("streak:{PLAYER}:claim:2026-11-21")
    );
    assert_eq!(
        repair_streak::natural_key(player(), day),
        format!("streak-repair:{PLAYER}:2026-11-21")
    );
    assert_eq!(erase::natural_key(player()), format!("erase:{PLAYER}"));
}

#[test]
fn protections_left_are_what_missed_days_have_not_used() {
    let today = date(2026, 11, 21);
    let streak = |count, protections, ago: i64| Streak {
        count,
        longest: count,
        protections,
        last_day: Some(today - ago.days()),
    };
    for (streak, left) in [
        (streak(3, 5, 0), 5),
        (streak(3, 5, 1), 5),
        (streak(3, 5, 2), 4),
        (streak(3, 5, 6), 0),
        (streak(3, 5, 7), 0),
        (streak(0, 5, 7), 5),
    ] {
        assert_eq!(streak.protections_left(today), left, "{streak:?}");
    }
}

#[test]
fn statistics_add_up() {
    let mut stats = Stats::default();
    let rounds = [round(10, 100, 10), round(10, 10, 1), round(10, 9, 2), round(5, 0, 0)];
    for (fact, seq) in rounds.into_iter().zip(1..) {
        stats.fold(&entry(seq, fact));
    }
    let total = GameStats {
        plays: 4,
        wins: 2,
        losses: 2,
        bet: Gold::new(35),
        won: Gold::new(119),
        highest_multiplier: 10,
    };
    assert_eq!((stats.total(), stats.games[&Game::Slot]), (total, total));
    assert_eq!((total.profit(), stats.applied_seq, stats.lifetime_active_days), (84, 4, 1));
    let newest = entry(4, round(5, 0, 0));
    let frame = |newest| json_of(&stats_frame(player(), &stats, newest, ctx().now));
    let mut expected = json!({ "type": "stats_update", "user_id": PLAYER, "timestamp": NOON,
        "seq": 4, "data": { "stats": { "total_games_played": 4, "wins": 2, "losses": 2,
            "total_bets": 35, "highest_multiplier": 10, "total_profit": 84,
            "lifetime_active_days": 1 } } });
    assert_eq!(frame(None), expected);
    expected["trace_id"] = json!("t-1");
    assert_eq!(frame(Some(&newest)), expected);
}

#[test]
fn only_what_the_player_did_makes_a_day_active() {
    for (fact, kind, ..) in facts() {
        let work_of_the_product = [
            "session_refreshed",
            "streak_protection_consumed",
            "streak_broken",
            "player_erased",
            "player_reset",
            "fraud_decided",
        ];
        let safety = matches!(fact, Fact::SessionClosed { reason: Closed::TokenReused, .. });
        let news = matches!(fact, Fact::PurchaseAdvanced { from: Some(_), .. });
        let counts = !safety && !news && !work_of_the_product.contains(&kind);
        let mut stats = Stats::default();
        stats.fold(&entry(1, fact));
        assert_eq!(stats.lifetime_active_days, u32::from(counts), "{kind}");
    }
}

#[test]
fn thirty_days_up_to_today_are_recent() {
    let mut stats = Stats::default();
    let fact = || Fact::PlayerLoggedIn { session: SessionId::mint(&ctx()), new_device: false };
    // Every fifth day of fifty.
    for (ago, seq) in [50, 45, 40, 35, 30, 29, 25, 20, 15, 10, 5, 0].into_iter().zip(1..) {
        let at = ctx().now - jiff::SignedDuration::from_hours(24 * ago);
        stats.fold(&Entry { at, ..entry(seq, fact()) });
    }
    let today = date(2026, 11, 21);
    assert_eq!(stats.lifetime_active_days, 12);
    assert_eq!(stats.recent_days.first(), Some(&(today - 29.days())));
    for (ahead, active) in [(-1, 7), (0, 7), (1, 6), (25, 1), (29, 1), (30, 0)] {
        assert_eq!(stats.active_days(today + ahead.days()), active, "{ahead}");
    }
}

//! One table a command: what is accepted, and every rejection there is.

use jiff::{Timestamp, civil::date};

mod accounts;
mod dead_letters;
mod emails;
mod fraud;
mod paces;
mod purchases;
mod webhooks;

use super::{
    buy_item, claim_streak,
    log_in::{self, LogIn},
    repair_streak, rotate_fairness, spin_slot,
};
use crate::{
    Credential, Ctx, Devices, Fact, FairnessEpoch, Gold, Legs, PasswordHash, Plan, Player,
    PlayerId, Profile, Rejection, SessionId, Streak,
    fairness::{Draws, MasterKey, ServerSeed},
    slot::{PAYTABLE, Paytable},
};

const NOON: &str = "2026-11-21T12:00:00Z";

fn ctx(now: &str) -> Ctx {
    Ctx {
        now: now.parse().expect("an instant"),
        seed: [7; 32],
        trace_id: "0123456789abcdef".to_owned(),
    }
}

/// A player of four entries, whose password the first has set.
fn player(gold: i64) -> Player {
    let profile = Profile {
        site_id: "Jimin01".to_owned(),
        nickname: "Jimin".to_owned(),
        ..Profile::default()
    };
    Player {
        version: 4,
        gold: Gold::new(gold),
        fairness: FairnessEpoch { epoch: 1, client_seed: "abc".to_owned() },
        password_seq: 1,
        ..Player::unborn(PlayerId::from_bytes([1; 16]), profile)
    }
}

/// A login with the password of [`player`].
fn known() -> LogIn {
    let password_hash = PasswordHash(String::new());
    let credential = Credential { password_hash, set_by: 1, devices: Devices::default() };
    LogIn { credential, rehashed: None, device: Vec::new() }
}

fn session(byte: u8) -> SessionId {
    SessionId::from_bytes([byte; 16])
}

/// The player with sessions 1 to `count`, opened on this instant.
fn signed_in(mut player: Player, count: u8, opened: &str) -> Player {
    let at = opened.parse().expect("an instant");
    (1..=count).for_each(|byte| player.sessions.open(session(byte), at));
    player
}

/// A player with a streak of `count` days up to `last_day`.
fn on_streak(count: u32, protections: u32, last_day: jiff::civil::Date) -> Player {
    let streak = Streak { count, longest: count, protections, last_day: Some(last_day) };
    Player { streak, ..player(0) }
}

fn balance(plan: Plan) -> i64 {
    assert_eq!(plan.entry().after.gold, plan.after().gold);
    plan.after().gold.units()
}

fn seed() -> ServerSeed {
    MasterKey::new([3; 32]).server_seed(PlayerId::from_bytes([1; 16]), 1)
}

/// The same player at a nonce whose round pays `multiplier`.
fn about_to_win(player: Player, multiplier: u32) -> Player {
    let pays = |version: &u64| {
        let (seed, client_seed) = (seed(), &player.fairness.client_seed);
        let symbols = PAYTABLE.spin(&mut Draws::new(&seed, client_seed, version + 1));
        PAYTABLE.multiplier(&symbols) == multiplier
    };
    let version = (1..100_000).find(pays).expect("every multiplier comes up");
    Player { version, ..player }
}

fn spin(player: &Player, bet: i64, paytable: &Paytable) -> Result<i64, Rejection> {
    spin_slot::decide(player, Gold::new(bet), paytable, &seed(), &ctx(NOON)).map(balance)
}

fn short(needed: i64, available: i64) -> Rejection {
    Rejection::InsufficientFunds { needed: Gold::new(needed), available: Gold::new(available) }
}

#[test]
fn claim_streak_pays_the_day_once() {
    let rich = |gold| Player { gold: Gold::new(gold), ..player(0) };
    let wise = |total_xp| Player { total_xp, ..player(0) };
    let today = date(2026, 11, 21);
    // Gold after, streak after, protections left.
    for (before, expected) in [
        (player(0), Ok((1123, 1, 0))),
        (on_streak(1, 0, date(2026, 11, 20)), Ok((1227, 2, 0))),
        (on_streak(44, 0, date(2026, 11, 20)), Ok((1800, 45, 0))),
        (on_streak(500, 0, date(2026, 11, 20)), Ok((1800, 501, 0))),
        (on_streak(u32::MAX, 0, date(2026, 11, 20)), Ok((1800, u32::MAX, 0))),
        // Missed days: covered, or all protections used up in vain.
        (on_streak(3, 2, date(2026, 11, 18)), Ok((1389, 4, 0))),
        (on_streak(3, 3, date(2026, 11, 18)), Ok((1389, 4, 1))),
        (on_streak(3, 1, date(2026, 11, 18)), Ok((1123, 1, 0))),
        (on_streak(3, 0, date(2026, 11, 19)), Ok((1123, 1, 0))),
        // Broken by the nightly repair.
        (on_streak(0, 2, date(2026, 11, 19)), Ok((1123, 1, 2))),
        (on_streak(1, 0, today), Err(Rejection::AlreadyClaimed)),
        // By a clock that is ahead of this one.
        (on_streak(1, 0, date(2026, 11, 22)), Err(Rejection::AlreadyClaimed)),
        (rich(i64::MAX - 1123), Ok((i64::MAX, 1, 0))),
        (rich(i64::MAX - 1122), Err(Rejection::AmountOutOfRange)),
        (rich(i64::MAX), Err(Rejection::AmountOutOfRange)),
        (wise(u64::MAX - 55), Ok((1123, 1, 0))),
        (wise(u64::MAX - 54), Err(Rejection::AmountOutOfRange)),
    ] {
        let decided = claim_streak::decide(&before, &ctx(NOON)).map(|plan| {
            let after = plan.after();
            assert_eq!(after.streak.last_day, Some(today));
            assert!(after.streak.longest >= after.streak.count);
            (after.gold.units(), after.streak.count, after.streak.protections)
        });
        assert_eq!(decided, expected, "{before:?}");
    }
}

#[test]
fn claim_streak_cuts_days_at_midnight_utc() {
    let before = on_streak(1, 0, date(2026, 11, 20));
    let claimed = |now| claim_streak::decide(&before, &ctx(now)).map(balance);
    assert_eq!(claimed("2026-11-20T23:59:59.999999999Z"), Err(Rejection::AlreadyClaimed));
    assert_eq!(claimed("2026-11-21T00:00:00Z"), Ok(1227));
    assert_eq!(claimed("2026-11-21T08:59:59+09:00"), Err(Rejection::AlreadyClaimed));
}

#[test]
fn repair_streak_mends_what_yesterday_left() {
    let yesterday = date(2026, 11, 20);
    let consumed = |protections_used| {
        Some(Fact::StreakProtectionConsumed { day: yesterday, protections_used })
    };
    let broken = |count_before, protections_used| {
        Some(Fact::StreakBroken { day: date(2026, 11, 21), count_before, protections_used })
    };
    for (before, fact) in [
        (player(0), None),
        (on_streak(3, 1, date(2026, 11, 21)), None),
        (on_streak(3, 1, date(2026, 11, 22)), None),
        (on_streak(3, 1, yesterday), None),
        (on_streak(3, 1, date(2026, 11, 19)), consumed(1)),
        (on_streak(3, 5, date(2026, 11, 17)), consumed(3)),
        (on_streak(3, 2, date(2026, 11, 17)), broken(3, 2)),
        (on_streak(3, 0, date(2026, 11, 19)), broken(3, 0)),
        (on_streak(0, 0, date(2026, 11, 19)), None),
        (on_streak(0, 9, date(2026, 11, 19)), None),
    ] {
        let plan = repair_streak::decide(&before, &ctx("2026-11-21T00:05:00Z")).expect("never");
        assert_eq!(plan.as_ref().map(|plan| plan.entry().fact.clone()), fact, "{before:?}");
        if let Some(plan) = plan {
            assert_eq!(plan.entry().legs, Legs::none());
            let again = repair_streak::decide(plan.after(), &ctx("2026-11-21T00:05:00Z"));
            assert!(matches!(again, Ok(None)), "mended once: {again:?}");
        }
    }
}

#[test]
fn a_repaired_streak_goes_on_with_the_next_claim() {
    let plan = repair_streak::decide(&on_streak(3, 2, date(2026, 11, 18)), &ctx(NOON));
    let mended = plan.expect("never refused").expect("days were missed");
    let claim = claim_streak::decide(mended.after(), &ctx(NOON)).expect("unclaimed");
    assert_eq!((claim.after().streak.count, claim.after().streak.protections), (4, 0));
}

#[test]
fn spin_slot_takes_bets_from_one_to_the_balance_and_the_maximum() {
    let (minimum, maximum) = (Gold::new(1), Gold::new(100_000));
    let loser = |gold| about_to_win(player(gold), 0);
    for (before, bet, expected) in [
        (loser(10), 1, Ok(9)),
        (loser(10), 10, Ok(0)),
        (loser(100_000), 100_000, Ok(0)),
        (about_to_win(player(10), 1), 10, Ok(10)),
        (about_to_win(player(10), 250), 10, Ok(2500)),
        (loser(10), 0, Err(Rejection::BetTooSmall { minimum })),
        (loser(10), -1, Err(Rejection::BetTooSmall { minimum })),
        (loser(10), i64::MIN, Err(Rejection::BetTooSmall { minimum })),
        (loser(0), 1, Err(short(1, 0))),
        (loser(10), 11, Err(short(11, 10))),
        // A win does not pay for its own bet.
        (about_to_win(player(10), 250), 11, Err(short(11, 10))),
        (loser(10), i64::MAX, Err(short(i64::MAX, 10))),
        (loser(200_000), 100_001, Err(Rejection::BetTooLarge { maximum })),
        (loser(i64::MAX), i64::MAX, Err(Rejection::BetTooLarge { maximum })),
    ] {
        assert_eq!(spin(&before, bet, &PAYTABLE), expected, "{bet} of {}", before.gold);
    }
}

#[test]
fn spin_slot_refuses_a_win_that_does_not_fit() {
    let near = |gold| about_to_win(player(gold), 250);
    let fits = i64::MAX - 249 * 100_000;
    assert_eq!(spin(&near(fits), 100_000, &PAYTABLE), Ok(i64::MAX));
    assert_eq!(spin(&near(fits + 1), 100_000, &PAYTABLE), Err(Rejection::AmountOutOfRange));
    assert_eq!(spin(&near(i64::MAX), 1, &PAYTABLE), Err(Rejection::AmountOutOfRange));
    // Where nothing is won, nothing overflows.
    let unlucky = about_to_win(player(i64::MAX), 0);
    assert_eq!(spin(&unlucky, 1, &PAYTABLE), Ok(i64::MAX - 1));
    // A paytable without a limit: the win itself does not fit.
    let unlimited = Paytable { max_bet: i64::MAX, ..PAYTABLE.clone() };
    let bet = i64::MAX / 250 + 1;
    assert_eq!(spin(&near(bet), bet, &unlimited), Err(Rejection::AmountOutOfRange));
}

#[test]
fn spin_slot_draws_with_the_entrys_number_as_nonce() {
    let before = player(100);
    let ctx = ctx(NOON);
    let plan = spin_slot::decide(&before, Gold::new(7), &PAYTABLE, &seed(), &ctx).expect("ok");
    let Fact::RoundSettled { outcome, multiplier, win, epoch, paytable, .. } = &plan.entry().fact
    else {
        panic!("{plan:?}");
    };
    assert_eq!(plan.entry().seq, 5);
    assert_eq!(*outcome, PAYTABLE.spin(&mut Draws::new(&seed(), "abc", 5)));
    assert_eq!(*multiplier, PAYTABLE.multiplier(outcome));
    assert_eq!(win.units(), 7 * i64::from(*multiplier));
    assert_eq!((*epoch, paytable.as_str()), (1, "slot-1"));
}

#[test]
fn buy_item_takes_the_catalogs_price() {
    let protected = |protections, gold| Player {
        streak: Streak { protections, ..Streak::default() },
        ..player(gold)
    };
    let too_many = |maximum| Err(Rejection::QuantityOutOfRange { maximum });
    // Gold and protections after.
    for (before, product, quantity, expected) in [
        (player(300), "neon_frame", 1, Ok((0, 0))),
        (player(299), "neon_frame", 1, Err(short(300, 299))),
        (player(0), "neon_frame", 1, Err(short(300, 0))),
        (player(i64::MAX), "neon_frame", 1, Ok((i64::MAX - 300, 0))),
        (player(800), "lucky_cat_avatar", 1, Ok((0, 0))),
        (player(5000), "streak_shield", 10, Ok((0, 10))),
        (player(4999), "streak_shield", 10, Err(short(5000, 4999))),
        (player(5000), "streak_shield", 0, too_many(10)),
        (player(9999), "streak_shield", 11, too_many(10)),
        (player(9999), "streak_shield", u32::MAX, too_many(10)),
        (player(9999), "neon_frame", 2, too_many(1)),
        (player(9999), "no_such_thing", 1, Err(Rejection::ProductNotFound)),
        (player(9999), "", 1, Err(Rejection::ProductNotFound)),
        (player(9999), "NEON_FRAME", 1, Err(Rejection::ProductNotFound)),
        (protected(u32::MAX - 1, 500), "streak_shield", 1, Ok((0, u32::MAX))),
        (protected(u32::MAX, 500), "streak_shield", 1, Err(Rejection::AmountOutOfRange)),
    ] {
        let decided = buy_item::decide(&before, product, quantity, &ctx(NOON))
            .map(|plan| (plan.after().gold.units(), plan.after().streak.protections));
        assert_eq!(decided, expected, "{quantity} × {product} with {}", before.gold);
    }
}

#[test]
fn rotate_fairness_takes_visible_ascii_of_at_most_64() {
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    let last_epoch = Player {
        fairness: FairnessEpoch { epoch: u32::MAX, client_seed: "abc".to_owned() },
        ..player(0)
    };
    let invalid = || Err(Rejection::InvalidClientSeed);
    for (before, client_seed, expected) in [
        (player(0), "a", Ok(2)),
        (player(0), "!~", Ok(2)),
        (player(0), longest.as_str(), Ok(2)),
        (player(0), too_long.as_str(), invalid()),
        (player(0), "", invalid()),
        (player(0), "a b", invalid()),
        (player(0), "tab\t", invalid()),
        (player(0), "nul\0", invalid()),
        (player(0), "씨앗", invalid()),
        (last_epoch, "a", Err(Rejection::AmountOutOfRange)),
    ] {
        let decided = rotate_fairness::decide(&before, client_seed, &ctx(NOON)).map(|plan| {
            assert_eq!(plan.after().fairness.client_seed, client_seed);
            plan.after().fairness.epoch
        });
        assert_eq!(decided, expected, "{client_seed:?}");
    }
}

#[test]
fn entries_never_go_back_in_time_and_are_timed_in_milliseconds() {
    let before = Player { updated_at: NOON.parse().expect("an instant"), ..player(0) };
    for (now, at) in [
        ("2026-11-21T11:59:59.999Z", NOON),
        ("1970-01-01T00:00:00Z", NOON),
        (NOON, NOON),
        ("2026-11-21T12:00:00.001999999Z", "2026-11-21T12:00:00.001Z"),
    ] {
        let plan = log_in::decide(&before, &known(), &ctx(now)).expect("the right password");
        assert_eq!(plan.entry().at.to_string(), at.parse::<Timestamp>().expect("ok").to_string());
        assert_eq!(plan.after().updated_at, plan.entry().at);
    }
}

#[test]
#[should_panic(expected = "entries apply in order, without gaps")]
fn a_gap_in_the_journal_is_a_defect() {
    let plan = log_in::decide(&player(0), &known(), &ctx(NOON)).expect("the right password");
    // Applied to the state that holds it already.
    let _ = plan.after().apply(plan.entry());
}

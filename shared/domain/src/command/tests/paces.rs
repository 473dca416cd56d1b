//! How fast is too fast, command by command.

use jiff::{SignedDuration, Timestamp, civil::date};

use super::{NOON, balance, ctx, known, on_streak, player, seed, session, short, signed_in};
use crate::{
    Closed, Ctx, Devices, EmailAddress, Fact, Gold, Invite, PasswordHash, Player, Rejection,
    command::{
        buy_item, change_email, change_password, claim_streak, close_sessions, erase, issue_invite,
        log_in, refresh_session, rename, reset, rotate_fairness, spin_slot,
    },
    limits::{Pace, Paces},
    slot::PAYTABLE,
};

/// A fact of each pace.
fn of_pace(pace: Pace) -> Fact {
    let plan = match pace {
        Pace::Claim => claim_streak::decide(&player(0), &ctx(NOON)),
        Pace::Play => spin_slot::decide(&player(9), Gold::new(1), &PAYTABLE, &seed(), &ctx(NOON)),
        Pace::Buy => buy_item::decide(&player(500), "streak_shield", 1, &ctx(NOON)),
        Pace::Account => rotate_fairness::decide(&player(0), "a", &ctx(NOON)),
        Pace::Mail => {
            let address = EmailAddress::new("a@b.example".to_owned());
            change_email::request(&player(0), address, 1, &ctx(NOON))
        }
    };
    let fact = plan.expect("accepted").entry().fact.clone();
    assert_eq!(Pace::of(&fact), Some(pace));
    fact
}

/// The player after as much of a pace, all at noon, as it allows at once.
fn spent(before: Player, pace: Pace) -> Player {
    let (fact, noon) = (of_pace(pace), ctx(NOON).now);
    let mut paces = Paces::default();
    for _ in 0..pace.limit().burst {
        assert_eq!(paces.allow(&fact, noon), Ok(()));
        paces.count(&fact, noon);
    }
    Player { paces, updated_at: noon, ..before }
}

fn after_noon(millis: i64) -> Ctx {
    let now: Timestamp = ctx(NOON).now;
    Ctx { now: now + SignedDuration::from_millis(millis), ..ctx(NOON) }
}

type Decide = fn(&Player, &Ctx) -> Result<i64, Rejection>;

#[test]
fn one_more_than_the_burst_waits_for_the_next_token() {
    let hash = || PasswordHash(String::new());
    let rows: [(&str, Pace, i64, Decide); 10] = [
        ("claim", Pace::Claim, 2_000, |player, ctx| claim_streak::decide(player, ctx).map(balance)),
        ("spin", Pace::Play, 20, |player, ctx| {
            spin_slot::decide(player, Gold::new(1), &PAYTABLE, &seed(), ctx).map(balance)
        }),
        ("buy", Pace::Buy, 50, |player, ctx| {
            buy_item::decide(player, "streak_shield", 1, ctx).map(balance)
        }),
        ("rotate", Pace::Account, 1_000, |player, ctx| {
            rotate_fairness::decide(player, "a", ctx).map(balance)
        }),
        ("refresh", Pace::Account, 1_000, |player, ctx| {
            refresh_session::decide(player, session(1), 1, ctx).map(balance)
        }),
        ("rename", Pace::Account, 1_000, |player, ctx| {
            let plan = rename::decide(player, "other", ctx)?;
            Ok(balance(plan.expect("another name")))
        }),
        ("password", Pace::Account, 1_000, |player, ctx| {
            let hash = PasswordHash(String::new());
            let devices = Devices::default();
            change_password::decide(player, session(1), 1, hash, devices, ctx).map(balance)
        }),
        ("invite", Pace::Account, 1_000, |player, ctx| {
            let invite = Invite { code: "c".to_owned(), uses_left: 1, expires_at: Timestamp::MAX };
            issue_invite::decide(player, &invite, "why", ctx).map(balance)
        }),
        ("email", Pace::Mail, 720_000, |player, ctx| {
            let address = EmailAddress::new("a@b.example".to_owned());
            change_email::request(player, address, 1, ctx).map(balance)
        }),
        ("no email", Pace::Account, 1_000, |player, ctx| {
            change_email::remove(player, ctx).map(balance)
        }),
    ];
    for (name, pace, token, decide) in rows {
        let before = spent(signed_in(player(9_999), 2, NOON), pace);
        let refused = |millis| {
            Err(Rejection::RateLimited { retry_after: SignedDuration::from_millis(millis) })
        };
        assert_eq!(decide(&before, &after_noon(0)), refused(token), "{name}");
        assert_eq!(decide(&before, &after_noon(token - 1)), refused(1), "{name}");
        // By a clock that runs behind, nothing is gained.
        assert_eq!(decide(&before, &after_noon(-5_000)), refused(token), "{name}");
        assert!(decide(&before, &after_noon(token)).is_ok(), "{name}");
        // What else the player does has a pace of its own.
        let others = [Pace::Claim, Pace::Play, Pace::Buy, Pace::Account, Pace::Mail];
        for other in others.into_iter().filter(|other| *other != pace) {
            let before = spent(signed_in(player(9_999), 2, NOON), other);
            assert!(decide(&before, &after_noon(0)).is_ok(), "{name} and {other:?}");
        }
    }
    // Whoever is too fast may still leave, and be made safe.
    let fast = spent(signed_in(player(0), 2, NOON), Pace::Account);
    let now = after_noon(0);
    let reused = refresh_session::decide(&fast, session(1), 0, &now).expect("it ends the session");
    let closed = Fact::SessionClosed { session: session(1), reason: Closed::TokenReused };
    assert_eq!(reused.entry().fact, closed);
    assert!(close_sessions::one(&fast, session(1), &now).is_ok());
    assert!(close_sessions::all(&fast, &now).is_ok());
    assert!(erase::decide(&fast, &now).is_ok());
    assert!(log_in::decide(&fast, &known(), &now).is_ok());
    assert!(reset::decide(&fast, hash(), &now).is_ok_and(|plan| plan.after().paces.is_empty()));
}

#[test]
fn whatever_is_refused_anyway_says_why_and_is_not_counted() {
    let claimed = spent(on_streak(1, 0, date(2026, 11, 21)), Pace::Claim);
    let decided = claim_streak::decide(&claimed, &after_noon(0)).map(balance);
    assert_eq!(decided, Err(Rejection::AlreadyClaimed));
    let poor = spent(player(0), Pace::Play);
    let spin = |player: &Player| {
        spin_slot::decide(player, Gold::new(1), &PAYTABLE, &seed(), &after_noon(0)).map(balance)
    };
    assert_eq!(spin(&poor), Err(short(1, 0)));
    // Any number of refusals, and then the whole burst: they left no trace.
    let mut now_rich = player(0);
    for _ in 0..1_000 {
        assert_eq!(spin(&now_rich), Err(short(1, 0)));
    }
    now_rich.gold = Gold::new(1_000);
    assert!(now_rich.paces.is_empty());
    for _ in 0..Pace::Play.limit().burst {
        let plan = spin_slot::decide(&now_rich, Gold::new(1), &PAYTABLE, &seed(), &after_noon(0));
        now_rich = plan.expect("within the burst").after().clone();
    }
    assert!(matches!(spin(&now_rich), Err(Rejection::RateLimited { .. })));
}

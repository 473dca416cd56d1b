//! Signing up, in and out; names, passwords, invites; being forgotten.

use jiff::{Timestamp, civil::date};

use super::{NOON, balance, ctx, player, session, signed_in};
use crate::{
    Account, Change, Closed, Credential, Ctx, Devices, Fact, Gold, Invite, Legs, PasswordHash,
    Plan, Player, Profile, Rejection, Role,
    command::{
        change_password, close_sessions, erase, issue_invite,
        log_in::{self, LogIn},
        refresh_session, rename, reset,
        sign_up::{self, Admitted, Policy, STARTING_GOLD, SignUp},
    },
};

/// Thirty days after [`NOON`].
const EXPIRY: &str = "2026-12-21T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn hash() -> PasswordHash {
    PasswordHash("$argon2id$".to_owned())
}

fn command(invite_code: &str) -> SignUp {
    SignUp {
        site_id: "jimin".to_owned(),
        nickname: "Jimin".to_owned(),
        role: Role::Standard,
        invite_code: invite_code.to_owned(),
        birth_date: date(1998, 4, 1),
        must_change_password: false,
        device: None,
    }
}

fn policy(unlimited: Option<&str>) -> Policy {
    Policy { unlimited_invite_code: unlimited.map(str::to_owned), minimum_age_years: 19 }
}

fn invite(code: &str, uses_left: u32, expires_at: &str) -> Invite {
    Invite { code: code.to_owned(), uses_left, expires_at: at(expires_at) }
}

fn credential(set_by: u64) -> Credential {
    Credential { password_hash: hash(), set_by, devices: Devices::default() }
}

fn stored(set_by: u64) -> Change {
    Change::StoreCredential { credential: credential(set_by) }
}

fn reserved(nickname: &str) -> Change {
    Change::ReserveNickname { nickname: nickname.to_owned() }
}

fn released(nickname: &str) -> Change {
    Change::ReleaseNickname { nickname: nickname.to_owned() }
}

/// Which of sessions 1 to 9 are open.
fn open(player: &Player) -> Vec<u8> {
    (1..=9).filter(|byte| player.sessions.get(session(*byte)).is_some()).collect()
}

#[track_caller]
pub(super) fn moves_no_gold(before: &Player, plan: &Plan) {
    assert_eq!((&plan.entry().legs, plan.after().gold), (&Legs::none(), before.gold));
    assert_eq!(plan.after().version, before.version + 1);
}

#[test]
fn sign_up_admits_whom_the_policy_admits() {
    let underage = || Err(Rejection::Underage { minimum_age_years: 19 });
    let no_such_code = || Err(Rejection::InvalidInviteCode);
    let free = || Ok(Admitted::ByUnlimitedCode);
    let born = date(1998, 4, 1);
    for (unlimited, code, birth_date, now, expected) in [
        (Some("5858"), "5858", born, NOON, free()),
        (Some("5858"), "5859", born, NOON, no_such_code()),
        (Some("5858"), "", born, NOON, no_such_code()),
        (Some("5858"), " 5858", born, NOON, no_such_code()),
        (Some("Vip"), "vip", born, NOON, no_such_code()),
        (None, "5858", born, NOON, no_such_code()),
        (None, "", born, NOON, no_such_code()),
        // Of age from the UTC birthday on.
        (Some("5858"), "5858", date(2007, 11, 21), "2026-11-21T00:00:00Z", free()),
        (Some("5858"), "5858", date(2007, 11, 21), "2026-11-20T23:59:59.999Z", underage()),
        (Some("5858"), "5858", date(2007, 11, 22), NOON, underage()),
        (Some("5858"), "5858", date(2030, 1, 1), NOON, underage()),
        // A leap day's birthday in a common year is the day before.
        (Some("5858"), "5858", date(2004, 2, 29), "2023-02-28T00:00:00Z", free()),
        (Some("5858"), "5858", date(2004, 2, 29), "2023-02-27T23:59:59Z", underage()),
        // The code is looked at first.
        (None, "5858", date(2030, 1, 1), NOON, no_such_code()),
    ] {
        let command = SignUp { birth_date, ..command(code) };
        let decided = sign_up::decide(&command, hash(), &policy(unlimited), None, &ctx(now));
        assert_eq!(decided.map(balance), expected.clone().map(|_| 1000), "{command:?} at {now}");
        assert_eq!(command.admit(&policy(unlimited), None, &ctx(now)), expected);
    }
}

#[test]
fn sign_up_by_invite_uses_the_code_once() {
    let refused = || Err(Rejection::InvalidInviteCode);
    let later = "2026-11-21T12:00:01Z";
    for (found, expected) in [
        (Some(invite("SPRING", 1, later)), Ok(Admitted::ByInvite)),
        (Some(invite("SPRING", 100_000, later)), Ok(Admitted::ByInvite)),
        (Some(invite("SPRING", 0, later)), refused()),
        (Some(invite("SPRING", 1, NOON)), refused()),
        (Some(invite("SPRING", 1, "2026-11-21T11:59:59Z")), refused()),
        (Some(invite("spring", 1, later)), refused()),
        (None, refused()),
    ] {
        let command = command("SPRING");
        let admitted = command.admit(&policy(Some("5858")), found.as_ref(), &ctx(NOON));
        assert_eq!(admitted, expected, "{found:?}");
        let plan =
            sign_up::decide(&command, hash(), &policy(Some("5858")), found.as_ref(), &ctx(NOON));
        let used = plan.map(|plan| plan.changes().last().cloned());
        let use_it = Change::UseInvite { code: "SPRING".to_owned(), now: at(NOON) };
        assert_eq!(used, expected.map(|_| Some(use_it)), "{found:?}");
    }
    // Where the code has no limit, none is counted.
    let found = invite("5858", 1, later);
    let plan =
        sign_up::decide(&command("5858"), hash(), &policy(Some("5858")), Some(&found), &ctx(NOON));
    let plan = plan.expect("admitted");
    assert!(!plan.changes().iter().any(|change| matches!(change, Change::UseInvite { .. })));
}

#[test]
fn sign_up_mints_the_starting_gold_and_takes_both_names() {
    let command = SignUp { must_change_password: true, ..command("5858") };
    let plan = sign_up::decide(&command, hash(), &policy(Some("5858")), None, &ctx(NOON));
    let plan = plan.expect("admitted");
    let (entry, after) = (plan.entry(), plan.after());
    assert_eq!(entry.seq, 1);
    assert_eq!(Ok(&entry.legs), Legs::to_player(Account::MintSignup, STARTING_GOLD).as_ref());
    let Fact::PlayerSignedUp { session, client_seed } = &entry.fact else {
        panic!("{entry:?}");
    };
    assert_eq!((&after.fairness.client_seed, after.fairness.epoch), (client_seed, 1));
    assert!(after.profile.must_change_password && !after.profile.erased);
    assert_eq!(after.password_seq, 1);
    let opened = after.sessions.get(*session).expect("the first session");
    assert_eq!((opened.generation, opened.expires_at, after.sessions.len()), (1, at(EXPIRY), 1));
    assert_eq!(
        plan.changes(),
        [
            Change::ReserveSiteId { site_id: "jimin".to_owned() },
            reserved("Jimin"),
            stored(1),
            Change::Enroll,
        ]
    );
    let stored = serde_json::to_string(entry).expect("entries serialize");
    assert!(!stored.to_lowercase().contains("jimin"), "entries hold no personal data: {stored}");
}

/// A login by the password that the entry `set_by` has set.
fn by_password(set_by: u64, rehashed: Option<PasswordHash>) -> LogIn {
    LogIn { credential: credential(set_by), rehashed, device: Vec::new() }
}

#[test]
fn log_in_opens_a_session_by_the_password_that_is_still_good() {
    let set_by = |password_seq| Player { password_seq, ..player(7) };
    let moved = || Err(Rejection::PasswordMoved);
    for (before, password, rehashed, expected) in [
        (set_by(1), 1, None, Ok(vec![])),
        (set_by(3), 3, None, Ok(vec![])),
        // Hashed anew, it is still the same password.
        (set_by(3), 3, Some(hash()), Ok(vec![stored(3)])),
        (set_by(3), 1, None, moved()),
        (set_by(1), 3, None, moved()),
        (set_by(3), 1, Some(hash()), moved()),
        // Erased while the hash was looked at.
        (set_by(0), 1, None, moved()),
    ] {
        let decided = log_in::decide(&before, &by_password(password, rehashed), &ctx(NOON));
        let changes = decided.map(|plan| {
            moves_no_gold(&before, &plan);
            let Fact::PlayerLoggedIn { session, new_device: false } = plan.entry().fact else {
                panic!("{plan:?}")
            };
            let opened = plan.after().sessions.get(session).expect("it is open");
            assert_eq!((opened.generation, opened.expires_at), (1, at(EXPIRY)));
            plan.changes().to_vec()
        });
        assert_eq!(changes, expected, "{password} for {}", before.password_seq);
    }
    let end_of_time = Ctx { now: Timestamp::MAX, ..ctx(NOON) };
    assert!(log_in::decide(&player(0), &by_password(1, None), &end_of_time).is_ok());
}

#[test]
fn refresh_session_gives_the_next_token_for_the_last_one_only() {
    let mut before = signed_in(player(7), 3, NOON);
    before.sessions.refresh(session(2), 5, at(NOON));
    before.sessions.refresh(session(3), u32::MAX, at(NOON));
    let refreshed =
        |byte, generation| Ok(Fact::SessionRefreshed { session: session(byte), generation });
    let reused =
        |byte| Ok(Fact::SessionClosed { session: session(byte), reason: Closed::TokenReused });
    let over = || Err(Rejection::SessionOver);
    for (byte, generation, now, expected, left) in [
        (1, 1, NOON, refreshed(1, 2), &[1, 2, 3][..]),
        (2, 5, NOON, refreshed(2, 6), &[1, 2, 3]),
        (2, 4, NOON, reused(2), &[1, 3]),
        (2, 1, NOON, reused(2), &[1, 3]),
        (4, 1, NOON, over(), &[]),
        (1, 1, "2026-12-21T11:59:59.999Z", refreshed(1, 2), &[1, 2, 3]),
        (1, 1, EXPIRY, over(), &[]),
        // Long over, and used up: nobody is warned of it any more.
        (2, 1, EXPIRY, over(), &[]),
        // There is no number after the last.
        (3, u32::MAX, NOON, over(), &[]),
    ] {
        let decided = refresh_session::decide(&before, session(byte), generation, &ctx(now));
        let fact = decided.map(|plan| {
            moves_no_gold(&before, &plan);
            assert_eq!(plan.changes(), []);
            assert_eq!(open(plan.after()), left, "{byte}.{generation} at {now}");
            plan.entry().fact.clone()
        });
        assert_eq!(fact, expected, "{byte}.{generation} at {now}");
    }
}

#[test]
fn close_sessions_ends_one_or_all() {
    let before = signed_in(player(7), 3, NOON);
    let one = close_sessions::one(&before, session(2), &ctx(NOON)).expect("never refused");
    moves_no_gold(&before, &one);
    let logout = Fact::SessionClosed { session: session(2), reason: Closed::Logout };
    assert_eq!((&one.entry().fact, open(one.after())), (&logout, vec![1, 3]));

    let all = close_sessions::all(&before, &ctx(NOON)).expect("never refused");
    moves_no_gold(&before, &all);
    assert_eq!(all.entry().fact, Fact::SessionsClosed { sessions: 3 });
    assert!(all.after().sessions.is_empty());
    // Expired ones go with them, but were none any more.
    let late = close_sessions::all(&before, &ctx(EXPIRY)).expect("never refused");
    assert_eq!(late.entry().fact, Fact::SessionsClosed { sessions: 0 });
    assert!(late.after().sessions.is_empty());
}

#[test]
fn change_password_ends_every_other_session() {
    let set_by = |password_seq| {
        let mut player = Player { password_seq, ..signed_in(player(7), 3, NOON) };
        player.profile.must_change_password = true;
        player
    };
    for (before, known, expected) in [
        (set_by(1), 1, Ok(())),
        (set_by(4), 4, Ok(())),
        (set_by(4), 1, Err(Rejection::PasswordMoved)),
        (set_by(1), 4, Err(Rejection::PasswordMoved)),
        (set_by(0), 1, Err(Rejection::PasswordMoved)),
    ] {
        let decided = change_password::decide(
            &before,
            session(2),
            known,
            hash(),
            Devices::default(),
            &ctx(NOON),
        );
        let decided = decided.map(|plan| {
            moves_no_gold(&before, &plan);
            assert_eq!(plan.entry().fact, Fact::PasswordChanged { session: session(2) });
            assert_eq!(plan.changes(), [stored(5)]);
            assert_eq!((plan.after().password_seq, open(plan.after())), (5, vec![2]));
            assert!(!plan.after().profile.must_change_password);
        });
        assert_eq!(decided, expected, "{known} for {}", before.password_seq);
    }
}

#[test]
fn rename_takes_the_new_name_and_frees_the_old() {
    let before = player(7);
    for (nickname, expected) in [
        ("Jimin", None),
        // One name in other letters: it stays reserved.
        ("JIMIN", Some(vec![])),
        ("jimin", Some(vec![])),
        ("Jimin2", Some(vec![reserved("Jimin2"), released("Jimin")])),
        ("지민", Some(vec![reserved("지민"), released("Jimin")])),
    ] {
        let plan = rename::decide(&before, nickname, &ctx(NOON)).expect("never refused");
        if let Some(plan) = &plan {
            moves_no_gold(&before, plan);
            assert_eq!(plan.entry().fact, Fact::PlayerRenamed {});
            let renamed = Profile { nickname: nickname.to_owned(), ..before.profile.clone() };
            assert_eq!(plan.after().profile, renamed);
            let stored = serde_json::to_string(plan.entry()).expect("entries serialize");
            assert!(!stored.contains(nickname), "entries hold no personal data: {stored}");
        }
        assert_eq!(plan.map(|plan| plan.changes().to_vec()), expected, "{nickname}");
    }
}

#[test]
fn erase_burns_the_balance_and_leaves_nothing_personal() {
    for gold in [0, 1, 1234, i64::MAX] {
        let before = signed_in(player(gold), 3, NOON);
        let plan = erase::decide(&before, &ctx(NOON)).expect("never refused");
        let burned = Legs::to_player(Account::BurnErasure, Gold::new(-gold));
        assert_eq!((Ok(&plan.entry().legs), plan.entry().legs.sum()), (burned.as_ref(), 0));
        assert_eq!(plan.entry().fact, Fact::PlayerErased {});
        let after = plan.after();
        assert_eq!((after.gold, after.version, after.password_seq), (Gold::ZERO, 5, 0));
        assert!(after.sessions.is_empty() && after.paces.is_empty());
        assert_eq!(after.profile, Profile::erased(before.id));
        assert_eq!(
            plan.changes(),
            [
                Change::ReleaseSiteId { site_id: "Jimin01".to_owned() },
                released("Jimin"),
                Change::DropCredential,
                Change::DropEmail,
                Change::DropPendingEmail,
                Change::Retire,
            ]
        );
        for left in [serde_json::to_string(after), serde_json::to_string(plan.entry())] {
            let left = left.expect("serializes").to_lowercase();
            assert!(!left.contains("jimin"), "{left}");
        }
    }
}

#[test]
fn what_is_shown_of_the_erased_is_no_name_that_anyone_can_take() {
    let shown = Profile::erased(player(0).id);
    for name in [&shown.site_id, &shown.nickname] {
        assert!(name.contains(':') && name.len() > 32, "{name}");
    }
    assert_eq!((shown.role, shown.must_change_password), (Role::Standard, false));
}

#[test]
fn reset_brings_an_account_back_to_its_beginning() {
    for (gold, minted) in [(1000, 0), (0, 1000), (5000, -4000), (i64::MAX, 1000 - i64::MAX)] {
        let mut before = signed_in(super::on_streak(3, 2, date(2026, 11, 20)), 3, NOON);
        (before.gold, before.total_xp, before.vip_points) = (Gold::new(gold), 77, 5);
        let plan = reset::decide(&before, hash(), &ctx(NOON)).expect("it fits");
        let legs = Legs::to_player(Account::MintReset, Gold::new(minted));
        assert_eq!(Ok(&plan.entry().legs), legs.as_ref());
        assert_eq!(plan.entry().fact, Fact::PlayerReset {});
        let after = plan.after();
        let nickname = after.profile.nickname.as_str();
        assert!(nickname.starts_with("player-") && nickname.len() == 15, "{nickname}");
        assert_eq!(after.profile.site_id, "Jimin01");
        let beginning = Player {
            version: 5,
            gold: STARTING_GOLD,
            password_seq: 5,
            profile: after.profile.clone(),
            updated_at: at(NOON),
            ..player(0)
        };
        assert_eq!(*after, beginning);
        let forgotten = [Change::DropEmail, Change::DropPendingEmail];
        let named = [reserved(nickname), released("Jimin"), stored(5)];
        assert_eq!(plan.changes(), [&named[..], &forgotten].concat());
        // The same dice give the same name: it is the account's already.
        let again = reset::decide(after, hash(), &ctx(NOON)).expect("it fits");
        assert_eq!(again.changes(), [&[stored(6)][..], &forgotten].concat());
    }
}

#[test]
fn reset_refuses_what_does_not_fit() {
    // A balance is never negative; if one were, the difference might not fit.
    let broken = player(i64::MIN);
    let decided = reset::decide(&broken, hash(), &ctx(NOON)).map(balance);
    assert_eq!(decided, Err(Rejection::AmountOutOfRange));
}

#[test]
fn issue_invite_makes_the_code_on_the_operators_journal() {
    let (operator, invite) = (player(7), invite("SPRING", 10, EXPIRY));
    let plan = issue_invite::decide(&operator, &invite, "spring", &ctx(NOON)).expect("in time");
    moves_no_gold(&operator, &plan);
    let fact = Fact::InviteCodeIssued {
        code: "SPRING".to_owned(),
        uses: 10,
        expires_at: at(EXPIRY),
        reason: "spring".to_owned(),
    };
    assert_eq!((&plan.entry().fact, plan.player()), (&fact, operator.id));
    assert_eq!(plan.changes(), [Change::IssueInvite { invite }]);
}

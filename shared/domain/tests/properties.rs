//! What holds after any sequence of commands at any times.

mod support;

use std::collections::BTreeSet;

use domain::{
    Change, Credential, Ctx, Devices, Email, EmailAddress, Entry, Envelope, Fact, Gold, Invite,
    MOST_SESSIONS, PasswordHash, Plan, Player, ReceiptId, Rejection, SessionId,
    catalog::CATALOG,
    command::{
        advance_purchase, buy_item, buy_pack, change_email, change_password, claim_streak,
        close_sessions, erase, issue_invite,
        log_in::{self, LogIn},
        refresh_session, rename, repair_streak, reset, rotate_fairness, spin_slot,
    },
    envelope,
    fairness::MasterKey,
    frames,
    purchase::{Event, Purchase},
    slot::PAYTABLE,
    stats::Stats,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Command {
    LogIn {
        rehashed: bool,
    },
    /// Presents a refresh token that is so many generations old, of some session.
    Refresh {
        session: usize,
        age: u32,
    },
    LogOut {
        session: usize,
    },
    LogOutEverywhere,
    ChangePassword {
        session: usize,
        moved: bool,
    },
    Rename {
        nickname: &'static str,
    },
    Invite {
        uses: u32,
    },
    Reset,
    GiveEmail,
    ConfirmEmail,
    RemoveEmail,
    Erase,
    Claim,
    Repair,
    Spin {
        bet: Bet,
    },
    Buy {
        product: usize,
        quantity: u32,
    },
    Rotate {
        client_seed: String,
    },
    BuyPack {
        product: usize,
        quantity: u32,
    },
    /// Something is learned of a payment, in any order and any number of times.
    Learn {
        purchase: usize,
        event: usize,
    },
}

#[derive(Clone, Debug)]
enum Bet {
    Of(i64),
    /// The whole balance and so much more.
    AllAnd(i64),
}

/// A command, so long after the one before (or before it: clocks differ).
#[derive(Clone, Debug)]
struct Step {
    after: SignedDuration,
    seed: [u8; 32],
    command: Command,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bet = prop_oneof![
        4 => (1..200_i64).prop_map(Bet::Of),
        1 => any::<i64>().prop_map(Bet::Of),
        1 => (-1..=1_i64).prop_map(Bet::AllAnd),
    ];
    let command = prop_oneof![
        4 => any::<bool>().prop_map(|rehashed| Command::LogIn { rehashed }),
        4 => (0..9_usize, 0..3_u32).prop_map(|(session, age)| Command::Refresh { session, age }),
        1 => (0..9_usize).prop_map(|session| Command::LogOut { session }),
        1 => Just(Command::LogOutEverywhere),
        1 => (0..9_usize, any::<bool>())
            .prop_map(|(session, moved)| Command::ChangePassword { session, moved }),
        2 => prop::sample::select(&["Jimin", "JIMIN", "jimin", "Mina", "지민"][..])
            .prop_map(|nickname| Command::Rename { nickname }),
        1 => (1..9_u32).prop_map(|uses| Command::Invite { uses }),
        1 => Just(Command::Reset),
        1 => Just(Command::GiveEmail),
        1 => Just(Command::ConfirmEmail),
        1 => Just(Command::RemoveEmail),
        1 => Just(Command::Erase),
        4 => Just(Command::Claim),
        3 => Just(Command::Repair),
        6 => bet.prop_map(|bet| Command::Spin { bet }),
        3 => (0..=CATALOG.len(), 0..12_u32)
            .prop_map(|(product, quantity)| Command::Buy { product, quantity }),
        1 => "[ -~]{0,66}".prop_map(|client_seed| Command::Rotate { client_seed }),
        3 => (0..=CATALOG.len(), 0..12_u32)
            .prop_map(|(product, quantity)| Command::BuyPack { product, quantity }),
        8 => (0..4_usize, 0..6_usize)
            .prop_map(|(purchase, event)| Command::Learn { purchase, event }),
    ];
    let hours = 60 * 60 * 1000_i64;
    let after = prop_oneof![
        4 => 0..2 * hours,
        4 => 20 * hours..30 * hours,
        2 => 30 * hours..6 * 24 * hours,
        1 => -50 * hours..0,
    ];
    let step = (after.prop_map(SignedDuration::from_millis), any::<[u8; 32]>(), command)
        .prop_map(|(after, seed, command)| Step { after, seed, command });
    proptest::collection::vec(step, 0..60)
}

fn decide(
    player: &Player,
    purchases: &[Purchase],
    command: &Command,
    ctx: &Ctx,
) -> Result<Option<Plan>, Rejection> {
    let seed = MasterKey::new([9; 32]).server_seed(player.id, player.fairness.epoch);
    match command {
        // Nobody is signed in any more, and no name leads here.
        _ if player.profile.erased
            && !matches!(command, Command::Repair | Command::Learn { .. }) =>
        {
            Ok(None)
        }
        Command::LogIn { rehashed } => {
            let hash = rehashed.then(|| PasswordHash("rehashed".to_owned()));
            let set_by = player.password_seq;
            let credential =
                Credential { password_hash: self::hash(), set_by, devices: Devices::default() };
            let command = LogIn { credential, rehashed: hash, device: Vec::new() };
            log_in::decide(player, &command, ctx).map(Some)
        }
        Command::Refresh { session, age } => {
            let Some(session) = player.sessions.iter().nth(*session) else { return Ok(None) };
            let generation = session.generation.saturating_sub(*age);
            refresh_session::decide(player, session.id, generation, ctx).map(Some)
        }
        Command::LogOut { session } => {
            let Some(session) = nth(player, *session) else { return Ok(None) };
            close_sessions::one(player, session, ctx).map(Some)
        }
        Command::LogOutEverywhere => close_sessions::all(player, ctx).map(Some),
        Command::ChangePassword { session, moved } => {
            let Some(session) = nth(player, *session) else { return Ok(None) };
            let known = player.password_seq + u64::from(*moved);
            let devices = Devices::default();
            change_password::decide(player, session, known, hash(), devices, ctx).map(Some)
        }
        Command::Rename { nickname } => rename::decide(player, nickname, ctx),
        Command::Invite { uses } => {
            let invite =
                Invite { code: "c".to_owned(), uses_left: *uses, expires_at: Timestamp::MAX };
            issue_invite::decide(player, &invite, "why", ctx).map(Some)
        }
        Command::GiveEmail => {
            change_email::request(player, address(), player.password_seq, ctx).map(Some)
        }
        Command::ConfirmEmail => {
            let confirm_until = change_email::confirm_until(ctx.now);
            let email = Email { address: address(), requested_by: player.version, confirm_until };
            change_email::confirm(player, &email, ctx).map(Some)
        }
        Command::RemoveEmail => change_email::remove(player, ctx).map(Some),
        Command::Reset => reset::decide(player, hash(), ctx).map(Some),
        Command::Erase => erase::decide(player, ctx).map(Some),
        Command::Claim => claim_streak::decide(player, ctx).map(Some),
        Command::Repair => repair_streak::decide(player, ctx),
        Command::Spin { bet } => {
            let bet = match bet {
                Bet::Of(gold) => *gold,
                Bet::AllAnd(more) => player.gold.units() + more,
            };
            spin_slot::decide(player, Gold::new(bet), &PAYTABLE, &seed, ctx).map(Some)
        }
        Command::Buy { product, quantity } => {
            let id = CATALOG.get(*product).map_or("nothing", |product| &product.product_id);
            buy_item::decide(player, id, *quantity, ctx).map(Some)
        }
        Command::Rotate { client_seed } => {
            rotate_fairness::decide(player, client_seed, ctx).map(Some)
        }
        Command::BuyPack { product, quantity } => {
            let id = CATALOG.get(*product).map_or("nothing", |product| &product.product_id);
            buy_pack::decide(player, id, *quantity, None, ctx).map(Some)
        }
        Command::Learn { purchase, event } => {
            let Some(purchase) = purchases.get(*purchase) else { return Ok(None) };
            advance_purchase::decide(player, purchase, &Event::all()[*event], ctx)
        }
    }
}

fn nth(player: &Player, session: usize) -> Option<SessionId> {
    player.sessions.iter().nth(session).map(|session| session.id)
}

fn address() -> EmailAddress {
    EmailAddress::new("jimin@example.com".to_owned())
}

fn hash() -> PasswordHash {
    PasswordHash(String::new())
}

/// Runs the steps; every plan is held against what any plan must be.
fn play(steps: &[Step]) -> (Player, Vec<Entry>) {
    let mut now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("an instant");
    let ctx = Ctx { now, seed: [1; 32], trace_id: "trace".to_owned() };
    let plan = support::signed_up("", &ctx);
    let mut held = Held::default();
    held.take(&plan);
    let mut journal = vec![plan.entry().clone()];
    let mut player = plan.after().clone();
    for Step { after, seed, command } in steps {
        now = now.checked_add(*after).expect("within the calendar");
        let ctx = Ctx { now, seed: *seed, trace_id: "trace".to_owned() };
        let decided = decide(&player, &held.purchases, command, &ctx);
        same(&decided, &decide(&player, &held.purchases, command, &ctx));
        if let Ok(Some(plan)) = decided {
            sound(&player, &plan);
            held.take(&plan);
            journal.push(plan.entry().clone());
            player = plan.after().clone();
        }
    }
    (player, journal)
}

/// What a player holds outside of the state, as the plans have it.
#[derive(Default)]
struct Held {
    site_ids: BTreeSet<String>,
    nicknames: BTreeSet<String>,
    password_set_by: Option<u64>,
    enrolled: bool,
    purchases: Vec<Purchase>,
    watched: BTreeSet<ReceiptId>,
}

impl Held {
    /// Carries the changes out, and holds what is there then against the state.
    fn take(&mut self, plan: &Plan) {
        let key = |name: &str| name.to_lowercase();
        for change in plan.changes() {
            let kept = match change {
                Change::ReserveSiteId { site_id } => self.site_ids.insert(key(site_id)),
                Change::ReleaseSiteId { site_id } => self.site_ids.remove(&key(site_id)),
                Change::ReserveNickname { nickname } => self.nicknames.insert(key(nickname)),
                Change::ReleaseNickname { nickname } => self.nicknames.remove(&key(nickname)),
                Change::StoreCredential { credential } => {
                    self.password_set_by = Some(credential.set_by);
                    true
                }
                Change::DropCredential => self.password_set_by.take().is_some(),
                Change::Enroll => !std::mem::replace(&mut self.enrolled, true),
                Change::Retire => std::mem::replace(&mut self.enrolled, false),
                Change::BeginPurchase { purchase } => {
                    self.purchases.push((**purchase).clone());
                    true
                }
                Change::AdvancePurchase { from, purchase } => {
                    let mut held = self.purchases.iter_mut();
                    let held = held.find(|held| held.receipt == purchase.receipt);
                    let held = held.expect("it has begun");
                    let before = std::mem::replace(held, (**purchase).clone());
                    before.status == *from
                }
                Change::Watch { receipt, .. } => self.watched.insert(*receipt),
                Change::Unwatch { receipt, .. } => self.watched.remove(receipt),
                // Addresses come and go as the player says; the state knows none.
                Change::StorePendingEmail { .. }
                | Change::TakePendingEmail { .. }
                | Change::StoreEmail { .. }
                | Change::DropEmail
                | Change::DropPendingEmail
                | Change::IssueInvite { .. }
                | Change::UseInvite { .. } => true,
                other => panic!("{other:?} is of no command here"),
            };
            assert!(kept, "{change:?} takes what is taken, or gives back what is not");
        }
        let Player { profile, password_seq, .. } = plan.after();
        let names = |name: &str| -> BTreeSet<_> {
            (!profile.erased).then(|| key(name)).into_iter().collect()
        };
        assert_eq!(self.site_ids, names(&profile.site_id));
        assert_eq!(self.nicknames, names(&profile.nickname));
        assert_eq!(self.password_set_by.unwrap_or(0), *password_seq);
        assert_eq!(self.enrolled, !profile.erased);
        let open = self.purchases.iter().filter(|purchase| purchase.status.is_open());
        assert_eq!(self.watched, open.map(|purchase| purchase.receipt).collect());
    }
}

/// Deciding is a function of its arguments.
fn same(one: &Result<Option<Plan>, Rejection>, other: &Result<Option<Plan>, Rejection>) {
    match (one, other) {
        (Ok(Some(one)), Ok(Some(other))) => {
            assert_eq!(one.entry(), other.entry());
            assert_eq!(one.after(), other.after());
            assert_eq!(one.changes(), other.changes());
        }
        (Ok(None), Ok(None)) => {}
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => panic!("{one:?} and {other:?}"),
    }
}

fn sound(before: &Player, plan: &Plan) {
    let (entry, after) = (plan.entry(), plan.after());
    assert_eq!(entry.legs.sum(), 0, "gold comes from somewhere and goes somewhere");
    assert_eq!(before.gold.plus(entry.legs.of_player()), Ok(after.gold));
    assert!(!after.gold.is_negative() && !after.debt.is_negative());
    assert_eq!((after.gold, after.total_xp), (entry.after.gold, entry.after.total_xp));
    assert_eq!(after.debt, entry.after.debt);
    // Whoever owes gains nothing before it is repaid.
    let gained = after.gold > before.gold;
    let begins = matches!(entry.fact, Fact::PlayerReset {});
    assert!(!gained || after.debt == Gold::ZERO || begins, "{entry:?}");

    assert_eq!((entry.player, after.id), (before.id, before.id));
    assert_eq!((entry.seq, after.version), (before.version + 1, before.version + 1));
    assert!(entry.at >= before.updated_at, "entries never go back in time");
    assert_eq!(entry.at.subsec_nanosecond() % 1_000_000, 0);
    let begins_anew = matches!(entry.fact, Fact::PlayerReset {});
    let longest = if begins_anew { 0 } else { before.streak.longest };
    assert!(after.streak.longest >= longest.max(after.streak.count));
    assert!(after.profile == before.profile || is_about_the_profile(&entry.fact), "{entry:?}");
    let ends: Vec<_> = after.sessions.iter().map(|session| session.expires_at).collect();
    assert!(ends.len() <= MOST_SESSIONS && ends.is_sorted(), "{ends:?}");
    let ids: BTreeSet<_> = after.sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids.len(), ends.len());

    let frames = frames(entry);
    let json: Vec<_> = frames.iter().map(|f| serde_json::to_value(f).expect("JSON")).collect();
    let types: BTreeSet<_> = json.iter().filter_map(|frame| frame["type"].as_str()).collect();
    // Of a refreshed token the player has no need to hear.
    assert_eq!(frames.is_empty(), matches!(entry.fact, Fact::SessionRefreshed { .. }));
    assert_eq!(types.len(), frames.len(), "(seq, type) is unique");
    assert!(frames.iter().all(|frame| (frame.user_id, frame.seq) == (entry.player, entry.seq)));
    assert!(frames.iter().all(|frame| frame.trace_id.as_ref() == Some(&entry.trace_id)));

    let event = envelope(entry);
    assert_eq!((event.user_id, event.seq, event.ts), (entry.player, entry.seq, entry.at));
    assert_eq!(event.payload["balance_after"], after.gold.units());
    let sent = serde_json::to_vec(&event).expect("JSON");
    assert_eq!(serde_json::from_slice::<Envelope>(&sent).expect("reads back"), event);
    let stored = serde_json::to_vec(entry).expect("JSON");
    assert_eq!(serde_json::from_slice::<Entry>(&stored).expect("reads back"), *entry);
    let stored = serde_json::to_vec(after).expect("JSON");
    assert_eq!(serde_json::from_slice::<Player>(&stored).expect("reads back"), *after);
}

const fn is_about_the_profile(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::PlayerRenamed {}
            | Fact::PlayerErased {}
            | Fact::PlayerReset {}
            | Fact::PasswordChanged { .. }
    )
}

fn folded(journal: &[Entry]) -> Stats {
    journal.iter().fold(Stats::default(), |mut stats, entry| {
        stats.fold(entry);
        stats
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_fold_of_the_journal(steps in steps()) {
        let (player, journal) = play(&steps);
        let unborn = Player::unborn(player.id, player.profile.clone());
        let folded = journal.iter().try_fold(unborn, |state, entry| state.apply(entry));
        prop_assert_eq!(folded, Ok(player));
    }

    #[test]
    fn whoever_was_forgotten_has_nothing_left(steps in steps()) {
        let (player, journal) = play(&steps);
        let erased = journal.iter().any(|entry| matches!(entry.fact, Fact::PlayerErased {}));
        prop_assert_eq!(player.profile.erased, erased);
        if erased {
            prop_assert_eq!(player.gold, Gold::ZERO);
            prop_assert!(player.sessions.is_empty());
            let left = serde_json::to_string(&(&player, &journal)).expect("JSON").to_lowercase();
            prop_assert!(!left.contains("jimin") && !left.contains("지민"), "{}", left);
        }
    }

    #[test]
    fn nothing_is_minted_but_what_the_journal_says(steps in steps()) {
        let (player, journal) = play(&steps);
        let moved: i64 = journal.iter().map(|entry| entry.legs.of_player().units()).sum();
        prop_assert_eq!(moved, player.gold.units());
        let all: i128 = journal.iter().map(|entry| entry.legs.sum()).sum();
        prop_assert_eq!(all, 0);
    }

    #[test]
    fn statistics_are_one_fold_however_they_are_reached(steps in steps(), cut in any::<prop::sample::Index>()) {
        let (_, journal) = play(&steps);
        let whole = folded(&journal);

        // Every entry twice, as an at-least-once stream brings them.
        let mut twice = Stats::default();
        for entry in &journal {
            twice.fold(entry);
            twice.fold(entry);
        }
        prop_assert_eq!(&twice, &whole);

        // Stored half way, then everything from the beginning again.
        let half = folded(&journal[..=cut.index(journal.len())]);
        let stored = serde_json::to_string(&half).expect("JSON");
        let mut resumed: Stats = serde_json::from_str(&stored).expect("reads back");
        journal.iter().for_each(|entry| resumed.fold(entry));
        prop_assert_eq!(&resumed, &whole);
    }

    #[test]
    fn statistics_count_what_a_plain_count_counts(steps in steps()) {
        let (player, journal) = play(&steps);
        let stats = folded(&journal);
        let total = stats.total();
        let (mut plays, mut wins, mut bets, mut won, mut highest) = (0, 0, 0, 0, 0);
        for entry in &journal {
            if let Fact::RoundSettled { bet, win, multiplier, .. } = &entry.fact {
                plays += 1;
                wins += u64::from(win >= bet);
                bets += bet.units();
                won += win.units();
                highest = highest.max(*multiplier);
            }
        }
        prop_assert_eq!((total.plays, total.wins, total.losses), (plays, wins, plays - wins));
        prop_assert_eq!((total.bet.units(), total.won.units()), (bets, won));
        prop_assert_eq!((total.profit(), total.highest_multiplier), (won - bets, highest));
        prop_assert_eq!(stats.applied_seq, player.version);

        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let acted = journal.iter().filter(|entry| entry.fact.is_action());
        let days: BTreeSet<_> = acted.map(|entry| day(entry.at)).collect();
        prop_assert_eq!(stats.lifetime_active_days as usize, days.len());
        let today = day(player.updated_at);
        let recent = days.iter().filter(|day| (today - **day).get_days() < 30).count();
        prop_assert_eq!(stats.active_days(today), recent);
    }

    #[test]
    fn a_day_pays_its_claim_once(steps in steps()) {
        let (_, journal) = play(&steps);
        // An account that begins anew has claimed nothing; the key of the day still
        // answers what it answered before.
        for life in journal.split(|entry| matches!(entry.fact, Fact::PlayerReset {})) {
            let claims = life.iter().filter_map(|entry| match &entry.fact {
                Fact::StreakClaimed { day, .. } => Some(*day),
                _ => None,
            });
            let claims: Vec<_> = claims.collect();
            prop_assert!(claims.is_sorted_by(|a, b| a < b), "{claims:?}");
        }
    }
}

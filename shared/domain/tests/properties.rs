//! What holds after any sequence of commands at any times.

use std::collections::BTreeSet;

use domain::{
    Ctx, Entry, Envelope, Fact, Gold, PasswordHash, Plan, Player, Rejection, Role,
    catalog::CATALOG,
    command::{
        buy_item, claim_streak, log_in, repair_streak, rotate_fairness,
        sign_up::{self, Policy, SignUp},
        spin_slot,
    },
    envelope,
    fairness::MasterKey,
    frames,
    slot::PAYTABLE,
    stats::Stats,
};
use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Command {
    LogIn,
    Claim,
    Repair,
    Spin { bet: Bet },
    Buy { product: usize, quantity: u32 },
    Rotate { client_seed: String },
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
        1 => Just(Command::LogIn),
        4 => Just(Command::Claim),
        3 => Just(Command::Repair),
        6 => bet.prop_map(|bet| Command::Spin { bet }),
        3 => (0..=CATALOG.len(), 0..12_u32)
            .prop_map(|(product, quantity)| Command::Buy { product, quantity }),
        1 => "[ -~]{0,66}".prop_map(|client_seed| Command::Rotate { client_seed }),
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

fn decide(player: &Player, command: &Command, ctx: &Ctx) -> Result<Option<Plan>, Rejection> {
    let seed = MasterKey::new([9; 32]).server_seed(player.id, player.fairness.epoch);
    match command {
        Command::LogIn => log_in::decide(player, ctx).map(Some),
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
    }
}

fn signed_up(now: Timestamp) -> Plan {
    let command = SignUp {
        site_id: "jimin".to_owned(),
        nickname: "Jimin".to_owned(),
        role: Role::Standard,
        invite_code: "5858".to_owned(),
        birth_date: date(1998, 4, 1),
        must_change_password: false,
    };
    let policy = Policy { unlimited_invite_code: Some("5858".to_owned()), minimum_age_years: 19 };
    let ctx = Ctx { now, seed: [1; 32], trace_id: "trace".to_owned() };
    sign_up::decide(&command, PasswordHash(String::new()), &policy, &ctx).expect("admitted")
}

/// Runs the steps; every plan is held against what any plan must be.
fn play(steps: &[Step]) -> (Player, Vec<Entry>) {
    let mut now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("an instant");
    let plan = signed_up(now);
    let mut journal = vec![plan.entry().clone()];
    let mut player = plan.after().clone();
    for Step { after, seed, command } in steps {
        now = now.checked_add(*after).expect("within the calendar");
        let ctx = Ctx { now, seed: *seed, trace_id: "trace".to_owned() };
        let decided = decide(&player, command, &ctx);
        same(&decided, &decide(&player, command, &ctx));
        if let Ok(Some(plan)) = decided {
            sound(&player, &plan);
            journal.push(plan.entry().clone());
            player = plan.after().clone();
        }
    }
    (player, journal)
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
    assert!(!after.gold.is_negative());
    assert_eq!((after.gold, after.total_xp), (entry.after.gold, entry.after.total_xp));

    assert_eq!((entry.player, after.id), (before.id, before.id));
    assert_eq!((entry.seq, after.version), (before.version + 1, before.version + 1));
    assert!(entry.at >= before.updated_at, "entries never go back in time");
    assert_eq!(entry.at.subsec_nanosecond() % 1_000_000, 0);
    assert!(after.streak.longest >= before.streak.longest.max(after.streak.count));
    assert_eq!(after.profile, before.profile);

    let frames = frames(entry);
    let json: Vec<_> = frames.iter().map(|f| serde_json::to_value(f).expect("JSON")).collect();
    let types: BTreeSet<_> = json.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert!(!frames.is_empty());
    assert_eq!(types.len(), frames.len(), "(seq, type) is unique");
    assert!(frames.iter().all(|frame| (frame.user_id, frame.seq) == (entry.player, entry.seq)));

    let event = envelope(entry);
    assert_eq!((event.user_id, event.seq, event.ts), (entry.player, entry.seq, entry.at));
    assert_eq!(event.payload["balance_after"], after.gold.units());
    let sent = serde_json::to_vec(&event).expect("JSON");
    assert_eq!(serde_json::from_slice::<Envelope>(&sent).expect("reads back"), event);
    let stored = serde_json::to_vec(entry).expect("JSON");
    assert_eq!(serde_json::from_slice::<Entry>(&stored).expect("reads back"), *entry);
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
        let days: BTreeSet<_> = journal.iter().map(|entry| day(entry.at)).collect();
        prop_assert_eq!(stats.lifetime_active_days as usize, days.len());
        let today = day(player.updated_at);
        let recent = days.iter().filter(|day| (today - **day).get_days() < 30).count();
        prop_assert_eq!(stats.active_days(today), recent);
    }

    #[test]
    fn a_day_pays_its_claim_once(steps in steps()) {
        let (_, journal) = play(&steps);
        let claims = journal.iter().filter_map(|entry| match &entry.fact {
            Fact::StreakClaimed { day, .. } => Some(*day),
            _ => None,
        });
        let claims: Vec<_> = claims.collect();
        prop_assert!(claims.is_sorted_by(|a, b| a < b), "{claims:?}");
    }
}

//! How large items get: a transaction costs two write units for each begun
//! kilobyte of an item.

use domain::{
    Answer, Ctx, FairnessEpoch, Gold, MOST_SESSIONS, Once, OnceKey, Player, PlayerId, Profile,
    Role, Sessions, Streak, command::spin_slot, fairness::MasterKey, limits::Paces, slot::PAYTABLE,
};

use super::*;

/// As DynamoDB counts: names and texts in UTF-8, two digits of a number in a
/// byte and one more, three for a map or a list and one for each element.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of(value)).sum()
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => {
            let digits = number.bytes().filter(u8::is_ascii_digit).count();
            digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
        }
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>()
        }
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::Null(_) | AttributeValue::Bool(_) => 1,
        other => panic!("not an attribute of ours: {other:?}"),
    }
}

/// So many sessions, all of whose numbers are long.
fn sessions(count: usize) -> Sessions {
    let session = AttributeValue::S(format!("{}.{}.1795232184", "f".repeat(32), u32::MAX));
    serde_dynamo::from_attribute_value(AttributeValue::L(vec![session; count])).expect("sessions")
}

/// A pace for everything that has one.
fn paces() -> Paces {
    let pace = |name: &str| (name.to_owned(), AttributeValue::N("1795232184000".to_owned()));
    let paces = ["claim", "play", "buy", "account"].map(pace).into();
    serde_dynamo::from_attribute_value(AttributeValue::M(paces)).expect("paces")
}

/// A spin of a player all of whose numbers are long, with so many sessions and such a
/// key and trace.
fn spin(open: usize, key: &str, trace_id: &str) -> (Item, Item) {
    let player = Player {
        sessions: sessions(open),
        paces: paces(),
        password_seq: 9_999_999_999_999_999,
        version: 9_999_999_999_999_999,
        gold: Gold::new(i64::MAX / 2),
        total_xp: u64::MAX,
        streak: Streak {
            count: u32::MAX,
            longest: u32::MAX,
            protections: u32::MAX,
            last_day: Some(jiff::civil::date(2026, 11, 21)),
        },
        fairness: FairnessEpoch { epoch: u32::MAX, client_seed: "s".repeat(64) },
        ..Player::unborn(
            PlayerId::from_bytes([0xff; 16]),
            Profile {
                site_id: "s".repeat(64),
                nickname: "별".repeat(30),
                role: Role::Standard,
                must_change_password: false,
                erased: false,
            },
        )
    };
    let ctx = Ctx {
        now: "2026-11-21T12:34:56.789Z".parse().expect("an instant"),
        seed: [7; 32],
        trace_id: trace_id.to_owned(),
    };
    let seed = MasterKey::new([1; 32]).server_seed(player.id, player.fairness.epoch);
    let plan = spin_slot::decide(&player, Gold::new(100_000), &PAYTABLE, &seed, &ctx).expect("ok");
    // As `slot-spin` answers, with the longest symbols and numbers.
    let body = format!(
        r#"{{"round_id":"{id}","reels":["cherry","cherry","cherry"],"bet_gold":100000,"win_gold":25000000,"multiplier":250,"gold_balance":{gold},"fairness":{{"epoch":{epoch},"server_seed_hash":"{hash}","client_seed":"{client}","nonce":{nonce},"paytable_version":"slot-1"}}}}"#,
        id = player.id,
        gold = i64::MAX,
        epoch = u32::MAX,
        hash = seed.hash(),
        client = player.fairness.client_seed,
        nonce = player.next_seq(),
    );
    let once = Once { key: OnceKey::Header(key.to_owned()), request_hash: "h".repeat(44) };
    let plan = plan.sealed(Some(once), Some(Answer { status: 200, body }));
    let state = encode_state(plan.after()).expect("encodes");
    (state, encode_entry(plan.entry()).expect("encodes"))
}

const KILOBYTE: usize = 1024;

#[test]
fn the_largest_round_fits_a_kilobyte_with_keys_of_up_to_95_characters() {
    // A trace id of X-Ray has 35 characters, a request id 36.
    let entry = |key: usize| size(&spin(1, &"k".repeat(key), &"t".repeat(36)).1);
    assert_eq!(entry(36), 965, "a UUID as key");
    assert_eq!(entry(95), KILOBYTE);
    // Two write units more, for those who play at the end of the number line
    // with the longest client seed and the longest key.
    assert_eq!(entry(128), 1057);
}

#[test]
fn the_largest_state_fits_a_kilobyte_with_up_to_six_sessions() {
    let state = |open: usize| size(&spin(open, "k", "t").0);
    assert_eq!(state(1), 702);
    assert!(state(6) <= KILOBYTE, "{}", state(6));
    // Two write units more, for those with the longest names and numbers who are signed
    // in on so many machines.
    assert_eq!(state(MOST_SESSIONS), 1087);
}

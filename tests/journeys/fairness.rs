//! Provable fairness, from the commitment to a proof of one's own.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Player, Target};

const VERIFY: &str = "/api/games/fairness/verify";

async fn rotate(player: &Player, client_seed: &str, key: &str) -> tests::Answer {
    let body = json!({ "client_seed": client_seed });
    player.api.post("/api/games/fairness/rotate", &body).key(key).send().await
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `verify` is asked about a round of a revealed epoch.
fn question(round: &Value, revealed: &Value) -> Value {
    json!({
        "game": "slot",
        "paytable_version": round["fairness"]["paytable_version"],
        "server_seed": revealed["server_seed"],
        "client_seed": round["fairness"]["client_seed"],
        "nonce": round["fairness"]["nonce"],
        "bet": round["bet_gold"],
        "expected": {
            "server_seed_hash": round["fairness"]["server_seed_hash"],
            "reels": round["reels"],
            "multiplier": round["multiplier"],
            "win_gold": round["win_gold"],
        },
    })
}

/// The reels, computed from the published formula and odds by other code than
/// the product's.
fn recomputed(server_seed: &[u8], client_seed: &str, nonce: u64) -> [&'static str; 3] {
    const STOPS: [(&str, u32); 5] =
        [("bell", 6), ("cherry", 10), ("lemon", 9), ("seven", 2), ("star", 5)];
    let mut mac = Hmac::<Sha256>::new_from_slice(server_seed).expect("any key");
    mac.update(format!("{client_seed}:{nonce}:0").as_bytes());
    let bytes = mac.finalize().into_bytes();
    // 32 stops divide 2^32, so no word is ever drawn again.
    [0, 4, 8].map(|at| {
        let word = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut stop = word % 32;
        let (symbol, _) = STOPS
            .iter()
            .find(|(_, weight)| {
                let here = stop < *weight;
                stop = stop.wrapping_sub(*weight);
                here
            })
            .expect("32 stops");
        *symbol
    })
}

#[tokio::test]
async fn every_round_can_be_checked_once_its_seed_is_revealed() {
    let target = Target::start().await;
    let player = target.player().await;
    let committed = player.api.get("/api/games/fairness").await.ok();
    let mut rounds = Vec::new();
    for number in 0..3 {
        let current = player.api.get("/api/games/fairness").await.ok();
        let round = player.spin(10, &format!("{number}")).send().await.ok();
        let fairness = &round["fairness"];
        assert_eq!(fairness["nonce"], current["next_nonce"], "known before the round");
        for member in ["epoch", "server_seed_hash", "client_seed"] {
            assert_eq!(fairness[member], committed[member], "{member}");
        }
        rounds.push(round);
    }

    let rotated = rotate(&player, "my-lucky-seed", "rotate").await.ok();
    let revealed = &rotated["previous"];
    let seed = from_hex(revealed["server_seed"].as_str().expect("a seed"));
    assert_eq!(to_hex(&Sha256::digest(&seed)), committed["server_seed_hash"]);
    assert_eq!(revealed["server_seed_hash"], committed["server_seed_hash"]);
    assert_eq!((&rotated["epoch"], &rotated["client_seed"]), (&json!(2), &json!("my-lucky-seed")));
    assert_ne!(rotated["server_seed_hash"], committed["server_seed_hash"]);

    for round in &rounds {
        let answer = target.api().post(VERIFY, &question(round, revealed)).send().await.ok();
        assert_eq!(answer["valid"], true, "{round}");
        assert_eq!(answer["win_gold"], round["win_gold"]);
        let fairness = &round["fairness"];
        let client_seed = fairness["client_seed"].as_str().expect("a seed");
        let nonce = fairness["nonce"].as_u64().expect("a nonce");
        assert_eq!(round["reels"], json!(recomputed(&seed, client_seed, nonce)));
    }
}

#[tokio::test]
async fn a_claim_that_is_not_so_is_not_valid() {
    let target = Target::start().await;
    let player = target.player().await;
    let round = player.spin(10, "spin").send().await.ok();
    let revealed = rotate(&player, "next", "rotate").await.ok()["previous"].clone();
    let sound = question(&round, &revealed);
    for (member, value) in [
        ("server_seed_hash", json!("0".repeat(64))),
        ("reels", json!(["seven", "seven", "moon"])),
        ("multiplier", json!(9)),
        ("win_gold", json!(11)),
    ] {
        let mut tampered = sound.clone();
        tampered["expected"][member] = value;
        let answer = target.api().post(VERIFY, &tampered).send().await.ok();
        assert_eq!(answer["valid"], false, "{member}");
        assert_eq!(answer["reels"], round["reels"]);
    }
    let mut unknown = sound.clone();
    unknown["paytable_version"] = json!("slot-0");
    target.api().post(VERIFY, &unknown).send().await.is_problem(422, "unknown_paytable");
    let mut short = sound;
    short["server_seed"] = json!("abc");
    let problem =
        target.api().post(VERIFY, &short).send().await.is_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/server_seed");
}

#[tokio::test]
async fn rotating_again_with_the_same_key_reveals_nothing_new() {
    let target = Target::start().await;
    let player = target.player().await;
    let first = rotate(&player, "mine", "key").await;
    let again = rotate(&player, "mine", "key").await;
    assert_eq!((again.is_replayed(), &again.text), (true, &first.text));
    rotate(&player, "other", "key").await.is_problem(409, "idempotency_key_reused");
    let now = player.api.get("/api/games/fairness").await.ok();
    assert_eq!((&now["epoch"], &now["client_seed"]), (&json!(2), &json!("mine")));
    assert_ne!(now["server_seed_hash"], first.ok()["previous"]["server_seed_hash"]);
    let refused = rotate(&player, "has space", "key-2").await;
    assert_eq!(
        refused.is_problem(422, "validation_failed")["errors"][0]["pointer"],
        "/client_seed"
    );
}

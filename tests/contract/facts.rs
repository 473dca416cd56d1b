//! One entry of every kind, as the event stream and the sockets carry it.

use domain::{
    Account, After, AttemptId, Closed, DeadLetterId, EmailChange, Entry, Fact, Game, Gold, Legs,
    Once, OnceKey, PlayerId, ReceiptId, RoundId, SessionId, WebhookEndpointId, envelope, frames,
    fraud,
    purchase::{Granted, Money, Price, Status},
    stats::Stats,
    stats_frame,
    webhook::{DeliveryId, EndpointChange},
};
use jiff::civil::date;
use serde_json::json;

use crate::snapshot::assert_snapshot;

/// The samples in order: each kind names the one after it, so a kind without a
/// sample does not compile.
fn after(fact: &Fact) -> Option<Fact> {
    Some(match fact {
        Fact::PlayerSignedUp { .. } => {
            Fact::PlayerLoggedIn { session: SessionId::from_bytes([2; 16]), new_device: true }
        }
        Fact::PlayerLoggedIn { .. } => {
            Fact::SessionRefreshed { session: SessionId::from_bytes([2; 16]), generation: 2 }
        }
        Fact::SessionRefreshed { .. } => Fact::SessionClosed {
            session: SessionId::from_bytes([2; 16]),
            reason: Closed::TokenReused,
        },
        Fact::SessionClosed { .. } => Fact::SessionsClosed { sessions: 3 },
        Fact::SessionsClosed { .. } => {
            Fact::PasswordChanged { session: SessionId::from_bytes([2; 16]) }
        }
        Fact::PasswordChanged { .. } => Fact::PlayerRenamed {},
        Fact::PlayerRenamed {} => Fact::PlayerErased {},
        Fact::PlayerErased {} => Fact::PlayerReset {},
        Fact::PlayerReset {} => Fact::InviteCodeIssued {
            code: "SPRING-2027".to_owned(),
            uses: 100,
            expires_at: "2027-05-01T00:00:00Z".parse().expect("an instant"),
            reason: "Spring campaign".to_owned(),
        },
        Fact::InviteCodeIssued { .. } => Fact::StreakClaimed {
            day: date(2026, 11, 21),
            count: 3,
            gold: Gold::new(1315),
            xp: 63,
            protections_used: 1,
            formula: "C_exp_decay_v1".to_owned(),
        },
        Fact::StreakClaimed { .. } => {
            Fact::StreakProtectionConsumed { day: date(2026, 11, 20), protections_used: 2 }
        }
        Fact::StreakProtectionConsumed { .. } => {
            Fact::StreakBroken { day: date(2026, 11, 21), count_before: 9, protections_used: 1 }
        }
        Fact::StreakBroken { .. } => Fact::RoundSettled {
            game: Game::Slot,
            round: RoundId::from_bytes([3; 16]),
            bet: Gold::new(10),
            win: Gold::new(50),
            multiplier: 5,
            outcome: ["cherry"; 3].map(str::to_owned).to_vec(),
            epoch: 2,
            paytable: "slot-1".to_owned(),
        },
        Fact::RoundSettled { .. } => Fact::ItemPurchased {
            receipt: ReceiptId::from_bytes([4; 16]),
            product: "streak_shield".to_owned(),
            quantity: 2,
            price: Gold::new(1000),
            protections: 2,
        },
        Fact::ItemPurchased { .. } => {
            Fact::FairnessRotated { epoch: 3, client_seed: "my-lucky-seed".to_owned() }
        }
        Fact::FairnessRotated { .. } => Fact::PurchaseAdvanced {
            receipt: ReceiptId::from_bytes([5; 16]),
            product: "gold_pack_1000".to_owned(),
            quantity: 2,
            price: Price::Money(Money { amount_minor: 2_400, currency: "KRW".to_owned() }),
            from: Some(Status::Pending),
            to: Status::Succeeded,
            granted: Granted { gold: Gold::new(2_000), ..Granted::default() },
            clawback: None,
            reason: None,
        },
        Fact::PurchaseAdvanced { .. } => Fact::LimitedPackageOffered {
            code: "new-year-2027".to_owned(),
            stock: 500,
            reason: "New year".to_owned(),
        },
        Fact::LimitedPackageOffered { .. } => Fact::PromoCodeIssued {
            package: "new-year-2027".to_owned(),
            uses: 100,
            reason: "Early birds".to_owned(),
        },
        Fact::PromoCodeIssued { .. } => Fact::FraudDecided {
            attempt: AttemptId::from_bytes([5; 16]),
            score: 70,
            action: fraud::Action::SoftBlock,
            matched: vec!["card_testing".to_owned()],
            rules_version: 3,
        },
        Fact::FraudDecided { .. } => Fact::FraudRulesActivated {
            version: 4,
            previous_version: 3,
            reason: "Card testing since Monday".to_owned(),
        },
        Fact::FraudRulesActivated { .. } => Fact::EmailChanged { change: EmailChange::Requested },
        Fact::EmailChanged { .. } => Fact::WebhookEndpointChanged {
            endpoint: WebhookEndpointId::from_bytes([5; 16]),
            change: EndpointChange::Registered,
            reason: "Ticket 4711".to_owned(),
        },
        Fact::WebhookEndpointChanged { .. } => Fact::WebhookDeliveryReplayed {
            delivery: DeliveryId::of(
                WebhookEndpointId::from_bytes([5; 16]),
                PlayerId::from_bytes([1; 16]),
                6,
                "2026-11-21T01:02:03Z".parse().expect("an instant"),
            ),
            reason: "Ticket 4712".to_owned(),
        },
        Fact::WebhookDeliveryReplayed { .. } => Fact::DeadLetterReplayed {
            letter: DeadLetterId::from_bytes([6; 16]),
            player: PlayerId::from_bytes([1; 16]),
            seq: 7,
            reason: "Ticket 4713".to_owned(),
        },
        Fact::DeadLetterReplayed { .. } => return None,
    })
}

fn samples() -> Vec<Fact> {
    let first = Fact::PlayerSignedUp {
        client_seed: "0123456789abcdef".to_owned(),
        session: SessionId::from_bytes([2; 16]),
    };
    std::iter::successors(Some(first), after).collect()
}

fn entry(fact: Fact) -> Entry {
    let legs = match &fact {
        Fact::PlayerSignedUp { .. } => Legs::to_player(Account::MintSignup, Gold::new(1000)),
        Fact::StreakClaimed { gold, .. } => Legs::to_player(Account::MintStreak, *gold),
        Fact::PlayerErased {} => Legs::to_player(Account::BurnErasure, Gold::new(-2040)),
        Fact::PlayerReset {} => Legs::to_player(Account::MintReset, Gold::new(-1040)),
        Fact::RoundSettled { .. } => Legs::to_player(Account::HouseSlot, Gold::new(40)),
        Fact::ItemPurchased { .. } => Legs::to_player(Account::BurnShop, Gold::new(-1000)),
        Fact::PurchaseAdvanced { granted, .. } => Legs::to_player(Account::MintShop, granted.gold),
        _ => Ok(Legs::none()),
    };
    Entry {
        player: PlayerId::from_bytes([1; 16]),
        seq: 7,
        at: "2026-11-21T01:02:03.456Z".parse().expect("an instant"),
        fact,
        legs: legs.expect("small amounts"),
        after: After { gold: Gold::new(2040), total_xp: 1063, debt: Gold::ZERO },
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        once: Some(Once {
            key: OnceKey::Header("key-1".to_owned()),
            request_hash: "never sent".to_owned(),
        }),
        answer: None,
    }
}

#[test]
fn events_and_frames_look_as_their_readers_know_them() {
    let mut kinds = Vec::new();
    for fact in samples() {
        let entry = entry(fact);
        let document = json!({ "envelope": envelope(&entry), "frames": frames(&entry) });
        assert_snapshot(&format!("tests/contract/snapshots/{}.json", entry.fact.kind()), &document);
        kinds.push(format!("{}.json", entry.fact.kind()));
    }
    kinds.push("stats_update.json".to_owned());
    let folder = crate::snapshot::path("tests/contract/snapshots");
    for file in std::fs::read_dir(folder).expect("the snapshots") {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        assert!(kinds.contains(&name), "{name} is of no kind of fact: delete it");
    }
}

#[test]
fn the_statistics_frame_looks_as_its_readers_know_it() {
    let round =
        entry(Fact::PlayerLoggedIn { session: SessionId::from_bytes([2; 16]), new_device: true });
    let frame = stats_frame(round.player, &Stats::default(), Some(&round), round.at);
    assert_snapshot("tests/contract/snapshots/stats_update.json", &json!(frame));
}

#[test]
fn no_event_or_frame_shows_what_is_secret() {
    for fact in samples() {
        let entry = entry(fact);
        let text = json!([envelope(&entry), frames(&entry)]).to_string();
        for secret in ["never sent", "0123456789abcdef"] {
            assert!(!text.contains(secret), "{}: {text}", entry.fact.kind());
        }
    }
}

//! What the built-in rules say of each kind of purchase.

use crate::fraud::{Action, Feature, Features, Rules, assess};

#[test]
fn the_built_in_rules_let_an_ordinary_purchase_through_and_stop_what_they_name() {
    let ordinary = Features {
        address_attempts_10m: 1,
        address_attempts_24h: 2,
        device_attempts_10m: 1,
        device_attempts_24h: 2,
        cards_24h: 1,
        amount_spread_24h: 9_900,
        account_age_hours: 200,
        failed_attempts_24h: 1,
        amount_minor: 11_000,
    };
    let with = |changes: &[(Feature, u64)]| {
        changes.iter().fold(ordinary, |features, (feature, value)| features.with(*feature, *value))
    };
    for (changes, score, action, matched) in [
        (&[][..], 0, Action::Allow, &[][..]),
        (&[(Feature::AddressAttempts10m, 14)], 0, Action::Allow, &[]),
        (&[(Feature::AddressAttempts10m, 15)], 40, Action::Review, &["address_burst"]),
        (&[(Feature::AddressAttempts10m, 49)], 40, Action::Review, &["address_burst"]),
        (
            &[(Feature::AddressAttempts10m, 50)],
            70,
            Action::SoftBlock,
            &["address_burst", "address_flood"],
        ),
        (&[(Feature::AddressAttempts24h, 40)], 20, Action::Allow, &["address_all_day"]),
        // A crowd behind one address is slowed down and never more than that.
        (
            &[(Feature::AddressAttempts10m, 50), (Feature::AddressAttempts24h, 50)],
            90,
            Action::SoftBlock,
            &["address_burst", "address_flood", "address_all_day"],
        ),
        (&[(Feature::DeviceAttempts10m, 4)], 0, Action::Allow, &[]),
        (&[(Feature::DeviceAttempts10m, 5)], 40, Action::Review, &["device_burst"]),
        (
            &[(Feature::DeviceAttempts10m, 15)],
            70,
            Action::SoftBlock,
            &["device_burst", "device_flood"],
        ),
        (
            &[(Feature::AddressAttempts10m, 15), (Feature::DeviceAttempts10m, 15)],
            110,
            Action::HardBlock,
            &["address_burst", "device_burst", "device_flood"],
        ),
        (
            &[(Feature::Cards24h, 3), (Feature::FailedAttempts24h, 3)],
            70,
            Action::SoftBlock,
            &["card_testing"],
        ),
        (
            &[(Feature::Cards24h, 5), (Feature::FailedAttempts24h, 4)],
            110,
            Action::HardBlock,
            &["many_cards", "card_testing"],
        ),
        (
            &[(Feature::AccountAgeHours, 23), (Feature::AmountMinor, 100_000)],
            40,
            Action::Review,
            &["new_account_large_amount"],
        ),
        (&[(Feature::AccountAgeHours, 24), (Feature::AmountMinor, 100_000)], 0, Action::Allow, &[]),
        (
            &[(Feature::AmountSpread24h, 50_000), (Feature::Cards24h, 2)],
            20,
            Action::Allow,
            &["probing_amounts"],
        ),
    ] {
        let decision = assess(Rules::built_in(), &with(changes));
        let rules: Vec<_> = decision.matched.iter().map(|matched| &*matched.rule).collect();
        assert_eq!((decision.score, decision.action, &*rules), (score, action, matched));
        assert_eq!(decision.rules_version, 0);
    }
}

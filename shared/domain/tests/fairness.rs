//! Draws and seeds, which must be the same for ever: a round is verified long after it
//! was played. The numbers are computed elsewhere, by Python's `hmac` and `hashlib`.

use domain::{
    PlayerId,
    fairness::{Draws, MasterKey, ServerSeed, is_client_seed},
    slot::PAYTABLE,
};

fn player() -> PlayerId {
    "0199a0a0-0000-7000-8000-000000000001".parse().expect("a player id")
}

#[test]
fn draws_are_the_published_formulas() {
    let seed = ServerSeed::from_hex(&"07".repeat(32)).expect("a seed");
    assert_eq!(seed.hash(), "4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0");
    // The second bound has a quarter of all words drawn again, the third none.
    let cases: [(u32, [u32; 10]); 4] = [
        (32, [17, 22, 8, 9, 15, 21, 2, 16, 0, 24]),
        (
            3_221_225_472,
            [
                2_995_715_601,
                1_459_052_694,
                2_601_902_504,
                773_253_225,
                1_701_329_551,
                2_509_496_450,
                945_890_768,
                2_041_034_304,
                2_127_475_992,
                806_501_666,
            ],
        ),
        (
            2_147_483_648,
            [
                848_231_953,
                1_459_052_694,
                454_418_856,
                773_253_225,
                1_701_329_551,
                2_006_848_597,
                362_012_802,
                945_890_768,
                2_041_034_304,
                2_127_475_992,
            ],
        ),
        (
            1_000_000_007,
            [
                995_715_587,
                459_052_687,
                601_902_490,
                773_253_225,
                701_329_544,
                509_496_436,
                945_890_768,
                41_034_290,
                127_475_978,
                881_547_280,
            ],
        ),
    ];
    for (bound, expected) in cases {
        let mut draws = Draws::new(&seed, "abc", 3);
        assert_eq!(expected.map(|_| draws.below(bound)), expected, "below {bound}");
    }
}

#[test]
fn the_last_word_of_the_zone_counts_and_the_next_does_not() {
    let seed = ServerSeed::from_hex(&"07".repeat(32)).expect("a seed");
    // The first word is 2 995 715 601. One more is a bound that goes into all words
    // once, and the word is its last; the word itself as bound leaves it over.
    let first = |bound| Draws::new(&seed, "abc", 3).below(bound);
    assert_eq!(first(2_995_715_602), 2_995_715_601);
    assert_eq!(first(2_995_715_601), 1_459_052_694);
}

#[test]
fn spins_are_drawn_reel_by_reel_over_the_symbols_in_order() {
    let seed = ServerSeed::from_hex(&"07".repeat(32)).expect("a seed");
    let expected = [
        ["lemon", "cherry", "lemon"],
        ["cherry", "cherry", "lemon"],
        ["lemon", "lemon", "cherry"],
        ["seven", "bell", "bell"],
        ["lemon", "lemon", "cherry"],
        ["star", "cherry", "lemon"],
        ["star", "star", "lemon"],
        ["seven", "cherry", "cherry"],
        ["lemon", "star", "cherry"],
        ["seven", "lemon", "lemon"],
        ["bell", "seven", "lemon"],
        ["lemon", "cherry", "lemon"],
    ];
    for (symbols, nonce) in expected.iter().zip(1..) {
        assert_eq!(PAYTABLE.spin(&mut Draws::new(&seed, "abc", nonce)), symbols, "{nonce}");
    }
}

#[test]
fn seeds_come_of_the_master_key_player_and_epoch() {
    let key = MasterKey::new([1; 32]);
    let seed = key.server_seed(player(), 258);
    let expected = "7f46d298c8a90b1cd0f18098a15e8bd55a8c89b6881bf3d76b84b35fb458ff22";
    assert_eq!(seed.reveal(), expected);
    assert_eq!(ServerSeed::from_hex(&expected.to_uppercase()), Some(seed.clone()));
    for nonsense in ["", &expected[1..], &format!("{expected}0"), &"g".repeat(64), &"0g".repeat(32)]
    {
        assert_eq!(ServerSeed::from_hex(nonsense), None, "{nonsense}");
    }
    assert_eq!(format!("{key:?}"), "MasterKey(…)");
    assert_eq!(format!("{seed:?}"), format!("ServerSeed(sha256 {})", seed.hash()));
    for (text, sound) in [("", false), ("a", true), ("a b", false), ("é", false), ("~", true)] {
        assert_eq!(is_client_seed(text), sound, "{text:?}");
    }
    assert!(is_client_seed(&"s".repeat(64)) && !is_client_seed(&"s".repeat(65)));
}

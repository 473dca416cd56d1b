//! The slot's formula, from its published description.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const REEL: [(&str, u32); 5] =
    [("bell", 6), ("cherry", 10), ("lemon", 9), ("seven", 2), ("star", 5)];

pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The server seed of a player's epoch.
pub fn server_seed(master: &[u8; 32], player: &str, epoch: u32) -> [u8; 32] {
    let mut message = b"casino-club/server-seed/1".to_vec();
    let digits: Vec<u8> = player.bytes().filter(|byte| *byte != b'-').collect();
    for pair in digits.chunks(2) {
        let pair = std::str::from_utf8(pair).unwrap_or("0");
        message.push(u8::from_str_radix(pair, 16).unwrap_or(0));
    }
    message.extend(epoch.to_be_bytes());
    hmac(master, &message)
}

pub fn commitment(seed: &[u8; 32]) -> String {
    hex(&Sha256::digest(seed))
}

/// The symbols of a round.
pub fn reels(seed: &[u8; 32], client_seed: &str, nonce: u64) -> Vec<&'static str> {
    let mut words = (0_u32..).flat_map(|block| {
        let bytes = hmac(seed, format!("{client_seed}:{nonce}:{block}").as_bytes());
        let word = |at: usize| u32::from_be_bytes(bytes[at * 4..at * 4 + 4].try_into().expect("4"));
        (0..8).map(word).collect::<Vec<_>>()
    });
    let stops: u32 = REEL.iter().map(|(_, weight)| weight).sum();
    // The words above the last whole multiple of `stops` are drawn again.
    let fair = u64::from(u32::MAX) + 1 - (u64::from(u32::MAX) + 1) % u64::from(stops);
    let mut symbol = || {
        let word = words.find(|word| u64::from(*word) < fair).expect("endless");
        let mut stop = word % stops;
        for (symbol, weight) in REEL {
            if stop < weight {
                return symbol;
            }
            stop -= weight;
        }
        "?"
    };
    vec![symbol(), symbol(), symbol()]
}

/// What the symbols pay, times the bet.
pub fn multiplier(symbols: &[&str]) -> i64 {
    let count = |wanted: &str| symbols.iter().filter(|symbol| **symbol == wanted).count();
    match () {
        () if count("seven") == 3 => 250,
        () if count("star") == 3 => 50,
        () if count("bell") == 3 => 20,
        () if count("lemon") == 3 => 10,
        () if count("cherry") == 3 => 5,
        () if count("cherry") == 2 => 1,
        () => 0,
    }
}

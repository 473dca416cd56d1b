//! Fixed seeds of the simulation (`cargo xtask sim`), its own honesty, and every
//! planted defect. The simulation is a program of its own, so that these tests and
//! a long search are the same thing.

use std::process::Command;

/// Runs the simulation; its whole output, and whether it was content.
fn sim(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(arguments).output().expect("the simulation runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn nothing_is_wrong_in_the_fixed_seeds() {
    let (content, output) = sim(&["--seeds", "40"]);
    assert!(content, "{output}");
}

#[test]
fn hundreds_of_commands_in_one_run_come_out_right() {
    let (content, output) = sim(&["--seeds", "1", "--from", "9000", "--commands", "600"]);
    assert!(content, "{output}");
}

#[test]
fn the_same_seed_is_the_same_run_to_the_byte() {
    let hashes = || {
        let (content, output) = sim(&["--seeds", "8", "--from", "500", "--hashes"]);
        assert!(content, "{output}");
        let hashes = output.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned);
        hashes.collect::<Vec<_>>()
    };
    let (first, second) = (hashes(), hashes());
    assert_eq!(first.len(), 8);
    assert_eq!(first, second);
}

/// Those that a few seeds suffice for; `cargo xtask sim --planted all` has the rest.
const QUICK: [&str; 15] = [
    "skip-tail-fold",
    "local-day",
    "repair-counts-today",
    "reuse-nonce",
    "acknowledge-before-publish",
    "failure-past-unpublished",
    "drop-version-condition",
    "legs-do-not-sum",
    "state-beside-entry",
    "replay-differs",
    "request-hash-not-compared",
    "skip-lookup",
    "eventual-read",
    "frame-to-another",
    "claim-overpays",
];

#[test]
fn planted_defects_are_found() {
    for defect in QUICK {
        let (content, output) = sim(&["--planted", defect, "--seeds", "20", "--no-shrink"]);
        assert!(content, "{output}");
    }
}

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
    let (content, output) = sim(&["--seeds", "30"]);
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
        let (content, output) = sim(&["--seeds", "6", "--from", "500", "--hashes"]);
        assert!(content, "{output}");
        let hashes = output.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned);
        hashes.collect::<Vec<_>>()
    };
    let (first, second) = (hashes(), hashes());
    assert_eq!(first.len(), 6);
    assert_eq!(first, second);
}

/// Each by its own rule, within the seeds that `sim/plant.rs` names for it.
fn planted_defects_are_found(part: &str) {
    let (content, output) = sim(&["--planted", "all", "--known", "--part", part]);
    assert!(content, "{output}");
}

#[test]
fn planted_defects_are_found_first_quarter() {
    planted_defects_are_found("1/4");
}

#[test]
fn planted_defects_are_found_second_quarter() {
    planted_defects_are_found("2/4");
}

#[test]
fn planted_defects_are_found_third_quarter() {
    planted_defects_are_found("3/4");
}

#[test]
fn planted_defects_are_found_last_quarter() {
    planted_defects_are_found("4/4");
}

#[test]
fn a_wrong_run_is_shrunk_and_the_printed_command_repeats_what_is_left() {
    fn line<'o>(output: &'o str, start: &str) -> &'o str {
        let found = output.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no line {start}: {output}"))
    }
    let (found, output) = sim(&["--planted", "legs-do-not-sum", "--known"]);
    assert!(found, "{output}");
    let (before, after) = line(&output, "shrunk from ").split_once(" events to ").expect("numbers");
    let events: usize = after.parse().expect("a number");
    assert!(events < before.parse().expect("a number"), "{output}");

    let arguments: Vec<_> = line(&output, "replay: cargo xtask sim ").split(' ').collect();
    let (content, replayed) = sim(&arguments);
    assert!(!content, "{replayed}");
    assert!(replayed.contains("WRONG every entry follows from those before it"), "{replayed}");
    assert_eq!(line(&replayed, "hash "), line(&output, "hash "));
    let numbered =
        |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
    assert_eq!(replayed.lines().filter(numbered).count(), events);
}

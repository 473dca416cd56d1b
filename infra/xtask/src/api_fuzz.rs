//! `cargo verify --only api-fuzz`: schemathesis makes calls of the API document and
//! holds every answer against it, on a local stack of its own.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, bail};

use crate::{
    process::{command, run},
    stack::Stack,
    tools,
};

/// The stack's data and log, and the reports, of the last run.
const WORK: &str = ".local/api-fuzz";
/// Fewer calls than this prove nothing.
const FEWEST_CALLS: u64 = 5_000;
/// Cases of each operation that takes anything; together, a few hundred calls more
/// than [`FEWEST_CALLS`].
const CASES: &str = "115";
/// The same calls each time.
const SEED: &str = "58585858";
/// That every call with sound data succeeds is not to be had: gold runs out, names are
/// taken.
const NOT_CHECKED: &str = "positive_data_acceptance";

/// What cannot succeed here: a delivery is only replayed once it has failed, after
/// tries of an hour, and no journal record is given up; and a notice is signed with the
/// payment provider's key.
const OUT_OF_REACH: [&str; 3] = [
    "POST /api/admin/webhooks/replay/{id}",
    "POST /api/admin/dead-letters/{id}/replay",
    "POST /api/shop/webhook/payment",
];

/// Answers by status, for each operation.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// Starts a stack, lets schemathesis call it, and says how many calls it was.
///
/// # Errors
/// When an answer is not as documented, when an operation was never called with
/// success, when there were too few calls, or when something cannot be started.
pub fn api_fuzz(root: &Path) -> anyhow::Result<String> {
    let schemathesis = tools::schemathesis(root)?;
    let work = root.join(WORK);
    let stack = Stack::start(root, &work)?;
    let counts = work.join("counts.json");
    let _ = fs::remove_file(&counts);
    let called = run(command(&work, schemathesis.join("st"))
        .arg("run")
        .arg(format!("{}/openapi.json", stack.base_url))
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "1"])
        .args(["--max-examples", CASES, "--seed", SEED, "--generation-database", "none"])
        .args(["--checks", "all", "--exclude-checks", NOT_CHECKED])
        .args(["--continue-on-failure", "--warnings", "off"])
        .env("SCHEMATHESIS_HOOKS", root.join("tests/schemathesis/hooks.py"))
        .env("API_FUZZ_BASE_URL", &stack.base_url)
        .env("API_FUZZ_COUNTS", &counts)
        .env("NO_PROXY", "*"));
    let counted = fs::read_to_string(&counts).context("schemathesis has called nothing")?;
    let total = summary(&serde_json::from_str(&counted)?);
    called.with_context(|| format!("the stack's log is in {WORK}"))?;
    let total = total?;
    if total < FEWEST_CALLS {
        bail!("{total} calls are fewer than {FEWEST_CALLS}");
    }
    Ok(format!("{total} calls"))
}

/// Prints what was answered how often, and adds it up.
fn summary(counts: &Counts) -> anyhow::Result<u64> {
    let mut total = 0;
    let mut never = Vec::new();
    println!("\n    {:<36}{:>7}  by status", "operation", "calls");
    for (operation, answers) in counts {
        let calls: u64 = answers.values().sum();
        let each: Vec<_> =
            answers.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        println!("    {operation:<36}{calls:>7}  {}", each.join(", "));
        total += calls;
        let succeeded = answers.keys().any(|status| status.starts_with('2'));
        if !succeeded && !OUT_OF_REACH.contains(&operation.as_str()) {
            never.push(operation.as_str());
        }
    }
    println!("    {:<36}{total:>7}", "all of them");
    if !never.is_empty() {
        bail!("no call succeeded of {}: tests/schemathesis/hooks.py must help", never.join(", "));
    }
    Ok(total)
}

//! What is in the export of a long journal.

use domain::{Ctx, Role, command::rotate_fairness};
use jiff::SignedDuration;
use runtime::{Clock, command::once_by_nature};
use serde_json::Value;
use store::{Decision, Subject};
use tests::{Maker, stack};

use crate::account_export::export;

#[tokio::test]
async fn a_long_journal_goes_on_in_further_documents() {
    const ENTRIES: usize = 2_050;
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let player = maker.player(Role::Standard).await;
    let (store, id) = (stack.store("test"), player.id.parse().expect("an id"));
    let start = Clock::system().now();
    for number in 1..ENTRIES {
        // Slowly enough for a player.
        let now = start + SignedDuration::from_secs(i64::try_from(number).expect("small"));
        let ctx = Ctx { now, seed: [7; 32], trace_id: "t".repeat(36) };
        let once = once_by_nature(format!("long-journal:{id}:{number}"));
        let rotated = store.execute(Subject::system(id), once, |state| {
            let plan = rotate_fairness::decide(state, &"s".repeat(64), &ctx)?;
            Ok(Decision { plan, answer: None })
        });
        rotated.await.expect("an entry");
    }
    let seqs = |document: &Value| -> Vec<u64> {
        let entries = document["journal"]["entries"].as_array().expect("entries");
        entries.iter().map(|entry| entry["seq"].as_u64().expect("a number")).collect()
    };
    let first = export(&player, "").await;
    assert_eq!(seqs(&first), (1..=2_000).collect::<Vec<_>>());
    assert!(first.to_string().len() < 6 << 20, "what a function may answer with");
    let cursor = first["journal"]["next_cursor"].as_str().expect("there is more");
    let second = export(&player, &format!("?cursor={cursor}")).await;
    assert_eq!(seqs(&second), (2_001..=2_050).collect::<Vec<_>>());
    assert!(second["journal"].get("next_cursor").is_none());
    assert_eq!(second["profile"], first["profile"]);

    let stranger = maker.player(Role::Standard).await;
    for (caller, cursor) in [(&player, "x"), (&stranger, cursor)] {
        let answer = caller.api.get(&format!("/api/auth/export?cursor={cursor}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/cursor");
    }
}

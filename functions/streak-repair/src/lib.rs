//! 00:05 UTC: attendance and streak agree again.
//!
//! A missed day consumes a protection or ends the streak; each mend is one
//! journal entry under a natural key per player and day, so running twice, late
//! or by hand comes out the same.
//!
//! A player who cannot be mended is counted, and nobody waits for them. Where the table
//! is to blame, the run fails once everybody had their turn: Lambda tries it again, and
//! who is mended needs nothing then. An item that cannot be read stays so: the log names it,
//! and an alarm rings.

use domain::{Ctx, Fact, PlayerId, command::repair_streak};
use futures::{StreamExt, stream};
use runtime::{
    Clock, Deps, Entropy, Function, chain, command,
    metrics::{self, ProtectionConsumed, StreakRepair},
};
use serde::Serialize;
use serde_json::Value;
use store::{Bookmark, Decision, ROSTER_SHARDS, Store, Subject};

/// Players looked at at once.
const CONCURRENCY: usize = 8;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `STAGE` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let repair = Repair {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        stage: deps.env.require("STAGE")?.to_owned(),
        clock: deps.clock,
        entropy: deps.entropy,
    };
    Ok(Function::trigger(move |_event: Value, context: runtime::Context| {
        let repair = repair.clone();
        async move { repair.run(&context.request_id).await }
    }))
}

#[derive(Clone)]
struct Repair {
    store: Store,
    stage: String,
    clock: Clock,
    entropy: Entropy,
}

/// What a run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    players: u64,
    protections_consumed: u64,
    streaks_broken: u64,
    /// Players whose streak is as it was, because something went wrong.
    failed: u64,
}

impl Repair {
    async fn run(&self, trace_id: &str) -> Result<Report, runtime::Error> {
        let now = self.clock.now();
        let (mut report, mut at_the_table) = (Report::default(), None);
        for shard in 0..ROSTER_SHARDS {
            let mut bookmark = Bookmark::default();
            while let Some(players) = self.store.roster(shard, &mut bookmark).await? {
                let mut mended = stream::iter(players)
                    .map(|player| {
                        let seed = self.entropy.bytes();
                        let ctx = Ctx { now, seed, trace_id: trace_id.to_owned() };
                        async move { (player, self.mend(player, ctx).await) }
                    })
                    .buffer_unordered(CONCURRENCY);
                while let Some((player, mend)) = mended.next().await {
                    report.players += 1;
                    match mend {
                        Ok(Mend::Nothing) => {}
                        Ok(Mend::Protected) => report.protections_consumed += 1,
                        Ok(Mend::Broken) => report.streaks_broken += 1,
                        Err(error) => {
                            report.failed += 1;
                            tracing::error!(%player, error = chain(&error), "a streak is not mended");
                            at_the_table = at_the_table.or(is_the_tables(&error).then_some(error));
                        }
                    }
                }
            }
        }
        let Report { players, protections_consumed, streaks_broken, failed } = report;
        tracing::info!(players, protections_consumed, streaks_broken, failed, "streaks repaired");
        for (action, players) in [
            ("protection_consumed", protections_consumed),
            ("broken", streaks_broken),
            ("failed", failed),
        ] {
            metrics::record(StreakRepair::new(now, self.stage.clone(), action, players));
        }
        at_the_table.map_or(Ok(report), |error| Err(error.into()))
    }

    async fn mend(&self, player: PlayerId, ctx: Ctx) -> Result<Mend, store::Error> {
        // Most streaks need nothing, and looking costs one small read.
        let state = self.store.player(Subject::system(player)).await?;
        if repair_streak::decide(&state, &ctx)?.is_none() {
            return Ok(Mend::Nothing);
        }
        let once = command::once_by_nature(repair_streak::natural_key(player, ctx.today()));
        let receipt = self
            .store
            .execute_if(Subject::system(player), once, |state| {
                let plan = repair_streak::decide(state, &ctx)?;
                Ok(plan.map(|plan| Decision { plan, answer: None }))
            })
            .await?;
        let Some(receipt) = receipt else { return Ok(Mend::Nothing) };
        let (mend, used) = match receipt.entry.fact {
            Fact::StreakProtectionConsumed { protections_used, .. } => {
                (Mend::Protected, protections_used)
            }
            Fact::StreakBroken { protections_used, .. } => (Mend::Broken, protections_used),
            _ => (Mend::Broken, 0),
        };
        if used > 0 && !receipt.replayed {
            let stage = self.stage.clone();
            metrics::record(ProtectionConsumed::new(ctx.now, stage, "repair", used));
        }
        Ok(mend)
    }
}

/// Whether it lies with the table and not with one player.
const fn is_the_tables(error: &store::Error) -> bool {
    error.retryable() || matches!(error, store::Error::Refused(_))
}

enum Mend {
    Nothing,
    Protected,
    Broken,
}

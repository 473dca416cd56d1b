//! A shorter run that is still wrong.

use crate::{
    auditor::audit,
    run::{Plan, run},
};

/// Fewer commands, then fewer steps of faults, by halves, as long as anything is
/// still wrong.
pub fn shrink(plan: Plan) -> Plan {
    let wrong = |plan: Plan| !audit(&run(plan)).is_empty();
    let mut best = plan;
    let mut low = 0;
    while best.commands - low > 1 {
        let commands = low.midpoint(best.commands);
        let candidate = Plan { commands, ..best };
        if wrong(candidate) { best = candidate } else { low = commands }
    }
    let mut low = 0;
    let mut high = best.stormy_steps.min(100_000);
    while high - low > 1 {
        let steps = usize::midpoint(low, high);
        let candidate = Plan { stormy_steps: steps, ..best };
        if wrong(candidate) {
            (best, high) = (candidate, steps);
        } else {
            low = steps;
        }
    }
    best
}

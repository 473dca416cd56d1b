//! A shorter run that is still wrong.

use crate::{
    auditor::audit,
    run::{Plan, run},
};

/// Fewer commands, then fewer steps of faults, by halves, as long as the
/// same rule is broken.
pub fn shrink(plan: Plan, rule: &str) -> Plan {
    // How many steps a run had that breaks the rule.
    let wrong = |plan: Plan| {
        let evidence = run(plan);
        let broken = audit(&evidence).iter().any(|finding| finding.rule == rule);
        broken.then_some(evidence.stormy_steps)
    };
    let mut best = plan;
    let mut steps = wrong(best);
    let mut low = 0;
    while best.commands - low > 1 {
        let commands = low.midpoint(best.commands);
        let candidate = Plan { commands, ..best };
        match wrong(candidate) {
            Some(fewer) => (best, steps) = (candidate, Some(fewer)),
            None => low = commands,
        }
    }
    let (mut low, mut high) = (0, steps.unwrap_or(0));
    while high > low + 1 {
        let stormy_steps = usize::midpoint(low, high);
        let candidate = Plan { stormy_steps, ..best };
        match wrong(candidate) {
            Some(_) => (best, high) = (candidate, stormy_steps),
            None => low = stormy_steps,
        }
    }
    best
}

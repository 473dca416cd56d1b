//! What was called, by whom, and what it consumed.

use std::{
    collections::BTreeMap,
    ops::AddAssign,
    sync::{Mutex, PoisonError},
};

/// Capacity units of one answer, as DynamoDB reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    pub read: f64,
    pub write: f64,
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.write += other.write;
    }
}

/// Calls and capacity of one caller, or of several together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Calls by action as IAM names them: `dynamodb:TransactWriteItems`,
    /// `sqs:SendMessage`. Every attempt counts, failed and retried ones too.
    pub calls: BTreeMap<String, u64>,
    /// Sum over the answers that carried `ConsumedCapacity`; a caller that
    /// does not ask for it is counted in `calls` only.
    pub units: Units,
}

impl Usage {
    /// How often `action` was called.
    #[must_use]
    pub fn count(&self, action: &str) -> u64 {
        self.calls.get(action).copied().unwrap_or_default()
    }

    fn add(&mut self, other: &Self) {
        for (action, count) in &other.calls {
            *self.calls.entry(action.clone()).or_default() += count;
        }
        self.units += other.units;
    }

    fn less(&self, earlier: &Self) -> Self {
        let calls = self
            .calls
            .iter()
            .map(|(action, count)| (action.clone(), count - earlier.count(action)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let units = Units {
            read: self.units.read - earlier.units.read,
            write: self.units.write - earlier.units.write,
        };
        Self { calls, units }
    }
}

/// Running totals by caller. A caller is the name given to
/// [`Engine::sdk_config_for`](super::Engine::sdk_config_for).
#[derive(Debug, Default)]
pub struct Meter {
    totals: Mutex<BTreeMap<String, Usage>>,
}

/// The totals at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    by_caller: BTreeMap<String, Usage>,
}

impl Meter {
    /// The totals so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot { by_caller: totals.clone() }
    }

    /// What has been used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        let nothing = Usage::default();
        let mut now = self.snapshot();
        for (caller, usage) in &mut now.by_caller {
            *usage = usage.less(earlier.by_caller.get(caller).unwrap_or(&nothing));
        }
        now
    }

    pub(super) fn called(&self, caller: &str, action: String) {
        self.with(caller, |usage| *usage.calls.entry(action).or_default() += 1);
    }

    pub(super) fn consumed(&self, caller: &str, units: Units) {
        self.with(caller, |usage| usage.units += units);
    }

    fn with(&self, caller: &str, act: impl FnOnce(&mut Usage)) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = totals.get_mut(caller) {
            act(usage);
        } else {
            act(totals.entry(caller.to_owned()).or_default());
        }
    }
}

impl Snapshot {
    /// What `caller` used.
    #[must_use]
    pub fn of(&self, caller: &str) -> Usage {
        self.by_caller.get(caller).cloned().unwrap_or_default()
    }

    /// What all callers used together.
    #[must_use]
    pub fn total(&self) -> Usage {
        let mut total = Usage::default();
        for usage in self.by_caller.values() {
            total.add(usage);
        }
        total
    }
}

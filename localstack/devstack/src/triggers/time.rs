//! Time as the triggers see it, so that tests need not wait.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// A clock with deadlines.
#[async_trait]
pub trait Time: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Returns once `now` has reached `deadline`.
    async fn until(&self, deadline: Timestamp);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTime;

/// The longest single wait: a suspended machine then notices the date within it.
const NAP: Duration = Duration::from_mins(1);

#[async_trait]
impl Time for SystemTime {
    #[expect(clippy::disallowed_methods, reason = "the triggers' one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "waits for an instant, which is the condition")]
    async fn until(&self, deadline: Timestamp) {
        loop {
            let left = Duration::try_from(deadline.duration_since(self.now())).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(NAP)).await;
        }
    }
}

/// `now + duration`, or the end of time.
pub(super) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// The pause after the given number of failed attempts: from 50 ms, doubling,
/// to 2 s. AWS does not say how long it waits.
pub(super) fn backoff(attempts: u32) -> Duration {
    let millis = 50_u64 << attempts.saturating_sub(1).min(10);
    Duration::from_millis(millis.min(2_000))
}

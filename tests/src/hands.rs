//! A clock that stands still until a test moves it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use devstack::Options;
use jiff::Timestamp;
use runtime::Clock;

/// The hands of a stack's clock.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    /// A clock that stands at `instant`, RFC 3339.
    ///
    /// # Panics
    /// When that is no instant.
    #[must_use]
    pub fn at(instant: &str) -> Self {
        Self(Arc::new(AtomicI64::new(millis(instant))))
    }

    /// Moves the clock to `instant`.
    ///
    /// # Panics
    /// When that is no instant.
    pub fn set(&self, instant: &str) {
        self.0.store(millis(instant), Ordering::SeqCst);
    }

    /// Options of a stack that goes by this clock.
    #[must_use]
    pub fn options(&self) -> Options {
        let millis = Arc::clone(&self.0);
        let clock = Clock::new(move || {
            Timestamp::from_millisecond(millis.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
        });
        Options { clock, ..Options::default() }
    }
}

fn millis(instant: &str) -> i64 {
    instant.parse::<Timestamp>().expect("an instant").as_millisecond()
}

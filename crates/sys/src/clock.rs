//! The clock of a real run: nanoseconds since it began, the same for the server and the swarm.

use std::time::Instant;

use skipbeat_core::{Span, Time};

/// A monotonic clock that starts at zero.
///
/// ```
/// let clock = skipbeat_sys::Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that reads zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that drivers read")]
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    /// The time since the clock was started.
    pub fn now(self) -> Time {
        Time::ZERO + Span::from(self.0.elapsed())
    }
}

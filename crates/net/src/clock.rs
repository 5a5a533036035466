//! The one clock of a real run: nanoseconds since it began, for the server and the swarm alike.

use std::time::Instant;

use skipbeat_core::{Span, Time};

/// A monotonic clock that began with the run.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the driver's clock")]
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    /// The time since the run began.
    pub fn now(self) -> Time {
        Time::ZERO + Span::from(self.0.elapsed())
    }
}

//! When the next beat is due. Every formula of its schedules stands here.

use skipbeat_core::{Span, Stream, Time};

use crate::{Heartbeat, Jitter};

impl Heartbeat {
    /// The first beat of a client that starts at `start` and the grid's origin: after a random
    /// part of the period (`phase` in `[0, 1)`).
    pub(crate) fn first(&self, start: Time, phase: f64, stream: Stream, beat: u64) -> (Time, Time) {
        match self.jitter {
            Jitter::Grid { width } => {
                let anchor = start + width + self.every.scaled(phase);
                (anchor, anchor - width + (width * 2).scaled(stream.unit(beat)))
            }
            _ => {
                let anchor = start + self.every.scaled(phase);
                (anchor, anchor)
            }
        }
    }

    /// The beat after one at `previous`; `beat` counts the draws. On a grid it is a number of steps
    /// since the origin: `grid` says which.
    #[inline]
    pub(crate) fn next(
        &self,
        previous: Time,
        grid: impl FnOnce() -> (Time, u64),
        stream: Stream,
        beat: u64,
    ) -> Time {
        let h = self.every;
        let between =
            |from: Span, to: Span| from + to.saturating_sub(from).scaled(stream.unit(beat));
        let gap = match self.jitter {
            Jitter::None => h,
            Jitter::Renewal { width } => between(h.saturating_sub(width), h + width),
            Jitter::Grid { width } => {
                let (anchor, steps) = grid();
                return anchor + h * steps - width + between(Span::ZERO, width * 2);
            }
            Jitter::Bfd => between(h.scaled(0.75), h),
            Jitter::Rfc7675 => between(h.scaled(0.8), h.scaled(1.2)),
            Jitter::Rfc5626 => between(h.scaled(0.8), h),
        };
        previous + gap
    }
}

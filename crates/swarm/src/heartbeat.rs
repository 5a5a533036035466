//! When a client beats: the options, and the formulas of each kind of jitter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{KindWord, ScalarOrTable, Span, Stream, TaggedTable, Time, schema, tagged};

/// When a client beats. The first beat comes after a random part of the period.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "HeartbeatTable")]
pub struct Heartbeat {
    /// The period `h`. RFC 8085 (3.5) wants no keep-alive more often than every 15 s on the
    /// Internet; the tutorial beats every 5 s.
    pub every: Span,
    /// How the beats deviate from the period.
    pub jitter: Jitter,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { every: Span::from_secs(5), jitter: Jitter::None }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ every, jitter }`")]
struct HeartbeatTable {
    /// The period `h`, above zero; default `"5s"`. The first beat comes after a random part of it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// How beats deviate from the period; default `"none"`.
    #[serde(default)]
    jitter: Jitter,
}

impl TryFrom<HeartbeatTable> for Heartbeat {
    type Error = String;

    fn try_from(table: HeartbeatTable) -> Result<Self, String> {
        let every = table.every.unwrap_or(Heartbeat::default().every);
        let jitter = table.jitter;
        let widest = match jitter {
            Jitter::Renewal(Width { width }) => width,
            Jitter::Grid(Width { width }) => width * 2,
            _ => Span::ZERO,
        };
        if every.is_zero() {
            return Err("expected a heartbeat period above zero".to_owned());
        }
        if widest > every {
            return Err(format!(
                "jitter is wider than a period of {every} allows: beats would change places"
            ));
        }
        Ok(Heartbeat { every, jitter })
    }
}

tagged! {
    /// How heartbeats deviate from their period `h`. `U` is the uniform distribution.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(from = "JitterForm", tag = "kind", rename_all = "kebab-case")]
    pub enum Jitter: "a jitter" {
        /// Exactly every `h`.
        None = "none",
        /// Each gap is `U(h - width, h + width)`: deviations add up.
        Renewal(Width) = "renewal",
        /// Beat `k` is at `kh + U(-width, width)`: deviations do not add up.
        Grid(Width) = "grid",
        /// Each gap is `U(0.75h, h)` (BFD, RFC 5880, 6.8.7).
        Bfd = "bfd",
        /// Each gap is `U(0.8h, 1.2h)` (ICE consent freshness, RFC 7675, 5.1).
        Rfc7675 = "rfc7675",
        /// Each gap is `U(0.8h, h)` (SIP outbound, RFC 5626, 4.4.1).
        Rfc5626 = "rfc5626",
    }
}

/// How far beats deviate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Width {
    /// The largest deviation: of a gap, at most `h`, in `renewal`; of a beat, at most `h/2`, in
    /// `grid`.
    pub width: Span,
}

/// The name of a jitter, or a table.
type JitterForm = ScalarOrTable<KindWord<Jitter>, TaggedTable<Jitter>>;

impl From<JitterForm> for Jitter {
    fn from(form: JitterForm) -> Self {
        match form {
            ScalarOrTable::Scalar(KindWord(jitter)) => jitter,
            ScalarOrTable::Table(table) => table.model,
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the variants are declared by a macro")]
impl Default for Jitter {
    fn default() -> Self {
        Jitter::None
    }
}

impl Heartbeat {
    /// The origin of the grid of a client that starts at `start`, and its first beat: it comes
    /// after a random part of the period (`phase`, in `[0, 1)`).
    pub(crate) fn first(&self, start: Time, phase: f64, stream: Stream, beat: u64) -> (Time, Time) {
        match self.jitter {
            Jitter::Grid(Width { width }) => {
                let anchor = start + width + self.every.scaled(phase);
                (anchor, anchor - width + (width * 2).scaled(stream.unit(beat)))
            }
            _ => {
                let anchor = start + self.every.scaled(phase);
                (anchor, anchor)
            }
        }
    }

    /// The beat after one at `previous`; `beat` counts the draws. Jitter around a grid asks `grid`
    /// for its origin and the number of steps since then.
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
            Jitter::Renewal(Width { width }) => between(h.saturating_sub(width), h + width),
            Jitter::Grid(Width { width }) => {
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

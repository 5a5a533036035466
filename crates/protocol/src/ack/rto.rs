//! The retransmission timeout of RFC 6298: `SRTT ← 7/8 SRTT + 1/8 R`,
//! `RTTVAR ← 3/4 RTTVAR + 1/4 |SRTT - R|`, `RTO = SRTT + 4 RTTVAR`. It begins with 1 s (2.1) and is
//! never below 200 ms: the RFC asks for at least 1 s (2.4), but most implementations take 200 ms.

use skipbeat_core::Span;

use crate::{RetryPolicy, WINDOW};

/// How often a text is sent before it is given up.
const TRIES: u32 = 8;

/// The retransmission timeout towards one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rto {
    /// SRTT and RTTVAR, once a round-trip time was measured.
    estimate: Option<(Span, Span)>,
}

impl Rto {
    /// The timeout before anything is measured (2.1).
    pub const INITIAL: Span = Span::from_secs(1);
    /// The shortest timeout.
    pub const LEAST: Span = Span::from_millis(200);
    /// The longest timeout, also after backing off (2.5).
    pub const MOST: Span = Span::from_secs(60);
}

impl RetryPolicy for Rto {
    /// The timeout, doubled with each try after the first (5.5).
    fn wait(&self, number: u32) -> Span {
        let first = self.estimate.map_or(Rto::INITIAL, |(smoothed, variation)| {
            (smoothed + variation * 4).max(Rto::LEAST)
        });
        (first * (1 << number.saturating_sub(1).min(16))).min(Rto::MOST)
    }

    fn tries(&self) -> u32 {
        TRIES
    }

    /// What is below the receiver's [`DuplicateWindow`](crate::DuplicateWindow) would count as
    /// received before.
    fn window(&self) -> u32 {
        WINDOW
    }

    /// Updates the estimate. An item that was sent again must not be measured, since its ack may
    /// answer either copy (Karn's rule, 3).
    fn sample(&mut self, rtt: Span) {
        self.estimate = Some(match self.estimate {
            None => (rtt, Span::from_nanos(rtt.nanos() / 2)),
            Some((smoothed, variation)) => {
                let error = smoothed.nanos().abs_diff(rtt.nanos());
                let variation = Span::from_nanos((3 * variation.nanos() + error) / 4);
                (Span::from_nanos((7 * smoothed.nanos() + rtt.nanos()) / 8), variation)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_the_rfc() {
        let mut rto = Rto::default();
        assert_eq!(
            (rto.wait(1), rto.wait(2), rto.wait(9)),
            (Rto::INITIAL, Rto::INITIAL * 2, Rto::MOST)
        );
        rto.sample(Span::from_millis(400));
        // SRTT 400, RTTVAR 200.
        assert_eq!(rto.wait(1), Span::from_millis(400 + 4 * 200));
        rto.sample(Span::from_millis(480));
        // RTTVAR 170, SRTT 410.
        assert_eq!(rto.wait(1), Span::from_millis(410 + 4 * 170));
        (0..100).for_each(|_| rto.sample(Span::from_millis(10)));
        assert_eq!((rto.wait(1), rto.wait(3)), (Rto::LEAST, Rto::LEAST * 4));
    }
}

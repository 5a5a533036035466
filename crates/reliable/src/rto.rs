//! The retransmission timeout of RFC 6298: `SRTT ← 7/8 SRTT + 1/8 R`,
//! `RTTVAR ← 3/4 RTTVAR + 1/4 |SRTT - R|`, `RTO = SRTT + 4 RTTVAR`. It begins with 1 s (2.1) and is
//! never below 200 ms: the RFC's minimum of 1 s (2.4) is for the Internet's TCP, most
//! implementations take 200 ms.

use skipbeat_core::Span;

/// The estimate for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rto {
    /// Smoothed round-trip time and its variation, where one was measured.
    estimate: Option<(Span, Span)>,
}

impl Rto {
    /// Before anything is measured.
    pub const INITIAL: Span = Span::from_secs(1);
    /// The shortest.
    pub const LEAST: Span = Span::from_millis(200);
    /// The longest, also after backing off.
    pub const MOST: Span = Span::from_secs(60);

    /// Takes a round-trip time. Only of what was sent once: the ack of what was sent again may
    /// answer either (Karn's rule, RFC 6298, 3).
    pub fn sample(&mut self, rtt: Span) {
        self.estimate = Some(match self.estimate {
            None => (rtt, Span::from_nanos(rtt.nanos() / 2)),
            Some((smoothed, variation)) => {
                let error = smoothed.nanos().abs_diff(rtt.nanos());
                let variation = Span::from_nanos((3 * variation.nanos() + error) / 4);
                (Span::from_nanos((7 * smoothed.nanos() + rtt.nanos()) / 8), variation)
            }
        });
    }

    /// How long to wait for the ack of something that was sent `tries` times: doubled with each
    /// (5.5).
    pub fn wait(&self, tries: u32) -> Span {
        let first = self.estimate.map_or(Rto::INITIAL, |(smoothed, variation)| {
            (smoothed + variation * 4).max(Rto::LEAST)
        });
        (first * (1 << tries.saturating_sub(1).min(16))).min(Rto::MOST)
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

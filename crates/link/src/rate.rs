//! A limited rate: a queue that drains at the rate, or a policer that drops what exceeds it.

use std::collections::VecDeque;
use std::str::FromStr;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Time, schema};

use crate::Cause;

/// A limited rate of a link.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Table")]
pub struct Rate {
    /// Bits per second.
    pub bits_per_s: f64,
    /// Bytes of each datagram in addition to its payload: 28 for IPv4 and UDP.
    pub overhead: u32,
    /// What happens to datagrams above the rate.
    pub excess: Excess,
}

/// What happens to datagrams above the rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Excess {
    /// They wait in a queue of at most this many datagrams, with the one that is being sent.
    /// Datagrams that find it full are dropped.
    QueuePackets(u32),
    /// They wait in a queue of at most this many bytes, with those of the datagram that is being
    /// sent. Datagrams that do not fit are dropped.
    QueueBytes(u64),
    /// They are dropped by a token bucket of this many bytes. Nothing waits.
    Police(u64),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ bandwidth, packets | bytes | police, … }`")]
#[schemars(transform = one_excess)]
struct Table {
    /// Bits per second as text: `"1 Mbit/s"` (bit, kbit, Mbit, Gbit).
    bandwidth: Bandwidth,
    /// Datagrams in the queue at most, the one that is being sent included; more are dropped.
    #[schemars(range(min = 1))]
    packets: Option<u32>,
    /// Bytes in the queue at most; datagrams beyond them are dropped.
    #[schemars(range(min = 1))]
    bytes: Option<u64>,
    /// Bytes of a token bucket: what is above the rate is dropped, and nothing waits.
    #[schemars(range(min = 1))]
    police: Option<u64>,
    /// Bytes of each datagram beside its payload, up to 10,000; default 0. IPv4 and UDP have 28.
    #[schemars(range(max = 10_000))]
    #[serde(default)]
    overhead: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("pattern" = BANDWIDTH))]
struct Bandwidth(f64);

/// What [`Bandwidth::from_str`] takes, but for a number that is zero or too large.
const BANDWIDTH: &str = r"^\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([kKmMgG]?[bB][iI][tT])(/s)*\s*$";

fn one_excess(schema: &mut Schema) {
    schema::exactly_one(schema, &["packets", "bytes", "police"]);
}

impl TryFrom<String> for Bandwidth {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `"1 Mbit/s"`, `"64kbit"`, `"2.5Gbit"`: decimal prefixes.
impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let unit = text[end..].trim().trim_end_matches("/s").to_ascii_lowercase();
        let factor = match &*unit {
            "bit" => 1.0,
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            _ => {
                return Err(format!(
                    "expected a bandwidth such as \"1 Mbit/s\" (bit, kbit, Mbit, Gbit), got {text:?}"
                ));
            }
        };
        match text[..end].parse::<f64>() {
            Ok(number) if number > 0.0 && number <= 1e6 => Ok(Bandwidth(number * factor)),
            _ => Err(format!("expected a bandwidth above 0, got {text:?}")),
        }
    }
}

impl TryFrom<Table> for Rate {
    type Error = &'static str;

    fn try_from(table: Table) -> Result<Self, &'static str> {
        let Table { bandwidth, packets, bytes, police, overhead } = table;
        let excess = match (packets, bytes, police) {
            (Some(packets), None, None) if packets > 0 => Excess::QueuePackets(packets),
            (None, Some(bytes), None) if bytes > 0 => Excess::QueueBytes(bytes),
            (None, None, Some(burst)) if burst > 0 => Excess::Police(burst),
            _ => {
                return Err("a rate takes one of `packets` (queue), `bytes` (queue) and `police` \
                            (bytes of burst), above zero");
            }
        };
        if overhead > 10_000 {
            return Err("expected an overhead of up to 10000 bytes");
        }
        Ok(Rate { bits_per_s: bandwidth.0, overhead, excess })
    }
}

/// The state of the queue of a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// When each datagram in the queue will have been sent, in order, and its bytes.
    departures: VecDeque<(Time, f64)>,
    /// The bytes in the token bucket, and when they were counted.
    tokens: Option<(f64, Time)>,
}

impl Rate {
    /// When a datagram of `bytes` that arrives at `now` will have been sent:
    /// `max(now, previous departure) + 8(bytes+overhead)/R`.
    pub(crate) fn pass(&self, queue: &mut Queue, now: Time, bytes: usize) -> Result<Time, Cause> {
        let bytes = bytes as f64 + f64::from(self.overhead);
        let service = Span::from_seconds(8.0 * bytes / self.bits_per_s);
        if let Excess::Police(burst) = self.excess {
            let (tokens, since) = queue.tokens.unwrap_or((burst as f64, now));
            let earned = now.since(since).seconds() * self.bits_per_s / 8.0;
            let tokens = (tokens + earned).min(burst as f64);
            let passes = tokens >= bytes;
            queue.tokens = Some((if passes { tokens - bytes } else { tokens }, now));
            return if passes { Ok(now) } else { Err(Cause::Policed) };
        }
        while queue.departures.front().is_some_and(|(left, _)| *left <= now) {
            queue.departures.pop_front();
        }
        let free = queue.departures.back().map_or(now, |(left, _)| *left);
        let full = match self.excess {
            Excess::QueuePackets(most) => queue.departures.len() >= most as usize,
            Excess::QueueBytes(most) => {
                let waiting: f64 = queue.departures.iter().map(|(_, bytes)| bytes).sum();
                waiting + bytes > most as f64
            }
            Excess::Police(_) => false,
        };
        if full {
            return Err(Cause::Queue);
        }
        let departure = free.max(now) + service;
        queue.departures.push_back((departure, bytes));
        Ok(departure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skipbeat_core::Seed;

    fn rate(bits_per_s: f64, excess: Excess) -> Rate {
        Rate { bits_per_s, overhead: 0, excess }
    }

    #[test]
    fn bandwidths_have_decimal_prefixes() {
        let bits = |text: &str| text.parse::<Bandwidth>().map(|b| b.0);
        assert_eq!(bits("1 Mbit/s"), Ok(1e6));
        assert_eq!(bits("64kbit"), Ok(64e3));
        assert_eq!(bits("2.5Gbit"), Ok(2.5e9));
        assert!(bits("1 MB/s").is_err() && bits("0bit").is_err() && bits("fast").is_err());
    }

    /// M/D/1: the mean wait in the queue is ρS/(2(1-ρ)).
    #[test]
    fn poisson_arrivals_at_a_constant_service_wait_as_in_an_m_d_1_queue() {
        let stream = Seed(1).family("m/d/1").stream(0);
        // 1,000 bits in 1 ms.
        let rate = rate(1e6, Excess::QueuePackets(u32::MAX));
        for load in [0.3, 0.6, 0.8] {
            let (batches, each) = (40, 20_000u64);
            let mut means = Vec::new();
            for batch in 0..batches {
                let mut queue = Queue::default();
                let (mut now, mut waited) = (Time::ZERO, 0.0);
                for n in 0..each {
                    let gap = stream.exponential(batch * each + n) * 0.001 / load;
                    now += Span::from_seconds(gap);
                    let left = rate.pass(&mut queue, now, 125).unwrap();
                    waited += left.since(now).seconds() - 0.001;
                }
                means.push(waited / each as f64);
            }
            let mean = means.iter().sum::<f64>() / batches as f64;
            let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
            let interval = 4.0 * (variance / (batches * (batches - 1)) as f64).sqrt();
            let expected = load * 0.001 / (2.0 * (1.0 - load));
            // A batch begins with an empty queue, which takes some 1/(1-ρ)² services to forget.
            let start = expected * 10.0 / (1.0 - load).powi(2) / each as f64;
            assert!((mean - expected).abs() <= interval + start, "ρ {load}: {mean} {expected}");
        }
    }

    /// M/M/1/K: the share that finds the queue full is (1-ρ)ρ^K/(1-ρ^(K+1)).
    #[test]
    fn a_short_queue_with_exponential_sizes_blocks_as_m_m_1_k() {
        let stream = Seed(2).family("m/m/1/k").stream(0);
        for (load, k) in [(0.5, 3), (0.8, 5), (1.2, 4)] {
            let rate = rate(1e6, Excess::QueuePackets(k));
            let (batches, each) = (40, 20_000u64);
            let mut shares = Vec::new();
            for batch in 0..batches {
                let mut queue = Queue::default();
                let (mut now, mut blocked) = (Time::ZERO, 0u64);
                for n in 0..each {
                    let draw = 2 * (batch * each + n);
                    now += Span::from_seconds(stream.exponential(draw) * 0.08 / load);
                    // 10,000 bytes in the mean, so that whole bytes are fine enough.
                    let bytes = (stream.exponential(draw + 1) * 10_000.0).round() as usize;
                    blocked += u64::from(rate.pass(&mut queue, now, bytes).is_err());
                }
                shares.push(blocked as f64 / each as f64);
            }
            let mean = shares.iter().sum::<f64>() / batches as f64;
            let variance = shares.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
            let interval = 4.0 * (variance / (batches * (batches - 1)) as f64).sqrt();
            let k = f64::from(k);
            let expected: f64 =
                (1.0 - load) * f64::powf(load, k) / (1.0 - f64::powf(load, k + 1.0));
            assert!((mean - expected).abs() <= interval, "ρ {load}, K {k}: {mean} {expected}");
        }
    }

    #[test]
    fn constant_arrivals_above_the_rate_lose_the_rest() {
        for excess in [Excess::QueuePackets(10), Excess::QueueBytes(1250), Excess::Police(1250)] {
            let rate = rate(1e6, excess);
            let mut queue = Queue::default();
            // 125 bytes every 0.8 ms are 1.25 Mbit/s: a fifth is lost.
            let lost = (0..100_000u64)
                .filter(|n| {
                    let now = Time::from_nanos(n * 800_000);
                    rate.pass(&mut queue, now, 125).is_err()
                })
                .count();
            // What fits into the queue or the bucket at the start is not.
            assert!((19_980..=20_000).contains(&lost), "{excess:?}: {lost}");
        }
    }
}

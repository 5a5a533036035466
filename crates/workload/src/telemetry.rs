//! Telemetry: sensors send samples to the server, which does not answer. The metrics say how many
//! samples it gets, and how old its knowledge is.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{ClientId, ClientSet, Life, MessageId, Span, Stream, Time, schema};
use skipbeat_protocol::Tag;

use crate::age::Ages;
use crate::arrivals::checked_size;
use crate::kind::{measures, ratio};
use crate::{Books, Measure, Reached, Saying, Word, WorkloadContext, WorkloadModel};

/// The samples of a sensor.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TelemetryTable")]
pub struct Telemetry {
    /// The period `h`, above zero.
    pub every: Span,
    /// Each gap is `U(h - jitter, h + jitter)`.
    pub jitter: Span,
    /// How many samples are sent in a row each time.
    pub burst: u32,
    /// The size of a sample in bytes, 47 to 65,000. It begins with a tag of 47 bytes.
    pub size: usize,
}

/// A sample a second.
impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { every: Span::from_secs(1), jitter: Span::ZERO, burst: 1, size: 64 }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ every, jitter, burst, size }`")]
struct TelemetryTable {
    /// The period of a sensor's samples, above zero; default `"1s"`. The first comes after a random
    /// part of it.
    #[schemars(transform = schema::above_zero)]
    every: Option<Span>,
    /// The largest deviation of a gap from the period, at most the period; default `"0s"`.
    #[serde(default)]
    jitter: Span,
    /// How many samples are sent in a row each time, 1 to 1000; default 1.
    #[schemars(range(min = 1, max = 1000))]
    burst: Option<u32>,
    /// Bytes of a sample, 47 to 65,000; default 64. It begins with a tag of 47 bytes.
    #[schemars(range(min = Tag::LEN, max = 65_000))]
    size: Option<usize>,
}

impl TryFrom<TelemetryTable> for Telemetry {
    type Error = String;

    fn try_from(table: TelemetryTable) -> Result<Self, String> {
        let default = Telemetry::default();
        let every = table.every.unwrap_or(default.every);
        let burst = table.burst.unwrap_or(default.burst);
        if every.is_zero() {
            return Err("expected a period of samples above zero".to_owned());
        }
        if table.jitter > every {
            return Err(format!("expected a jitter of at most the period of {every}"));
        }
        if !(1..=1000).contains(&burst) {
            return Err(format!("expected a burst of 1 to 1000 samples, got {burst}"));
        }
        let size = checked_size("sample", table.size.unwrap_or(default.size))?;
        Ok(Telemetry { every, jitter: table.jitter, burst, size })
    }
}

impl WorkloadModel for Telemetry {
    type Books = Sensors;

    fn first_gap(&self, stream: Stream, draw: u64) -> Span {
        self.every.scaled(stream.unit(draw))
    }

    #[inline]
    fn gap(&self, stream: Stream, draw: u64) -> Span {
        if self.jitter.is_zero() {
            return self.every;
        }
        self.every.saturating_sub(self.jitter) + (self.jitter * 2).scaled(stream.unit(draw))
    }

    fn saying(&self) -> Saying {
        Saying { word: Word::Put, size: self.size }
    }

    fn at_once(&self) -> u32 {
        self.burst
    }

    fn books(&self, setting: WorkloadContext) -> Sensors {
        let WorkloadContext { group, window, server_tells, .. } = setting;
        Sensors {
            first: group.start,
            sensors: vec![Sensor::default(); group.len()],
            window,
            server_tells,
            samples: 0,
            taken: 0,
            ages: Ages::default(),
        }
    }
}

/// The books: what the server knows of the sensors of a group.
#[derive(Clone, Debug)]
pub struct Sensors {
    first: ClientId,
    sensors: Vec<Sensor>,
    window: Range<Time>,
    server_tells: bool,
    samples: u64,
    taken: u64,
    ages: Ages,
}

/// What the server knows of a sensor.
#[derive(Clone, Debug, Default)]
struct Sensor {
    /// When the freshest sample was due that the server has from this life.
    freshest: Option<Time>,
    /// The time up to which the age has been counted.
    until: Time,
    /// Samples of which no copy is under way any more, and how many of them are lost.
    over: u32,
    lost: u32,
    /// The lost ones, a bit each, counted from the first sample of the measured time.
    origin: Option<u32>,
    losses: Vec<u64>,
}

impl Sensor {
    /// Counts the age until `at`, as far as it is in the window.
    fn grow(&self, at: Time, window: &Range<Time>, ages: &mut Ages) {
        let Some(freshest) = self.freshest else { return };
        let (from, to) =
            (self.until.clip(window.start, window.end), at.clip(window.start, window.end));
        ages.grew(from.since(freshest), to.since(freshest));
    }

    /// The lengths of the runs of losses.
    fn loss_runs(&self) -> impl Iterator<Item = u64> + '_ {
        let bits = self.losses.iter().flat_map(|word| (0..64).map(move |bit| word >> bit & 1 == 1));
        let mut run = 0;
        bits.chain([false]).filter_map(move |lost| {
            if lost {
                run += 1;
                return None;
            }
            Some(std::mem::take(&mut run)).filter(|run| *run > 0)
        })
    }
}

impl Books for Sensors {
    type Tally = Tally;

    const METRICS: &'static [Measure<Tally>] = measures! {
        samples(Count, Neither) []:
            "samples that were due in the window",
            |t| Some(t.samples as f64);
        samples_taken(Count, Neither) []:
            "of those, the ones that the server took",
            |t| t.told(t.taken as f64);
        samples_taken_per_s(PerSecond, Higher) ["samples taken / s"]:
            "samples of the window that the server took, per second of it",
            |t| t.told((t.window_s > 0.0).then(|| t.taken as f64 / t.window_s)?);
        age_mean_s(Seconds, Lower) ["age of information, mean"]:
            "age of the freshest sample that the server has of a sensor, mean over time",
            |t| t.told(t.ages.mean()?);
        age_p99_s(Seconds, Lower) ["age of information, p99"]:
            "age of the freshest sample of a sensor that is not exceeded for 99 % of the time",
            |t| t.told(t.ages.quantile(0.99)?);
        sensor_loss_mean(Ratio, Lower) ["loss of a sensor, mean"]:
            "share of a sensor's samples that the server never had, mean over sensors",
            |t| t.told((!t.shares.is_empty()).then(|| t.shares.iter().sum::<f64>() / t.shares.len() as f64)?);
        sensor_loss_max(Ratio, Lower) ["loss of the worst sensor"]:
            "share of its samples that the server never had, of the sensor that lost most",
            |t| t.told(t.shares.iter().copied().reduce(f64::max)?);
        sample_loss_run_mean(Number, Lower) ["run of lost samples, mean"]:
            "mean run of consecutive samples of a sensor that were lost (RFC 3357)",
            |t| t.told(ratio(t.lost, t.runs)?);
        sample_loss_run_max(Number, Lower) []:
            "the longest of those runs",
            |t| t.told((t.runs > 0).then_some(t.longest as f64)?);
    };

    fn due(&mut self, _: Time, message: MessageId, _: Option<&ClientSet>) {
        let sensor = &mut self.sensors[(message.sender - self.first) as usize];
        sensor.origin.get_or_insert(message.seq);
        self.samples += 1;
    }

    fn reached(&mut self, Reached { at, planned, message, .. }: Reached) {
        self.taken += u64::from(self.window.contains(&planned));
        let sensor = &mut self.sensors[(message.sender - self.first) as usize];
        if sensor.freshest.is_some_and(|freshest| planned <= freshest) {
            return;
        }
        sensor.grow(at, &self.window, &mut self.ages);
        (sensor.freshest, sensor.until) = (Some(planned), at);
    }

    fn over(&mut self, message: MessageId, reached: bool) {
        let sensor = &mut self.sensors[(message.sender - self.first) as usize];
        sensor.over += 1;
        if reached {
            return;
        }
        sensor.lost += 1;
        let sample = message.seq.wrapping_sub(sensor.origin.unwrap_or(message.seq)) as usize;
        if sample / 64 >= sensor.losses.len() {
            sensor.losses.resize(sample / 64 + 1, 0);
        }
        sensor.losses[sample / 64] |= 1 << (sample % 64);
    }

    fn life(&mut self, at: Time, client: ClientId, life: Life) {
        let index = client.checked_sub(self.first).map(|index| index as usize);
        let Some(sensor) = index.and_then(|index| self.sensors.get_mut(index)) else { return };
        if life != Life::Up {
            sensor.grow(at, &self.window, &mut self.ages);
            sensor.freshest = None;
        }
    }

    fn add_to(&self, now: Time, tally: &mut Tally) {
        tally.told = self.server_tells;
        tally.window_s = self.window.end.min(now).since(self.window.start).seconds();
        tally.samples += self.samples;
        tally.taken += self.taken;
        tally.ages.add(&self.ages);
        for sensor in &self.sensors {
            sensor.grow(now, &self.window, &mut tally.ages);
            if let Some(share) = ratio(sensor.lost.into(), sensor.over.into()) {
                tally.shares.push(share);
            }
            for run in sensor.loss_runs() {
                tally.runs += 1;
                tally.lost += run;
                tally.longest = tally.longest.max(run);
            }
        }
    }
}

/// The outcome of the sensors of one or several groups.
#[derive(Debug, Default)]
pub struct Tally {
    /// Whether the server reports what it receives.
    told: bool,
    window_s: f64,
    samples: u64,
    taken: u64,
    ages: Ages,
    /// The share of lost samples of each sensor that sent any.
    shares: Vec<f64>,
    runs: u64,
    lost: u64,
    longest: u64,
}

impl Tally {
    /// A value that is only known if the server reports what it receives.
    fn told(&self, figure: f64) -> Option<f64> {
        self.told.then_some(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Time {
        Time::ZERO + Span::from_seconds(seconds)
    }

    fn sensors(server_tells: bool) -> Sensors {
        let window = at(10.0)..at(20.0);
        Telemetry::default().books(WorkloadContext {
            group: 5..6,
            clients: 6,
            window,
            server_tells,
        })
    }

    /// A sample that is due then, and reaches the server later, if it does.
    fn sample(books: &mut Sensors, seq: u32, planned: f64, reached: Option<f64>) {
        let message = MessageId { sender: 5, seq };
        let counts = books.window.contains(&at(planned));
        if counts {
            books.due(at(planned), message, None);
        }
        if let Some(reached) = reached {
            books.reached(Reached { at: at(reached), planned: at(planned), message, to: 5 });
        }
        if counts {
            books.over(message, reached.is_some());
        }
    }

    fn tally(books: &Sensors) -> Tally {
        let mut tally = Tally::default();
        books.add_to(at(30.0), &mut tally);
        tally
    }

    #[test]
    fn the_age_is_that_of_the_freshest_sample_over_the_measured_time() {
        let mut books = sensors(true);
        sample(&mut books, 0, 9.0, Some(9.5));
        sample(&mut books, 1, 14.0, Some(15.0));
        // It is overtaken, and changes nothing.
        sample(&mut books, 2, 13.0, Some(16.0));
        let tally = tally(&books);
        // From 1 s to 6 s in five seconds, then from 1 s to 6 s again.
        assert!((tally.ages.mean().unwrap() - 3.5).abs() < 1e-9);
        assert_eq!((tally.samples, tally.taken), (2, 2), "those of the measured time");
    }

    #[test]
    fn losses_are_of_each_sensor_and_stand_in_runs() {
        let mut books = sensors(true);
        for seq in 0..100u32 {
            let planned = 10.0 + 0.1 * f64::from(seq);
            let lost = [3, 64, 65, 66, 99].contains(&seq);
            sample(&mut books, 1000 + seq, planned, (!lost).then_some(planned));
        }
        let tally = tally(&books);
        assert_eq!((tally.runs, tally.lost, tally.longest), (3, 5, 3));
        assert_eq!(tally.shares, [0.05]);
    }

    #[test]
    fn a_sensor_that_is_gone_has_no_age() {
        let mut books = sensors(true);
        sample(&mut books, 0, 10.0, Some(10.0));
        books.life(at(12.0), 5, Life::Crashed);
        books.life(at(18.0), 5, Life::Up);
        assert_eq!(tally(&books).ages.mean(), Some(1.0), "the two seconds that it lived");
    }

    #[test]
    fn of_a_server_that_does_not_tell_nothing_is_known() {
        let mut books = sensors(false);
        sample(&mut books, 0, 11.0, None);
        let tally = tally(&books);
        let known = Sensors::METRICS.iter().filter(|metric| (metric.value)(&tally).is_some());
        assert_eq!(known.map(|metric| metric.name).collect::<Vec<_>>(), ["samples"]);
    }
}

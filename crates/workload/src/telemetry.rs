//! Telemetry: sensors send samples to the server, which does not answer. The metrics say how many
//! samples it gets, and how old its knowledge is.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    Average, ClientId, ClientSet, Life, Measure, MessageId, Percentile, Span, Statistic, Stream,
    Time, Unit, schema,
};
use skipbeat_protocol::Tag;

use crate::age::Ages;
use crate::arrivals::checked_size;
use crate::kind::ratio;
use crate::{Additive, Books, Reached, Saying, Word, WorkloadContext, WorkloadModel};

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
    /// The planned time of the freshest sample that the server has from the sensor's present life.
    freshest: Option<Time>,
    /// The time up to which the age has been counted.
    until: Time,
    /// Samples of which no copy is under way any more, and how many of those were lost.
    over: u32,
    lost: u32,
    /// A bit for each lost sample, counted from the first sample of the measured time, whose number
    /// is `origin`.
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
    type Tally = SensorTally;

    const METRICS: &'static [Measure<SensorTally>] = &[
        Measure::<SensorTally>::number(
            "samples",
            Unit::Count,
            "samples",
            "samples that were due in the window",
            |t| Some(t.samples as f64),
        )
        .rank(50),
        Measure::<SensorTally>::number(
            "samples_taken",
            Unit::Count,
            "samples taken",
            "those of them that the server took",
            |t| t.told(t.taken as f64),
        ),
        Measure::<SensorTally>::number(
            "samples_taken_per_s",
            Unit::PerSecond,
            "samples taken per second",
            "samples of the window that the server took, per second of it",
            |t| t.told((t.window_s > 0.0).then(|| t.taken as f64 / t.window_s)?),
        )
        .higher()
        .rank(51),
        Measure::<SensorTally>::spread(
            "age",
            "age of information",
            "how old the freshest sample is that the server has of a live sensor, over time",
            |t| t.told.then_some(&t.ages),
        )
        .statistics(&[Statistic::Mean])
        .note(
            "It grows with time and falls when a fresher sample comes. Each moment of the window \
             counts alike. A sensor counts from its first sample that the server has, which may be \
             of the warm-up, to its end.",
        )
        .source("Kaul, Yates, Gruteser, INFOCOM 2012")
        .lower()
        .headline(52, &[Statistic::Mean, Statistic::Percentile(Percentile::P99)]),
        Measure::<SensorTally>::number(
            "sensor_loss_mean",
            Unit::Ratio,
            "loss of a sensor, mean",
            "share of a sensor's samples that the server never had, mean over sensors",
            |t| t.told(t.shares.mean()?),
        )
        .note("Of samples of which nothing is under way any more.")
        .lower()
        .rank(53),
        Measure::<SensorTally>::number(
            "sensor_loss_max",
            Unit::Ratio,
            "loss of the worst sensor",
            "the same of the sensor that lost most",
            |t| t.told(t.worst?),
        )
        .lower()
        .rank(54),
        Measure::<SensorTally>::number(
            "sample_loss_run_mean",
            Unit::Number,
            "run of lost samples, mean",
            "mean run of consecutive samples of a sensor that were lost",
            |t| t.told(ratio(t.lost, t.runs)?),
        )
        .source("RFC 3357")
        .lower()
        .rank(55),
        Measure::<SensorTally>::number(
            "sample_loss_run_max",
            Unit::Number,
            "run of lost samples, longest",
            "the longest of those runs",
            |t| t.told((t.runs > 0).then_some(t.longest as f64)?),
        )
        .lower(),
    ];

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

    fn tally(&self, now: Time) -> SensorTally {
        let mut tally = SensorTally {
            told: self.server_tells,
            window_s: self.window.end.min(now).since(self.window.start).seconds(),
            samples: self.samples,
            taken: self.taken,
            ages: self.ages.clone(),
            ..SensorTally::default()
        };
        for sensor in &self.sensors {
            sensor.grow(now, &self.window, &mut tally.ages);
            if let Some(share) = ratio(sensor.lost.into(), sensor.over.into()) {
                tally.shares.record(share);
                tally.worst = Some(tally.worst.unwrap_or(0.0).max(share));
            }
            for run in sensor.loss_runs() {
                tally.runs += 1;
                tally.lost += run;
                tally.longest = tally.longest.max(run);
            }
        }
        tally
    }
}

/// The sums of sensors of one or several groups.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorTally {
    /// Whether the server reports which samples it receives.
    told: bool,
    window_s: f64,
    samples: u64,
    taken: u64,
    ages: Ages,
    /// The share of lost samples of each sensor that sent any.
    shares: Average,
    /// The largest of these.
    worst: Option<f64>,
    runs: u64,
    lost: u64,
    longest: u64,
}

impl Additive for SensorTally {
    fn add(&mut self, other: &SensorTally) {
        self.told |= other.told;
        self.window_s = self.window_s.max(other.window_s);
        self.samples += other.samples;
        self.taken += other.taken;
        self.ages.add(&other.ages);
        self.shares.add(&other.shares);
        self.worst = self.worst.into_iter().chain(other.worst).reduce(f64::max);
        self.runs += other.runs;
        self.lost += other.lost;
        self.longest = self.longest.max(other.longest);
    }
}

impl SensorTally {
    /// A figure that is known only if the server reports what it receives.
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

    /// A sample that is due at `planned` and reaches the server at `reached`, if at all.
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

    fn tally(books: &Sensors) -> SensorTally {
        books.tally(at(30.0))
    }

    #[test]
    fn the_age_is_that_of_the_freshest_sample_over_the_measured_time() {
        let mut books = sensors(true);
        sample(&mut books, 0, 9.0, Some(9.5));
        sample(&mut books, 1, 14.0, Some(15.0));
        // It was overtaken, so it changes nothing.
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
        assert_eq!((tally.shares.mean(), tally.worst), (Some(0.05), Some(0.05)));
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
        let known = Sensors::METRICS.iter().filter(|metric| metric.figure(&tally, None).is_some());
        assert_eq!(known.map(|metric| metric.card.name).collect::<Vec<_>>(), ["samples"]);
    }
}

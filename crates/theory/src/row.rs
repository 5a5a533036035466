//! One comparison, and what all experiments share: the numbers of the examples, and whole runs.

use skipbeat_measure::{Figures, Results};
use skipbeat_scenario::Plan;

/// h, the heartbeat period in seconds.
pub(crate) const H: f64 = 5.0;
/// T, the timeout in seconds, where a row says nothing else.
pub(crate) const T: f64 = 10.0;
/// d, the constant delay in seconds.
pub(crate) const D: f64 = 0.05;
/// p, the loss towards the server, where there is any; and q, from it.
pub(crate) const P: f64 = 0.1;
pub(crate) const Q: f64 = 0.1;

/// The longest run in seconds: a scenario takes no longer ones.
const LONGEST: u64 = 4_900_000;

/// How large the samples are. Experiments have sizes of their own; where the number of clients is
/// part of what is tested, it stays.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    /// How many clients, where there are many alike.
    pub clients: Option<u32>,
    /// How long each experiment lasts, in hours of virtual time.
    pub hours: Option<f64>,
    /// How many times as long as that.
    pub times: u32,
}

impl Default for Size {
    fn default() -> Self {
        Size { clients: None, hours: None, times: 1 }
    }
}

impl Size {
    /// Clients that are many and alike.
    pub(crate) fn clients(&self, usual: u32) -> u32 {
        self.clients.unwrap_or(usual)
    }

    /// The duration of one run in seconds, where a longer sample takes several.
    pub(crate) fn seconds_each(&self, usual: u64) -> u64 {
        let once = self.hours.map_or(usual, |hours| (hours * 3600.0).ceil() as u64);
        once.min(LONGEST)
    }

    /// The duration in seconds.
    pub(crate) fn seconds(&self, usual: u64) -> u64 {
        self.seconds_each(usual).saturating_mul(self.times.into()).min(LONGEST)
    }

    /// How many runs, where one run is one sample.
    pub(crate) fn runs(&self, usual: u64) -> u64 {
        usual.saturating_mul(self.times.into())
    }
}

/// A figure beside its closed form.
#[derive(Clone, PartialEq, Debug)]
pub struct TheoryRow {
    /// What it is.
    pub case: String,
    /// The closed form.
    pub form: &'static str,
    /// Its value.
    pub expected: f64,
    /// What the simulator says.
    pub got: f64,
    /// How far off chance may take it, once in 16,000 times: mostly four standard errors.
    pub interval: f64,
    /// What the figure can't leave, whatever the sample.
    pub limits: [f64; 2],
    /// How many independent things are behind the figure; of rare events four times their expected
    /// number.
    pub samples: f64,
}

/// What a row says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agreement {
    /// The simulator agrees with the closed form.
    Agrees,
    /// It differs by more than chance allows.
    Differs,
    /// The sample is too small to say.
    TooFew,
}

/// Samples from which on four standard errors are what they seem to be.
const LEAST: f64 = 100.0;

impl TheoryRow {
    pub(crate) fn new(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        got: f64,
        interval: f64,
    ) -> Self {
        let limits = [f64::NEG_INFINITY, f64::INFINITY];
        let samples = f64::INFINITY;
        TheoryRow { case: case.into(), form, expected, got, interval, limits, samples }
    }

    /// The same of so many samples.
    pub(crate) fn of(self, samples: f64) -> Self {
        TheoryRow { samples, ..self }
    }

    /// The same with limits, which nanoseconds may round.
    pub(crate) fn within(self, least: f64, most: f64) -> Self {
        TheoryRow { limits: [least - 1e-8, most + 1e-8], ..self }
    }

    /// The mean of n values of this deviation.
    pub(crate) fn mean(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        got: f64,
        deviation: f64,
        n: f64,
    ) -> Self {
        TheoryRow::new(case, form, expected, got, 4.0 * deviation / n.sqrt()).of(n)
    }

    /// The share of n for which something of probability `expected` happens.
    pub(crate) fn share(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        got: f64,
        n: f64,
    ) -> Self {
        let variance = expected * (1.0 - expected);
        let rare = 4.0 * n * expected.min(1.0 - expected);
        TheoryRow::mean(case, form, expected, got, variance.sqrt(), n).of(rare)
    }

    /// The mean detection time of a run, whose deviation is that of the sample.
    pub(crate) fn detection(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        results: &Results,
    ) -> Self {
        let of = |name| figure(&results.figures, name);
        let (mean, deviation) = (of("eviction_latency_mean_s"), of("eviction_latency_sd_s"));
        TheoryRow::mean(case, form, expected, mean, deviation, of("eviction_latency_samples"))
    }

    /// The rate of rare mistakes, which are nearly Poisson.
    pub(crate) fn rate(
        case: impl Into<String>,
        form: &'static str,
        expected: f64,
        results: &Results,
    ) -> Self {
        let of = |name| figure(&results.figures, name);
        let (n, time) = (of("false_evictions"), of("live_time_s"));
        let events = expected * time;
        let interval = 4.0 * events.sqrt() / time;
        TheoryRow::new(case, form, expected, n / time, interval).of(4.0 * events)
    }

    /// Whether the simulator agrees.
    pub fn verdict(&self) -> Agreement {
        let [least, most] = self.limits;
        let off = (self.got - self.expected).abs() > self.interval;
        if self.got < least || self.got > most {
            Agreement::Differs
        } else if self.got.is_nan() || self.samples.is_nan() || self.samples < LEAST {
            Agreement::TooFew
        } else if off {
            Agreement::Differs
        } else {
            Agreement::Agrees
        }
    }
}

/// Runs a scenario in virtual time.
pub(crate) fn run(text: &str) -> Results {
    let plan = Plan::parse("theory", text, &[]);
    let plan = plan.unwrap_or_else(|e| unreachable!("the scenario is ours: {e}\n{text}"));
    skipbeat_sim::run(&plan, &mut |_| true)
}

/// A figure; not a number where the sample is so small that it has no basis.
pub(crate) fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or(f64::NAN)
}

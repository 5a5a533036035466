//! Queries: a client asks the server, and repeats the query until it is answered or has had all its
//! tries, as DNS resolvers (RFC 1035, 4.2.1) and CoAP (RFC 7252, 4.2) do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    ClientSet, Distribution, Measure, MessageId, Percentile, Span, Statistic, Stream, Time, Unit,
    schema,
};
use skipbeat_protocol::Tag;

use crate::arrivals::{checked_rate, checked_size};
use crate::kind::ratio;
use crate::{Additive, Arrivals, Books, Retry, Saying, Word, WorkloadContext, WorkloadModel};

/// The queries of a client.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "QueryTable")]
pub struct Query {
    /// Queries per second of each client, above zero.
    pub rate: f64,
    /// How they are spread over time.
    pub arrivals: Arrivals,
    /// The size of a key in bytes, 47 to 65,000. It begins with a tag of 47 bytes.
    pub size: usize,
    /// The wait for the answer to the first try.
    pub timeout: Span,
    /// The factor by which each wait is longer than the one before, from 1.
    pub backoff: f64,
    /// The longest wait.
    pub longest: Span,
    /// The number of tries.
    pub tries: u32,
}

/// A query a second, and up to four tries within 1 + 2 + 4 + 8 s.
impl Default for Query {
    fn default() -> Self {
        Query {
            rate: 1.0,
            arrivals: Arrivals::Poisson,
            size: 64,
            timeout: Span::from_secs(1),
            backoff: 2.0,
            longest: Span::from_secs(60),
            tries: 4,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ rate, timeout, tries, … }`")]
struct QueryTable {
    /// Queries per second of each client, above 0 and up to 10⁶; default 1.
    #[schemars(transform = schema::rate)]
    rate: Option<f64>,
    /// How they are spread over time; default `"poisson"`.
    #[serde(default)]
    arrivals: Arrivals,
    /// Bytes of a key, 47 to 65,000; default 64. It begins with a tag of 47 bytes. What the server
    /// answers is at least as long: see `server.value_size`.
    #[schemars(range(min = Tag::LEN, max = 65_000))]
    size: Option<usize>,
    /// How long a client waits for an answer before it asks again, above zero; default `"1s"`.
    #[schemars(transform = schema::above_zero)]
    timeout: Option<Span>,
    /// The factor by which each wait is longer than the one before, 1 to 10; default 2. 1 is a
    /// fixed timer.
    #[schemars(range(min = 1, max = 10))]
    backoff: Option<f64>,
    /// The longest wait for one try, at least `timeout`; default `"60s"`.
    #[schemars(transform = schema::above_zero)]
    longest: Option<Span>,
    /// The number of tries, 1 to 100; default 4.
    #[schemars(range(min = 1, max = 100))]
    tries: Option<u32>,
}

impl TryFrom<QueryTable> for Query {
    type Error = String;

    fn try_from(table: QueryTable) -> Result<Self, String> {
        let default = Query::default();
        let timeout = table.timeout.unwrap_or(default.timeout);
        let backoff = table.backoff.unwrap_or(default.backoff);
        let longest = table.longest.unwrap_or(default.longest.max(timeout));
        let tries = table.tries.unwrap_or(default.tries);
        if timeout.is_zero() {
            return Err("expected a timeout above zero".to_owned());
        }
        if !(1.0..=10.0).contains(&backoff) {
            return Err(format!("expected a backoff from 1 to 10, got {backoff}"));
        }
        if longest < timeout {
            return Err(format!("expected `longest` from the timeout of {timeout}"));
        }
        if !(1..=100).contains(&tries) {
            return Err(format!("expected 1 to 100 tries, got {tries}"));
        }
        Ok(Query {
            rate: checked_rate("query", table.rate.unwrap_or(default.rate))?,
            arrivals: table.arrivals,
            size: checked_size("key", table.size.unwrap_or(default.size))?,
            timeout,
            backoff,
            longest,
            tries,
        })
    }
}

impl WorkloadModel for Query {
    type Books = Queries;

    fn first_gap(&self, stream: Stream, draw: u64) -> Span {
        self.arrivals.first_gap(self.rate, stream, draw)
    }

    #[inline]
    fn gap(&self, stream: Stream, draw: u64) -> Span {
        self.arrivals.gap(self.rate, stream, draw)
    }

    fn saying(&self) -> Saying {
        let Query { timeout, backoff, longest, tries, size, .. } = *self;
        Saying { word: Word::Get(Retry { timeout, backoff, longest, tries }), size }
    }

    fn books(&self, _: WorkloadContext) -> Queries {
        Queries::default()
    }
}

/// What became of the queries of one or several groups.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queries {
    asked: u64,
    /// Datagrams with queries, repetitions included.
    tries: u64,
    answered: u64,
    given_up: u64,
    /// Due → answered.
    latency: Distribution,
}

impl Books for Queries {
    type Tally = Queries;

    const METRICS: &'static [Measure<Queries>] = &[
        Measure::<Queries>::number(
            "queries",
            Unit::Count,
            "queries",
            "queries that were due in the window",
            |q| Some(q.asked as f64),
        )
        .rank(70),
        Measure::<Queries>::number(
            "queries_answered",
            Unit::Count,
            "queries answered",
            "those of them that were answered before their client gave up",
            |q| Some(q.answered as f64),
        ),
        Measure::<Queries>::number(
            "answered_ratio",
            Unit::Ratio,
            "answered ratio",
            "share of the queries that were answered, of those answered or given up",
            |q| ratio(q.answered, q.answered + q.given_up),
        )
        .higher()
        .rank(71),
        Measure::<Queries>::spread(
            "query_latency",
            "query latency",
            "from the planned sending of the first try to the answer",
            |q| Some(&q.latency),
        )
        .lower()
        .headline(
            72,
            &[Statistic::Percentile(Percentile::P50), Statistic::Percentile(Percentile::P99)],
        ),
        Measure::<Queries>::number(
            "query_retransmissions",
            Unit::Count,
            "queries sent again",
            "queries sent again",
            |q| Some(q.tries.saturating_sub(q.asked) as f64),
        )
        .lower(),
        Measure::<Queries>::number(
            "load_amplification",
            Unit::Number,
            "datagrams per query",
            "datagrams sent per query, first tries included",
            |q| ratio(q.tries, q.asked),
        )
        .lower()
        .rank(73),
    ];

    fn due(&mut self, _: Time, _: MessageId, _: Option<&ClientSet>) {
        self.asked += 1;
    }

    fn offered(&mut self, _: MessageId) {
        self.tries += 1;
    }

    fn settled(&mut self, at: Time, planned: Time, _: MessageId, answered: bool) {
        if answered {
            self.answered += 1;
            self.latency.record(at.since(planned));
        } else {
            self.given_up += 1;
        }
    }

    fn tally(&self, _: Time) -> Queries {
        self.clone()
    }
}

impl Additive for Queries {
    fn add(&mut self, other: &Queries) {
        self.asked += other.asked;
        self.tries += other.tries;
        self.answered += other.answered;
        self.given_up += other.given_up;
        self.latency.add(&other.latency);
    }
}

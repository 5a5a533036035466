//! Every figure, its unit and its definition, in the order of the columns of `summary.csv`. This
//! list is the only place where a common metric is added; those of a workload stand with it.

use std::sync::LazyLock;

use skipbeat_core::{Better, Unit};
use skipbeat_workload::{WORKLOAD_METRICS, WorkloadMetric};

use crate::deliveries::{DeliveryTally, Shares};
use crate::detection::DetectionTally;
use crate::{DatagramTally, Distribution, PathTally};

/// What a figure is computed from: a group's or all groups' tallies.
pub(crate) struct Basis<'a> {
    pub(crate) clients: u32,
    pub(crate) chat_sent: u64,
    pub(crate) deliveries: &'a DeliveryTally,
    /// Of all groups: a message goes to everybody.
    pub(crate) shares: Option<&'a Shares>,
    pub(crate) detection: &'a DetectionTally,
    /// Whether who is a member is known; without it nothing of detection is.
    pub(crate) membership_seen: bool,
    /// Whether the server told of it itself.
    pub(crate) membership_told: bool,
    /// Whether the server beats, so that clients can tell whether it lives.
    pub(crate) server_beats: bool,
    pub(crate) up: &'a DatagramTally,
    pub(crate) down: &'a DatagramTally,
    /// Of hostile groups: bytes that they sent, and bytes that were sent to them and to addresses
    /// that they forged.
    pub(crate) attack: Option<[u64; 2]>,
    /// Of the whole run: the most members at a time.
    pub(crate) members_max: Option<u64>,
    /// The busiest second, of all groups together.
    pub(crate) rx_peak: Option<u64>,
    pub(crate) up_path: &'a PathTally,
    pub(crate) down_path: &'a PathTally,
    pub(crate) latency: &'a Distribution,
    /// Heartbeat → its answer.
    pub(crate) answers: &'a Distribution,
    /// Whether answers can be told: a dialect says so.
    pub(crate) answers_known: bool,
    pub(crate) latency_real: &'a Distribution,
    pub(crate) jitter: Option<f64>,
    /// What the server received and sent, where that is known.
    pub(crate) up_received: Option<u64>,
    pub(crate) down_sent: u64,
    pub(crate) unexplained: Option<i64>,
    /// Whether datagrams are seen: not where all is said over the streams of a kernel.
    pub(crate) datagrams_seen: bool,
    /// Where there are streams.
    pub(crate) connections_broken: Option<u64>,
    /// What workloads count beside, in the order of their metrics.
    pub(crate) workloads: Vec<Option<f64>>,
    /// The length of the whole run and of its window, in seconds.
    pub(crate) run_s: f64,
    pub(crate) window_s: f64,
}

impl Basis<'_> {
    /// What was seen of evictions, where they can be seen.
    fn seen(&self) -> Option<&DetectionTally> {
        self.membership_seen.then_some(self.detection)
    }

    /// What the built-in server told: from outside ghosts are not seen.
    fn own(&self) -> Option<&DetectionTally> {
        self.membership_told.then_some(self.detection)
    }
}

/// A metric.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name, the column.
    pub name: &'static str,
    /// The name in words of one of a workload that a reader looks for first.
    pub label: Option<&'static str>,
    /// What it is.
    pub meaning: &'static str,
    /// What its figure counts in.
    pub unit: Unit,
    /// Which way it should go, if either.
    pub better: Better,
    value: Value,
}

/// Where a figure comes from.
#[derive(Clone, Copy)]
enum Value {
    /// A formula of the common figures.
    Common(fn(&Basis<'_>) -> Option<f64>),
    /// The place among the metrics of workloads.
    Workload(usize),
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn per(sum: f64, time: f64) -> Option<f64> {
    (time > 0.0).then(|| sum / time)
}

macro_rules! metrics {
    ($($name:ident($unit:ident, $better:ident): $meaning:literal, $value:expr;)*) => {
        /// The metrics that do not depend on the workload.
        const COMMON: &[Metric] = &[
            $(Metric {
                name: stringify!($name),
                label: None,
                meaning: $meaning,
                unit: Unit::$unit,
                better: Better::$better,
                value: Value::Common($value),
            },)*
        ];
    };
}

metrics! {
    clients(Count, Neither): "clients", |b| Some(b.clients.into());
    chat_sent(Count, Neither): "messages that were due in the window", |b| Some(b.chat_sent as f64);
    deliveries_expected(Count, Neither): "message × client that was up when it was due",
        |b| Some(b.deliveries.expected as f64);
    deliveries(Count, Neither): "of those, reached their client at least once", |b| Some(b.deliveries.delivered as f64);
    delivery_ratio(Ratio, Higher): "deliveries / deliveries_expected",
        |b| ratio(b.deliveries.delivered, b.deliveries.expected);
    duplicate_ratio(Ratio, Lower): "copies beyond the first / deliveries (RFC 5560)",
        |b| ratio(b.deliveries.duplicates, b.deliveries.delivered);
    reordered_ratio(Ratio, Neither): "share of the datagrams a client got that were overtaken on its link (RFC 4737)",
        |b| ratio(b.down_path.reordered, b.down_path.received);
    reorder_extent_mean(Number, Neither): "mean extent of those (RFC 4737, 4.2)",
        |b| ratio(b.down_path.extent_sum, b.down_path.reordered);
    loss_run_mean(Number, Neither): "mean run of consecutive losses on links to clients (RFC 3357)",
        |b| ratio(b.down_path.losses, b.down_path.loss_runs);
    crashes(Count, Neither): "crashes in the window", |b| Some(b.detection.crashes as f64);
    evictions(Count, Neither): "evictions in the window, of any cause", |b| Some(b.seen()?.evictions as f64);
    eviction_latency_mean_s(Seconds, Lower): "crash → the eviction that lasts (T_D), mean",
        |b| b.seen()?.latency.mean();
    eviction_latency_p50_s(Seconds, Lower): "the same, median", |b| b.seen()?.latency.quantile(0.5);
    eviction_latency_p99_s(Seconds, Lower): "the same, 99th percentile", |b| b.seen()?.latency.quantile(0.99);
    eviction_latency_max_s(Seconds, Lower): "the same, longest", |b| b.seen()?.latency.max();
    false_evictions(Count, Lower): "evictions of live clients in the window (mistakes)",
        |b| Some(b.seen()?.mistakes as f64);
    mistake_rate_per_s(PerSecond, Lower): "false evictions per live client and second (λ_M)",
        |b| per(b.seen()?.mistakes as f64, b.detection.live_time);
    mistake_duration_mean_s(Seconds, Lower): "false eviction → a member again (T_M), mean",
        |b| b.seen()?.mistake_durations.mean();
    query_accuracy(Ratio, Higher): "share of a live client's time in which it is a member (P_A)",
        |b| per(b.seen()?.member_time, b.detection.live_time);
    latency_p50_s(Seconds, Lower): "planned sending → first delivery, median", |b| b.latency.quantile(0.5);
    latency_p99_s(Seconds, Lower): "the same, 99th percentile", |b| b.latency.quantile(0.99);
    latency_max_s(Seconds, Lower): "the same, longest", |b| b.latency.max();
    jitter_s(Seconds, Lower): "interarrival jitter (RFC 3550, 6.4.1), mean over clients at the end", |b| b.jitter;
    up_sent(Count, Neither): "datagrams that clients sent", |b| Some(b.up.offered as f64);
    up_received(Count, Neither): "datagrams that the server received, copies included",
        |b| b.up_received.map(|n| n as f64);
    down_sent(Count, Neither): "datagrams that the server sent", |b| Some(b.down_sent as f64);
    down_received(Count, Neither): "datagrams that clients received, copies included", |b| Some(b.down.arrived as f64);
    unexplained(Count, Lower): "what neither ledger accounts for: must be 0", |b| b.unexplained.map(|n| n as f64);
    server_rx_per_s(PerSecond, Neither): "up_received per second of the run",
        |b| per(b.up_received? as f64, b.run_s);
    server_tx_per_s(PerSecond, Neither): "down_sent per second of the run", |b| per(b.down_sent as f64, b.run_s);
    deliveries_per_s(PerSecond, Higher): "deliveries per second of the window",
        |b| per(b.deliveries.delivered as f64, b.window_s);
    up_loss_ratio(Ratio, Neither): "share of the datagrams from clients that their links lost (RFC 7680)",
        |b| ratio(b.up.all_lost(), b.up.entered());
    down_loss_ratio(Ratio, Neither): "share of the datagrams to clients that their links lost",
        |b| ratio(b.down.all_lost(), b.down.entered());
    up_reordered_ratio(Ratio, Neither): "as reordered_ratio, on links from clients",
        |b| ratio(b.up_path.reordered, b.up_path.received);
    up_loss_run_mean(Number, Neither): "as loss_run_mean, on links from clients",
        |b| ratio(b.up_path.losses, b.up_path.loss_runs);
    complete_ratio(Ratio, Higher): "share of messages that reached every expected client",
        |b| b.shares.and_then(Shares::complete_ratio);
    message_share_sd(Ratio, Neither): "standard deviation over messages of the share of clients reached",
        |b| b.shares.and_then(Shares::deviation);
    latency_mean_s(Seconds, Lower): "planned sending → first delivery, mean", |b| b.latency.mean();
    latency_real_p50_s(Seconds, Lower): "real sending → first delivery, median", |b| b.latency_real.quantile(0.5);
    latency_real_p99_s(Seconds, Lower): "the same, 99th percentile", |b| b.latency_real.quantile(0.99);
    up_retransmitted(Count, Lower): "datagrams that clients sent again for want of an ack",
        |b| Some(b.up.retransmitted as f64);
    down_retransmitted(Count, Lower): "datagrams that the server sent again for want of an ack",
        |b| Some(b.down.retransmitted as f64);
    given_up(Count, Lower): "messages given up without an ack, up and down to each member, and queries without \
             an answer",
        |b| Some((b.up.given_up + b.down.given_up) as f64);
    datagrams_per_delivery(Number, Lower): "datagrams of both directions in the window, of any kind, per delivery",
        |b| ratio(b.up.offered_in_window + b.down.offered_in_window, b.deliveries.delivered);
    leaves(Count, Neither): "leaves in the window", |b| Some(b.detection.leaves as f64);
    eviction_latency_samples(Count, Neither): "crashes behind eviction_latency",
        |b| Some(b.seen()?.latency.len() as f64);
    eviction_latency_censored(Count, Neither): "crashes of the same kind whose client was back before its eviction",
        |b| Some(b.seen()?.censored as f64);
    eviction_latency_sd_s(Seconds, Neither): "crash → the eviction that lasts, standard deviation",
        |b| b.seen()?.latency.deviation();
    eviction_latency_min_s(Seconds, Neither): "the same, shortest", |b| b.seen()?.latency.min();
    server_detection_mean_s(Seconds, Lower): "crash of the server → a client takes it for gone, mean",
        |b| b.detection.server_latency.mean();
    server_detection_p99_s(Seconds, Lower): "the same, 99th percentile", |b| b.detection.server_latency.quantile(0.99);
    server_detection_max_s(Seconds, Lower): "the same, longest", |b| b.detection.server_latency.max();
    server_mistakes(Count, Lower): "clients that took a live server for gone, in the window",
        |b| b.server_beats.then_some(b.detection.server_mistakes as f64);
    live_time_s(Number, Neither): "client-seconds alive in the window", |b| Some(b.detection.live_time);
    stale_members_mean(Number, Lower): "members that are dead, mean over the window",
        |b| per(b.seen()?.stale_time, b.window_s);
    rebinds(Count, Neither): "changes of address in the window", |b| Some(b.detection.rebinds as f64);
    rebind_recovery_mean_s(Seconds, Lower): "change of address → a member at the new one, mean",
        |b| b.seen()?.recoveries.mean();
    ghosts(Count, Lower): "memberships in the window of no honest client: left behind, forged or hostile, \
             until they ended", |b| Some(b.own()?.ghost_durations.len() as f64);
    ghost_duration_mean_s(Seconds, Lower): "how long they lasted, mean", |b| b.own()?.ghost_durations.mean();
    ghosts_mean(Number, Lower): "members of that kind, mean over the window",
        |b| per(b.own()?.ghost_time, b.window_s);
    members_max(Count, Neither): "the most members at a time, of any kind",
        |b| b.own().and(b.members_max).map(|n| n as f64);
    expelled(Count, Lower): "live clients put out in the window by a `quit` that was not of their present life",
        |b| Some(b.own()?.expelled as f64);
    misaddressed(Count, Neither): "datagrams to addresses that no client has (any more)",
        |b| Some(b.down.misaddressed as f64);
    amplification(Number, Lower): "bytes sent to hostile clients and addresses that they forged, per byte of theirs",
        |b| ratio(b.attack?[1], b.attack?[0]);
    server_rx_peak_per_s(PerSecond, Neither): "the most datagrams that left the links towards the server in one whole \
                           second of the window", |b| b.rx_peak.map(|n| n as f64);
    answers(Count, Neither): "answers to heartbeats in the window, of a server that is not ours and gives some",
        |b| b.answers_known.then_some(b.answers.len() as f64);
    answer_latency_p50_s(Seconds, Lower): "heartbeat due at the socket → its answer read from it, median",
        |b| b.answers.quantile(0.5);
    answer_latency_p99_s(Seconds, Lower): "the same, 99th percentile", |b| b.answers.quantile(0.99);
    bytes_per_delivery(Number, Lower): "bytes of datagrams of both directions in the window, of any kind, per delivery",
        |b| ratio(b.up.bytes_in_window + b.down.bytes_in_window, b.deliveries.delivered);
    connections_broken(Count, Lower): "connections in the window that ended by themselves while their client lived",
        |b| b.connections_broken.map(|n| n as f64);
}

/// Every metric in the order of the columns: the common ones, then those of the workloads.
pub static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(|| {
    let of_workloads = WORKLOAD_METRICS.iter().enumerate().map(|(place, metric)| {
        let WorkloadMetric { name, label, meaning, unit, better } = *metric;
        Metric { name, label, meaning, unit, better, value: Value::Workload(place) }
    });
    COMMON.iter().copied().chain(of_workloads).collect()
});

/// What is not known where no datagram is seen.
const OF_DATAGRAMS: &[&str] = &[
    "up_sent",
    "up_received",
    "down_sent",
    "down_received",
    "server_rx_per_s",
    "server_tx_per_s",
    "server_rx_peak_per_s",
    "up_retransmitted",
    "down_retransmitted",
    "given_up",
    "datagrams_per_delivery",
    "bytes_per_delivery",
    "misaddressed",
];

/// The metric of a name, if there is one.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The figures of a run or a group, in the order of [`METRICS`]; what is undefined is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures(Vec<Option<f64>>);

impl Figures {
    pub(crate) fn compute(basis: &Basis<'_>) -> Self {
        let value = |metric: &Metric| match metric.value {
            _ if !basis.datagrams_seen && OF_DATAGRAMS.contains(&metric.name) => None,
            Value::Common(formula) => formula(basis),
            Value::Workload(place) => basis.workloads[place],
        };
        Figures(METRICS.iter().map(value).collect())
    }

    /// The figure of a metric; `None` where it is undefined.
    ///
    /// # Panics
    /// Where there is no such metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        let index = METRICS.iter().position(|metric| metric.name == name);
        self.0[index.unwrap_or_else(|| panic!("no metric {name:?}"))]
    }

    /// All of them, in the order of [`METRICS`].
    pub fn values(&self) -> &[Option<f64>] {
        &self.0
    }

    /// Figures in the order of [`METRICS`], as [`Figures::values`] gave them; none where their number
    /// is another.
    pub fn from_values(values: Vec<Option<f64>>) -> Option<Self> {
        (values.len() == METRICS.len()).then_some(Figures(values))
    }

    /// Every metric with its figure.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> + '_ {
        METRICS.iter().zip(self.0.iter().copied())
    }
}

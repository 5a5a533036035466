//! The cards of the metrics that do not depend on the workload. A new metric is added to this list
//! and nowhere else. The metrics of a workload are in the file of that workload.

use skipbeat_core::{Applies, Direction, Measure, Percentile, Statistic, Unit};

use crate::detection::DetectionTally;
use crate::view::View;

const UP: usize = Direction::Up as usize;
const DOWN: usize = Direction::Down as usize;

/// The share of a part in a whole; undefined if the whole is 0.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A sum per unit of time; undefined if the time is 0.
fn per(sum: f64, time: f64) -> Option<f64> {
    (time > 0.0).then(|| sum / time)
}

impl View {
    /// Membership and failure detection, if membership can be seen.
    fn seen(&self) -> Option<&DetectionTally> {
        self.facts.membership_seen.then_some(&self.group.detection)
    }

    /// Membership as the built-in server reports it: ghosts can't be seen from outside.
    fn own(&self) -> Option<&DetectionTally> {
        (!self.facts.foreign).then_some(&self.group.detection)
    }

    /// The seconds of the window in which clients were up, summed over clients.
    fn live_s(&self) -> f64 {
        self.group.detection.live_ns as f64 / 1e9
    }
}

/// Metrics that are undefined if datagrams can't be seen.
pub(crate) const OF_DATAGRAMS: &[&str] = &[
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

type Metric = Measure<View>;

/// Every common metric, in the order of their columns.
pub(crate) fn common() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|(_, metrics)| metrics.iter())
}

/// The common metrics, in the order of their columns, under the headings of `docs/metrics.md`.
pub(crate) const SECTIONS: &[(&str, &[Metric])] = &[
    ("Clients and messages", &[
    Metric::number(
        "clients",
        Unit::Count,
        "clients",
        "clients of the scenario, or of the group",
        |v| Some(v.group.clients.into()),
    ),
    Metric::number(
        "chat_sent",
        Unit::Count,
        "messages sent",
        "texts to everybody, of chat and media, that were due in the window",
        |v| Some(v.group.messages as f64),
    )
    .applies(Applies::Where("deliveries_expected"))
    .rank(1),
    Metric::number(
        "deliveries_expected",
        Unit::Count,
        "deliveries expected",
        "message × client that was up and to be a member when it was due",
        |v| Some(v.deliveries.expected as f64),
    )
    .note("The sender counts, since the server echoes. A sample is for the server, a query for its \
           sender.")
    .applies(Applies::NotZero)
    .rank(2),
    Metric::number(
        "deliveries",
        Unit::Count,
        "deliveries",
        "those of them that were made: the message arrived at least once",
        |v| Some(v.deliveries.delivered as f64),
    ),
    Metric::number(
        "delivery_ratio",
        Unit::Ratio,
        "delivery ratio",
        "share of the expected deliveries that were made",
        |v| ratio(v.deliveries.delivered, v.deliveries.expected),
    )
    .higher()
    .rank(3)
    .primary(),
    Metric::number(
        "duplicate_ratio",
        Unit::Ratio,
        "duplicates",
        "copies after the first that any client received, per delivery",
        |v| ratio(v.deliveries.duplicates, v.deliveries.delivered),
    )
    .note("A copy on a link up is broadcast again, and is a duplicate for every receiver, unless \
           it is numbered. What is sent again for want of an ack counts too if it had arrived.")
    .source("RFC 5560")
    .lower()
    .rank(6),
    Metric::number(
        "complete_ratio",
        Unit::Ratio,
        "complete messages",
        "share of messages that reached every expected client",
        |v| v.whole.as_ref()?.shares?.complete_ratio(),
    )
    .note("Of messages of which nothing was in flight at the end. Of the whole run only.")
    .higher(),
    Metric::number(
        "message_share_sd",
        Unit::Ratio,
        "spread over messages",
        "standard deviation over messages of the share of clients that each reached",
        |v| v.whole.as_ref()?.shares?.deviation(),
    )
    .note("Of the whole run only."),
    ]),
    ("Latency", &[
    Metric::spread(
        "latency",
        "latency",
        "from planned sending to first delivery",
        |v| Some(&v.group.latency),
    )
    .note("Through both links and the server, of clients that were to get the message. It counts \
           from the moment at which a client was to send, so a late generator hides no wait.")
    .applies(Applies::Where("deliveries_expected"))
    .lower()
    .headline(5, &[Statistic::Percentile(Percentile::P50), Statistic::Percentile(Percentile::P99)])
    .primary(),
    Metric::spread(
        "latency_real",
        "latency from real sending",
        "from real sending to first delivery",
        |v| Some(v.group.latency_real.as_ref().unwrap_or(&v.group.latency)),
    )
    .note("The latency less the lateness with which the message left its link. In `sim` the same \
           as from planned sending.")
    .applies(Applies::Where("deliveries_expected"))
    .lower(),
    Metric::number(
        "jitter_s",
        Unit::Seconds,
        "jitter",
        "interarrival jitter of the messages that a client gets, mean over observed clients at the \
         end",
        |v| Some(v.group.jitter.mean()? / 1e9),
    )
    .source("RFC 3550, 6.4.1")
    .lower(),
    Metric::number(
        "deliveries_per_s",
        Unit::PerSecond,
        "deliveries per second",
        "deliveries per second of the window",
        |v| per(v.deliveries.delivered as f64, v.window_s()),
    )
    .applies(Applies::Where("deliveries_expected"))
    .higher()
    .rank(4)
    .primary(),
    ]),
    ("Failure detection", &[
    Metric::number(
        "crashes",
        Unit::Count,
        "crashes",
        "crashes in the window, by churn and by events",
        |v| Some(v.group.detection.crashes as f64),
    )
    .note("Also of clients that are not to be members. These count for nothing else here.")
    .applies(Applies::NotZero)
    .rank(10)
    .primary(),
    Metric::number(
        "leaves",
        Unit::Count,
        "leaves",
        "leaves in the window",
        |v| Some(v.group.detection.leaves as f64),
    ),
    Metric::number(
        "evictions",
        Unit::Count,
        "evictions",
        "evictions in the window, of any cause",
        |v| Some(v.seen()?.evictions as f64),
    ),
    Metric::spread(
        "eviction_latency",
        "eviction latency",
        "detection time T_D: from a crash to the eviction that lasts",
        |v| Some(&v.seen()?.latency),
    )
    .note("Over the detection cohort, see above.")
    .source("Chen, Toueg, Aguilera, IEEE Trans. Computers 51(5), 2002")
    .applies(Applies::Where("crashes"))
    .lower()
    .headline(11, &[Statistic::Mean, Statistic::Percentile(Percentile::P99)])
    .primary(),
    Metric::number(
        "eviction_latency_censored",
        Unit::Count,
        "crashes that came back",
        "crashes of the cohort whose client was back before it was evicted",
        |v| Some(v.seen()?.censored as f64),
    ),
    Metric::number(
        "false_evictions",
        Unit::Count,
        "false evictions",
        "evictions of live clients in the window: mistakes",
        |v| Some(v.seen()?.mistakes as f64),
    )
    .applies(Applies::Where("evictions"))
    .lower()
    .rank(12)
    .primary(),
    Metric::number(
        "mistake_rate_per_s",
        Unit::PerSecond,
        "mistake rate",
        "false evictions per live client and second: λ_M",
        |v| per(v.seen()?.mistakes as f64, v.live_s()),
    )
    .source("Chen, Toueg, Aguilera, IEEE Trans. Computers 51(5), 2002")
    .applies(Applies::Where("evictions"))
    .lower()
    .rank(13),
    Metric::spread(
        "mistake_duration",
        "mistake duration",
        "T_M: from a false eviction in the window until the client is a member again",
        |v| Some(&v.seen()?.mistake_durations),
    )
    .note("Over mistakes that ended while the client lived.")
    .source("Chen, Toueg, Aguilera, IEEE Trans. Computers 51(5), 2002")
    .applies(Applies::Where("false_evictions"))
    .lower()
    .headline(14, &[Statistic::Mean]),
    Metric::number(
        "query_accuracy",
        Unit::Ratio,
        "query accuracy",
        "P_A: share of the time of a live client in which it is a member",
        |v| per(v.seen()?.member_ns as f64 / 1e9, v.live_s()),
    )
    .note("The time from a start to the first heartbeat at the server counts as absence. A server \
           that has crashed has the members that it had.")
    .source("Chen, Toueg, Aguilera, IEEE Trans. Computers 51(5), 2002")
    .higher()
    .rank(15),
    Metric::number(
        "live_time_s",
        Unit::Number,
        "live time",
        "client-seconds in the window that clients were up",
        |v| Some(v.live_s()),
    ),
    Metric::number(
        "stale_members_mean",
        Unit::Number,
        "dead members",
        "members that are not up, mean over the window",
        |v| per(v.seen()?.stale_ns as f64 / 1e9, v.window_s()),
    )
    .lower(),
    Metric::spread(
        "server_detection",
        "server's crash noticed",
        "from the crash of the server until a client takes it for gone",
        |v| Some(&v.group.detection.server_latency),
    )
    .note("Of the whole run, over the clients that had received its heartbeats and had not given it up. \
           Undefined if it did not crash or sends no heartbeats.")
    .lower()
    .headline(17, &[Statistic::Mean, Statistic::Max]),
    Metric::number(
        "server_mistakes",
        Unit::Count,
        "live server taken for gone",
        "how often a client took a live server for gone, in the window",
        |v| v.facts.server_beats.then_some(v.group.detection.server_mistakes as f64),
    )
    .note("Undefined if the server sends no heartbeats.")
    .lower()
    .rank(16),
    Metric::spread(
        "answer_latency",
        "answer latency",
        "from a heartbeat at the end of its link to its answer read from the socket",
        |v| v.facts.answers_known.then_some(&v.group.answer_latency),
    )
    .note("Of servers that answer heartbeats, where a `[dialect]` says what an answer looks like.")
    .lower()
    .headline(31, &[Statistic::Percentile(Percentile::P50), Statistic::Percentile(Percentile::P99)])
    .primary(),
    Metric::number(
        "answers",
        Unit::Count,
        "answers",
        "answers to heartbeats in the window",
        |v| v.facts.answers_known.then_some(v.group.answer_latency.len() as f64),
    )
    .rank(30),
    ]),
    ("Order and loss on links", &[
    Metric::number(
        "reordered_ratio",
        Unit::Ratio,
        "reordered",
        "share of the datagrams over observed links to clients that were overtaken",
        |v| ratio(v.group.order[DOWN].reordered, v.group.order[DOWN].received),
    )
    .note("They arrived after one that entered the link later; copies apart.")
    .source("RFC 4737, 3 (Type-P-Reordered)")
    .rank(7),
    Metric::number(
        "reorder_extent_mean",
        Unit::Number,
        "reordering extent, mean",
        "how many arrivals back the earliest one stands that overtook such a datagram, mean",
        |v| ratio(v.group.order[DOWN].extent_sum, v.group.order[DOWN].reordered),
    )
    .note("The search reaches back over 32 new maxima of the stream; beyond that the extent is a \
           lower bound.")
    .source("RFC 4737, 4.2"),
    Metric::number(
        "loss_run_mean",
        Unit::Number,
        "run of losses, mean",
        "mean run of consecutive losses on observed links to clients",
        |v| ratio(v.group.order[DOWN].losses, v.group.order[DOWN].loss_runs),
    )
    .source("RFC 3357"),
    Metric::number(
        "up_reordered_ratio",
        Unit::Ratio,
        "reordered, up",
        "as `reordered_ratio`, on links from clients",
        |v| ratio(v.group.order[UP].reordered, v.group.order[UP].received),
    ),
    Metric::number(
        "up_loss_run_mean",
        Unit::Number,
        "run of losses up, mean",
        "as `loss_run_mean`, on links from clients",
        |v| ratio(v.group.order[UP].losses, v.group.order[UP].loss_runs),
    ),
    Metric::number(
        "up_loss_ratio",
        Unit::Ratio,
        "lost by links up",
        "share of the datagrams that entered links from clients and were lost there",
        |v| ratio(v.group.links[UP].all_lost(), v.group.links[UP].entered()),
    )
    .source("RFC 7680"),
    Metric::number(
        "down_loss_ratio",
        Unit::Ratio,
        "lost by links down",
        "the same on links to clients",
        |v| ratio(v.group.links[DOWN].all_lost(), v.group.links[DOWN].entered()),
    )
    .source("RFC 7680"),
    ]),
    ("Datagrams", &[
    Metric::number(
        "up_sent",
        Unit::Count,
        "sent by clients",
        "datagrams that clients put on their links",
        |v| Some(v.group.links[UP].offered as f64),
    ),
    Metric::number(
        "up_received",
        Unit::Count,
        "received by the server",
        "datagrams that the server received, copies included",
        |v| v.up_received.map(|count| count as f64),
    )
    .note("Undefined of a foreign server. Of a group in `net` by the address that they came from, \
           so that what is forged in the name of another group counts there."),
    Metric::number(
        "down_sent",
        Unit::Count,
        "sent by the server",
        "datagrams that the server sent",
        |v| Some(v.down_sent as f64),
    )
    .note("Of a foreign server: those that reached the swarm's sockets, read or dropped (of a \
           group: read)."),
    Metric::number(
        "down_received",
        Unit::Count,
        "received by clients",
        "datagrams that clients received, copies included",
        |v| Some(v.group.links[DOWN].arrived as f64),
    ),
    Metric::number(
        "server_rx_per_s",
        Unit::PerSecond,
        "server received",
        "`up_received` per second of the run",
        |v| per(v.up_received? as f64, v.run_s()),
    )
    .rank(90),
    Metric::number(
        "server_tx_per_s",
        Unit::PerSecond,
        "server sent",
        "`down_sent` per second of the run",
        |v| per(v.down_sent as f64, v.run_s()),
    )
    .rank(91),
    Metric::number(
        "server_rx_peak_per_s",
        Unit::PerSecond,
        "busiest second of the server",
        "the most datagrams that left links towards the server in one whole second of the window",
        |v| v.whole.as_ref()?.busiest_second.map(|count| count as f64),
    )
    .note("Of the whole run only. What a server must take that is not to be late, where a mean \
           hides it. A burst on the edge of two seconds is cut in two.")
    .rank(92),
    Metric::number(
        "up_retransmitted",
        Unit::Count,
        "sent again, up",
        "datagrams that clients sent again because an ack was overdue",
        |v| Some(v.group.links[UP].retransmitted as f64),
    )
    .applies(Applies::NotZero)
    .lower()
    .rank(35),
    Metric::number(
        "down_retransmitted",
        Unit::Count,
        "sent again, down",
        "datagrams that the server sent again because an ack was overdue",
        |v| Some(v.group.links[DOWN].retransmitted as f64),
    )
    .applies(Applies::NotZero)
    .lower()
    .rank(36),
    Metric::number(
        "given_up",
        Unit::Count,
        "given up",
        "messages given up without an ack, up and for each member down, and queries without an \
         answer",
        |v| Some((v.group.links[UP].given_up + v.group.links[DOWN].given_up) as f64),
    )
    .note("Some of them have arrived: the ack may be what was lost.")
    .applies(Applies::NotZero)
    .lower()
    .rank(37),
    Metric::number(
        "datagrams_per_delivery",
        Unit::Number,
        "datagrams per delivery",
        "datagrams of any kind that entered links of both directions in the window, per delivery",
        |v| ratio(v.group.links[UP].offered_in_window + v.group.links[DOWN].offered_in_window, v.deliveries.delivered),
    )
    .lower()
    .rank(38),
    Metric::number(
        "bytes_per_delivery",
        Unit::Number,
        "bytes per delivery",
        "bytes of those datagrams, per delivery",
        |v| ratio(v.group.links[UP].bytes_in_window + v.group.links[DOWN].bytes_in_window, v.deliveries.delivered),
    )
    .note("What IP and UDP add is not counted; of a TCP segment the IP packet counts less the same \
           28 bytes.")
    .lower(),
    Metric::number(
        "connections_broken",
        Unit::Count,
        "connections broken",
        "connections that ended in the window by themselves while their client lived",
        |v| v.group.connections_broken.map(|count| count as f64),
    )
    .note("Nothing was acknowledged for 60 s, or the other end reset them. Undefined without \
           `transport = \"tcp\"`.")
    .lower()
    .rank(39),
    Metric::number(
        "unexplained",
        Unit::Count,
        "unexplained",
        "what neither ledger accounts for: must be 0",
        |v| Some(v.whole.as_ref()?.unexplained as f64),
    )
    .note("Of the whole run only: the sum of the sizes of the three `unexplained` terms of all \
           groups.")
    .lower()
    .rank(99),
    ]),
    ("Changes of address, and attacks", &[
    Metric::number(
        "rebinds",
        Unit::Count,
        "changes of address",
        "changes of address in the window",
        |v| Some(v.group.detection.rebinds as f64),
    )
    .applies(Applies::NotZero)
    .rank(18),
    Metric::spread(
        "rebind_recovery",
        "recovery from a new address",
        "from a change of address in the window until the client is a member at the new one",
        |v| Some(&v.seen()?.recoveries),
    )
    .note("By its session, or as a new member.")
    .applies(Applies::Where("rebinds"))
    .lower()
    .headline(19, &[Statistic::Mean]),
    Metric::number(
        "ghosts",
        Unit::Count,
        "ghosts",
        "memberships of no honest client that began in the window and ended, by eviction or `quit`",
        |v| Some(v.own()?.ghost_durations.len() as f64),
    )
    .note("A ghost is a member at an address that a client has left, one that was forged, or a \
           hostile client. One that the server found at its new address by its session is none.")
    .lower(),
    Metric::spread(
        "ghost_duration",
        "ghost duration",
        "how long these lasted",
        |v| Some(&v.own()?.ghost_durations),
    )
    .applies(Applies::Where("ghosts"))
    .lower()
    .headline(21, &[Statistic::Mean]),
    Metric::number(
        "ghosts_mean",
        Unit::Number,
        "ghosts at a time",
        "members of that kind, mean over the window",
        |v| per(v.own()?.ghost_ns as f64 / 1e9, v.window_s()),
    )
    .note("Also those whose session moves them in the end.")
    .applies(Applies::NotZero)
    .lower()
    .rank(20),
    Metric::number(
        "members_max",
        Unit::Count,
        "most members",
        "the most members at a time, of any kind",
        |v| v.own().and(v.whole.as_ref()?.members_max).map(|count| count as f64),
    )
    .note("Of the whole run, ghosts included.")
    .applies(Applies::Where("amplification"))
    .rank(25),
    Metric::number(
        "expelled",
        Unit::Count,
        "removed by a wrong quit",
        "live clients that a `quit` removed in the window which was not of their present life",
        |v| Some(v.own()?.expelled as f64),
    )
    .note("It was forged, replayed, or late.")
    .applies(Applies::NotZero)
    .lower()
    .rank(23),
    Metric::number(
        "misaddressed",
        Unit::Count,
        "sent to nobody",
        "datagrams that the server sent to addresses at which no client was (any more)",
        |v| Some(v.group.links[DOWN].misaddressed as f64),
    )
    .applies(Applies::NotZero)
    .rank(22),
    Metric::number(
        "amplification",
        Unit::Number,
        "amplification",
        "bytes sent to hostile clients and to addresses that they forged, per byte that they sent",
        |v| ratio(v.group.attack?[1], v.group.attack?[0]),
    )
    .note("Of the whole run; undefined without hostile clients. At most 3 is allowed before an \
           address is proved.")
    .source("RFC 9000, 8.1")
    .lower()
    .rank(24),
    ]),
];

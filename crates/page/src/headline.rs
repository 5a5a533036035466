//! The figures that a reader looks for first, with their names in words.

use std::borrow::Cow;
use std::sync::LazyLock;

use skipbeat_measure::METRICS;

use crate::read::Figures;

/// A metric that stands out.
#[derive(Clone, Debug)]
pub(crate) struct Headline {
    /// Its name in the files.
    pub(crate) metric: &'static str,
    /// Its name in words.
    pub(crate) label: Cow<'static, str>,
    /// What it says, in a line.
    pub(crate) meaning: &'static str,
    /// The metric without which it says nothing: it is left out where that is 0 or undefined.
    needs: &'static str,
}

const fn headline(
    metric: &'static str,
    label: &'static str,
    meaning: &'static str,
    needs: &'static str,
) -> Headline {
    Headline { metric, label: Cow::Borrowed(label), meaning, needs }
}

/// The common ones.
const COMMON: [Headline; 18] = [
    headline(
        "delivery_ratio",
        "Delivery ratio",
        "of the deliveries that were expected",
        "deliveries_expected",
    ),
    headline(
        "latency_p50_s",
        "Latency, median",
        "from planned sending to delivery",
        "deliveries_expected",
    ),
    headline(
        "latency_p99_s",
        "Latency, 99th percentile",
        "one in a hundred is later",
        "deliveries_expected",
    ),
    headline("deliveries_per_s", "Deliveries", "over the measured window", "deliveries_expected"),
    headline(
        "eviction_latency_mean_s",
        "Eviction latency, mean",
        "from a crash to its eviction",
        "crashes",
    ),
    headline(
        "eviction_latency_p99_s",
        "Eviction latency, 99th percentile",
        "one in a hundred takes longer",
        "crashes",
    ),
    headline("crashes", "Crashes", "of clients, in the window", "crashes"),
    headline("false_evictions", "False evictions", "of clients that were alive", "evictions"),
    headline("mistake_rate_per_s", "Mistake rate", "false evictions per live client", "evictions"),
    headline("query_accuracy", "Query accuracy", "of a live client's time as a member", ""),
    headline(
        "answer_latency_p99_s",
        "Answer latency, 99th percentile",
        "from a heartbeat to its answer",
        "answers",
    ),
    headline(
        "server_detection_mean_s",
        "Server's crash noticed, mean",
        "from its crash until a client sees it",
        "server_detection_mean_s",
    ),
    headline(
        "rebind_recovery_mean_s",
        "Recovery from a new address, mean",
        "until a member again",
        "rebinds",
    ),
    headline("ghosts_mean", "Ghosts at a time", "members that are no honest client", "ghosts_mean"),
    headline("expelled", "Expelled", "live clients put out by a quit not theirs", "expelled"),
    headline("amplification", "Amplification", "bytes back per hostile byte", "amplification"),
    headline("given_up", "Given up", "texts and queries without ack or answer", "given_up"),
    headline("unexplained", "Unexplained", "what no ledger accounts for: must be 0", "unexplained"),
];

/// All of them: the common ones, then those of workloads, and the last of all the ledger's.
pub(crate) static HEADLINES: LazyLock<Vec<Headline>> = LazyLock::new(|| {
    let of_workloads = METRICS.iter().filter_map(|metric| {
        // Where they are not shown as headings labels begin with a small letter.
        let mut label = metric.label?.to_owned();
        label.get_mut(..1)?.make_ascii_uppercase();
        Some(Headline { label: label.into(), ..headline(metric.name, "", metric.meaning, "") })
    });
    let mut all: Vec<Headline> = COMMON.into_iter().chain(of_workloads).collect();
    let ledger = all.iter().position(|headline| headline.metric == "unexplained");
    if let Some(place) = ledger {
        let ledger = all.remove(place);
        all.push(ledger);
    }
    all
});

impl Headline {
    /// Whether it says anything, given the figures of a run.
    pub(crate) fn applies(&self, figures: &Figures) -> bool {
        match self.needs {
            "" => figures.get(self.metric).is_some(),
            needs => figures.get(needs).is_some_and(|value| value > 0.0),
        }
    }
}

/// The name of a metric in words if it has any, else as in the files.
pub(crate) fn label(metric: &str) -> &str {
    HEADLINES.iter().find(|headline| headline.metric == metric).map_or(metric, |h| &h.label)
}

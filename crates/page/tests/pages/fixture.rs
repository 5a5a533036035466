//! Builds result folders from small texts, and renders their pages.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A results folder, deleted when dropped.
pub(crate) struct Results(TempDir);

impl Results {
    fn with(run_json: &Value) -> Results {
        let results = Results(TempDir::new().expect("a temporary folder"));
        results.file("run.json", &run_json.to_string());
        results.file("host.json", &host().to_string());
        results
    }

    /// The files of a single run, as `skipbeat run` writes them.
    pub(crate) fn run() -> Results {
        let results = Results::with(&run_json());
        results.file("summary.csv", &figures(&METRICS));
        results.file("groups.csv", &groups());
        results.file("links.csv", LINKS);
        results.file("ledger.csv", LEDGER);
        results.file("timeline.csv", &timeline(20));
        results.file("evictions.csv", EVICTIONS);
        let times = ["latency", "latency_real", "eviction_latency", "mistake_duration", "lateness"];
        results.histograms(&times.map(|tag| (tag, 1000)));
        results
    }

    /// A sweep over this many timeouts and losses. Its `run.json` lists no runs.
    pub(crate) fn sweep(timeouts: u32, losses: u32) -> Results {
        let mut file = run_json();
        file["run"] = Value::Null;
        file["sweep"] = json!({
            "keys": KEYS, "runs_planned": timeouts * losses * 3, "ramps": null, "runs": [],
        });
        let results = Results::with(&file);
        let keys = KEYS.join(",");
        let names = METRICS.map(|(name, _)| name).join(",");
        results.file("summary.csv", &format!("{RUN_COLUMNS},{keys},{names}\n"));
        results.file("groups.csv", &format!("{RUN_COLUMNS},{keys},group,{names}\n"));
        results.file("sweep.csv", &sweep(timeouts, losses));
        results
    }

    /// One run of a sweep for `run.json`, with this outcome.
    pub(crate) fn entry(point: u32, verdict: Value) -> Value {
        let values = json!({ KEYS[0]: "1000ms", KEYS[1]: "0.05" });
        json!({
            "point": point, "replication": 0, "values": values, "scenario_hash": "eab7",
            "seed": 7, "digest": "26aaf97289679119", "verdict": verdict,
        })
    }

    /// Writes a file of the folder.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("the file can be written");
    }

    /// Changes `run.json`.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let path = self.0.path().join("run.json");
        let text = std::fs::read_to_string(path).expect("there is a run.json");
        let mut file: Value = serde_json::from_str(&text).expect("it is JSON");
        change(&mut file);
        self.file("run.json", &file.to_string());
    }

    /// Sets how the run ended. Keys that are not in `verdict` stay as they are.
    pub(crate) fn ended(&self, reason: &str, verdict: Value) {
        self.change(|file| {
            file["reason"] = json!(reason);
            for (key, value) in verdict.as_object().expect("it is an object") {
                file["run"]["verdict"][key] = value.clone();
            }
            file["outcome"] = file["run"]["verdict"]["outcome"].clone();
            if let Some(at) = verdict.get("ended_early_at_s") {
                file["run"]["ended_at_s"] = at.clone();
            }
        });
    }

    /// Gives the scenario a name.
    pub(crate) fn name(&self, name: &str) {
        self.change(|file| file["scenario"]["name"] = json!(name));
    }

    /// Deletes a file.
    pub(crate) fn without(&self, name: &str) {
        std::fs::remove_file(self.0.path().join(name)).expect("the file is there");
    }

    /// Writes `latency.hlog` with this many values for each metric: 1 ms, 2 ms and so on.
    pub(crate) fn histograms(&self, metrics: &[(&str, u64)]) {
        let mut out = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .with_start_time(UNIX_EPOCH)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut out, &mut serializer)
            .expect("it goes to memory");
        for (metric, count) in metrics {
            let mut histogram = Histogram::<u64>::new(3).expect("three digits are possible");
            for value in 1..=*count {
                histogram.record(value * 1000).expect("it grows");
            }
            let length = Duration::from_secs(20);
            log.write_histogram(&histogram, Duration::ZERO, length, Tag::new(metric))
                .expect("it goes to memory");
        }
        self.file("latency.hlog", &String::from_utf8(out).expect("it is text"));
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Renders the page of this folder alone.
    pub(crate) fn page(&self) -> String {
        skipbeat_page::render(&[self.path()]).expect("the files are sound")
    }
}

/// The main part of a page, without its data, styles and scripts.
pub(crate) fn words(page: &str) -> &str {
    let from = page.find("<main>").expect("there is a main part");
    let to = page.find("</main>").expect("it ends");
    &page[from..to]
}

/// The keys of a sweep.
const KEYS: [&str; 2] = ["server.timeout", "group.clients.up.loss"];

/// The verdict on a run that met all its thresholds.
pub(crate) fn passed() -> Value {
    let threshold = json!({
        "metric": "query_accuracy", "group": null, "required": ">= 99 %",
        "actual": 0.998251, "met": true,
    });
    json!({
        "outcome": "pass", "thresholds": [threshold], "doubts": [], "stopped_by": null,
        "failure": null, "ended_early_at_s": null,
    })
}

/// The `run.json` of a run.
fn run_json() -> Value {
    let side = json!({ "options": {}, "outages": [] });
    json!({
        "version": 2,
        "skipbeat": { "version": "0.1.0", "commit": "64e5871c9152" },
        "scenario": {
            "name": "quick", "description": "a small room",
            "warmup": "3s", "duration": "13s", "drain": "4s",
            "groups": [
                { "name": "phones", "behaviour": { "clients": 600 }, "up": side, "down": side },
                { "name": "desks", "behaviour": { "clients": 400 }, "up": side, "down": side },
            ],
            "server": { "target": { "kind": "built-in", "listen": "127.0.0.1:0" } },
        },
        "scenario_hash": "eab7c6b792575a76520a275fbe168f01",
        "settings": ["server.timeout=2500ms"],
        "replications": null,
        "mode": "net",
        "seed": 7,
        "outcome": "pass",
        "reason": "the threshold is met",
        "run": {
            "digest": "26aaf97289679119",
            "events": 1198146,
            "ended_at_s": 20.0,
            "verdict": passed(),
            "observed_every_nth_client": 1,
            "reorder_extents_that_are_lower_bounds": 0,
            "refused": { "quit-of-stranger": 2 },
        },
        "sweep": null,
    })
}

/// The first columns of `summary.csv` and `groups.csv`.
const RUN_COLUMNS: &str = "scenario,mode,seed,point,replication";

/// Metrics and their cells in a CSV file. An empty cell is an undefined figure.
pub(crate) type Cells<'a> = [(&'a str, &'a str)];

pub(crate) const METRICS: [(&str, &str); 14] = [
    ("clients", "1000"),
    ("chat_sent", "416"),
    ("deliveries_expected", "398995"),
    ("deliveries", "366729"),
    ("delivery_ratio", "0.9191318186944698"),
    ("crashes", "67"),
    ("evictions", "89"),
    ("eviction_latency_mean_s", "1.9900363086119404"),
    ("false_evictions", "27"),
    ("mistake_rate_per_s", "0.0021656840739782504"),
    ("query_accuracy", "0.9982514606199115"),
    ("latency_p50_s", "0.057407"),
    ("latency_p99_s", "0.157951"),
    ("deliveries_per_s", "28209.923076923078"),
];

/// `summary.csv` with one row.
pub(crate) fn figures(cells: &Cells<'_>) -> String {
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = cells.iter().map(|(_, value)| *value).collect();
    format!("{RUN_COLUMNS},{}\nquick,net,7,0,0,{}\n", names.join(","), values.join(","))
}

fn groups() -> String {
    let names = METRICS.map(|(name, _)| name).join(",");
    let values = METRICS.map(|(_, value)| value).join(",");
    let row = |group: &str| format!("quick,net,7,0,0,{group},{values}\n");
    format!("{RUN_COLUMNS},group,{names}\n{}{}", row("phones"), row("desks"))
}

const LINKS: &str = "\
group,direction,stage,unit,configured,observed,interval,agrees,datagrams
phones,up,loss,ratio,0.05,0.0508,0.0061,yes,20017
phones,up,\"delay, mean\",s,0.0304,0.0412,0.0005,no,19000
phones,up,reordered,ratio,,0.00047,,,18978
";

pub(crate) const LEDGER: &str = "\
ledger,direction,group,side,term,count
datagrams,up,,in,sent,20017
datagrams,up,,in,duplicated,33
datagrams,up,,out,partition,0
datagrams,up,,out,loss,1017
datagrams,up,,out,in-flight,22
datagrams,up,,out,received,19011
datagrams,up,,out,unexplained,0
datagrams,up,,beside,changed,5
datagrams,down,,in,sent,591709
datagrams,down,,in,duplicated,1115
datagrams,down,,out,loss,29374
datagrams,down,,out,in-flight,1617
datagrams,down,,out,received,561833
datagrams,down,,out,unexplained,0
deliveries,,,in,expected,398995
deliveries,,,out,delivered,366729
deliveries,,,out,lost-up,12485
deliveries,,,out,not-member,650
deliveries,,,out,lost-down,19131
deliveries,,,out,unexplained,0
datagrams,up,phones,in,sent,777777
";

const EVICTIONS: &str = "\
time_s,client,group,cause,crashed_at_s,evicted_at_s,latency_s,silence_s,uncertainty_s
2.582902217,479,phones,crash,0.613722205,2.582902217,1.969180012,2.500028597,0
2.589087626,194,phones,false,,2.589087626,,2.50002942,0
";

pub(crate) fn timeline(seconds: u32) -> String {
    let mut text = String::from(
        "second,members,up_sent,up_received,down_sent,down_received,delivered,evicted,\
         evicted_falsely,up_bytes,down_bytes,lost_partition,lost_loss,lost_mtu,lost_queue,\
         lost_policed\n",
    );
    for second in 0..seconds {
        let wave = (second * 37) % 11;
        let _ = writeln!(
            text,
            "{second},{},{},950,{},29000,{},{wave},{},6000,2900000,{},{},0,0,0",
            960 + wave,
            1000 + wave,
            30_000 + 100 * wave,
            if (3..16).contains(&second) { 28_000 } else { 0 },
            wave / 3,
            if second == 7 { 40 } else { 0 },
            1500 + wave,
        );
    }
    text
}

fn host() -> Value {
    let traffic = json!({
        "send_calls": 9590, "sends": 587829, "datagrams_sent": 591709, "send_buffer_full": 0,
        "receive_calls": 0, "receives": 0, "datagrams_received": 0,
    });
    json!({
        "wall_s": 20.002250671,
        "cpu_s": { "server": 0.878571791, "swarm": 1.309985998 },
        "peak_memory_bytes": 11534336,
        "server_memory_bytes": null,
        "server_drops": 0,
        "swarm_drops": null,
        "datagrams": 611726,
        "ns_per_datagram": 3577.67,
        "receive_buffers": { "server": 134217728 },
        "io": "batched",
        "traffic": { "server": traffic },
        "without_segments": null,
        "kernel_before": { "UdpInDatagrams": 5, "UdpInErrors": 1 },
        "kernel_after": { "UdpInDatagrams": 611, "UdpInErrors": 1 },
        "lateness_p99_s": 0.0013,
        "lateness_max_s": null,
    })
}

/// `sweep.csv`, in which longer timeouts detect more slowly and make fewer mistakes.
fn sweep(timeouts: u32, losses: u32) -> String {
    let mut text = format!("scenario,mode,point,{},runs", KEYS.join(","));
    for (name, _) in METRICS {
        let _ = write!(text, ",{name}_mean,{name}_sd,{name}_ci95");
    }
    text.push('\n');
    for point in 0..timeouts * losses {
        let (timeout, loss) = (f64::from(point / losses), f64::from(point % losses));
        let _ = write!(text, "quick,sim,{point},{}ms,{},3", 1000.0 + 500.0 * timeout, loss / 20.0);
        for (name, value) in METRICS {
            let mean = match name {
                "eviction_latency_mean_s" => 1.5 + timeout - loss / 10.0,
                "mistake_rate_per_s" => loss * 10_f64.powf(-timeout),
                "delivery_ratio" => 1.0 - loss / 20.0,
                _ => value.parse().expect("a number"),
            };
            let _ = write!(text, ",{mean},{},{}", mean / 50.0, mean / 40.0);
        }
        text.push('\n');
    }
    text
}

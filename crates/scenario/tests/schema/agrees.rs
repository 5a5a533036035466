//! The JSON schema of scenarios accepts what the parser accepts and nothing else, for every key of
//! every kind of table and for common mistakes. Only the parser finds mistakes that take a
//! comparison of two values.

use crate::both::{Both, GOOD};

/// Valid and invalid values of some keys.
const VALUES: [(&str, &[&str]); 17] = [
    (
        "group.up.loss",
        &["0", "1", "0.05", "\"5 %\"", "1.5", "-1", "\"5\"", "\"150 %\"", "true", "\"1e1%\""],
    ),
    ("group.up.mtu", &["1400", "\"none\"", "0", "70000", "\"1400\"", "\"nine\""]),
    ("group.up.rate", &["\"none\"", "\"1 Mbit/s\"", "5"]),
    (
        "group.up.delay",
        &[
            "\"5ms\"",
            "\" 1.5 µs \"",
            "\"5.ms\"",
            "\".5ms\"",
            "5",
            "\"5 parsecs\"",
            "\"5\"",
            "\"-5s\"",
        ],
    ),
    ("group.up.reorder", &["\"none\"", "0.5", "\"5 %\""]),
    ("group.up.duplicate", &["0.5", "\"5 %\"", "2", "\"none\"", "{ within = \"5ms\" }"]),
    ("group.up.corrupt", &["0.5", "\"5 %\"", "2", "\"none\""]),
    (
        "group.heartbeat",
        &[
            "{}",
            "{ every = \"0s\" }",
            "{ every = \"1s\", jitter = \"bfd\" }",
            "{ jitter = \"renewal\" }",
            "\"1s\"",
        ],
    ),
    (
        "group.churn",
        &["{}", "{ crash = -1 }", "{ crash = 1, rejoin_after = \"1s\" }", "{ crash = 2e6 }"],
    ),
    (
        "group.chat",
        &[
            "{}",
            "{ rate = 1 }",
            "{ rate = 0 }",
            "{ rate = 1, size = 46 }",
            "{ rate = 1, size = 47, arrivals = \"periodic\" }",
            "{ rate = 1, arrivals = \"often\" }",
        ],
    ),
    ("group.link", &["\"wifi\"", "\"dsl\"", "1"]),
    (
        "server.eviction",
        &[
            "\"lazy\"",
            "\"deadline\"",
            "\"1s\"",
            "\"0s\"",
            "\"0.0 ms\"",
            "\"0.5s\"",
            "\"soon\"",
            "{ every = \"1s\" }",
            "{ every = \"0s\" }",
            "{}",
        ],
    ),
    ("server.timeout", &["\"1s\"", "\"0s\"", "10", "\"0.001s\""]),
    (
        "server.limits",
        &[
            "{}",
            "{ members = 5 }",
            "{ total = { rate = 1, burst = 1 } }",
            "{ total = { rate = 1, burst = 0 } }",
            "{ total = { rate = 1 } }",
            "{ others = 1 }",
        ],
    ),
    ("server.listen", &["\"127.0.0.1:80\"", "\"[::1]:80\"", "\"127.0.0.1\"", "\"localhost:80\""]),
    ("swarm.addresses", &["\"10.0.0.0\"", "\"fd00::\"", "\"::1\"", "\"home\"", "10"]),
    ("swarm.receive_buffer", &["1", "2147483647", "2147483648", "-1"]),
];

fn with(key: &str, value: &str) -> String {
    let (table, key) = key.split_once('.').unwrap();
    match table {
        "group" => format!("{GOOD}{key} = {value}\n"),
        _ => format!("{GOOD}[{table}]\n{key} = {value}\n"),
    }
}

#[test]
fn schema_and_parser_agree_on_values() {
    let mut both = Both::new();
    let mut valid = 0;
    for (key, values) in VALUES {
        for value in values {
            valid += usize::from(both.take(&with(key, value)));
        }
    }
    assert!(valid > 30, "{valid}");
    both.agree();
}

/// Kinds of a table, and for each the keys of a valid one.
type Kinds = &'static [(&'static str, &'static [&'static str])];

/// Tables with a `kind`, by their path in a scenario.
const KINDS: [(&str, Kinds); 6] = [
    (
        "group.up.loss",
        &[
            ("bernoulli", &["probability"]),
            ("gilbert-elliott", &["p", "r"]),
            ("gilbert-elliott", &["loss", "burst"]),
            ("gilbert-elliott-time", &["mean_good", "mean_bad"]),
            ("markov4", &["p13", "p31", "p32", "p23"]),
            ("list", &["indices"]),
            ("every", &["n"]),
            ("trace", &["file"]),
        ],
    ),
    (
        "group.up.delay",
        &[
            ("constant", &["value"]),
            ("uniform", &["min", "max"]),
            ("exponential", &["min", "mean"]),
            ("normal", &["mean", "deviation"]),
            ("lognormal", &["median", "sigma"]),
            ("pareto", &["min", "alpha", "cap"]),
            ("table", &["file"]),
        ],
    ),
    ("group.up.reorder", &[("hold", &["probability", "extra"]), ("early", &["every"])]),
    (
        "group.up.corrupt",
        &[
            ("bits", &["probability"]),
            ("byte", &["probability"]),
            ("truncate", &["probability"]),
            ("swap", &["probability"]),
            ("garbage", &["probability", "n"]),
        ],
    ),
    (
        "server.detector",
        &[
            ("timeout", &[]),
            ("missed", &["misses"]),
            ("phi", &["tail"]),
            ("chen", &["window"]),
            ("bertier", &["margin"]),
        ],
    ),
    (
        "group.hostile",
        &[
            ("spoof", &["rate"]),
            ("flood", &["rate"]),
            ("garbage", &["rate"]),
            ("replay", &["rate"]),
        ],
    ),
];

/// A valid value for every key of those tables.
const KEYS: [(&str, &str); 44] = [
    ("only", "[\"chat\"]"),
    ("probability", "0.1"),
    ("p", "0.1"),
    ("r", "0.5"),
    ("loss", "0.1"),
    ("burst", "3"),
    ("good_loss", "0.01"),
    ("bad_loss", "0.9"),
    ("mean_good", "\"9s\""),
    ("mean_bad", "\"1s\""),
    ("p13", "0.1"),
    ("p31", "0.2"),
    ("p32", "0.2"),
    ("p23", "0.2"),
    ("p14", "0.1"),
    ("indices", "[1, 3]"),
    ("n", "3"),
    ("file", "\"absent\""),
    ("value", "\"1ms\""),
    ("min", "\"1ms\""),
    ("max", "\"9ms\""),
    ("mean", "\"3ms\""),
    ("deviation", "\"1ms\""),
    ("median", "\"3ms\""),
    ("sigma", "0.5"),
    ("alpha", "2"),
    ("cap", "\"9ms\""),
    ("correlation", "0.5"),
    ("order", "\"preserve\""),
    ("every", "5"),
    ("extra", "\"1ms\""),
    ("misses", "3"),
    ("threshold", "8"),
    ("tail", "\"normal\""),
    ("window", "9"),
    ("min_deviation", "\"1ms\""),
    ("pause", "\"1s\""),
    ("margin", "\"1s\""),
    ("rate", "5"),
    ("size", "64"),
    ("addresses", "9"),
    ("from", "\"1s\""),
    ("until", "\"2s\""),
    ("width", "\"1ms\""),
];

fn table(kind: Option<&str>, keys: &[&str], period: &str) -> String {
    let value = |key: &&str| {
        let known = KEYS.iter().find(|(known, _)| known == key).expect("it has a value").1;
        let known = if *key == "every" { period } else { known };
        format!("{key} = {known}")
    };
    let kind = kind.map(|kind| format!("kind = {kind:?}"));
    format!(
        "{{ {} }}",
        kind.into_iter().chain(keys.iter().map(value)).collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn schema_and_parser_agree_on_the_keys_of_each_kind_of_table() {
    let mut both = Both::new();
    for (path, kinds) in KINDS {
        let period = if path == "server.detector" { "\"5s\"" } else { "5" };
        let mut verdict = |kind, keys: &[&str]| both.take(&with(path, &table(kind, keys, period)));
        for (kind, keys) in kinds {
            assert!(verdict(Some(kind), keys), "{path} {kind}");
            verdict(None, keys);
            for left_out in 0..keys.len() {
                let mut fewer = keys.to_vec();
                fewer.remove(left_out);
                verdict(Some(kind), &fewer);
            }
            for (more, _) in KEYS.iter().filter(|(key, _)| !keys.contains(key)) {
                verdict(Some(kind), &[keys, &[*more][..]].concat());
            }
        }
        assert!(!verdict(Some("unheard-of"), &[]), "{path}");
    }
    both.agree();
}

#[test]
fn schema_and_parser_agree_on_events() {
    let mut both = Both::new();
    for keys in [
        "crash = 0.5",
        "crash = 1",
        "crash = 1.0",
        "leave = \"10 %\"",
        "join = 3",
        "rebind = 1",
        "crash = -1",
        "crash = 1.5",
        "crash = \"all\"",
        "crash = 1\nleave = 1",
        "",
        "partition = \"both\"",
        "clog = \"up\"",
        "partition = \"sideways\"",
        "up = { loss = 1 }",
        "up = { loss = 1 }\ndown = { loss = 0 }",
        "up = { loss = 1 }\ncrash = 1",
        "up = {}",
        "explode = 1",
    ] {
        both.take(&format!("{GOOD}[[event]]\nat = \"1s\"\ngroup = \"g\"\n{keys}\n"));
    }
    both.agree();
}

#[test]
fn schema_and_parser_agree_on_thresholds() {
    let mut both = Both::new();
    for keys in [
        "delivery_ratio = \">= 99 %\"",
        "delivery_ratio = \"99 %\"",
        "delivery_ratio = 0.99",
        "delivery_rate = \">= 1\"",
        "delivery = \"rate >= 0.9\"",
        "latency_p99_s = \"< 0.25\"",
        "eviction_latency = [\"mean <= 9s\", \"p99 <= 11 s\"]",
        "eviction_latency = [\"p98 <= 9s\"]",
        "eviction_latency = \"count > 3\"",
        "false_evictions = \"rate <= 0.01\"",
        "false_evictions = \"==0\"",
        "latency = \"mean < 250 ms\"",
        "latency = \"< 250 ms\"",
        "deliveries = \"rate > 1e5\"",
        "clients = \"<= much\"",
        "clients = \"> .5\"",
        "clients = []",
        "jitter = \"< 1ms\"",
        "latency_p99 = \"< 1ms\"",
        "latency_p99 = \"max < 1ms\"",
        "nonsense = \"> 1\"",
        "abort = true",
        "abort = \"yes\"",
        "abort_after = \"5s\"",
        "abort = true\nabort_after = \"5s\"",
        "abort = true\nabort_after = 5",
        "group.g.delivery_ratio = \"> 0.5\"",
        "group.g.abort = true",
        "group.g = 5",
        "group.g.nonsense = \"> 1\"",
        "abort = false\nabort_after = \"5s\"",
    ] {
        both.take(&format!("{GOOD}[thresholds]\n{keys}\n"));
    }
    both.agree();
}

#[test]
fn schema_and_parser_agree_on_the_other_tables() {
    let mut both = Both::new();
    for (table, keys) in [
        ("server", "target = \"127.0.0.1:9\""),
        ("server", "target = \"127.0.0.1:9\"\nlisten = \"127.0.0.1:9\""),
        ("server", "command = [\"a\"]"),
        ("server", "target = \"127.0.0.1:9\"\ncommand = []"),
        ("server", "target = \"127.0.0.1:9\"\ncommand = [\"a\"]"),
        ("server", "heartbeat = \"both\"\nrejoin = \"sticky\"\nadmission = \"cookie\""),
        ("server", "heartbeat = \"nobody\""),
        ("server", "max_datagram = 63"),
        ("server", "sweep = \"lazy\""),
        ("server", "sweep = \"lazy\"\neviction = \"lazy\""),
        ("server", "coalesce = 65"),
        ("server", "send_queue = 0"),
        ("swarm", "threads = 0"),
        ("swarm", "threads = 2\ngro = true\nsockets = \"per-client\""),
        ("swarm", "sockets = \"many\""),
        ("sweep", "replications = 2"),
        ("sweep", "repetitions = 2"),
        ("dialect", "heartbeat = \"PING\""),
        ("server", "target = \"127.0.0.1:9\"\n[dialect]\nheartbeat = \"PING {client}\""),
        ("server", "target = \"127.0.0.1:9\"\n[dialect]\nheartbeat = \"PING {clients}\""),
        ("server", "target = \"127.0.0.1:9\"\n[dialect]\nheartbeat = { hex = \"00 0a*\" }"),
        ("server", "target = \"127.0.0.1:9\"\n[dialect]\nheartbeat = { hex = \"00 0\" }"),
        ("server", "target = \"127.0.0.1:9\"\n[dialect]\nack = \"PONG\""),
    ] {
        both.take(&format!("{GOOD}[{table}]\n{keys}\n"));
    }
    for extra in [
        "hostile = { kind = \"flood\", rate = 5 }\nsession = true",
        "hostile = { kind = \"flood\", rate = 5 }\nchat = { rate = 1 }",
        "hostile = { kind = \"flood\", rate = 5 }\nchurn = {}\nacks = \"none\"",
        "acks = \"sideways\"",
        "heartbeat = { every = \"1s\", jitter = { kind = \"grid\", width = \"100ms\" } }",
        "heartbeat = { every = \"1s\", jitter = { kind = \"bfd\", width = \"100ms\" } }",
        "heartbeat = { every = \"1s\", jitter = { kind = \"grid\" } }",
        "up = { rate = { bandwidth = \"1 Mbit/s\", packets = 5 } }",
        "up = { rate = { bandwidth = \"1 MB/s\", packets = 5 } }",
        "up = { rate = { bandwidth = \"64kbit\", packets = 5, bytes = 5 } }",
        "up = { rate = { bandwidth = \"64kbit\", police = 0 } }",
        "up = { rate = { bandwidth = \"64kbit\", police = 9, overhead = 10001 } }",
        "up = { lag = \"1s\" }",
        "up = { delay = { kind = \"constant\", value = \"1s\", lag = 1 } }",
    ] {
        both.take(&format!("{GOOD}{extra}\n"));
    }
    both.agree();
}

/// `Plan::parse` leaves sweeps and ramps to `Study`, so the schema is checked on its own.
#[test]
fn the_schema_refuses_mistakes_in_sweeps_and_ramps() {
    let both = Both::new();
    let thresholds = "[thresholds]\nclients = \"> 1\"\n";
    let valid = |extra: &str| both.complaints(&format!("{GOOD}{extra}\n")).is_empty();
    assert!(valid("[sweep.over]\n\"server.timeout\" = [\"10s\"]\n\"server\" = [{}]"));
    assert!(!valid("[sweep.over]\n\"server.timeout\" = \"10s\""));
    assert!(!valid("[sweep.over]\n\"server.timeout\" = []"));
    assert!(!valid("[sweep.over]\nseed = [1, 2]"));
    assert!(!valid("[sweep]\nreplications = 0"));
    let ramp = |keys: &str| valid(&format!("{thresholds}[ramp]\nkey = \"a\"\n{keys}"));
    assert!(
        ramp("from = 1\nto = 2") && ramp("values = [1]") && ramp("from = 1\nto = 2\nfactor = 2")
    );
    assert!(!ramp("from = 1") && !ramp("values = []") && !ramp("from = 1\nto = 2\nfactor = 1"));
    assert!(!ramp("values = [1]\nfactor = 2") && !valid("[ramp]\nkey = \"a\"\nvalues = [1]"));
}

#[test]
fn schema_and_parser_agree_on_required_keys() {
    let mut both = Both::new();
    assert!(both.take(GOOD));
    for (what, other) in [
        ("name = \"t\"", ""),
        ("name = \"t\"", "name = \"a b\""),
        ("duration = \"10s\"", ""),
        ("duration = \"10s\"", "duration = \"0s\""),
        ("duration = \"10s\"", "duration = 10"),
        ("clients = 3", ""),
        ("clients = 3", "clients = -3"),
        ("[[group]]", "[group]"),
        ("name = \"t\"", "name = \"t\"\nmode = \"real\""),
        ("name = \"t\"", "name = \"t\"\nseeds = 5"),
        ("name = \"t\"", "name = \"t\"\npreset = \"akka\""),
        ("name = \"t\"", "name = \"t\"\npreset = \"netflix\""),
    ] {
        both.take(&GOOD.replacen(what, other, 1));
    }
    assert!(!both.take("name = \"t\"\nduration = \"1s\"\n"));
    both.agree();
}

//! Tallies of parts of a run add up to that of the whole, in any order and grouping, and give the
//! same figures to the last digit, percentiles included.

use serde_json::Value;
use skipbeat_core::Seed;
use skipbeat_measure::{Columns, Figures, GroupRows, GroupTally, Results, RunTally};
use skipbeat_scenario::Plan;
use skipbeat_sim::EngineOptions;

/// A group: how many clients, and what they do.
type Group = (u32, &'static str);

const ROOM: [Group; 3] = [
    (
        90,
        r#"
        heartbeat = { every = "1s", jitter = { kind = "renewal", width = "400ms" } }
        chat = { rate = 0.4 }
        churn = { crash = 0.03, leave = 0.02, rejoin_after = "4s", rebind = 0.01 }
        up = { loss = 0.1, delay = { kind = "exponential", min = "5ms", mean = "40ms" }, duplicate = 0.02 }
        down = { loss = 0.1, delay = { kind = "uniform", min = "5ms", max = "80ms" }, corrupt = 0.02 }
        "#,
    ),
    (40, "chat = { rate = 0.1 }\nacks = \"both\"\nup = { loss = 0.2 }\ndown = { loss = 0.2 }\n"),
    (7, "hostile = { kind = \"spoof\", rate = 2.0 }\n"),
];
const WORKLOADS: [Group; 3] = [
    (
        60,
        r#"
        workload = { telemetry = { every = "700ms" } }
        churn = { crash = 0.02, rejoin_after = "3s" }
        up = { loss = 0.2, delay = { kind = "exponential", min = "5ms", mean = "40ms" } }
        "#,
    ),
    (50, "workload = { query = { rate = 0.5 } }\nup = { loss = 0.2 }\ndown = { loss = 0.2 }\n"),
    (30, "transport = \"tcp\"\nchat = { rate = 0.2 }\nup = { loss = 0.02, delay = \"10ms\" }\n"),
];

/// Runs groups that are divided into pieces of these sizes.
fn run(groups: &[Group], pieces: &[Vec<u32>], seed: u64) -> Results {
    let mut text = format!(
        "name = \"parts\"\nseed = {seed}\nwarmup = \"2s\"\nduration = \"15s\"\ndrain = \"3s\"\n\
         [server]\ntimeout = \"2500ms\"\n"
    );
    for (number, ((_, body), sizes)) in groups.iter().zip(pieces).enumerate() {
        for (piece, size) in sizes.iter().enumerate() {
            text += &format!("[[group]]\nname = \"g{number}-{piece}\"\nclients = {size}\n{body}\n");
        }
    }
    let plan = Plan::parse("parts.toml", &text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let options = EngineOptions { parts: true, ..EngineOptions::default() };
    skipbeat_sim::run_tuned(&plan, options, None, &mut |_| true)
}

/// Makes a part of the run from each piece. Counts that belong to no group go to the first part.
fn parts(run: &RunTally, pieces: &[Vec<u32>]) -> Vec<RunTally> {
    let mut parts = Vec::new();
    let mut tallies = run.groups.iter().zip(&run.rows);
    for (number, sizes) in pieces.iter().enumerate() {
        for (group, rows) in tallies.by_ref().take(sizes.len()) {
            let mut groups = vec![GroupTally::default(); pieces.len()];
            let mut all_rows = vec![GroupRows::default(); pieces.len()];
            (groups[number], all_rows[number]) = (group.clone(), rows.clone());
            let first = parts.is_empty();
            parts.push(RunTally {
                groups,
                rows: all_rows,
                shares: None,
                members_max: None,
                busiest_second: None,
                digest: if first { run.digest } else { 0 },
                events: if first { run.events } else { 0 },
                ..run.clone()
            });
        }
    }
    parts
}

/// The first place where two tallies differ, for a readable message.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    let keys = |value: &Value| -> Vec<(String, Value)> {
        match value {
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            Value::Array(list) => {
                (0..).zip(list).map(|(n, v)| (format!("{n}"), v.clone())).collect()
            }
            _ => Vec::new(),
        }
    };
    let (mine, theirs) = (keys(one), keys(other));
    if mine.is_empty() || mine.len() != theirs.len() {
        return (one != other).then(|| format!("{path}: {one} and {other}"));
    }
    let mut pairs = mine.into_iter().zip(theirs);
    pairs.find_map(|((key, one), (_, other))| difference(&format!("{path}/{key}"), &one, &other))
}

fn assert_same(one: &RunTally, other: &RunTally, what: &str) {
    if one != other {
        let [one, other] = [one, other].map(|tally| serde_json::to_value(tally).unwrap());
        panic!("{what}: {:?}", difference("", &one, &other));
    }
}

#[test]
fn tallies_of_parts_add_up_to_the_whole_in_any_order_and_grouping() {
    for seed in 0..24 {
        let groups = if seed % 2 == 0 { ROOM } else { WORKLOADS };
        let draws = Seed(seed).family("test.cuts").stream(0);
        let mut draw = 0;
        let mut below = |n: u64| {
            draw += 1;
            draws.bits(draw) % n
        };
        let whole: Vec<Vec<u32>> = groups.iter().map(|(size, _)| vec![*size]).collect();
        // Each group in up to four pieces, some of them of one client.
        let cut = |below: &mut dyn FnMut(u64) -> u64, mut size: u32| {
            let mut sizes = Vec::new();
            while size > 1 && sizes.len() < 3 && below(4) > 0 {
                let piece = 1 + below(u64::from(size) - 1) as u32;
                sizes.push(piece);
                size -= piece;
            }
            sizes.push(size);
            sizes
        };
        let pieces: Vec<_> = groups
            .iter()
            .map(|(size, body)| match body {
                // Addresses that they forge are numbered by group.
                body if body.contains("hostile") => vec![*size],
                _ => cut(&mut below, *size),
            })
            .collect();
        let expected = run(&groups, &whole, seed);
        let mut pool = parts(&run(&groups, &pieces, seed).tally, &pieces);
        while pool.len() > 1 {
            let one = pool.swap_remove(below(pool.len() as u64) as usize);
            let other = below(pool.len() as u64) as usize;
            pool[other].add(&one);
        }
        let sum = pool.pop().expect("there is a part");
        assert_same(&sum, &expected.tally, &format!("seed {seed}, {pieces:?}"));
        let figures = Figures::of_all(&sum, &Columns::default());
        assert_eq!(figures, expected.figures);
        let defined = figures.values().iter().flatten().count();
        assert!(defined > 90, "most figures are defined: {defined}");
    }
}

#[test]
fn a_tally_is_read_as_it_was_written() {
    let whole: Vec<Vec<u32>> = WORKLOADS.iter().map(|(size, _)| vec![*size]).collect();
    let tally = run(&WORKLOADS, &whole, 5).tally;
    let text = serde_json::to_string(&tally).unwrap();
    let read: RunTally = serde_json::from_str(&text).unwrap();
    assert_same(&read, &tally, "read and written");
}

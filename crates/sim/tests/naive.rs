//! The engine compared with a naive driver that has one heap, handles one event at a time and
//! encodes whole datagrams. Both play random small scenarios; every event and all results must be
//! equal.

mod naive_driver;

use skipbeat_core::{Direction, EndpointId, Seed, Span, Stream, Time};
use skipbeat_harness::Tap;
use skipbeat_link::Verdict;
use skipbeat_measure::{EventRecord, Results};
use skipbeat_scenario::Plan;
use skipbeat_sim::EngineOptions;

/// A tap that ignores what it sees. With a tap the engine must handle every datagram in order.
struct Deaf;

impl Tap for Deaf {
    fn passage(&mut self, _: Time, _: Direction, _: EndpointId, _: &[u8], _: &Verdict) {}
}

/// Draws a scenario from a stream.
struct Dice {
    stream: Stream,
    rolled: u64,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.rolled += 1;
        self.stream.bits(self.rolled) % sides
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.roll(texts.len() as u64) as usize]
    }
}

/// The links of a group in one direction. With `minimum` all delays have a minimum above zero,
/// which the engine's short cuts need.
fn link(dice: &mut Dice, minimum: bool) -> String {
    let delay = if minimum {
        ["\"7ms\"", "\"2s\"", "{ kind = \"exponential\", min = \"10ms\", mean = \"30ms\" }"]
            .as_slice()
    } else {
        &[
            "\"0s\"",
            "\"50ms\"",
            "{ kind = \"exponential\", mean = \"40ms\" }",
            "{ kind = \"uniform\", min = \"1ms\", max = \"900ms\" }",
            "{ kind = \"normal\", mean = \"30ms\", deviation = \"9ms\", correlation = 0.5 }",
            "{ kind = \"lognormal\", min = \"3ms\", median = \"20ms\", sigma = 1.0, order = \"preserve\" }",
        ]
    };
    let more = [
        "",
        "",
        "duplicate = 0.3",
        "corrupt = { probability = 0.2, kind = \"bits\", n = 2 }",
        "reorder = { kind = \"hold\", probability = 0.3, extra = \"80ms\" }",
        "reorder = { kind = \"early\", probability = 0.3 }",
        "rate = { bandwidth = \"8 kbit/s\", packets = 3 }",
        "mtu = 60",
    ];
    let more = if minimum { &more[..3] } else { &more[..] };
    let loss = dice.one_of(&[
        "0.0",
        "0.3",
        "{ kind = \"gilbert-elliott\", loss = 0.2, burst = 3 }",
        "{ kind = \"bernoulli\", probability = 0.4, only = [\"heartbeat\"] }",
    ]);
    format!("loss = {loss}\ndelay = {}\n{}\n", dice.one_of(delay), dice.one_of(more))
}

/// Timed events, or none.
fn events(dice: &mut Dice, plain: bool) -> String {
    let mut text = String::new();
    let changes = dice.roll(3) == 0;
    if changes {
        // Links change at the moment when clients that started together send a heartbeat.
        for (at, loss) in [("4500ms", "1.0"), ("5500ms", "0.0"), ("6500ms", "0.5")] {
            let up = format!("up = {{ loss = {loss} }}");
            text += &format!("[[event]]\nat = \"{at}\"\ngroup = \"a\"\n{up}\n");
        }
    }
    for (at, what) in [("3s", "crash = 0.5"), ("3500ms", "join = 1.0"), ("4s", "rebind = 0.5")] {
        if (dice.roll(3) == 0 || changes && what.starts_with("join"))
            && !(plain && what.starts_with("rebind"))
        {
            text += &format!("[[event]]\nat = \"{at}\"\ngroup = \"a\"\n{what}\n");
        }
    }
    if !plain && dice.roll(3) == 0 {
        let what = dice.one_of(&["partition", "clog"]);
        let end = if what == "clog" { "release" } else { "heal" };
        for (at, what) in [("2s", what), ("3s", end)] {
            text += &format!("[[event]]\nat = \"{at}\"\ngroup = \"a\"\n{what} = \"both\"\n");
        }
    }
    text
}

/// A scenario: plain ones, for which the engine has short cuts, and all kinds of others.
fn scenario(seed: u64) -> String {
    let dice = &mut Dice { stream: Seed(seed).family("naive").stream(0), rolled: 0 };
    let plain = dice.roll(2) == 0;
    let any = |dice: &mut Dice, texts: &[&'static str]| {
        if plain { "" } else { dice.one_of(texts) }
    };
    let mut text = format!(
        "name = \"n\"\nseed = {seed}\nwarmup = \"2s\"\nduration = \"{}s\"\ndrain = \"1s\"\n[server]\n",
        5 + dice.roll(25)
    );
    let timeout = dice.one_of(&["600ms", "2s", "2500ms", "9s"]);
    text += &format!("timeout = \"{timeout}\"\n");
    text += dice.one_of(&["", "", "eviction = \"lazy\"\n", "eviction = { every = \"700ms\" }\n"]);
    text += any(dice, &["", "", "rejoin = \"sticky\"\n"]);
    text += any(dice, &["", "", "admission = \"cookie\"\n"]);
    text += any(dice, &["", "", "crash_at = \"4500ms\"\n"]);
    text += any(dice, &["", "limits = { members = 5, per_client = { rate = 1, burst = 2 } }\n"]);
    if !text.contains("cookie") {
        let mechanisms = [
            "",
            "",
            "detector = { kind = \"chen\", every = \"1s\", margin = \"200ms\" }\n",
            "detector = { kind = \"phi\", threshold = 3.0, window = 10, every = \"1s\" }\n",
            "heartbeat = \"server\"\nheartbeat_every = \"800ms\"\n",
            "heartbeat = \"both\"\nheartbeat_every = \"800ms\"\n",
        ];
        text += any(dice, &mechanisms);
    }
    for name in ["a", "b"] {
        let clients = dice.roll(9);
        text += &format!("[[group]]\nname = \"{name}\"\nclients = {clients}\n");
        let every = dice.one_of(&["1s", "1s", "250ms"]);
        let jitter = dice.one_of(&[
            "\"none\"",
            "{ kind = \"grid\", width = \"100us\" }",
            "{ kind = \"grid\", width = \"20ms\" }",
            "\"bfd\"",
            "{ kind = \"renewal\", width = \"250ms\" }",
            "{ kind = \"grid\", width = \"120ms\" }",
        ]);
        text += &format!("heartbeat = {{ every = \"{every}\", jitter = {jitter} }}\n");
        text += dice.one_of(&["", "chat = { rate = 0.7 }\n", "chat = { rate = 3.0, size = 80 }\n"]);
        text += dice.one_of(&[
            "",
            "churn = { crash = 0.1, leave = 0.1, rejoin_after = \"1500ms\" }\n",
            "churn = { crash = 2.0, rejoin_after = \"1ms\" }\n",
        ]);
        text += any(dice, &["", "", "acks = \"up\"\n", "acks = \"down\"\n", "acks = \"both\"\n"]);
        text += any(dice, &["", "", "session = true\n"]);
        text += &format!("[group.up]\n{}", link(dice, plain));
        let minimum = plain && dice.roll(2) == 0;
        text += &format!("[group.down]\n{}", link(dice, minimum));
    }
    if !plain && dice.roll(3) == 0 {
        let kind = dice.one_of(&["spoof", "flood", "garbage", "replay"]);
        text += "[[group]]\nname = \"enemy\"\nclients = 2\n";
        text +=
            &format!("hostile = {{ kind = \"{kind}\", rate = 4 }}\nup = {{ delay = \"20ms\" }}\n");
    }
    text += &events(dice, plain);
    // A damaged ack is taken for a text, which all members ack. With more damage that becomes a
    // storm.
    if text.contains("acks =") {
        text = text.replace("corrupt = { probability = 0.2", "corrupt = { probability = 0.01");
    }
    text
}

fn sorted(mut log: Vec<EventRecord>) -> Vec<EventRecord> {
    log.sort_unstable();
    log
}

fn compare(text: &str, what: &str, expected: &Results, actual: Results) {
    let first = expected.log.iter().zip(&actual.log).find(|(a, b)| a != b);
    assert_eq!(first, None, "{what}: the first event that differs\n{text}");
    assert_eq!(expected.tally, actual.tally, "{what}\n{text}");
    assert_eq!(expected.figures, actual.figures, "{what}\n{text}");
    assert_eq!(expected.groups, actual.groups, "{what}\n{text}");
    assert_eq!(expected.ledger, actual.ledger, "{what}\n{text}");
}

#[test]
fn the_engine_gives_the_events_and_results_of_a_naive_driver() {
    let window = Span::from_millis;
    let tunings = [
        EngineOptions { log: true, ..EngineOptions::default() },
        EngineOptions { window: window(0), bucket: 17, log: true, parts: false },
        EngineOptions { window: window(1), bucket: 0, log: true, parts: false },
        EngineOptions { window: window(9), bucket: 24, log: true, parts: false },
        EngineOptions { window: window(100), bucket: 32, log: true, parts: false },
    ];
    let mut events = 0;
    for seed in 0..600 {
        let text = scenario(seed);
        let plan = Plan::parse("naive", &text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let mut expected = naive_driver::run(&plan);
        expected.log = sorted(expected.log);
        events += expected.tally.events;
        let tapped = tunings.iter().map(|tuning| (*tuning, false));
        for (tuning, tapped) in tapped.chain([(tunings[0], true)]) {
            let tap: Option<Box<dyn Tap>> = if tapped { Some(Box::new(Deaf)) } else { None };
            let mut actual = skipbeat_sim::run_tuned(&plan, tuning, tap, &mut |_| true);
            actual.log = sorted(actual.log);
            compare(&text, &format!("{tuning:?}, tapped: {tapped}"), &expected, actual);
        }
    }
    assert!(events > 300_000, "only {events} events were compared");
}

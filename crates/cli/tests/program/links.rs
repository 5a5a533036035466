//! Links through the command line: the proxy, captures and `skipbeat link`. One seed gives the same
//! verdicts in virtual time, on sockets and in the proxy.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skipbeat_capture::{Frame, read_frames};
use skipbeat_core::{Direction, Roster, Seed, Time};
use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, Verdict, read_compact};

use crate::running::{PATIENCE, proxy, wait_for};
use crate::support::{Bench, stderr};

/// The verdicts that the seed alone determines for the link of the first client.
fn expected(text: &str, direction: Direction, seed: u64, n: u32) -> Vec<Verdict> {
    let options = read_compact(text, direction, LinkOptions::default()).expect("a link");
    let roster = Roster::new([1]);
    let mut links = Links::new(Seed(seed), direction, [options.into()], &roster);
    let packet = PacketInfo { bytes: 64, class: Class::Chat };
    (0..n).map(|_| links.judge(Time::ZERO, 0, 0, packet)).collect()
}

/// A server that echoes every datagram until it is dropped.
struct Echo {
    address: SocketAddr,
    end: Arc<AtomicBool>,
}

impl Echo {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let echo = Echo { address: socket.local_addr().unwrap(), end: Arc::default() };
        let end = Arc::clone(&echo.end);
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

fn client(of: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(of).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The rows of a CSV file, each a map from column to cell.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    csv.deserialize().map(|row| row.unwrap()).collect()
}

/// A number from a line of the proxy's summary: column 0 is up, 1 is down.
fn number(line: &str, column: usize) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    words[words.len() - 2 + column].replace(',', "").parse().unwrap()
}

#[test]
fn the_proxy_gives_the_verdicts_of_its_seed_and_its_ledger_closes() {
    let bench = Bench::new();
    let link =
        "loss=ge(p=.1,r=.3),delay=uniform(min=1ms,max=9ms),duplicate=20%,corrupt=(probability=10%)";
    let log = bench.path().join("verdicts.csv");
    let pcap = bench.path().join("proxy.pcapng");
    let echo = Echo::start();
    let paths = [log.to_str().unwrap(), pcap.to_str().unwrap()];
    let arguments =
        ["--up", link, "--down", "loss=0", "--seed", "7", "--log", paths[0], "--pcap", paths[1]];
    let (mut proxy, address) = proxy(echo.address, &arguments);
    let client = client(address);
    let n = 300;
    for i in 0..n {
        client.send(format!("{i:064}").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(300));
    }
    // The last datagram crosses a link without loss and with the longest delay, so it comes back
    // last.
    proxy.types("up loss=0,delay=100ms,duplicate=0,corrupt=(probability=0)");
    std::thread::sleep(Duration::from_millis(300));
    client.send(b"the last one").unwrap();
    let mut buffer = [0; 2048];
    while client.recv(&mut buffer).map(|length| &buffer[..length] != b"the last one").unwrap() {}
    proxy.types("quit");
    assert_eq!(proxy.ends(), Some(0));
    let verdicts = expected(link, Direction::Up, 7, n);
    let log = rows(&log);
    let up: Vec<_> = log.iter().filter(|row| row["direction"] == "up").collect();
    assert_eq!(up.len(), n as usize + 1);
    for (verdict, row) in verdicts.iter().zip(up) {
        let lost = verdict.arrival.is_err();
        assert_eq!(row["verdict"], if lost { "loss" } else { "arrives" }, "{row:?}");
        assert_eq!(row["copy_arrives_s"].is_empty(), verdict.copy().is_none());
        assert_eq!(row["changed"] == "1", verdict.changes()[0].is_some());
        if let Ok(at) = verdict.arrival {
            let seconds = |column: &str| row[column].parse::<f64>().unwrap();
            let delay = seconds("arrives_s") - seconds("time_s");
            assert!((delay - at.seconds()).abs() < 2e-9, "the same delay to the nanosecond");
        }
    }
    // In each direction: came + duplicated = lost + in flight + not sent + went on.
    let came = wait_for(&proxy.output, "came");
    let duplicated = wait_for(&proxy.output, "+ duplicated");
    let lost = wait_for(&proxy.output, "- loss");
    let flying = wait_for(&proxy.output, "- in flight");
    let not_sent = wait_for(&proxy.output, "- not sent");
    let went_on = wait_for(&proxy.output, "= went on");
    for way in [0, 1] {
        let [came, duplicated, lost, flying, not_sent, went_on] =
            [&came, &duplicated, &lost, &flying, &not_sent, &went_on].map(|l| number(l, way));
        assert_eq!(came + duplicated, lost + flying + not_sent + went_on);
        assert!(came > 200 && not_sent == 0);
    }
    let frames = read_frames(&pcap).unwrap();
    let at = |name: &str| frames.iter().filter(|f| f.name.as_deref() == Some(name)).count();
    assert_eq!(at("up in"), n as usize + 1);
    assert_eq!(at("up out") as u64, number(&went_on, 0));
}

#[test]
fn the_proxy_can_be_changed_while_it_runs() {
    let echo = Echo::start();
    let (mut proxy, address) = proxy(echo.address, &[]);
    let client = client(address);
    let mut buffer = [0; 64];
    let mut answers = |text: &[u8], socket: &UdpSocket| {
        socket.send(text).unwrap();
        socket.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == text)
    };
    assert!(answers(b"one", &client));
    for mistake in ["dance", "up loss=9", "clog sideways 1s"] {
        proxy.types(mistake);
        wait_for(&proxy.errors, "error: ");
    }
    // The proxy handles commands in order, so an answer to `stats` means that the earlier ones are
    // done.
    proxy.types("up loss=100%");
    proxy.types("stats");
    wait_for(&proxy.output, "1 sessions");
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(!answers(b"lost", &client));
    proxy.types("up loss=0");
    proxy.types("clog 600ms");
    proxy.types("stats");
    wait_for(&proxy.output, "1 sessions");
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(answers(b"kept", &client), "it comes when the clog is released");
    proxy.signal("-INT");
    assert_eq!(proxy.ends(), Some(0));
}

#[test]
fn without_impairment_nothing_is_lost_or_reordered() {
    let echo = Echo::start();
    let (mut proxy, address) = proxy(echo.address, &[]);
    let client = client(address);
    let mut buffer = [0; 64];
    for burst in 0..200u32 {
        let numbers = (0..50).map(|n| burst * 50 + n);
        numbers.clone().for_each(|n| assert!(client.send(&n.to_le_bytes()).is_ok()));
        for n in numbers {
            let length = client.recv(&mut buffer).expect("nothing is lost");
            assert_eq!(buffer[..length], n.to_le_bytes(), "in the order in which it was sent");
        }
    }
    proxy.types("quit");
    assert_eq!(proxy.ends(), Some(0));
    let went_on = wait_for(&proxy.output, "= went on");
    assert_eq!((number(&went_on, 0), number(&went_on, 1)), (10_000, 10_000));
    let added = wait_for(&proxy.output, "added here, p99");
    let added = added.trim_start().strip_prefix("added here, p99").expect("it is that line");
    let words: Vec<&str> = added.split_whitespace().collect();
    let [up, up_unit, down, down_unit] = words[..] else { panic!("expected two spans: {added}") };
    for (value, unit) in [(up, up_unit), (down, down_unit)] {
        let value: f64 = value.replace(',', "").parse().expect("a number");
        assert!(value > 0.0 && ["µs", "ms", "s"].contains(&unit), "it adds something: {added}");
    }
}

#[test]
fn an_idle_session_is_closed_and_the_next_datagram_begins_another() {
    let echo = Echo::start();
    let (proxy, address) = proxy(echo.address, &["--idle", "100ms"]);
    let client = client(address);
    let mut buffer = [0; 64];
    for _ in 0..2 {
        client.send(b"hello").unwrap();
        client.recv(&mut buffer).expect("it comes back");
        wait_for(&proxy.errors, "begins");
        wait_for(&proxy.errors, "was idle and ends");
    }
}

#[test]
fn mistakes_in_links_on_the_command_line_are_usage_errors() {
    let fails = |arguments: &[&str], code: i32, expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_skipbeat")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    };
    let proxy = ["proxy", "--listen", "127.0.0.1:0", "--target", "127.0.0.1:1"];
    fails(&[&proxy[..], &["--up", "lag=3ms"]].concat(), 2, "--up: unknown field `lag`");
    fails(&[&proxy[..], &["--down", "@dsl"]].concat(), 2, "bufferbloat");
    fails(&[&proxy[..], &["--group", "x"]].concat(), 2, "--scenario");
    fails(&["link"], 2, "LINK");
    fails(&["link", "loss=2"], 2, "probability");
    fails(&["link", "--fit", "/nonexistent"], 1, "can't open /nonexistent");
}

#[test]
fn a_fit_recovers_the_model_that_a_trace_was_drawn_from() {
    let bench = Bench::new();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skipbeat"));
        let output =
            command.current_dir(bench.path()).arg("link").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let model = "ge(p=.02,r=.2),delay=exp(min=5ms,mean=20ms)";
    let said = run(&[model, "-n", "50000", "--csv", "trace.csv"]);
    let head = said.lines().find(|line| line.starts_with("link ")).unwrap_or("");
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["link", "configured", "observed"]);
    let runs = said.lines().find_map(|line| line.trim_start().strip_prefix("mean loss run "));
    let configured = runs.unwrap_or("").split_whitespace().next();
    assert_eq!(configured, Some("5"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let fit = run(&["--fit", "trace.csv"]);
    let link = fit.lines().find(|line| line.starts_with("link: ")).unwrap();
    assert!(link.contains("loss=ge(p=0.0") && link.contains("delay=exp(min=5"), "{link}");
}

const ROOM: &str = r#"
name = "pair"
seed = 7
warmup = "1s"
duration = "3s"
drain = "1s"
[server]
timeout = "100s"
[[group]]
name = "g"
clients = 3
heartbeat = { every = "200ms" }
chat = { rate = 5.0, arrivals = "periodic" }
[group.up]
loss = { kind = "gilbert-elliott", p = 0.1, r = 0.3 }
delay = { kind = "uniform", min = "1ms", max = "9ms" }
duplicate = 0.2
corrupt = { probability = 0.1 }
[group.down]
loss = 0.1
delay = "2ms"
"#;

/// The comments of the frames at one interface, by client and in order.
fn notes(frames: &[Frame], end: &str) -> BTreeMap<SocketAddr, Vec<Option<String>>> {
    let mut notes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.name.as_deref() == Some(end)) {
        let client = if end.starts_with("up") { frame.from } else { frame.to };
        notes.entry(client).or_default().push(frame.comment.clone());
    }
    notes
}

#[test]
fn a_link_gives_the_same_verdicts_in_both_worlds() {
    let bench = Bench::new();
    let scenario = bench.scenario(ROOM);
    let capture = |mode: &str| {
        let file = format!("{mode}.pcapng");
        let more = ["--set", "swarm.lateness_limit=10s"];
        let arguments = ["--mode", mode, "--quiet", "--out", "out", "--pcap", &file];
        let output = bench.run(&scenario, &[&arguments[..], &more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        read_frames(&bench.path().join(file)).unwrap()
    };
    let (sim, net) = (capture("sim"), capture("net"));
    // Up, the same datagrams enter at the same planned times, so all verdicts are equal.
    let (of_sim, of_net) = (notes(&sim, "up in"), notes(&net, "up in"));
    assert_eq!(of_sim, of_net);
    assert!(of_sim.values().flatten().flatten().any(|note| note == "lost: loss"));
    // Down, one server may have sent more when the run ends, but the n-th datagram to a client has
    // the same verdict.
    for (client, of_sim) in notes(&sim, "down in") {
        let of_net = &notes(&net, "down in")[&client];
        let both = of_sim.len().min(of_net.len());
        assert!(both > 20);
        assert_eq!(of_sim[..both], of_net[..both], "{client}");
    }
    // Both are the verdicts that follow from the seed.
    let link =
        "loss=ge(p=.1,r=.3),delay=uniform(min=1ms,max=9ms),duplicate=20%,corrupt=(probability=10%)";
    let first = &notes(&sim, "up in")[&"127.1.0.0:10000".parse().unwrap()];
    for (note, verdict) in first.iter().zip(expected(link, Direction::Up, 7, first.len() as u32)) {
        assert_eq!(note.as_deref() == Some("lost: loss"), verdict.arrival.is_err());
        assert_eq!(note.as_deref() == Some("duplicated"), verdict.copy().is_some());
    }
}

//! Our links and captures checked with other programs: dig, iperf3 and tshark. If one is not
//! installed, its tests are skipped, except in CI, where they fail.

use std::io::{ErrorKind, copy};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::running::{client, hears, lines, proxy, serve};
use crate::support::{Bench, stderr};

/// Whether a program is installed. In CI it must be.
fn is_here(program: &str) -> bool {
    let mut command = Command::new(program);
    let asked = command.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match asked {
        Err(e) if e.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            eprintln!("skipped: there is no {program} on this machine");
            false
        }
        asked => {
            asked.unwrap_or_else(|e| panic!("{program}: {e}"));
            true
        }
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{program}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A DNS resolver that answers every name with the same address.
fn resolver(end: Arc<AtomicBool>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("it can be set");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while !end.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            let query = &buffer[..length];
            // The question: labels up to an empty one, then two bytes of type and two of class.
            let name = query[12..].iter().position(|byte| *byte == 0).expect("a name ends");
            let question = &query[12..12 + name + 5];
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend(question);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn dig_sees_the_delay_of_the_proxys_links() {
    if !is_here("dig") {
        return;
    }
    let end = Arc::new(AtomicBool::new(false));
    let (_proxy, address) =
        proxy(resolver(Arc::clone(&end)), &["--up", "delay=30ms", "--down", "delay=40ms"]);
    let port = address.port().to_string();
    let said = output("dig", &["@127.0.0.1", "-p", &port, "skipbeat.test", "A"]);
    end.store(true, Ordering::Relaxed);
    assert!(said.contains("192.0.2.7"), "{said}");
    let time = said.split_once("Query time: ").expect("it says how long it took").1;
    let milliseconds: u32 = time.split(' ').next().unwrap_or("").parse().expect("a number");
    // The links add 70 ms, but dig's clock is coarse.
    assert!(milliseconds >= 60, "no answer comes before its links let it: {milliseconds} ms");
}

/// Forwards the TCP control connection of iperf3 to its server.
fn relay_control(listener: TcpListener, server: SocketAddr) {
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(server) else { continue };
            let (mut from_client, mut from_server) =
                (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
            let (mut to_client, mut to_server) = (client, server);
            std::thread::spawn(move || copy(&mut from_client, &mut to_server));
            std::thread::spawn(move || copy(&mut from_server, &mut to_client));
        }
    });
}

/// Starts an iperf3 server for one test, and returns its address.
fn iperf3_server() -> (Child, SocketAddr) {
    loop {
        // Another program may take the port first. Then iperf3 exits, and the next one is tried.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let mut server = Command::new("iperf3")
            .args(["-s", "-1", "--forceflush", "-B", "127.0.0.1", "-p", &free.port().to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let said = lines(server.stdout.take().expect("it is piped"));
        if said.iter().any(|line| line.contains("Server listening")) {
            return (server, free);
        }
        server.wait().expect("it has ended");
    }
}

/// The number at the last mention of a key in iperf3's JSON.
fn last_number(json: &str, key: &str) -> f64 {
    let (_, rest) = json.rsplit_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key}"));
    let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
    rest[..end].trim().parse().unwrap_or_else(|_| panic!("{key} is {:?}", &rest[..end]))
}

#[test]
fn iperf3_sees_the_loss_and_the_jitter_of_the_proxys_link() {
    if !is_here("iperf3") {
        return;
    }
    let bench = Bench::new();
    let log = bench.path().join("verdicts.csv");
    let (mut server, at) = iperf3_server();
    // iperf3 gives up if its first datagram is lost. With seed 2 it passes.
    let link = "loss=10%,delay=uniform(min=0ms,max=30ms)";
    let arguments = ["--up", link, "--seed", "2", "--log", log.to_str().expect("a path")];
    // iperf3 uses TCP and UDP on one port, so the TCP port must be free too.
    let (mut proxy, address, listener) = loop {
        let (mut proxy, address) = proxy(at, &arguments);
        match TcpListener::bind(address) {
            Ok(listener) => break (proxy, address, listener),
            Err(_) => {
                proxy.types("quit");
                assert_eq!(proxy.ends(), Some(0));
            }
        }
    };
    relay_control(listener, at);
    let port = address.port().to_string();
    let client = ["-c", "127.0.0.1", "-p", &port, "-u", "-b", "2M", "-l", "200", "-t", "2", "-J"];
    let said = output("iperf3", &client);
    proxy.types("quit");
    assert_eq!(proxy.ends(), Some(0));
    let _ = server.kill();
    let _ = server.wait();
    let mut csv = csv::Reader::from_path(&log).expect("the log is there");
    let head = csv.headers().expect("a head").clone();
    let column = |name: &str| head.iter().position(|column| column == name).expect("a column");
    let (direction, bytes, verdict) = (column("direction"), column("bytes"), column("verdict"));
    let rows: Vec<csv::StringRecord> = csv.records().map(|row| row.expect("a row")).collect();
    let data: Vec<_> =
        rows.iter().filter(|row| &row[direction] == "up" && &row[bytes] == "200").collect();
    let lost = data.iter().filter(|row| &row[verdict] == "loss").count() as f64;
    let (packets, their_lost) = (last_number(&said, "packets"), last_number(&said, "lost_packets"));
    assert!(packets > 1_000.0, "{packets}");
    // iperf3 can't see what is lost or in flight at the very end.
    assert!((their_lost - lost).abs() <= 50.0, "iperf3 saw {their_lost} lost, we {lost}");
    assert!((lost / data.len() as f64 - 0.1).abs() < 4.0 * (0.09 / data.len() as f64).sqrt());
    // The jitter of RFC 3550, for independent delays that are uniform over a width W, is W/3. It is
    // a running mean over some 16 datagrams, with a standard deviation of 0.042·W.
    let jitter = last_number(&said, "jitter_ms");
    assert!((jitter - 10.0).abs() <= 4.0 * 0.042 * 30.0, "iperf3 saw a jitter of {jitter} ms");
}

#[test]
fn tshark_counts_the_packets_of_the_ledger() {
    if !is_here("tshark") {
        return;
    }
    let bench = Bench::new();
    let scenario = bench.scenario(
        r#"
        name = "captured"
        duration = "20s"
        drain = "5s"
        [[group]]
        name = "g"
        clients = 20
        heartbeat = { every = "1s" }
        chat = { rate = 0.2 }
        [group.up]
        loss = { kind = "gilbert-elliott", loss = 0.1, burst = 3 }
        delay = "20ms"
        duplicate = 0.1
        [group.down]
        loss = 0.2
        mtu = 80
        corrupt = { probability = 0.1, kind = "garbage", n = 40 }
        "#,
    );
    let run = bench.run(&scenario, &["--quiet", "--out", "out", "--pcap", "run.pcapng"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let path = bench.path().join("run.pcapng");
    let fields = ["-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"];
    let path = path.to_str().expect("a path");
    let said = output("tshark", &[&["-r", path], &fields[..]].concat());
    let count = |start: &str| said.lines().filter(|line| line.starts_with(start)).count() as i64;
    for way in ["up", "down"] {
        let ledger = |term: &str| bench.ledger("datagrams", way, term);
        assert_eq!(count(&format!("{way} in")), ledger("sent"), "{way}");
        assert_eq!(count(&format!("{way} out")), ledger("received"), "{way}");
        assert_eq!(count(&format!("{way} in\tlost: loss")), ledger("loss"), "{way}");
        assert_eq!(count(&format!("{way} in\tlost: mtu")), ledger("mtu"), "{way}");
    }
    assert!(count("up in\tlost: loss") > 0);
    // No packet is malformed or has a wrong checksum.
    let checked = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let wrong = "udp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed";
    let wrong = output("tshark", &[&["-r", path, "-Y", wrong], &checked[..]].concat());
    assert_eq!(wrong, "");
}

/// On loopback, tshark sees a segmented message (`UDP_SEGMENT`) before the kernel splits it. So it
/// shows that the server sent several datagrams as one, although sockets read them one by one.
#[test]
fn coalesced_texts_arrive_as_separate_datagrams() {
    if !is_here("tshark") {
        return;
    }
    let bench = Bench::new();
    let (mut server, address) = serve(&["--linger", "200ms"]);
    let capture = bench.path().join("seen.pcapng");
    let capture_path = capture.to_str().expect("a path").to_owned();
    let filter = format!("udp src port {}", address.port());
    let mut tshark = Command::new("tshark");
    tshark.args(["-q", "-i", "lo", "-f", &filter, "-w", &capture_path]);
    let mut tshark = tshark.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    // tshark writes the head of the file once it captures.
    for _ in 0..200 {
        if capture.metadata().is_ok_and(|file| file.len() > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let members: Vec<UdpSocket> = (0..3).map(|_| client(address)).collect();
    let texts: Vec<Vec<u8>> = (0..8).map(|n| format!("text {n}").into_bytes()).collect();
    for member in &members {
        member.send(b"^hb^").expect("it is sent");
    }
    for text in &texts {
        members[0].send(text).expect("it is sent");
    }
    for member in &members {
        for text in &texts {
            let expected =
                [text, &b". from "[..], members[0].local_addr().unwrap().to_string().as_bytes()]
                    .concat();
            assert_eq!(hears(member), expected);
        }
    }
    server.types("quit");
    assert_eq!(server.ends(), Some(0));
    std::thread::sleep(Duration::from_millis(300));
    let _ = Command::new("kill").args(["-INT", &tshark.id().to_string()]).status();
    let _ = tshark.wait();
    // The eight texts for a member go as one message, so frames are longer than any text.
    let lengths = output("tshark", &["-r", &capture_path, "-T", "fields", "-e", "udp.length"]);
    let longest = lengths.lines().filter_map(|line| line.parse::<u32>().ok()).max();
    assert!(longest.is_some_and(|longest| longest > 200), "{lengths}");
}

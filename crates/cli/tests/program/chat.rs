//! The chat system by itself: `serve` and `chat` over pipes, plain clients, another language.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Patience with a busy machine: nothing asserts how long anything took.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program with its pipes.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    errors: Receiver<String>,
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
    lines
}

fn start(arguments: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skipbeat"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = lines(child.stdout.take().unwrap());
    let errors = lines(child.stderr.take().unwrap());
    Running { input: child.stdin.take(), child, output, errors }
}

/// The first line that contains `what`.
fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {what:?}"));
        if line.contains(what) {
            return line;
        }
    }
}

impl Running {
    fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> (Running, SocketAddr) {
    let server = start(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let line = wait_for(&server.errors, "serving at ");
    let address = line.split_once("serving at ").unwrap().1.split(';').next().unwrap();
    let address = address.parse().unwrap();
    (server, address)
}

fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn hears(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).expect("something is heard");
    buffer[..length].to_vec()
}

#[test]
fn the_console_shows_clients_and_stats_says_texts_and_quits_with_bye() {
    let (mut server, address) = serve(&[]);
    let client = client(address);
    let own = client.local_addr().unwrap();
    client.send(b" ^hb^\n").unwrap();
    wait_for(&server.errors, &format!("{own} joined"));
    client.send(b"raw \xff bytes").unwrap();
    let mut expected = b"raw \xff bytes".to_vec();
    expected.extend(format!(". from {own}").bytes());
    assert_eq!(hears(&client), expected);
    server.types("clients");
    assert!(wait_for(&server.output, &own.to_string()).contains("suspected in"));
    wait_for(&server.output, "1 clients");
    server.types("say good evening");
    assert_eq!(hears(&client), format!("good evening. from {address}").into_bytes());
    client.send(&[b'x'; 2000]).unwrap();
    wait_for(&server.errors, "refused: too-long");
    server.types("stats");
    assert_eq!(wait_for(&server.output, "members").split_whitespace().last(), Some("1"));
    assert_eq!(wait_for(&server.output, "too-long").split_whitespace().last(), Some("1"));
    server.types("dance");
    wait_for(&server.output, "unknown command \"dance\"");
    server.types("quit");
    assert_eq!(hears(&client), b"bye");
    assert_eq!(server.ends(), Some(0));
}

#[test]
fn a_silent_client_is_evicted_and_one_that_quits_leaves() {
    let (server, address) = serve(&["--timeout", "300ms"]);
    let (silent, polite) = (client(address), client(address));
    silent.send(b"^hb^").unwrap();
    polite.send(b"^hb^").unwrap();
    polite.send(b"quit\n").unwrap();
    let left = wait_for(&server.errors, " left");
    assert!(left.contains(&polite.local_addr().unwrap().to_string()));
    let evicted = wait_for(&server.errors, "evicted after");
    assert!(evicted.contains(&silent.local_addr().unwrap().to_string()));
}

#[test]
fn signals_stop_the_server_like_quit_and_the_end_of_input_does_not() {
    for signal in ["-INT", "-TERM"] {
        let (mut server, address) = serve(&[]);
        server.input = None;
        let client = client(address);
        client.send(b"still there?").unwrap();
        assert!(hears(&client).starts_with(b"still there?. from"));
        server.signal(signal);
        assert_eq!(hears(&client), b"bye");
        assert_eq!(server.ends(), Some(0));
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let (server, address) = {
        let server =
            start(&["serve", "--listen", "[::1]:0", "--metrics", "127.0.0.1:0", "--quiet"]);
        let line = wait_for(&server.errors, "metrics at ");
        let address: SocketAddr = line
            .trim_start_matches("metrics at http://")
            .trim_end_matches("/metrics")
            .parse()
            .unwrap();
        (server, address)
    };
    let serving = wait_for(&server.errors, "serving at ");
    let udp: SocketAddr =
        serving.trim_start_matches("serving at ").split(';').next().unwrap().parse().unwrap();
    let client = client(udp);
    client.send(b"over IPv6").unwrap();
    assert!(hears(&client).ends_with(format!("from {}", client.local_addr().unwrap()).as_bytes()));
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = ask("/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("# TYPE skipbeat_members gauge\nskipbeat_members 1\n"), "{answer}");
    assert!(ask("/other").starts_with("HTTP/1.1 404"));
}

#[test]
fn two_people_chat_and_hear_when_the_server_goes() {
    let (mut server, address) = serve(&["--heartbeat", "both", "--heartbeat-every", "200ms"]);
    let target = address.to_string();
    let mut ann = start(&["chat", &target, "--heartbeat", "200ms"]);
    let mut bob = start(&["chat", &target, "--heartbeat", "200ms"]);
    wait_for(&server.errors, "joined");
    wait_for(&server.errors, "joined");
    ann.types("hello bob");
    wait_for(&bob.output, "hello bob. from 127.0.0.1:");
    bob.types("hello ann");
    wait_for(&ann.output, "hello ann. from 127.0.0.1:");
    bob.types("quit");
    assert_eq!(bob.ends(), Some(0));
    wait_for(&server.errors, " left");
    server.types("quit");
    wait_for(&ann.errors, "the server has gone: it said bye");
    assert_eq!(server.ends(), Some(0));
    // It comes back at the same address, and so does she.
    let _again = start(&["serve", "--listen", &target]);
    ann.types("anybody?");
    wait_for(&ann.errors, "the server is back");
    ann.input = None;
    assert_eq!(ann.ends(), Some(0), "the end of input leaves");
}

#[test]
fn reliable_chat_is_acked_and_says_what_was_not_delivered() {
    let (mut server, address) = serve(&[]);
    let mut ann = start(&["chat", &address.to_string(), "--reliable", "--heartbeat", "100ms"]);
    wait_for(&server.errors, "joined");
    ann.types("is this on?");
    wait_for(&ann.output, "is this on?. from 127.0.0.1:");
    // A plain client that acks by hand, after it has heard the same text twice.
    let slow = client(address);
    slow.send(b"^join reliable^").unwrap();
    wait_for(&server.errors, &format!("{} joined", slow.local_addr().unwrap()));
    ann.types("hello");
    let first = hears(&slow);
    assert!(first.starts_with(b"^msg 0^hello. from 127.0.0.1:"), "{first:?}");
    assert_eq!(hears(&slow), first, "it comes again until it is acked");
    slow.send(b"^ack 0^").unwrap();
    // A text that is numbered is acked always and told once.
    slow.send(b"^msg 0^twice").unwrap();
    slow.send(b"^msg 0^twice").unwrap();
    wait_for(&ann.output, "twice. from");
    wait_for(&server.errors, "told already");
    server.types("stats");
    let count = |name: &str, server: &Running| {
        wait_for(&server.output, name).split_whitespace().last().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(count("texts_repeated_total", &server), 1);
    assert!(count("texts_acked_total", &server) >= 1);
}

#[test]
fn with_cookies_a_spoofed_join_gets_at_most_three_times_its_bytes() {
    let (mut server, address) = serve(&["--admission", "cookie", "--max-rate", "1"]);
    let client = client(address);
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // What an enemy sends in somebody else's name, and what that one would get.
    for spoofed in [&b"^hb^"[..], b"hello", b"^join^", b"^join 123456789^", b"quit", b"^msg 1^x"] {
        client.send(spoofed).unwrap();
        let mut buffer = [0; 2048];
        let answer = client.recv(&mut buffer).unwrap_or(0);
        assert!(answer <= 3 * spoofed.len(), "{answer} bytes for {}", spoofed.len());
    }
    server.types("clients");
    wait_for(&server.output, "0 clients");
    let mut ann = start(&["chat", &address.to_string(), "--join", "--heartbeat", "100ms"]);
    wait_for(&ann.errors, "the server let us in");
    for line in ["one", "two", "three", "four"] {
        ann.types(line);
    }
    wait_for(&ann.output, "one. from");
    wait_for(&server.errors, "refused: too-fast");
}

#[test]
fn chat_notices_a_server_that_was_never_there() {
    let nowhere = crate::support::free_address().to_string();
    let chat = start(&["chat", &nowhere, "--heartbeat", "100ms"]);
    wait_for(&chat.errors, "the server has gone: its port is unreachable");
}

#[test]
fn a_client_in_python_speaks_the_tutorials_protocol() {
    let (mut server, address) = serve(&[]);
    let script = format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.settimeout(20)\n\
         server = ('127.0.0.1', {})\n\
         s.sendto(b'^hb^', server)\n\
         s.sendto('grüß dich'.encode(), server)\n\
         print(s.recv(1024).decode(), flush=True)\n\
         print(s.recv(1024).decode(), flush=True)\n",
        address.port()
    );
    let mut python = Command::new("python3")
        .args(["-c", &script])
        .env("PYTHONIOENCODING", "utf-8")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines(python.stdout.take().unwrap());
    wait_for(&said, "grüß dich. from 127.0.0.1:");
    server.types("quit");
    assert_eq!(server.ends(), Some(0));
    wait_for(&said, "bye");
    assert!(python.wait().unwrap().success());
}

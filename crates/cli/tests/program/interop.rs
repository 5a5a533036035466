//! The server with clients of other programs, and with clients whose address changes.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::running::{client, lines, serve, start, wait_for};

/// A NAT in front of one client. On request it forgets the client's mapping and uses a new port for
/// the next datagram, as a NAT does after a while of silence.
struct Nat {
    front: SocketAddr,
    forget: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl Nat {
    fn before(server: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        front.set_nonblocking(true).unwrap();
        let nat =
            Nat { front: front.local_addr().unwrap(), forget: Arc::default(), end: Arc::default() };
        let (forget, end) = (Arc::clone(&nat.forget), Arc::clone(&nat.end));
        std::thread::spawn(move || {
            let outside = || {
                let socket = client(server);
                socket.set_nonblocking(true).unwrap();
                socket
            };
            let (mut back, mut inside) = (outside(), None);
            let mut buffer = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                if forget.swap(false, Ordering::Relaxed) {
                    back = outside();
                }
                while let Ok((length, from)) = front.recv_from(&mut buffer) {
                    inside = Some(from);
                    let _ = back.send(&buffer[..length]);
                }
                while let (Ok(length), Some(to)) = (back.recv(&mut buffer), inside) {
                    let _ = front.send_to(&buffer[..length], to);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        nat
    }

    fn forget(&self) {
        self.forget.store(true, Ordering::Relaxed);
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_chat_with_a_session_survives_a_new_nat_mapping() {
    for admission in ["open", "cookie"] {
        let (mut server, address) = serve(&["--admission", admission]);
        let nat = Nat::before(address);
        let mut ann = start(&["chat", &nat.front.to_string(), "--session", "--heartbeat", "50ms"]);
        wait_for(&ann.errors, "the server let us in");
        ann.types("before");
        let before = wait_for(&ann.output, "before. from ");
        nat.forget();
        wait_for(&server.errors, "is here now: it showed the token of its session");
        ann.types("after");
        let after = wait_for(&ann.output, "after. from ");
        let from = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        assert_ne!(from(&before), from(&after), "it is another address");
        server.types("clients");
        assert!(wait_for(&server.output, "suspected in").contains(&from(&after)));
        wait_for(&server.output, "1 clients");
    }
}

#[test]
fn a_chat_without_a_session_leaves_a_ghost_until_it_is_evicted() {
    let (mut server, address) = serve(&["--timeout", "3s"]);
    let nat = Nat::before(address);
    let mut ann = start(&["chat", &nat.front.to_string(), "--heartbeat", "50ms"]);
    let old = wait_for(&server.errors, " joined");
    nat.forget();
    let new = wait_for(&server.errors, " joined");
    assert_ne!(old, new);
    server.types("clients");
    wait_for(&server.output, "2 clients");
    ann.types("hello");
    wait_for(&ann.output, "hello. from ");
    let evicted = wait_for(&server.errors, "evicted after");
    let ghost =
        |line: &str| line.split_whitespace().find(|w| w.starts_with("127.")).map(str::to_owned);
    assert_eq!(ghost(&evicted), ghost(&old));
}

#[test]
fn netcat_works_as_a_client() {
    let (server, address) = serve(&[]);
    let listener = client(address);
    listener.send(b"^hb^").unwrap();
    wait_for(&server.errors, " joined");
    let started = Command::new("nc")
        .args(["-u", "-w", "1", "127.0.0.1", &address.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut netcat = match started {
        Err(e) if e.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            eprintln!("skipped: there is no nc on this machine");
            return;
        }
        started => started.expect("nc starts"),
    };
    let said = lines(netcat.stdout.take().unwrap());
    let mut input = netcat.stdin.take().unwrap();
    writeln!(input, "hello from netcat").unwrap();
    // netcat sends the line feed too, so it is part of the text that comes back.
    wait_for(&said, "hello from netcat");
    let mut buffer = [0; 2048];
    let length = listener.recv(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"hello from netcat\n. from 127.0.0.1:"));
    writeln!(input, "quit").unwrap();
    wait_for(&server.errors, " left");
    // netcat exits a second after the last datagram.
    netcat.wait().unwrap();
    wait_for(&said, ". from 127.0.0.1:");
}

#[test]
fn clients_on_ipv4_and_ipv6_chat_alike() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = start(&["serve", "--listen", listen]);
        let line = wait_for(&server.errors, "serving at ");
        let address = line.trim_start_matches("serving at ").split(';').next().unwrap().to_owned();
        let mut ann = start(&["chat", &address, "--session", "--reliable", "--heartbeat", "50ms"]);
        let mut bob = start(&["chat", &address, "--heartbeat", "50ms"]);
        wait_for(&server.errors, " joined");
        wait_for(&server.errors, " joined");
        bob.types("hello ann");
        wait_for(&ann.output, "hello ann. from ");
        ann.types("hello bob");
        let host = listen.rsplit_once(':').unwrap().0;
        wait_for(&bob.output, &format!("hello bob. from {host}:"));
    }
}

#[test]
fn the_python_client_of_the_tutorial_works_with_our_server() {
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

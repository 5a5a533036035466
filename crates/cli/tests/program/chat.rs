//! The chat system on its own: `serve` and `chat`, driven through pipes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::running::{Running, client, hears, serve, start, wait_for};

#[test]
fn the_console_lists_clients_and_stats_sends_texts_and_quits_with_bye() {
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
fn a_silent_client_is_evicted_and_a_quitting_one_leaves() {
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
fn a_lazy_server_evicts_while_it_broadcasts_by_the_new_name_of_the_option_and_by_the_old() {
    for option in ["--eviction", "--sweep"] {
        let (mut server, address) = serve(&[option, "lazy", "--timeout", "200ms"]);
        let (silent, speaker) = (client(address), client(address));
        silent.send(b"^hb^").unwrap();
        wait_for(&server.errors, " joined");
        std::thread::sleep(Duration::from_millis(600));
        server.types("clients");
        wait_for(&server.output, "1 clients");
        speaker.send(b"anybody?").unwrap();
        let evicted = wait_for(&server.errors, "evicted after");
        assert!(evicted.contains(&silent.local_addr().unwrap().to_string()), "{evicted}");
    }
}

#[test]
fn signals_stop_the_server_but_the_end_of_input_does_not() {
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
fn metrics_are_served_as_prometheus_text() {
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
fn two_clients_chat_and_notice_when_the_server_goes_and_returns() {
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
    // A new server listens at the same address, and her client joins it by itself.
    let _again = start(&["serve", "--listen", &target]);
    ann.types("anybody?");
    wait_for(&ann.errors, "the server is back");
    ann.input = None;
    assert_eq!(ann.ends(), Some(0), "the end of input leaves");
}

#[test]
fn reliable_texts_are_repeated_until_acked_and_broadcast_once() {
    let (mut server, address) = serve(&[]);
    let mut ann = start(&["chat", &address.to_string(), "--reliable", "--heartbeat", "100ms"]);
    wait_for(&server.errors, "joined");
    ann.types("is this on?");
    wait_for(&ann.output, "is this on?. from 127.0.0.1:");
    // A plain client that sends its ack by hand, after it has received the text twice. The numbers
    // of a new member begin above all that were used before.
    let slow = client(address);
    slow.send(b"^join reliable^").unwrap();
    wait_for(&server.errors, &format!("{} joined", slow.local_addr().unwrap()));
    ann.types("hello");
    let first = hears(&slow);
    assert!(first.starts_with(b"^msg 1^hello. from 127.0.0.1:"), "{first:?}");
    assert_eq!(hears(&slow), first, "it comes again until it is acked");
    slow.send(b"^ack 1^").unwrap();
    // The server acks a repeated text again, but broadcasts it only once.
    slow.send(b"^msg 0^twice").unwrap();
    slow.send(b"^msg 0^twice").unwrap();
    wait_for(&ann.output, "twice. from");
    wait_for(&server.errors, "repeated a message");
    server.types("stats");
    let count = |name: &str, server: &Running| {
        wait_for(&server.output, name).split_whitespace().last().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(count("texts_repeated_total", &server), 1);
    assert!(count("texts_acked_total", &server) >= 1);
}

#[test]
fn with_cookies_the_answer_to_a_spoofed_datagram_is_at_most_three_times_its_size() {
    let (mut server, address) = serve(&["--admission", "cookie", "--max-rate", "1"]);
    let client = client(address);
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // What an attacker might send from a forged address. The answer would go to the victim.
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
fn chat_reports_an_address_where_no_server_listens() {
    let nowhere = crate::support::free_address().to_string();
    let chat = start(&["chat", &nowhere, "--heartbeat", "100ms"]);
    wait_for(&chat.errors, "the server has gone: its port is unreachable");
}

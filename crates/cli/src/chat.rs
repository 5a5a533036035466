//! `skipbeat chat`: a client for people. Lines go out, messages come in while you type.

use std::io::{self, ErrorKind, IsTerminal, Write, stderr};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use skipbeat_core::{Span, Time};
use skipbeat_net::Clock;
use skipbeat_protocol::{Down, DuplicateWindow, Join, Outbox, Overdue, Packet, Up};

use crate::args::above_zero;
use crate::console::lines_of_input;
use crate::exit::Exit;
use crate::interrupt::Interrupt;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ChatOptions {
    /// The server
    #[arg(value_name = "ADDRESS")]
    pub(crate) server: SocketAddr,

    /// How often to send a heartbeat
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = above_zero)]
    pub(crate) heartbeat: Span,

    /// Join explicitly: for servers that demand proof of the address, or whose rejoin is sticky
    #[arg(long)]
    pub(crate) join: bool,

    /// Ask for acks in both directions: texts are sent again until they arrive
    #[arg(long)]
    pub(crate) reliable: bool,

    /// Ask for a session: membership that outlives a NAT that forgets us, and that nobody else can
    /// end
    #[arg(long)]
    pub(crate) session: bool,

    /// A server that sends heartbeats is taken for gone after this silence
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub(crate) timeout: Span,
}

/// How often input, network and clock are checked.
const LOOK: Duration = Duration::from_millis(20);

/// How many times the network is checked before leaving.
const LAST_LOOKS: u32 = 10;

/// What came from the network.
enum News {
    Datagram(Vec<u8>),
    /// The server's port answered "unreachable".
    Unreachable,
}

/// What is known about the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It may be there: nothing was heard from it yet, or something was heard recently.
    There,
    /// It said `bye`, its port is unreachable, or it fell silent; it may come back.
    Gone,
}

pub(crate) fn chat(options: &ChatOptions) -> anyhow::Result<Exit> {
    let any = if options.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(options.server).with_context(|| format!("can't reach {}", options.server))?;
    let interrupt = Interrupt::listen()?;
    let (to, news) = channel();
    let ears = socket.try_clone()?;
    std::thread::spawn(move || listen(&ears, &to));
    let mut client = Client {
        socket,
        beat_every: options.heartbeat,
        timeout: options.timeout,
        clock: Clock::start(),
        next_beat: Time::ZERO,
        last_heartbeat: None,
        server: Server::There,
        acks: options.reliable.then(Acks::default),
        cookie: None,
        session: options.session,
        token: None,
        joins: options.join,
        out: Vec::new(),
    };
    notice(&format!("chatting with {}; quit leaves", options.server));
    let lines = lines_of_input();
    while !interrupt.came() && client.speak(&lines)? {
        client.hear(&news)?;
        client.keep_alive()?;
        std::thread::sleep(LOOK);
    }
    // Texts that are still on their way are shown before leaving.
    for _ in 0..LAST_LOOKS {
        client.hear(&news)?;
        std::thread::sleep(LOOK);
    }
    client.send(Up::Quit)?;
    Ok(Exit::Pass)
}

/// Reads the socket until the program ends.
fn listen(socket: &UdpSocket, to: &Sender<News>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let news = match socket.recv(&mut buffer) {
            Ok(length) => News::Datagram(buffer[..length].to_vec()),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => News::Unreachable,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if to.send(news).is_err() {
            return;
        }
    }
}

struct Client {
    socket: UdpSocket,
    beat_every: Span,
    timeout: Span,
    clock: Clock,
    next_beat: Time,
    /// When the server's last heartbeat came, if it sends any.
    last_heartbeat: Option<Time>,
    server: Server,
    /// The state of acks, if they are wanted.
    acks: Option<Acks>,
    /// The cookie that proves our address, once the server has sent one.
    cookie: Option<u64>,
    /// Whether a session is wanted. Its `token` is set while there is one.
    session: bool,
    token: Option<u64>,
    /// Whether heartbeats are explicit joins.
    joins: bool,
    out: Vec<u8>,
}

/// The state of acks in both directions.
#[derive(Default)]
struct Acks {
    /// Texts that were sent and are not acked yet.
    outbox: Outbox<Vec<u8>>,
    next_number: u32,
    /// The numbers of texts that were received already.
    heard: DuplicateWindow,
}

impl Client {
    /// Sends the lines that were typed, and returns whether to go on.
    fn speak(&mut self, lines: &Receiver<String>) -> io::Result<bool> {
        loop {
            match lines.try_recv() {
                Ok(line) if line.trim() == "quit" => return Ok(false),
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => self.say(line.as_bytes())?,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    /// The next sign of life: a join if there is something to ask for or prove, else a heartbeat.
    fn beat(&self) -> Up<'static> {
        let asks = self.joins || self.acks.is_some() || self.session || self.cookie.is_some();
        // With a session a heartbeat is enough: the server says when the session is over.
        if asks && self.token.is_none() { self.join() } else { Up::Heartbeat(None) }
    }

    /// An explicit join, with the options that are wanted and the cookie if there is one.
    fn join(&self) -> Up<'static> {
        let (reliable, session, cookie) = (self.acks.is_some(), self.session, self.cookie);
        Up::Join(Join { reliable, session, cookie })
    }

    /// Sends a text, once or until it is acked.
    fn say(&mut self, text: &[u8]) -> io::Result<()> {
        let now = self.clock.now();
        let Some(acks) = &mut self.acks else { return self.send(Up::Chat(text)) };
        let number = acks.next_number;
        acks.next_number = number.wrapping_add(1);
        for lost in acks.outbox.send(now, number, text.to_vec()) {
            not_delivered(&lost);
        }
        self.send(Up::Message { number, text })
    }

    /// Sends texts again that were not acked in time.
    fn say_again(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        while let Some(overdue) = self.acks.as_mut().and_then(|acks| acks.outbox.overdue(now)) {
            match overdue {
                Overdue::Again(number, text) => self.send(Up::Message { number, text: &text })?,
                Overdue::GivenUp(text) => not_delivered(&text),
            }
        }
        Ok(())
    }

    fn hear(&mut self, news: &Receiver<News>) -> io::Result<()> {
        for news in news.try_iter() {
            match news {
                News::Unreachable => self.lose("its port is unreachable"),
                News::Datagram(datagram) => match Down::parse(&datagram) {
                    Down::Bye => self.lose("it said bye"),
                    Down::Heartbeat(number) => {
                        self.find();
                        self.last_heartbeat = Some(self.clock.now());
                        self.send(Up::Ack(number))?;
                    }
                    Down::Ack(number) => {
                        self.find();
                        let now = self.clock.now();
                        let acks = self.acks.as_mut();
                        acks.and_then(|acks| acks.outbox.ack(now, number));
                    }
                    Down::Cookie(cookie) => {
                        self.cookie = Some(cookie);
                        self.send(self.join())?;
                    }
                    Down::Welcome(token) => self.enter(token)?,
                    // It may belong to an earlier session, or be forged.
                    Down::Expired(token) if self.token != Some(token) => {}
                    Down::Expired(_) => {
                        self.token = None;
                        notice("the server has forgotten us; joining again");
                        self.begin_anew();
                        self.send(self.beat())?;
                    }
                    Down::Message { number, rest } => {
                        self.find();
                        self.send(Up::Ack(number))?;
                        let heard = self.acks.as_mut().map(|acks| &mut acks.heard);
                        if heard.is_none_or(|heard| heard.take(number)) {
                            show(rest)?;
                        }
                    }
                    Down::Chat { .. } | Down::Value { .. } | Down::Foreign(_) => {
                        self.find();
                        show(&datagram)?;
                    }
                },
            }
        }
        Ok(())
    }

    fn keep_alive(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        if self.last_heartbeat.is_some_and(|last| now.since(last) > self.timeout) {
            self.last_heartbeat = None;
            self.lose(&format!("it was silent for {}", self.timeout));
        }
        if now >= self.next_beat {
            self.next_beat = now + self.beat_every;
            self.send(self.beat())?;
        }
        self.say_again()
    }

    /// Notes that the server has gone. Heartbeats go on, so that it finds us when it comes back.
    fn lose(&mut self, why: &str) {
        if self.server == Server::There {
            self.server = Server::Gone;
            notice(&format!("the server has gone: {why}; waiting for it to come back"));
        }
    }

    /// Handles a welcome from the server, with the token of a session if there is one.
    fn enter(&mut self, token: Option<u64>) -> io::Result<()> {
        self.find();
        if token.is_some() && self.token == token {
            return Ok(());
        }
        self.token = token;
        notice("the server let us in");
        // Once the token has been used, nobody else can act for this address without it.
        if token.is_some() { self.send(Up::Heartbeat(None)) } else { Ok(()) }
    }

    fn find(&mut self) {
        if self.server == Server::Gone {
            self.server = Server::There;
            self.begin_anew();
            notice("the server is back");
        }
    }

    /// Forgets which texts were received: a restarted server numbers them from the beginning.
    fn begin_anew(&mut self) {
        if let Some(acks) = &mut self.acks {
            acks.heard = DuplicateWindow::default();
        }
    }

    fn send(&mut self, up: Up<'_>) -> io::Result<()> {
        let mut out = std::mem::take(&mut self.out);
        Packet { session: self.token, up }.write(&mut out);
        // The first try may only return the error of an earlier datagram.
        let sent = self.socket.send(&out).or_else(|_| self.socket.send(&out));
        self.out = out;
        match sent {
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                self.lose("its port is unreachable");
                Ok(())
            }
            sent => sent.map(drop),
        }
    }
}

/// Prints a text from the chat. On a terminal, its control characters become question marks.
fn show(text: &[u8]) -> io::Result<()> {
    let mut line = text.to_vec();
    if io::stdout().is_terminal() {
        let controls = line.iter_mut().filter(|byte| byte.is_ascii_control() && **byte != b'\t');
        controls.for_each(|byte| *byte = b'?');
    }
    line.push(b'\n');
    anstream::stdout().write_all(&line)
}

fn not_delivered(text: &[u8]) {
    notice(&format!("not delivered: {}", String::from_utf8_lossy(text)));
}

/// Prints a notice about the chat itself.
fn notice(text: &str) {
    // If standard error is closed, the chat goes on.
    let _ = writeln!(stderr(), "* {text}");
}

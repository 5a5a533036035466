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

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::options::above_zero;
use crate::serve::lines_of_input;

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct ChatOptions {
    /// The server
    #[arg(value_name = "ADDRESS")]
    pub(crate) server: SocketAddr,

    /// How often to beat
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

    /// A server that beats and is silent for longer is taken for gone
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub(crate) timeout: Span,
}

/// How often input, network and clock are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How often it is looked before leaving.
const LAST_LOOKS: u32 = 10;

/// What the network has to say.
enum News {
    Datagram(Vec<u8>),
    /// The server's port answered "unreachable".
    Unreachable,
}

/// What is known of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It may be there: it was never heard of, or was heard of not long ago.
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
    // What was still on its way is shown before leaving.
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
    /// When the server last beat, if it does.
    last_heartbeat: Option<Time>,
    server: Server,
    /// Where acks are wanted.
    acks: Option<Acks>,
    /// What proves our address to a server that demands it.
    cookie: Option<u64>,
    /// Whether a session is wanted, and its token while there is one.
    session: bool,
    token: Option<u64>,
    /// Whether heartbeats are explicit joins.
    joins: bool,
    out: Vec<u8>,
}

/// What is remembered for the sake of acks.
#[derive(Default)]
struct Acks {
    /// What was said and is not acked yet.
    outbox: Outbox<Vec<u8>>,
    next_number: u32,
    /// What was heard already.
    heard: DuplicateWindow,
}

impl Client {
    /// Sends the lines that were typed; says whether to go on.
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

    /// A heartbeat, which asks for what this client wants and proves what it must.
    fn beat(&self) -> Up<'static> {
        let asks = self.joins || self.acks.is_some() || self.session || self.cookie.is_some();
        // Whoever has a session is told when it is over.
        if asks && self.token.is_none() { self.join() } else { Up::Heartbeat(None) }
    }

    /// An explicit join with all that is wanted and known.
    fn join(&self) -> Up<'static> {
        let (reliable, session, cookie) = (self.acks.is_some(), self.session, self.cookie);
        Up::Join(Join { reliable, session, cookie })
    }

    /// Says a text, once or until it is acked.
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

    /// Says again what was not acked in time.
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
                    // It may be of an earlier session, or forged.
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

    /// The server has gone; heartbeats go on, so that it finds us when it comes back.
    fn lose(&mut self, why: &str) {
        if self.server == Server::There {
            self.server = Server::Gone;
            notice(&format!("the server has gone: {why}; waiting for it to come back"));
        }
    }

    /// The server let us in, perhaps with a session.
    fn enter(&mut self, token: Option<u64>) -> io::Result<()> {
        self.find();
        if token.is_some() && self.token == token {
            return Ok(());
        }
        self.token = token;
        notice("the server let us in");
        // A token that is used at once can't be anybody else's chance.
        if token.is_some() { self.send(Up::Heartbeat(None)) } else { Ok(()) }
    }

    fn find(&mut self) {
        if self.server == Server::Gone {
            self.server = Server::There;
            self.begin_anew();
            notice("the server is back");
        }
    }

    /// A server that started again counts from the beginning.
    fn begin_anew(&mut self) {
        if let Some(acks) = &mut self.acks {
            acks.heard = DuplicateWindow::default();
        }
    }

    fn send(&mut self, up: Up<'_>) -> io::Result<()> {
        let mut out = std::mem::take(&mut self.out);
        Packet { session: self.token, up }.write(&mut out);
        // The first try may only fetch the error of an earlier datagram.
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

/// Shows what somebody said; on a terminal without the control characters in it.
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

/// Says something about the chat itself.
fn notice(text: &str) {
    // Nobody may be listening any more; the chat goes on.
    let _ = writeln!(stderr(), "* {text}");
}

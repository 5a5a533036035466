//! The loop of the server's thread: drain, hand over, do what is due, tell, send, wait.

use std::io;
use std::sync::atomic::Ordering;

use skipbeat_core::{Span, Time};
use skipbeat_harness::{FromServer, ServerEvent};
use skipbeat_server::{PeerId, Server};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Shared;
use super::events::{Command, Member, Report, Reporting, ServerCounts, Stats};
use super::output::Output;
use crate::outgoing::Flushed;
use crate::stream::Acceptor;
use crate::wire::{Alarm, Batch, Io, Receiver};
use skipbeat_measure::Traffic;
use skipbeat_sys::{dropped, thread_cpu};

/// How often the thread looks whether it is to stop, when nothing else wakes it.
const LOOK: Span = Span::from_millis(20);
/// How long the last datagrams may take through the kernel.
const LAST_DATAGRAMS: Span = Span::from_millis(100);
/// How long it may take in all to read and send what is left.
const LONGEST_END: Span = Span::from_secs(10);
/// Batches that are drained before what they caused is sent.
const BATCHES_AT_ONCE: usize = 16;

/// What a server's thread has to heed beside its socket.
pub(super) struct Life {
    /// When it falls silent for good.
    pub(super) crash_at: Time,
    pub(super) asked: UnboundedReceiver<Command>,
    pub(super) io: Io,
    /// The connections, where it takes any.
    pub(super) streams: Option<Acceptor>,
}

/// Does what was asked.
fn obey(command: Command, server: &mut Server, out: &mut Output, socket: &UdpSocket) {
    match command {
        Command::Say(text) => {
            let from = out.own;
            out.now = out.clock.now();
            server.say(out.now, &text, from, &mut FromServer::new(out, out.now));
        }
        Command::Bye => {
            out.closing = true;
            out.queue.take_the_last();
            server.stop(&mut FromServer::new(out, out.now));
        }
        Command::Members(answer) => {
            let now = out.clock.now();
            let member = |peer: PeerId| {
                Some(Member {
                    address: out.peers.address(peer),
                    silence: now.since(server.last_seen(peer)?),
                    allowed: server.deadline(peer)?.since(now),
                })
            };
            // Whoever asked may have gone.
            let _ = answer.send(server.members().iter().filter_map(member).collect());
        }
        Command::Stats(answer) => {
            let _ = answer.send(Stats {
                members: server.members().len(),
                peers: out.peers.len() as u64,
                received: out.counts.received.iter().sum(),
                sent: out.counts.sent.iter().sum(),
                not_sent: out.not_sent(),
                dropped: dropped(socket).unwrap_or(0),
                ..out.stats.clone()
            });
        }
    }
}

/// How a server that was told to stop comes to its end.
#[derive(Default)]
struct Ending {
    /// When it was told, and when it last had something to do.
    since: Option<(Time, Time)>,
    waiting: u64,
}

impl Ending {
    /// Whether nothing has happened for a while, or too much for too long. The kernel may still be on
    /// its way with the last datagrams.
    fn is_over(&mut self, now: Time, busy: bool, waiting: u64) -> bool {
        let (told, last) = self.since.get_or_insert((now, now));
        if busy || waiting != self.waiting {
            *last = now;
        }
        self.waiting = waiting;
        now >= *last + LAST_DATAGRAMS || now >= *told + LONGEST_END
    }
}

/// The server's side of its socket.
struct Inbox<'a> {
    socket: &'a UdpSocket,
    receiver: Receiver,
    traffic: Traffic,
    crash_at: Time,
    dead: bool,
}

impl Inbox<'_> {
    /// Hands what the socket has to the core, up to some batches; says whether that was all.
    fn drain(&mut self, server: &mut Server, out: &mut Output) -> io::Result<bool> {
        for _ in 0..BATCHES_AT_ONCE {
            let batch = self.receiver.receive(self.socket, &mut self.traffic)?;
            self.tell_the_time(out);
            if batch == Batch::Nothing {
                return Ok(true);
            }
            self.receiver.each(|datagram| {
                out.receive(datagram.from, datagram.payload, server, self.dead);
            });
            if batch == Batch::Last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the clock, and dies when it is time.
    fn tell_the_time(&mut self, out: &mut Output) {
        out.now = out.clock.now();
        if !self.dead && out.now >= self.crash_at {
            self.dead = true;
            // It says nothing more, also not what waits.
            out.give_up();
            out.reports.push(Report::Event(self.crash_at, ServerEvent::Crashed));
        }
    }
}

/// Takes what came out of connections. They have a turn, also when datagrams never end; what they
/// write is told before.
async fn hear(
    streams: &mut Acceptor,
    server: &mut Server,
    out: &mut Output,
    inbox: &Inbox<'_>,
    shared: &Shared,
) {
    out.report(shared);
    tokio::task::yield_now().await;
    while let Some(news) = streams.next() {
        out.hear_stream(news, server, inbox.dead);
    }
}

/// Waits until something has happened to a connection; for ever where there are none.
async fn ready_of(streams: &mut Option<Acceptor>) {
    match streams {
        Some(streams) => streams.ready().await,
        None => std::future::pending().await,
    }
}

/// Serves until it is told to stop.
pub(super) async fn serve(
    socket: &UdpSocket,
    mut server: Server,
    mut out: Output,
    max_datagram: usize,
    Life { crash_at, mut asked, io, mut streams }: Life,
    shared: &Shared,
) -> io::Result<ServerCounts> {
    let mut ending = Ending::default();
    let alarm = Alarm::new(io)?;
    // One byte more than allowed, so that what is too long is seen to be.
    let receiver = Receiver::new(io, max_datagram + 1);
    let mut inbox = Inbox { socket, receiver, traffic: Traffic::default(), crash_at, dead: false };
    loop {
        let stopping = shared.stop.load(Ordering::Acquire);
        // After its `bye` it hears nobody.
        let empty = out.closing || inbox.drain(&mut server, &mut out)?;
        if let Some(streams) = &mut streams {
            hear(streams, &mut server, &mut out, &inbox, shared).await;
        }
        inbox.tell_the_time(&mut out);
        if !inbox.dead && server.next_deadline().is_some_and(|at| at <= out.now) {
            let now = out.now;
            server.advance(now, &mut FromServer::new(&mut out, now));
        }
        while let Ok(command) = asked.try_recv() {
            obey(command, &mut server, &mut out, socket);
        }
        out.report(shared);
        let flushed = match out.flush_at() {
            at if stopping || at <= out.now => out.flush(socket),
            _ => Flushed::All,
        };
        if out.reporting == Reporting::Notes && out.queue.waiting() == 0 {
            out.peers.forget_former(&mut server);
        }
        if stopping {
            let seen = out.counts.received.iter().sum::<u64>() + dropped(socket).unwrap_or(0);
            let all = seen >= shared.handed.load(Ordering::Relaxed) || out.closing;
            let busy = !empty || flushed == Flushed::Some;
            let done = empty && all && out.queue.waiting() == 0;
            if done || ending.is_over(out.clock.now(), busy, out.queue.waiting()) {
                break;
            }
        }
        if flushed == Flushed::Full && !empty {
            // Whether there is room again is known after tokio had its turn.
            tokio::task::yield_now().await;
        }
        if empty && flushed != Flushed::Some {
            let due = server.next_deadline().filter(|_| !inbox.dead).unwrap_or(Time::NEVER);
            let due = due.min(if inbox.dead { Time::NEVER } else { crash_at });
            // A full send buffer says itself when it has room.
            let goes = if flushed == Flushed::Full { Time::NEVER } else { out.flush_at() };
            let due = due.min(goes).since(out.clock.now());
            tokio::select! {
                ready = socket.readable() => ready?,
                ready = socket.writable(), if flushed == Flushed::Full => ready?,
                slept = alarm.sleep(due.min(LOOK)) => slept?,
                Some(command) = asked.recv() => obey(command, &mut server, &mut out, socket),
                () = ready_of(&mut streams) => {}
            }
        }
    }
    out.give_up();
    let mut traffic = inbox.traffic;
    traffic.add(&out.queue.sender.traffic);
    Ok(ServerCounts {
        not_sent: out.not_sent(),
        dropped: dropped(socket).ok(),
        cpu: thread_cpu(),
        traffic,
        without_segments: out.queue.sender.without_segments,
        peers: Some(out.peers),
        ..out.counts
    })
}

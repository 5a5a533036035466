//! The loop of the server's thread: it reads the socket, hands datagrams to the core, runs the
//! core's timers, reports, sends, and waits.

use std::io;
use std::sync::atomic::Ordering;

use skipbeat_core::{Span, Time};
use skipbeat_harness::{FromServer, ServerEvent};
use skipbeat_measure::Traffic;
use skipbeat_server::{PeerId, Server};
use skipbeat_sys::{dropped, thread_cpu};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Shared;
use super::events::{Command, Member, Report, Reporting, ServerCounts, Stats};
use super::output::Output;
use crate::outgoing::Flushed;
use crate::stream::Acceptor;
use crate::wire::{Alarm, Batch, Io, Receiver};

/// How often the thread checks whether it has to stop, when nothing else wakes it.
const CHECK_EVERY: Span = Span::from_millis(20);
/// How long the last datagrams may take through the kernel.
const LAST_DATAGRAMS: Span = Span::from_millis(100);
/// How long the server may take to read and send what is left when it stops.
const LONGEST_END: Span = Span::from_secs(10);
/// Batches that are read before the responses to them are sent.
const BATCHES_AT_ONCE: usize = 16;

/// What the thread of a server needs beside its socket.
pub(super) struct Inputs {
    /// When it crashes; [`Time::NEVER`] if it does not.
    pub(super) crash_at: Time,
    pub(super) commands: UnboundedReceiver<Command>,
    pub(super) io: Io,
    /// The TCP connections, if it accepts any.
    pub(super) streams: Option<Acceptor>,
}

/// Executes a command.
fn execute(command: Command, server: &mut Server, out: &mut Output, socket: &UdpSocket) {
    match command {
        Command::Say(text) => {
            let from = out.own;
            out.now = out.clock.now();
            server.say(out.now, &text, from, &mut FromServer::new(out, out.now));
        }
        Command::Bye => {
            out.closing = true;
            out.queue.lift_limit();
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
            // If the caller no longer waits for the answer, there is nothing to do.
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

/// Decides when a server that has to stop has waited long enough for the last datagrams.
#[derive(Default)]
struct Ending {
    /// When it was first asked to stop, and when it last had something to do.
    since: Option<(Time, Time)>,
    /// Datagrams that waited to be sent then.
    waiting: u64,
}

impl Ending {
    /// Whether nothing has happened for a while, or the end takes too long. The server has to wait
    /// even if it has nothing to do, since the last datagrams may still be under way in the kernel.
    fn is_over(&mut self, now: Time, busy: bool, waiting: u64) -> bool {
        let (stop_at, last) = self.since.get_or_insert((now, now));
        if busy || waiting != self.waiting {
            *last = now;
        }
        self.waiting = waiting;
        now >= *last + LAST_DATAGRAMS || now >= *stop_at + LONGEST_END
    }
}

/// Reads the socket of the server.
struct Inbox<'a> {
    socket: &'a UdpSocket,
    receiver: Receiver,
    traffic: Traffic,
    crash_at: Time,
    /// Whether the server has crashed.
    dead: bool,
}

impl Inbox<'_> {
    /// Hands what the socket has to the core, up to some batches. Returns whether it is empty now.
    fn drain(&mut self, server: &mut Server, out: &mut Output) -> io::Result<bool> {
        for _ in 0..BATCHES_AT_ONCE {
            let batch = self.receiver.receive(self.socket, &mut self.traffic)?;
            self.update_time(out);
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

    /// Reads the clock, and crashes the server if it is time.
    fn update_time(&mut self, out: &mut Output) {
        out.now = out.clock.now();
        if !self.dead && out.now >= self.crash_at {
            self.dead = true;
            // Nothing more is sent, not even what waits already.
            out.give_up();
            out.reports.push(Report::Event(self.crash_at, ServerEvent::Crashed));
        }
    }
}

/// Handles what happened to connections. Their tasks get a turn here even if the socket is never
/// empty. They write at once, so everything is reported before.
async fn handle_streams(
    streams: &mut Acceptor,
    server: &mut Server,
    out: &mut Output,
    inbox: &Inbox<'_>,
    shared: &Shared,
) {
    out.report(shared);
    tokio::task::yield_now().await;
    while let Some(event) = streams.next() {
        out.handle_stream(event, server, inbox.dead);
    }
}

/// Waits until something has happened to a connection; for ever if the server accepts none.
async fn streams_ready(streams: &mut Option<Acceptor>) {
    match streams {
        Some(streams) => streams.ready().await,
        None => std::future::pending().await,
    }
}

/// Serves until it has to stop. Returns what it counted.
pub(super) async fn serve(
    socket: &UdpSocket,
    mut server: Server,
    mut out: Output,
    max_datagram: usize,
    Inputs { crash_at, mut commands, io, mut streams }: Inputs,
    shared: &Shared,
) -> io::Result<ServerCounts> {
    let mut ending = Ending::default();
    let alarm = Alarm::new(io)?;
    // One byte more than allowed, so that the core sees that a datagram is too long.
    let receiver = Receiver::new(io, max_datagram + 1);
    let mut inbox = Inbox { socket, receiver, traffic: Traffic::default(), crash_at, dead: false };
    loop {
        let stopping = shared.stop.load(Ordering::Acquire);
        // After its `bye` the server no longer reads.
        let empty = out.closing || inbox.drain(&mut server, &mut out)?;
        if let Some(streams) = &mut streams {
            handle_streams(streams, &mut server, &mut out, &inbox, shared).await;
        }
        inbox.update_time(&mut out);
        if !inbox.dead && server.next_deadline().is_some_and(|at| at <= out.now) {
            let now = out.now;
            server.advance(now, &mut FromServer::new(&mut out, now));
        }
        while let Ok(command) = commands.try_recv() {
            execute(command, &mut server, &mut out, socket);
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
            // Tokio has to poll the socket before it knows that there is room again.
            tokio::task::yield_now().await;
        }
        if empty && flushed != Flushed::Some {
            let due = server.next_deadline().filter(|_| !inbox.dead).unwrap_or(Time::NEVER);
            let due = due.min(if inbox.dead { Time::NEVER } else { crash_at });
            // If the send buffer is full, the socket wakes the loop when there is room again.
            let flush_at = if flushed == Flushed::Full { Time::NEVER } else { out.flush_at() };
            let due = due.min(flush_at).since(out.clock.now());
            tokio::select! {
                ready = socket.readable() => ready?,
                ready = socket.writable(), if flushed == Flushed::Full => ready?,
                slept = alarm.sleep(due.min(CHECK_EVERY)) => slept?,
                Some(command) = commands.recv() => execute(command, &mut server, &mut out, socket),
                () = streams_ready(&mut streams) => {}
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

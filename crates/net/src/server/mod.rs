//! The built-in server on real sockets. It has a thread of its own, whose loop is `serve`; `output`
//! takes what the core does, and `events` has what the thread reports and the commands it takes.

mod events;
mod output;
mod serve;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use skipbeat_core::{Seed, Span, Time};
use skipbeat_scenario::ServerRuntime;
use skipbeat_server::{Options, Server};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::NetError;
use crate::outgoing::Outgoing;
use crate::peers::Known;
use crate::stream::Acceptor;
use crate::wire::{Io, Sender};
pub(crate) use events::{Command, Report, Reporting, ServerCounts};
pub use events::{Member, Stats};
use output::Output;
use serve::{Inputs, serve};
use skipbeat_sys::Clock;
use skipbeat_sys::set_receive_buffer;

/// What the server shares with its thread.
#[derive(Default)]
struct Shared {
    /// Whether the thread has to stop.
    stop: AtomicBool,
    /// When it has to stop: how many datagrams it should have read by then.
    handed: AtomicU64,
    reports: Mutex<Vec<Report>>,
}

/// A running server.
pub(crate) struct RunningServer {
    shared: Arc<Shared>,
    commands: UnboundedSender<Command>,
    /// `None` once it has been joined.
    thread: Mutex<Option<JoinHandle<io::Result<ServerCounts>>>>,
    /// The address for TCP connections, if it accepts them.
    pub(crate) takes_connections_at: Option<SocketAddr>,
    /// Bytes of the receive buffer that the system granted.
    pub(crate) receive_buffer: usize,
}

/// A server whose socket is bound and receives, before its thread is started.
pub(crate) struct BoundServer {
    socket: Socket,
    /// For TCP connections.
    listener: Option<TcpListener>,
    address: SocketAddr,
    receive_buffer: usize,
}

/// The settings of a server.
pub(crate) struct Hosting {
    pub(crate) options: Options,
    pub(crate) runtime: ServerRuntime,
    pub(crate) seed: Seed,
    pub(crate) clock: Clock,
    /// The addresses of the clients in order: client `n` is peer `n`.
    pub(crate) known: Known,
    /// When it crashes, counted from the start of the clock.
    pub(crate) crash_at: Option<Span>,
    pub(crate) reporting: Reporting,
    pub(crate) io: Io,
}

impl BoundServer {
    pub(crate) fn bind(
        listen: SocketAddr,
        receive_buffer: Option<usize>,
        send_buffer: Option<usize>,
    ) -> Result<Self, NetError> {
        let bind = || {
            let socket =
                Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            let receive_buffer = set_receive_buffer(&socket, receive_buffer)?;
            if let Some(bytes) = send_buffer {
                socket.set_send_buffer_size(bytes)?;
            }
            socket.bind(&listen.into())?;
            let address = socket.local_addr()?.as_socket().unwrap_or(listen);
            Ok(BoundServer { socket, listener: None, address, receive_buffer })
        };
        bind().map_err(|source| NetError::Bind { what: "the server", address: listen, source })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts TCP connections as well, at the same address. If `requested` leaves the choice of
    /// the port to the system and another program has this port for TCP, at any other port.
    pub(crate) fn listen(&mut self, requested: SocketAddr) -> Result<(), NetError> {
        let (what, address) = ("the server (TCP)", self.address);
        let any_port =
            |e| if requested.port() == 0 { TcpListener::bind(requested) } else { Err(e) };
        let listener = TcpListener::bind(address).or_else(any_port);
        self.listener =
            Some(listener.map_err(|source| NetError::Bind { what, address, source })?);
        Ok(())
    }

    /// Starts the thread.
    pub(crate) fn start(self, hosting: Hosting) -> Result<RunningServer, NetError> {
        let BoundServer { socket, listener, address, receive_buffer } = self;
        let takes_connections_at = listener.as_ref().and_then(|l| l.local_addr().ok());
        let (commands, received) = unbounded_channel();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let body = move || {
            let Hosting { options, runtime, seed, clock, known, crash_at, reporting, io } = hosting;
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio.block_on(async {
                let sender = Sender::new(io, &socket, runtime.coalesce as usize);
                let queue = Outgoing::new(sender, runtime.send_queue);
                let out = Output::new(clock, address, known, reporting, queue, runtime.linger);
                let crash_at = crash_at.map_or(Time::NEVER, |after| Time::ZERO + after);
                let streams =
                    listener.map(|listener| Acceptor::listen(listener, clock)).transpose()?;
                let inputs = Inputs { crash_at, commands: received, io, streams };
                let socket = UdpSocket::from_std(socket.into())?;
                let server = Server::new(options, seed);
                serve(&socket, server, out, options.max_datagram, inputs, &of_thread).await
            })
        };
        let thread = std::thread::Builder::new().name("skipbeat-server".to_owned()).spawn(body);
        let thread = Mutex::new(Some(thread.map_err(NetError::Socket)?));
        Ok(RunningServer { shared, commands, thread, takes_connections_at, receive_buffer })
    }
}

impl RunningServer {
    /// The reports since the last call.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let mut reports = self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut reports)
    }

    /// Sends a command. If the server has ended, nothing happens.
    pub(crate) fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Whether the thread has ended.
    pub(crate) fn is_finished(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks the server to end when it has read what is still on its way to it. `handed` is the
    /// number of datagrams that the clients have sent since it started.
    pub(crate) fn request_stop(&self, handed: u64) {
        self.shared.handed.store(handed, Ordering::Relaxed);
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Waits until the thread has ended. Returns what the server counted.
    pub(crate) fn join(&self) -> Result<ServerCounts, NetError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = thread.take().ok_or(NetError::ServerThread)?;
        let counts = thread.join().map_err(|_| NetError::ServerThread)?;
        counts.map_err(NetError::Socket)
    }
}

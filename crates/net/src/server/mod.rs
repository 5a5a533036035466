//! The built-in server on real sockets. A thread of its own drains the socket in batches, hands them
//! to the core and sends what the core wants sent. `told` is what it tells and can be asked, `out`
//! takes the effects of the core, `serve` is the loop.

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
use serve::{Life, serve};
use skipbeat_sys::Clock;
use skipbeat_sys::set_receive_buffer;

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many datagrams there were, when it is to stop.
    handed: AtomicU64,
    reports: Mutex<Vec<Report>>,
}

/// A server that runs.
pub(crate) struct RunningServer {
    shared: Arc<Shared>,
    commands: UnboundedSender<Command>,
    /// Taken by whoever stops it.
    thread: Mutex<Option<JoinHandle<io::Result<ServerCounts>>>>,
    /// Where it listens for connections.
    pub(crate) takes_connections_at: Option<SocketAddr>,
    pub(crate) receive_buffer: usize,
}

/// A socket that is bound and ready, before the peers are known.
pub(crate) struct BoundServer {
    socket: Socket,
    /// For connections.
    listener: Option<TcpListener>,
    address: SocketAddr,
    receive_buffer: usize,
}

/// What a server is to be.
pub(crate) struct Hosting {
    pub(crate) options: Options,
    pub(crate) runtime: ServerRuntime,
    pub(crate) seed: Seed,
    pub(crate) clock: Clock,
    /// The addresses of the clients in order: client n is peer n.
    pub(crate) known: Known,
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

    /// Takes connections as well: at the same address, or at any port where the system chose that and
    /// somebody else has its number.
    pub(crate) fn listen(&mut self, asked: SocketAddr) -> Result<(), NetError> {
        let (what, address) = ("the server (TCP)", self.address);
        let any_port = |e| if asked.port() == 0 { TcpListener::bind(asked) } else { Err(e) };
        let listener = TcpListener::bind(address).or_else(any_port);
        self.listener =
            Some(listener.map_err(|source| NetError::Bind { what, address, source })?);
        Ok(())
    }

    /// Starts the thread.
    pub(crate) fn start(self, hosting: Hosting) -> Result<RunningServer, NetError> {
        let BoundServer { socket, listener, address, receive_buffer } = self;
        let takes_connections_at = listener.as_ref().and_then(|l| l.local_addr().ok());
        let (commands, asked) = unbounded_channel();
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
                let life = Life { crash_at, asked, io, streams };
                let socket = UdpSocket::from_std(socket.into())?;
                let server = Server::new(options, seed);
                serve(&socket, server, out, options.max_datagram, life, &of_thread).await
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

    /// Asks something of it; nothing happens where it has ended.
    pub(crate) fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Whether it ended before it was asked to.
    pub(crate) fn is_finished(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tells the server to end when it has read what its socket still has, `handed` datagrams in all
    /// as far as they are ours.
    pub(crate) fn tell_to_stop(&self, handed: u64) {
        self.shared.handed.store(handed, Ordering::Relaxed);
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Waits until it has ended.
    pub(crate) fn join(&self) -> Result<ServerCounts, NetError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = thread.take().ok_or(NetError::ServerThread)?;
        let counts = thread.join().map_err(|_| NetError::ServerThread)?;
        counts.map_err(NetError::Socket)
    }
}

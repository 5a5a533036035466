//! The built-in server without a run, for people and programs that want a chat server.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use skipbeat_core::{Seed, Time};
use skipbeat_harness::ServerEvent;
use skipbeat_scenario::ServerRuntime;
use skipbeat_server::{Note, Options};
use skipbeat_sys::Clock;

use crate::NetError;
use crate::peers::Known;
use crate::server::{
    BoundServer, Command, Hosting, Member, Report, Reporting, RunningServer, Stats,
};
use crate::wire::Io;

/// How long the thread of the server may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// A chat server that runs on a thread of its own.
///
/// ```
/// use std::net::UdpSocket;
/// use skipbeat_core::Seed;
/// use skipbeat_net::{Io, LiveServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listen = "127.0.0.1:0".parse()?;
/// let (options, runtime) = (Default::default(), Default::default());
/// let server = LiveServer::start(listen, options, runtime, Seed(1), Io::default())?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"^hb^", server.address())?;
/// while server.members()?.is_empty() {}
/// assert_eq!(server.members()?[0].address, client.local_addr()?);
/// server.stop()?;
/// # Ok(())
/// # }
/// ```
pub struct LiveServer {
    running: RunningServer,
    address: SocketAddr,
}

impl LiveServer {
    /// Binds an address and starts to serve. The keys of cookies and sessions follow from `seed`,
    /// so a server that others can reach should have one that they can't guess.
    ///
    /// # Errors
    /// If the address can't be bound.
    pub fn start(
        listen: SocketAddr,
        options: Options,
        runtime: ServerRuntime,
        seed: Seed,
        io: Io,
    ) -> Result<Self, NetError> {
        let bound = BoundServer::bind(listen, None, None)?;
        let address = bound.address();
        let running = bound.start(Hosting {
            options,
            runtime,
            seed,
            clock: Clock::start(),
            known: Known::Listed(Vec::new()),
            crash_at: None,
            reporting: Reporting::Notes,
            io,
        })?;
        Ok(LiveServer { running, address })
    }

    /// The address that it listens at, with the port that the system chose if none was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened to peers since the last call, in order. Should be called now and then, since
    /// it is kept until then.
    pub fn news(&self) -> Vec<(Time, SocketAddr, Note)> {
        let notes = self.running.reports().into_iter().filter_map(|report| match report {
            Report::Event(at, ServerEvent::Note { peer, note, .. }) => Some((at, peer, note)),
            _ => None,
        });
        notes.collect()
    }

    /// Sends a text to all members, with the address of the server as its sender.
    pub fn say(&self, text: &str) {
        self.running.ask(Command::Say(text.as_bytes().to_vec()));
    }

    /// The members, in the order of their ids.
    ///
    /// # Errors
    /// If the thread of the server has ended.
    pub fn members(&self) -> Result<Vec<Member>, NetError> {
        let (ask, answer) = channel();
        self.running.ask(Command::Members(ask));
        wait(&answer)
    }

    /// What the server has counted since it started.
    ///
    /// # Errors
    /// If the thread of the server has ended.
    pub fn stats(&self) -> Result<Stats, NetError> {
        let (ask, answer) = channel();
        self.running.ask(Command::Stats(ask));
        wait(&answer)
    }

    /// Whether it has ended, be it by [`LiveServer::stop`] or by an error.
    pub fn is_finished(&self) -> bool {
        self.running.is_finished()
    }

    /// Sends `bye` to all members and ends the server. Returns when the thread has ended.
    ///
    /// # Errors
    /// If the thread had ended by an error.
    pub fn stop(&self) -> Result<(), NetError> {
        self.running.ask(Command::Bye);
        self.running.request_stop(0);
        self.running.join().map(drop)
    }
}

fn wait<T>(answer: &Receiver<T>) -> Result<T, NetError> {
    answer.recv_timeout(ANSWER).map_err(|_| NetError::ServerThread)
}

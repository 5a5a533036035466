//! What can go wrong before or while real sockets run.

use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;

/// Why a run on real sockets could not be done. Nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A socket could not be bound: the port is in use, or the address is not ours.
    #[error("can't bind {what} to {address}")]
    Bind {
        /// What was to be bound.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Sockets for all clients could not be opened.
    #[error(
        "can't open a socket for each of {clients} clients, {open} are open; raise the \
         limit of open files (ulimit -n) or use a server on a 127/8 address"
    )]
    SocketPerClient {
        /// How many are open.
        open: u32,
        /// How many were wanted.
        clients: u32,
        /// Why not more.
        source: io::Error,
    },
    /// Clients can share a socket only towards loopback, or with a prefix of their own.
    #[error(
        "swarm.sockets = \"shared\" needs a server on a 127/8 address, not {target}, or \
         swarm.addresses and a server of the same family"
    )]
    NotLoopback {
        /// The server's address.
        target: SocketAddr,
    },
    /// One socket for many addresses, on a system that has no such thing.
    #[error("swarm.sockets = \"shared\" needs packet information, which the portable path has not")]
    NotPortable,
    /// Threads share the clients by their addresses.
    #[error("swarm.threads needs shared sockets: a server on a 127/8 address, or swarm.addresses")]
    ThreadsOfSocketEach,
    /// Nothing listens at the target.
    #[error("nothing listens at the target {target} (port unreachable)")]
    Unreachable {
        /// The server's address.
        target: SocketAddr,
    },
    /// Something listens already where the command is to.
    #[error("something listens at {target} already, where the command is to listen")]
    Occupied {
        /// The server's address.
        target: SocketAddr,
    },
    /// A command without a program.
    #[error("the server command is empty")]
    NoProgram,
    /// The command could not be started.
    #[error("can't start the server command {program:?}")]
    Command {
        /// Its program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The command ended before it listened.
    #[error("the server command {program:?} ended before it listened: {status}")]
    Ended {
        /// Its program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command runs but does not listen.
    #[error("the server command {program:?} does not listen at {target} after 10 s")]
    Silent {
        /// Its program.
        program: String,
        /// Where it should.
        target: SocketAddr,
    },
    /// The user ended the run before it began.
    #[error("interrupted before the run began")]
    Interrupted,
    /// The thread of the built-in server could not be started, or ended by a defect.
    #[error("the thread of the built-in server failed")]
    ServerThread,
    /// A system call failed that does not usually.
    #[error("a system call failed")]
    Socket(#[source] io::Error),
}

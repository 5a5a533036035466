//! Errors of runs on real sockets.

use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;

/// Why a run, server or proxy on real sockets could not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A socket could not be bound: the port is in use, or this machine does not have the address.
    #[error("can't bind {what} to {address}")]
    Bind {
        /// What the socket is for, such as "the server".
        what: &'static str,
        /// The address that could not be bound.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// Sockets for all clients could not be opened.
    #[error(
        "can't open a socket for each of {clients} clients, {open} are open; raise the \
         limit of open files (ulimit -n) or use a server on a 127/8 address"
    )]
    SocketPerClient {
        /// How many sockets could be opened.
        open: u32,
        /// How many are needed.
        clients: u32,
        /// The error of the system.
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
    /// One socket for many addresses needs system calls that only Linux has.
    #[error("swarm.sockets = \"shared\" needs packet information, which the portable path has not")]
    NotPortable,
    /// Several threads need shared sockets.
    #[error("swarm.threads needs shared sockets: a server on a 127/8 address, or swarm.addresses")]
    ThreadsNeedShared,
    /// Nothing listens at the target.
    #[error("nothing listens at the target {target} (port unreachable)")]
    Unreachable {
        /// The server's address.
        target: SocketAddr,
    },
    /// Another program listens at the address of the command already.
    #[error("something listens at {target} already, where the command is to listen")]
    Occupied {
        /// The server's address.
        target: SocketAddr,
    },
    /// The command has no program.
    #[error("the server command is empty")]
    NoProgram,
    /// The command could not be started.
    #[error("can't start the server command {program:?}")]
    Command {
        /// The program of the command.
        program: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The command ended before it listened.
    #[error("the server command {program:?} ended before it listened: {status}")]
    Ended {
        /// The program of the command.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command runs but does not listen after ten seconds.
    #[error("the server command {program:?} does not listen at {target} after 10 s")]
    Silent {
        /// The program of the command.
        program: String,
        /// Where it should listen.
        target: SocketAddr,
    },
    /// The user ended the run before it began.
    #[error("interrupted before the run began")]
    Interrupted,
    /// The thread of the built-in server has panicked or ended early.
    #[error("the thread of the built-in server failed")]
    ServerThread,
    /// A system call failed unexpectedly.
    #[error("a system call failed")]
    Socket(#[source] io::Error),
}

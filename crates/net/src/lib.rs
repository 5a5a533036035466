//! Runs on real sockets. Server and swarm are those of the simulator, but a kernel carries their
//! datagrams, in real time. Both links are on the side of the swarm, so any server can be tested,
//! and no privilege is needed.
//!
//! - [`run`] plays a scenario against the built-in server, a command or an address.
//! - [`LiveServer`] is the built-in server without a run.
//! - [`BoundProxy`] puts links between any clients and any server.
//!
//! Where to look: `play` is the loop of the swarm and `driver` carries its datagrams;
//! `client_sockets` has its sockets (`shared`, and with several threads `lane`), `streams` its TCP
//! connections. `server` is the built-in server and `outgoing` its queue; `outside` infers the
//! members of a foreign one. `wire` chooses between the two forms of the system calls, which are in
//! `skipbeat-sys`.
#![forbid(unsafe_code)]

mod client_sockets;
mod coalesce;
mod driver;
mod error;
mod host;
mod lane;
mod live;
mod message;
mod outgoing;
mod outside;
mod peers;
mod play;
mod proxy;
mod queue;
mod run;
mod server;
mod shared;
mod spread;
mod stream;
mod streams;
mod target;
mod wire;

pub use error::NetError;
pub use host::{kernel_counters, peak_memory};
pub use live::LiveServer;
pub use proxy::{BoundProxy, Passage, ProxyCommand, ProxyObserver, ProxyOptions, ProxyTotals};
pub use run::{NetRun, run};
pub use server::{Member, Stats};
pub use skipbeat_sys::{Clock, thread_cpu};
pub use wire::Io;

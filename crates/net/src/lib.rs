//! Real sockets. The machines are those that run in the simulator; here a kernel carries their
//! datagrams. The link model works on the swarm's side in both directions, so any server can be
//! tested, and no privilege is needed.
//!
//! Where to look: `server` is the built-in server's thread, `swarm` the loop that plays all
//! clients, `transport` their sockets (`shared`, and on several threads `lane`), `outside` the
//! membership of a server that is not ours, `outgoing` what the server wants sent and what of it goes
//! together, `stream` one TCP connection and `streams` those of the clients, `wire` what all of these
//! know of the kernel, `run` how it all is put together. The system calls are those of `skipbeat-sys`.
#![forbid(unsafe_code)]

mod client_sockets;
mod coalesce;
mod error;
mod host;
mod lane;
mod live;
mod message;
mod outgoing;
mod outside;
mod peers;
mod proxy;
mod queue;
mod run;
mod server;
mod shared;
mod spread;
mod stream;
mod streams;
mod swarm;
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

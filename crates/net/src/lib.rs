//! Real sockets. The machines are those that run in the simulator; here a kernel carries their
//! datagrams. The link model works on the swarm's side in both directions, so any server can be
//! tested, and no privilege is needed.
//!
//! Where to look: `server` is the built-in server's thread, `swarm` the loop that plays all
//! clients, `transport` their sockets (`shared`, and on several threads `lane`), `outside` the
//! membership of a server that is not ours, `outgoing` what the server wants sent and what of it goes
//! together, `stream` one TCP connection and `streams` those of the clients, `wire` what all of these
//! know of the kernel, `sys` the system calls, `plain` what other systems have in their place, `run`
//! how it all is put together.
#![cfg_attr(not(batched), expect(dead_code, reason = "some of it is for the batched calls"))]

mod client_sockets;
mod clock;
mod coalesce;
mod error;
mod host;
mod lane;
mod live;
mod message;
mod outgoing;
mod outside;
mod peers;
mod plain;
mod proxy;
mod queue;
mod run;
mod server;
mod shared;
mod spread;
mod stream;
mod streams;
mod swarm;
#[cfg_attr(not(batched), path = "sys_elsewhere.rs")]
mod sys;
mod target;
mod wire;

pub use clock::Clock;
pub use error::NetError;
pub use host::{kernel_counters, peak_memory};
pub use live::LiveServer;
pub use proxy::{BoundProxy, Passage, ProxyCommand, ProxyObserver, ProxyOptions, ProxyTotals};
pub use run::{NetRun, run};
pub use server::{Member, Stats};
pub use sys::thread_cpu;
pub use wire::Io;

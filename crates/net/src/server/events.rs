//! What a running server reports, what it counts, and the commands it takes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use skipbeat_core::{ClientSet, Span, Time};
use skipbeat_harness::ServerEvent;
use skipbeat_measure::Traffic;
use skipbeat_protocol::Tag;

use crate::peers::Peers;

/// What the server reports to the thread of the swarm, in order, and before it sends anything that
/// follows from it. Peers are named by their addresses, since only the swarm knows their endpoints.
#[derive(Debug)]
pub(crate) enum Report {
    Event(Time, ServerEvent<SocketAddr, Tag>),
    /// A text goes to all members.
    Broadcast {
        at: Time,
        tag: Option<Tag>,
        /// The members that still have the address they had when the server started.
        members: ClientSet,
        /// The addresses of the others.
        others: Vec<SocketAddr>,
    },
}

/// How much the server reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reporting {
    /// Everything that the recorder of a run needs.
    Everything,
    /// Notes about peers, for people to read.
    Notes,
}

/// A command to a running server.
pub(crate) enum Command {
    /// Send a text to all members.
    Say(Vec<u8>),
    /// List the members.
    Members(Sender<Vec<Member>>),
    /// Return what was counted so far.
    Stats(Sender<Stats>),
    /// Send `bye` to all members and read no more datagrams.
    Bye,
}

/// A member, as the server sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its address now.
    pub address: SocketAddr,
    /// The time since its last sign of life.
    pub silence: Span,
    /// How much longer it may be silent before it counts as dead.
    pub allowed: Span,
}

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Members now.
    pub members: u32,
    /// Addresses that the server remembers: members, and some former members.
    pub peers: u64,
    /// How often a peer became a member.
    pub joins: u64,
    /// How often a member left with `quit`.
    pub quits: u64,
    /// How often a member was evicted because it was silent for too long.
    pub evictions: u64,
    /// Datagrams that had no effect, by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Texts sent to all members.
    pub broadcasts: u64,
    /// How often a member was recognised at another address.
    pub moved: u64,
    /// Numbered texts that were received again.
    pub repeated: u64,
    /// Samples that were accepted.
    pub taken: u64,
    /// Queries that were answered.
    pub served: u64,
    /// Numbered texts to members that were acknowledged.
    pub acked: u64,
    /// Numbered texts to members for which no ack came.
    pub given_up: u64,
    /// Datagrams read from the socket.
    pub received: u64,
    /// Datagrams handed to the socket.
    pub sent: u64,
    /// Datagrams that the kernel refused, or that were dropped because too many waited.
    pub not_sent: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub dropped: u64,
}

/// What a server of a run counted, when it has ended.
#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    /// The address of each peer.
    pub(crate) peers: Option<Peers>,
    /// Datagrams read from the socket, by peer.
    pub(crate) received: Vec<u64>,
    /// Datagrams handed to the socket, by peer.
    pub(crate) sent: Vec<u64>,
    /// Datagrams that the kernel refused, or that were dropped because too many waited.
    pub(crate) not_sent: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full, if it tells.
    pub(crate) dropped: Option<u64>,
    /// Processor time of the thread, if the system tells.
    pub(crate) cpu: Option<Span>,
    /// System calls, and what they carried.
    pub(crate) traffic: Traffic,
    /// Why no message had several datagrams, unless that was not asked for.
    pub(crate) without_segments: Option<&'static str>,
}

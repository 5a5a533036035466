//! What a running server reports, what it counts, and the commands it takes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use skipbeat_core::{ClientSet, Span, Time};
use skipbeat_harness::ServerEvent;
use skipbeat_protocol::Tag;

use crate::peers::Peers;
use skipbeat_measure::Traffic;

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

/// What is asked of a server that runs.
pub(crate) enum Command {
    /// Says a text to all members.
    Say(Vec<u8>),
    /// Asks who the members are.
    Members(Sender<Vec<Member>>),
    /// Asks what was counted.
    Stats(Sender<Stats>),
    /// Says `bye` to all members.
    Bye,
}

/// A member, as the server sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its address.
    pub address: SocketAddr,
    /// How long ago it last gave a sign of life.
    pub silence: Span,
    /// How much longer it may be silent before it is suspected.
    pub allowed: Span,
}

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Members now.
    pub members: u32,
    /// Addresses of which something is known: members, and who was one not long ago.
    pub peers: u64,
    /// Peers that became members.
    pub joins: u64,
    /// Members that said `quit`.
    pub quits: u64,
    /// Members that were silent for too long.
    pub evictions: u64,
    /// Datagrams that had no effect, by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Texts sent to all members.
    pub broadcasts: u64,
    /// Members that were found at another address.
    pub moved: u64,
    /// Numbered texts that came again.
    pub repeated: u64,
    /// Samples that were taken.
    pub taken: u64,
    /// Queries that were answered.
    pub served: u64,
    /// Numbered texts to members that were acked.
    pub acked: u64,
    /// Numbered texts to members that were given up.
    pub given_up: u64,
    /// Datagrams read.
    pub received: u64,
    /// Datagrams handed to the socket.
    pub sent: u64,
    /// Datagrams that the socket did not take, or that too many waited for.
    pub not_sent: u64,
    /// Datagrams that the socket threw away before they were read.
    pub dropped: u64,
}

/// What the server counted.
#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    /// The address of each peer.
    pub(crate) peers: Option<Peers>,
    /// Datagrams read from the socket, by peer.
    pub(crate) received: Vec<u64>,
    /// Datagrams handed to the socket, by peer.
    pub(crate) sent: Vec<u64>,
    /// Datagrams that the socket did not take, or that too many waited for.
    pub(crate) not_sent: u64,
    /// Datagrams that the socket threw away before they were read, where the kernel says.
    pub(crate) dropped: Option<u64>,
    /// Processor time of the thread, where the system says.
    pub(crate) cpu: Option<Span>,
    /// What its socket did.
    pub(crate) traffic: Traffic,
    /// Why each datagram was a message of its own, if it was not asked for.
    pub(crate) without_segments: Option<&'static str>,
}

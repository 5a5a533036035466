//! A datagram on its way from a client to the server.

use skipbeat_core::{ClientId, EndpointId};
use skipbeat_link::Verdict;
use skipbeat_measure::MessageSlot;
use skipbeat_swarm::Datagram;

/// A datagram that a client has sent, and what its link does with it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The client that sent it.
    pub client: ClientId,
    /// What it says, before the link changes it.
    pub datagram: &'a Datagram,
    /// The message in it and in its copy, where the link leaves the tag intact.
    pub messages: [Option<MessageSlot>; 2],
    /// Its source address, which may be forged.
    pub from: EndpointId,
    /// When it arrives, if at all, and how it is changed.
    pub verdict: Verdict,
}

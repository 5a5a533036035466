//! The TCP connections of clients on real sockets: one for each client that uses TCP, opened when
//! the client starts.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::{ClientId, Time};
use skipbeat_sys::Clock;
use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::stream::{Frame, StreamEvent, frame, serve_stream};

/// A client and the number of its connection.
type ConnectionId = (ClientId, u32);

/// Something that happened to the current connection of a client.
#[derive(Debug)]
pub(crate) enum ClientStreamEvent {
    /// A datagram was received.
    Received(ClientId, Time, Vec<u8>),
    /// The connection has ended, though the client has not closed it.
    Ended(ClientId),
}

/// The connections of all clients.
#[derive(Debug)]
pub(crate) struct KernelStreams {
    server: SocketAddr,
    clock: Clock,
    connections: BTreeMap<ClientId, Connection>,
    /// The local address of each client's first connection. Later ones use it again, so that the
    /// server recognises the client.
    local_addresses: BTreeMap<ClientId, SocketAddr>,
    /// The client at each of those addresses.
    clients: HashMap<SocketAddr, ClientId>,
    /// Connections that were opened so far.
    opened: u32,
    /// For the tasks of connections.
    send: UnboundedSender<StreamEvent<ConnectionId>>,
    events: UnboundedReceiver<StreamEvent<ConnectionId>>,
    /// The event that [`KernelStreams::ready`] has received.
    next: Option<StreamEvent<ConnectionId>>,
}

#[derive(Debug)]
struct Connection {
    number: u32,
    /// `None` once the client has closed the connection.
    writer: Option<UnboundedSender<Frame>>,
    task: JoinHandle<()>,
    /// Whether the client is running; false once it has crashed.
    client_runs: bool,
}

impl KernelStreams {
    pub(crate) fn new(server: SocketAddr, clock: Clock) -> Self {
        let (send, events) = unbounded_channel();
        KernelStreams {
            server,
            clock,
            connections: BTreeMap::new(),
            local_addresses: BTreeMap::new(),
            clients: HashMap::new(),
            opened: 0,
            send,
            events,
            next: None,
        }
    }

    /// The client that connects from an address.
    pub(crate) fn client_at(&self, address: SocketAddr) -> Option<ClientId> {
        self.clients.get(&address).copied()
    }

    /// Connects a client after a while. Its earlier connection, if it had one, is dropped. What is
    /// written meanwhile is sent as soon as the connection is established.
    pub(crate) fn connect(&mut self, client: ClientId, after: Duration) {
        if let Some(before) = self.connections.remove(&client) {
            // This drops the socket, which sends a reset, so that the address is free at once.
            before.task.abort();
        }
        self.opened += 1;
        let id = (client, self.opened);
        let (writer, writes) = unbounded_channel();
        let (server, events, clock) = (self.server, self.send.clone(), self.clock);
        let (local, own_writer) = (self.local_addresses.get(&client).copied(), writer.clone());
        let connect = async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let any = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let open = async {
                let socket = any?;
                socket.set_reuseaddr(true)?;
                if let Some(local) = local {
                    socket.bind(local)?;
                }
                let stream = socket.connect(server).await?;
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                let address = stream.local_addr()?;
                Ok::<_, std::io::Error>((stream, address))
            };
            match open.await {
                Ok((stream, address)) => {
                    let opened = StreamEvent::Opened { id, address, writer: own_writer };
                    let _ = events.send(opened);
                    serve_stream(stream, id, writes, events, clock).await;
                }
                Err(_) => {
                    let _ = events.send(StreamEvent::Ended { id });
                }
            }
        };
        let task = tokio::spawn(connect);
        let (number, writer) = (self.opened, Some(writer));
        self.connections.insert(client, Connection { number, writer, task, client_runs: true });
    }

    /// A client closes its connection; what it has written is still sent.
    pub(crate) fn close(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.writer = None;
        }
    }

    /// A client crashes.
    pub(crate) fn abandon(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.client_runs = false;
        }
    }

    /// A client writes a datagram. Returns whether there is a connection that accepts it.
    pub(crate) fn write(&mut self, client: ClientId, datagram: &[u8]) -> bool {
        let writer = self.connections.get(&client).and_then(|c| c.writer.as_ref());
        writer.is_some_and(|writer| writer.send(frame(datagram)).is_ok())
    }

    /// Waits until there is an event.
    pub(crate) async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.events.recv().await;
        }
    }

    /// What has happened since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<ClientStreamEvent> {
        let mut taken = Vec::new();
        while let Some(event) = self.next.take().or_else(|| self.events.try_recv().ok()) {
            let current = |(client, number): ConnectionId, all: &BTreeMap<ClientId, Connection>| {
                all.get(&client).is_some_and(|c| c.number == number && c.client_runs)
            };
            match event {
                StreamEvent::Opened { id: (client, _), address, .. } => {
                    self.local_addresses.insert(client, address);
                    self.clients.insert(address, client);
                }
                StreamEvent::Received { id, at, datagram } if current(id, &self.connections) => {
                    taken.push(ClientStreamEvent::Received(id.0, at, datagram));
                }
                StreamEvent::Ended { id } if current(id, &self.connections) => {
                    let connection = self.connections.get(&id.0);
                    if connection.is_some_and(|connection| connection.writer.is_some()) {
                        taken.push(ClientStreamEvent::Ended(id.0));
                    }
                }
                StreamEvent::Received { .. } | StreamEvent::Ended { .. } => {}
            }
        }
        taken
    }
}

//! The TCP connections of clients: one for each that talks so, made when its life begins.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use skipbeat_core::{ClientId, Time};
use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::stream::{Frame, News, frame, play};
use skipbeat_sys::Clock;

/// Which connection of which client.
pub(crate) type Whose = (ClientId, u32);

/// What happened to the connection that a client has now.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A datagram came.
    Came(ClientId, Time, Vec<u8>),
    /// It is over, without the client's doing.
    Over(ClientId),
}

/// The connections.
#[derive(Debug)]
pub(crate) struct KernelStreams {
    server: SocketAddr,
    clock: Clock,
    connections: BTreeMap<ClientId, Connection>,
    /// From where each client connects, the first time and ever after: so the server knows it again.
    locals: BTreeMap<ClientId, SocketAddr>,
    endpoints: HashMap<SocketAddr, ClientId>,
    opened: u32,
    send: UnboundedSender<News<Whose>>,
    news: UnboundedReceiver<News<Whose>>,
    /// What was waited for.
    next: Option<News<Whose>>,
}

#[derive(Debug)]
struct Connection {
    number: u32,
    /// Nothing once the client has ended it.
    writer: Option<UnboundedSender<Frame>>,
    task: JoinHandle<()>,
    /// Whether the client is there to hear.
    attended: bool,
}

impl KernelStreams {
    pub(crate) fn new(server: SocketAddr, clock: Clock) -> Self {
        let (send, news) = unbounded_channel();
        KernelStreams {
            server,
            clock,
            connections: BTreeMap::new(),
            locals: BTreeMap::new(),
            endpoints: HashMap::new(),
            opened: 0,
            send,
            news,
            next: None,
        }
    }

    /// The client that connects from an address.
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Option<ClientId> {
        self.endpoints.get(&address).copied()
    }

    /// A client connects after a while, in the place of any earlier connection of its. What is written
    /// meanwhile goes as soon as the connection stands.
    pub(crate) fn connect(&mut self, client: ClientId, after: Duration) {
        if let Some(before) = self.connections.remove(&client) {
            // With the task its socket goes, and by a reset: the address is free at once.
            before.task.abort();
        }
        self.opened += 1;
        let who = (client, self.opened);
        let (writer, writes) = unbounded_channel();
        let (server, news, clock) = (self.server, self.send.clone(), self.clock);
        let (local, back) = (self.locals.get(&client).copied(), writer.clone());
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
                    let _ = news.send(News::Open { who, address, writer: back });
                    play(stream, who, writes, news, clock).await;
                }
                Err(_) => {
                    let _ = news.send(News::Over { who });
                }
            }
        };
        let task = tokio::spawn(connect);
        let (number, writer) = (self.opened, Some(writer));
        self.connections.insert(client, Connection { number, writer, task, attended: true });
    }

    /// A client ends its connection, after what it has written.
    pub(crate) fn close(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.writer = None;
        }
    }

    /// A client is not there any more.
    pub(crate) fn abandon(&mut self, client: ClientId) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.attended = false;
        }
    }

    /// A client writes a datagram; says whether there is a connection that takes it.
    pub(crate) fn write(&mut self, client: ClientId, datagram: &[u8]) -> bool {
        let writer = self.connections.get(&client).and_then(|c| c.writer.as_ref());
        writer.is_some_and(|writer| writer.send(frame(datagram)).is_ok())
    }

    /// Waits until something has happened.
    pub(crate) async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.news.recv().await;
        }
    }

    /// What has happened meanwhile.
    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(news) = self.next.take().or_else(|| self.news.try_recv().ok()) {
            let of_now = |(client, number): Whose, all: &BTreeMap<ClientId, Connection>| {
                all.get(&client).is_some_and(|c| c.number == number && c.attended)
            };
            match news {
                News::Open { who: (client, _), address, .. } => {
                    self.locals.insert(client, address);
                    self.endpoints.insert(address, client);
                }
                News::Came { who, at, datagram } if of_now(who, &self.connections) => {
                    heard.push(Heard::Came(who.0, at, datagram));
                }
                News::Over { who } if of_now(who, &self.connections) => {
                    let connection = self.connections.get(&who.0);
                    if connection.is_some_and(|connection| connection.writer.is_some()) {
                        heard.push(Heard::Over(who.0));
                    }
                }
                News::Came { .. } | News::Over { .. } => {}
            }
        }
        heard
    }
}

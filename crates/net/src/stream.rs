//! TCP connections on real sockets. A task reads and writes each of them, and reports what it
//! receives through a channel. Datagrams are framed by their length.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use skipbeat_core::Time;
use skipbeat_protocol::{Frames, write_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use skipbeat_sys::Clock;

/// A datagram in its frame. One that goes to many connections is kept once.
pub(crate) type Frame = Arc<[u8]>;

/// The most bytes that one call reads.
const READ: usize = 64 * 1024;
/// The most datagrams that one call writes.
const WRITE: usize = 256;

/// Puts a datagram into its frame.
pub(crate) fn frame(datagram: &[u8]) -> Frame {
    let mut framed = Vec::new();
    write_frame(datagram, &mut framed);
    framed.into()
}

/// What happens to a connection, which `I` identifies.
#[derive(Debug)]
pub(crate) enum StreamEvent<I> {
    /// It is established. `address` is that of the client, and `writer` takes what is to be
    /// written.
    Opened { id: I, address: SocketAddr, writer: UnboundedSender<Frame> },
    /// A datagram was received.
    Received { id: I, at: Time, datagram: Vec<u8> },
    /// It has ended, or could not be established.
    Ended { id: I },
}

/// Serves a connection until it ends: reports what it receives, and writes what comes through the
/// channel `writes` until that is closed.
pub(crate) async fn serve_stream<I: Copy + Send + 'static>(
    stream: TcpStream,
    id: I,
    mut writes: UnboundedReceiver<Frame>,
    events: UnboundedSender<StreamEvent<I>>,
    clock: Clock,
) {
    // As services do that answer at once. Without it they are only slower, so an error is ignored.
    let _ = stream.set_nodelay(true);
    let (mut read, mut write) = stream.into_split();
    let writing = async {
        let (mut frames, mut bytes) = (Vec::new(), Vec::new());
        while writes.recv_many(&mut frames, WRITE).await > 0 {
            bytes.clear();
            frames.drain(..).for_each(|frame: Frame| bytes.extend_from_slice(&frame));
            write.write_all(&bytes).await?;
        }
        write.shutdown().await
    };
    let reading = async {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; READ]);
        loop {
            let length = read.read(&mut buffer).await?;
            if length == 0 {
                return Ok::<(), io::Error>(());
            }
            frames.push(&buffer[..length]);
            let at = clock.now();
            while let Some(datagram) = frames.next_frame() {
                // If the receiver is gone, the run is over.
                let _ = events.send(StreamEvent::Received { id, at, datagram });
            }
        }
    };
    // When the other side has closed, nothing can be written to it. When this side has closed, the
    // other may still send.
    tokio::pin!(reading, writing);
    let ended = tokio::select! {
        ended = &mut reading => ended,
        _ = &mut writing => reading.await,
    };
    // An error ends the connection as a close does.
    let _ = (ended, events.send(StreamEvent::Ended { id }));
}

/// The connections that clients open to the server.
pub(crate) struct Acceptor {
    events: UnboundedReceiver<StreamEvent<u64>>,
    /// The event that [`Acceptor::ready`] has received.
    next: Option<StreamEvent<u64>>,
    task: JoinHandle<()>,
}

impl Acceptor {
    /// Accepts connections; must be called within a tokio runtime.
    pub(crate) fn listen(listener: std::net::TcpListener, clock: Clock) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (send, events) = unbounded_channel();
        let accept = async move {
            let mut number = 0;
            loop {
                // Either the client has gone already, or there are too many open files. The latter
                // may pass after a while.
                let Ok((stream, address)) = listener.accept().await else {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                number += 1;
                let (writer, writes) = unbounded_channel();
                let _ = send.send(StreamEvent::Opened { id: number, address, writer });
                tokio::spawn(serve_stream(stream, number, writes, send.clone(), clock));
            }
        };
        Ok(Acceptor { events, next: None, task: tokio::spawn(accept) })
    }

    /// The next event, if there is one.
    pub(crate) fn next(&mut self) -> Option<StreamEvent<u64>> {
        self.next.take().or_else(|| self.events.try_recv().ok())
    }

    /// Waits until there is an event.
    pub(crate) async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.events.recv().await;
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

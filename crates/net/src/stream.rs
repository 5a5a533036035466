//! TCP connections on real sockets, as services have them: a task reads each and another writes it.
//! What comes and what happens is told in order of time; datagrams are framed by their length.

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

/// A datagram as it stands in a stream; those to many are one.
pub(crate) type Frame = Arc<[u8]>;

/// Bytes that one call reads at most.
const READ: usize = 64 * 1024;
/// Datagrams that are written with one call at most.
const WRITE: usize = 256;

/// Puts a datagram in its frame.
pub(crate) fn frame(datagram: &[u8]) -> Frame {
    let mut framed = Vec::new();
    write_frame(datagram, &mut framed);
    framed.into()
}

/// What happens to a connection. `W` says whose it is.
#[derive(Debug)]
pub(crate) enum News<W> {
    /// It stands, between us and this address on our side or theirs; what is written goes there.
    Open { who: W, address: SocketAddr, writer: UnboundedSender<Frame> },
    /// A datagram came.
    Came { who: W, at: Time, datagram: Vec<u8> },
    /// It is over, or never came to be.
    Over { who: W },
}

/// Plays a connection until it is over: reads it, and writes what comes through the channel, until
/// that is closed.
pub(crate) async fn play<W: Copy + Send + 'static>(
    stream: TcpStream,
    who: W,
    mut writes: UnboundedReceiver<Frame>,
    news: UnboundedSender<News<W>>,
    clock: Clock,
) {
    // Services that answer at once switch Nagle's algorithm off; where that fails it is only slower.
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
                // Who does not listen any more has ended.
                let _ = news.send(News::Came { who, at, datagram });
            }
        }
    };
    // When the other side has ended there is nobody to write to; our own end still lets it say more.
    tokio::pin!(reading, writing);
    let ended = tokio::select! {
        ended = &mut reading => ended,
        _ = &mut writing => reading.await,
    };
    // However it ended, it is over.
    let _ = (ended, news.send(News::Over { who }));
}

/// Connections that somebody else opens.
pub(crate) struct Acceptor {
    news: UnboundedReceiver<News<u64>>,
    /// What was waited for.
    next: Option<News<u64>>,
    task: JoinHandle<()>,
}

impl Acceptor {
    /// Listens at an address; must be called within a tokio runtime.
    pub(crate) fn listen(listener: std::net::TcpListener, clock: Clock) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (send, news) = unbounded_channel();
        let accept = async move {
            let mut number = 0;
            loop {
                // What fails is the connection of somebody who has gone already, or for want of files;
                // then it is tried again after a while.
                let Ok((stream, address)) = listener.accept().await else {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                number += 1;
                let (writer, writes) = unbounded_channel();
                let _ = send.send(News::Open { who: number, address, writer });
                tokio::spawn(play(stream, number, writes, send.clone(), clock));
            }
        };
        Ok(Acceptor { news, next: None, task: tokio::spawn(accept) })
    }

    /// The next that happened, if something has.
    pub(crate) fn next(&mut self) -> Option<News<u64>> {
        self.next.take().or_else(|| self.news.try_recv().ok())
    }

    /// Waits until something has happened.
    pub(crate) async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.news.recv().await;
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! A swarm on several threads. Each thread has a socket for a range of clients and makes the system
//! calls for it. Links and recorder stay on the thread that plays the clients, so that all events
//! have one order.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use skipbeat_core::{EndpointId, Span};
use skipbeat_measure::Traffic;
use skipbeat_scenario::SwarmPlan;
use skipbeat_sys::thread_cpu;
use tokio::sync::Notify;

use crate::shared::{BoundSocket, SharedSocket};
use crate::spread::Spread;
use crate::wire::Batch;

/// The most batches that a thread reads ahead. More stay in the socket, which counts what it drops.
const MOST_BATCHES: usize = 256;
/// Batches that are read before queued datagrams are sent.
const BATCHES_AT_ONCE: usize = 16;
/// When so many datagrams waited to be sent, the thread of the clients may be waiting for it.
const CONGESTED: usize = 512;
/// How long sending what is left may take at the end.
const REST: Duration = Duration::from_millis(200);

/// Datagrams that are handed from thread to thread together.
#[derive(Default)]
struct Bundle {
    /// The bytes of all datagrams, in order.
    bytes: Vec<u8>,
    /// The endpoint that each is from or for, and its length.
    datagrams: Vec<(EndpointId, u32)>,
}

impl Bundle {
    fn push(&mut self, endpoint: EndpointId, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.datagrams.push((endpoint, payload.len() as u32));
    }

    fn each(&self, mut each: impl FnMut(EndpointId, &[u8])) {
        let mut rest = &self.bytes[..];
        for (endpoint, length) in &self.datagrams {
            let (payload, after) = rest.split_at(*length as usize);
            each(*endpoint, payload);
            rest = after;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }
}

/// What the thread of a lane shares with the one that plays the clients.
#[derive(Default)]
struct LaneState {
    state: Mutex<State>,
    /// Wakes the thread: there is something to send, or room to read ahead, or it has to end.
    wake: Notify,
    /// How many datagrams wait to be sent.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    to_send: Vec<Bundle>,
    read: VecDeque<Bundle>,
    /// Bundles whose buffers are used again.
    empty: Vec<Bundle>,
    /// The error that ended the thread, if any.
    failure: Option<io::Error>,
    refused: u64,
    traffic: Traffic,
    dropped: Option<u64>,
    /// Whether what can't be sent at once is dropped, as at the end of a run.
    end_sending: bool,
    stop: bool,
}

impl LaneState {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All threads, seen from the one that plays the clients.
pub(crate) struct Lanes {
    pub(crate) spread: Spread,
    pub(crate) receive_buffer: usize,
    lanes: Vec<Lane>,
    /// Wakes the thread that plays the clients: some lane has read something.
    readable: Arc<Notify>,
    /// The batch that was taken last.
    current: Bundle,
    /// The index of the lane from which the next batch is taken.
    next: usize,
}

struct Lane {
    shared: Arc<LaneState>,
    outgoing: Bundle,
    thread: Option<JoinHandle<Option<Span>>>,
}

impl Lanes {
    pub(crate) fn open(
        target: SocketAddr,
        first: IpAddr,
        endpoints: u32,
        plan: &SwarmPlan,
        room: usize,
    ) -> io::Result<Self> {
        let bind = |_| BoundSocket::bind(target, first, plan, room);
        let sockets = (0..plan.threads).map(bind).collect::<io::Result<Vec<_>>>()?;
        let spread = Spread::new(sockets.iter().map(|socket| socket.plan).collect(), endpoints);
        let receive_buffer = sockets.first().map_or(0, |socket| socket.receive_buffer);
        let readable = Arc::new(Notify::new());
        let lanes = sockets.into_iter().map(|socket| Lane::start(socket, &readable));
        Ok(Lanes {
            lanes: lanes.collect::<io::Result<_>>()?,
            spread,
            receive_buffer,
            readable,
            current: Bundle::default(),
            next: 0,
        })
    }

    /// How many threads there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Takes a batch that a thread has read, from each thread in turn.
    pub(crate) fn fill(&mut self) -> io::Result<Batch> {
        self.current.clear();
        for _ in 0..self.lanes.len() {
            let lane = &self.lanes[self.next];
            self.next = (self.next + 1) % self.lanes.len();
            let mut state = lane.shared.state();
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            let Some(bundle) = state.read.pop_front() else { continue };
            if state.read.len() + 1 == MOST_BATCHES {
                lane.shared.wake.notify_one();
            }
            state.empty.push(std::mem::replace(&mut self.current, bundle));
            return Ok(Batch::Full);
        }
        Ok(Batch::Nothing)
    }

    pub(crate) fn each(&self, each: impl FnMut(EndpointId, &[u8])) {
        self.current.each(each);
    }

    pub(crate) fn send(&mut self, from: EndpointId, payload: &[u8]) {
        self.lanes[self.spread.range(from)].outgoing.push(from, payload);
    }

    /// Hands queued datagrams to the threads.
    pub(crate) fn flush(&mut self) {
        for Lane { shared, outgoing, .. } in &mut self.lanes {
            if outgoing.datagrams.is_empty() {
                continue;
            }
            shared.waiting.fetch_add(outgoing.datagrams.len(), Ordering::Relaxed);
            let mut state = shared.state();
            let empty = state.empty.pop().unwrap_or_default();
            state.to_send.push(std::mem::replace(outgoing, empty));
            drop(state);
            outgoing.clear();
            shared.wake.notify_one();
        }
    }

    /// Waits until a thread has read something.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.readable.notified().await;
        Ok(())
    }

    /// How many datagrams wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = |lane: &Lane| {
            lane.shared.waiting.load(Ordering::Relaxed) + lane.outgoing.datagrams.len()
        };
        self.lanes.iter().map(waiting).sum()
    }

    /// Gives the threads some time to send what is queued, and then has them drop the rest.
    pub(crate) fn end_sending(&self) {
        for end in [false, true] {
            for lane in self.lanes.iter().filter(|_| end) {
                lane.shared.state().end_sending = true;
                lane.shared.wake.notify_one();
            }
            for _ in 0..REST.as_millis() {
                if self.waiting() == 0 {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Ends the threads. Returns their processor time, if the system tells.
    pub(crate) fn stop(&mut self) -> Option<Span> {
        let mut cpu = Some(Span::ZERO);
        for Lane { shared, thread, .. } in &mut self.lanes {
            shared.state().stop = true;
            shared.wake.notify_one();
            let own = thread.take().and_then(|thread| thread.join().ok().flatten());
            cpu = cpu.zip(own).map(|(sum, own)| sum + own);
        }
        cpu
    }

    pub(crate) fn dropped(&self) -> Option<u64> {
        self.lanes.iter().map(|lane| lane.shared.state().dropped).sum()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.shared.state().refused).sum()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.lanes.iter().for_each(|lane| sum.add(&lane.shared.state().traffic));
        sum
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Lane {
    fn start(socket: BoundSocket, readable: &Arc<Notify>) -> io::Result<Self> {
        let shared = Arc::new(LaneState::default());
        let (of_thread, readable) = (Arc::clone(&shared), Arc::clone(readable));
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let done = runtime.and_then(|runtime| {
                // The socket has to be registered with the runtime of this thread.
                runtime.block_on(async { work(socket.start()?, &of_thread, &readable).await })
            });
            if let Err(failure) = done {
                of_thread.state().failure = Some(failure);
                readable.notify_one();
            }
            thread_cpu()
        };
        let thread = std::thread::Builder::new().name("skipbeat-swarm".to_owned()).spawn(body)?;
        Ok(Lane { shared, outgoing: Bundle::default(), thread: Some(thread) })
    }
}

/// The loop of a thread: it sends what is queued, reads, and waits.
async fn work(mut socket: SharedSocket, shared: &LaneState, readable: &Notify) -> io::Result<()> {
    loop {
        let (to_send, room, end_sending, stop) = {
            let mut state = shared.state();
            // At the end everything is read.
            let most = if state.stop { usize::MAX } else { MOST_BATCHES };
            let room = most.saturating_sub(state.read.len());
            (std::mem::take(&mut state.to_send), room, state.end_sending, state.stop)
        };
        for bundle in &to_send {
            bundle.each(|from, payload| socket.send(from, payload));
        }
        let before = socket.queue.len();
        socket.flush();
        if end_sending {
            socket.queue.give_up();
        }
        let gone = before - socket.queue.len();
        if shared.waiting.fetch_sub(gone, Ordering::Relaxed) >= CONGESTED && gone > 0 {
            // Whether clients may send again has to be checked.
            readable.notify_one();
        }
        let mut last = Batch::Full;
        for _ in 0..room.min(BATCHES_AT_ONCE) {
            last = socket.fill()?;
            if last != Batch::Nothing {
                let mut bundle = shared.state().empty.pop().unwrap_or_default();
                bundle.clear();
                socket.each(|endpoint, payload| bundle.push(endpoint, payload));
                shared.state().read.push_back(bundle);
                readable.notify_one();
            }
            if last != Batch::Full {
                break;
            }
        }
        {
            let mut state = shared.state();
            state.empty.extend(to_send);
            state.refused = socket.queue.sender.refused;
            state.traffic = socket.traffic();
            state.dropped = socket.dropped();
        }
        if stop && last != Batch::Full {
            return Ok(());
        }
        if last == Batch::Full && socket.full {
            // Tokio has to poll the socket before it knows that there is room again.
            tokio::task::yield_now().await;
        }
        if room == 0 {
            shared.wake.notified().await;
        } else if last != Batch::Full {
            tokio::select! {
                ready = socket.ready() => ready?,
                () = shared.wake.notified() => {}
            }
        }
    }
}

//! A swarm on several threads. Each has a socket for its range of clients, and does the system calls
//! of that; the thread that plays the clients has the links and the books, of which there are one.

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
use tokio::sync::Notify;

use crate::shared::{BoundSocket, SharedSocket};
use crate::spread::Spread;
use crate::wire::Batch;
use skipbeat_sys::thread_cpu;

/// Batches that may wait to be looked at; more stay in the socket, whose counter tells of drops.
const MOST_BATCHES: usize = 256;
/// Batches that are read before what waits to be sent has its turn.
const BATCHES_AT_ONCE: usize = 16;
/// So many datagrams that wait may be what clients wait for.
const JAM: usize = 512;
/// How long what is left at the end may take to be sent.
const REST: Duration = Duration::from_millis(200);

/// Datagrams with the place that each is from or for, their bytes one after the other.
#[derive(Default)]
struct Bundle {
    bytes: Vec<u8>,
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

/// What a thread and the one that plays the clients share.
#[derive(Default)]
struct LaneState {
    state: Mutex<State>,
    /// There is something to send, or room for what is read, or an end of it.
    wake: Notify,
    /// Datagrams that wait to be sent.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    to_send: Vec<Bundle>,
    read: VecDeque<Bundle>,
    /// Bundles whose room is used again.
    empty: Vec<Bundle>,
    /// Why the thread ended, if it failed.
    failure: Option<io::Error>,
    refused: u64,
    traffic: Traffic,
    dropped: Option<u64>,
    /// What can't be sent at once is given up from now on.
    end_sending: bool,
    stop: bool,
}

impl LaneState {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads.
pub(crate) struct Lanes {
    pub(crate) spread: Spread,
    pub(crate) receive_buffer: usize,
    lanes: Vec<Lane>,
    /// Somebody has read something.
    news: Arc<Notify>,
    /// What is looked at, and whose it was.
    current: Bundle,
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
        let news = Arc::new(Notify::new());
        let lanes = sockets.into_iter().map(|socket| Lane::start(socket, &news));
        Ok(Lanes {
            lanes: lanes.collect::<io::Result<_>>()?,
            spread,
            receive_buffer,
            news,
            current: Bundle::default(),
            next: 0,
        })
    }

    /// How many threads there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Takes what a thread has read, each thread in turn.
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

    /// Hands to the threads what waits.
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
        self.news.notified().await;
        Ok(())
    }

    /// Datagrams that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = |lane: &Lane| {
            lane.shared.waiting.load(Ordering::Relaxed) + lane.outgoing.datagrams.len()
        };
        self.lanes.iter().map(waiting).sum()
    }

    /// Gives the threads some time to send what waits, and has them give up the rest.
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

    /// Ends the threads; gives their processor time.
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
    fn start(socket: BoundSocket, news: &Arc<Notify>) -> io::Result<Self> {
        let shared = Arc::new(LaneState::default());
        let (of_thread, news) = (Arc::clone(&shared), Arc::clone(news));
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let done = runtime.and_then(|runtime| {
                // Readiness belongs to the runtime that a socket is registered with.
                runtime.block_on(async { work(socket.start()?, &of_thread, &news).await })
            });
            if let Err(failure) = done {
                of_thread.state().failure = Some(failure);
                news.notify_one();
            }
            thread_cpu()
        };
        let thread = std::thread::Builder::new().name("skipbeat-swarm".to_owned()).spawn(body)?;
        Ok(Lane { shared, outgoing: Bundle::default(), thread: Some(thread) })
    }
}

/// The loop of a thread: send what waits, read what there is, wait.
async fn work(mut socket: SharedSocket, shared: &LaneState, news: &Notify) -> io::Result<()> {
    loop {
        let (to_send, room, end_sending, stop) = {
            let mut state = shared.state();
            // At the end all is read that there is.
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
        if shared.waiting.fetch_sub(gone, Ordering::Relaxed) >= JAM && gone > 0 {
            // Clients may be waiting for that.
            news.notify_one();
        }
        let mut last = Batch::Full;
        for _ in 0..room.min(BATCHES_AT_ONCE) {
            last = socket.fill()?;
            if last != Batch::Nothing {
                let mut bundle = shared.state().empty.pop().unwrap_or_default();
                bundle.clear();
                socket.each(|endpoint, payload| bundle.push(endpoint, payload));
                shared.state().read.push_back(bundle);
                news.notify_one();
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
            // Whether there is room again is known after tokio had its turn.
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

//! What wakes a loop: a precise alarm, and many sockets behind one readiness.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use skipbeat_core::{Span, Time};

use crate::clock::Clock;

/// A timer that wakes within microseconds, where tokio's own wheel turns by the millisecond.
pub(crate) struct Alarm {
    timer: tokio::io::unix::AsyncFd<OwnedFd>,
    clock: Clock,
    /// When it goes off.
    set: Cell<Option<Time>>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        Ok(Alarm { timer: watched(own(fd)?)?, clock: Clock::start(), set: Cell::new(None) })
    }

    /// Waits for a time from now, or less where it was set to less before: whoever waits looks at
    /// the clock anyway, and a call is saved.
    pub(crate) async fn sleep(&self, span: Span) -> io::Result<()> {
        let at = self.clock.now() + span;
        if self.set.get().is_none_or(|set| set > at) {
            self.set(span)?;
            self.set.set(Some(at));
        }
        let rung = self.rings().await;
        self.set.set(None);
        rung
    }

    fn set(&self, span: Span) -> io::Result<()> {
        let nanos = span.nanos().max(1);
        let value = libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        };
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        let fd = self.timer.get_ref().as_raw_fd();
        // SAFETY: `setting` lives through the call, and no old setting is asked for.
        match unsafe { libc::timerfd_settime(fd, 0, &raw const setting, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    async fn rings(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = 0u64;
            let read = ready.try_io(|fd| {
                // SAFETY: a timerfd gives eight bytes, which `count` has room for.
                let n = unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), 8) };
                if n == 8 { Ok(()) } else { Err(io::Error::last_os_error()) }
            });
            if let Ok(result) = read {
                return result;
            }
        }
    }
}

/// Puts a descriptor that we own under tokio's watch.
fn watched(fd: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor for as long as it lives.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(fd) }?)
}

/// Many sockets behind one readiness: an epoll that is itself polled.
pub(crate) struct Poller(tokio::io::unix::AsyncFd<OwnedFd>);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        Ok(Poller(watched(own(fd)?)?))
    }

    /// Watches a socket; `token` names it.
    pub(crate) fn watch(&self, socket: &impl AsRawFd, token: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token.into() };
        let (poller, socket) = (self.0.get_ref().as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `event` lives through the call.
        let result =
            unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_ADD, socket, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The tokens of sockets that have something to read, without waiting.
    pub(crate) fn ready(&self) -> io::Result<Vec<u32>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: the kernel writes at most as many events as there is room for.
        let count = unsafe {
            let fd = self.0.get_ref().as_raw_fd();
            libc::epoll_wait(fd, events.as_mut_ptr(), events.len() as i32, 0)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(events[..count].iter().map(|event| event.u64 as u32).collect())
    }

    /// Waits until some socket has something to read.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller just got this descriptor from the kernel.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

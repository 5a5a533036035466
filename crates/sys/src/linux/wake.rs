//! What wakes a loop: a precise timer, and one `epoll` for many sockets.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use skipbeat_core::{Span, Time};

use crate::Clock;

/// A timer that wakes its task within microseconds; tokio's own has a resolution of a millisecond.
/// Must be used within a tokio runtime.
pub struct Alarm {
    timer: tokio::io::unix::AsyncFd<OwnedFd>,
    clock: Clock,
    /// The time at which it goes off, if it is set.
    set: Cell<Option<Time>>,
}

impl Alarm {
    /// A timer that is not set.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        Ok(Alarm { timer: watched(own(fd)?)?, clock: Clock::start(), set: Cell::new(None) })
    }

    /// Waits for `span` from now, or less: where the timer is set to an earlier time already, it is
    /// left alone to save a call. Callers have to look at the clock afterwards.
    ///
    /// # Errors
    /// What the kernel reports.
    pub async fn sleep(&self, span: Span) -> io::Result<()> {
        let at = self.clock.now() + span;
        if self.set.get().is_none_or(|set| set > at) {
            self.set(span)?;
            self.set.set(Some(at));
        }
        let expired = self.expired().await;
        self.set.set(None);
        expired
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

    async fn expired(&self) -> io::Result<()> {
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

/// Registers a descriptor with tokio.
fn watched(fd: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor for as long as it lives.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(fd) }?)
}

/// Tells which of many sockets have something to read: an `epoll` that tokio polls in turn.
pub struct Poller(tokio::io::unix::AsyncFd<OwnedFd>);

impl Poller {
    /// A poller that watches nothing yet; must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor, owned by nobody else, or an error.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        Ok(Poller(watched(own(fd)?)?))
    }

    /// Watches a socket under this token, until the socket is closed.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn watch(&self, socket: &impl AsRawFd, token: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token.into() };
        let (poller, socket) = (self.0.get_ref().as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `event` lives through the call.
        let result =
            unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_ADD, socket, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The tokens of sockets that have something to read, without waiting.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn ready(&self) -> io::Result<Vec<u32>> {
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
    ///
    /// # Errors
    /// What tokio reports, such as a runtime that shuts down.
    pub async fn wait(&self) -> io::Result<()> {
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

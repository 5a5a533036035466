//! Processes and threads.

use std::io;

use skipbeat_core::Span;

/// Processor time of the calling thread so far, or `None` where the system does not tell.
pub fn thread_cpu() -> Option<Span> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec. This clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Some(Span::from_secs(time.tv_sec as u64) + Span::from_nanos(time.tv_nsec as u64))
}

/// Has the kernel kill the child process when this process ends, for whatever reason.
pub fn end_with_parent(command: &mut tokio::process::Command) {
    // SAFETY: prctl is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Asks a child process to end (`SIGTERM`).
pub fn terminate(child: &mut tokio::process::Child) {
    if let Some(process) = child.id() {
        // SAFETY: kill has no memory to get wrong; the process is our child and not yet waited for.
        unsafe { libc::kill(process as i32, libc::SIGTERM) };
    }
}

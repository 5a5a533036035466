//! Foreign servers: an address where one listens, or a command that the run starts and stops.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use skipbeat_core::{Span, Time};
use skipbeat_measure::Snapshot;
use skipbeat_sys::Clock;
use tokio::process::{Child, Command};

use crate::{NetError, host};

/// How long a command may take until it listens.
const START_WITHIN: Span = Span::from_secs(10);
/// How long a command may take to end after it was asked to, before it is killed.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How long "port unreachable" may take to come back.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);

/// A command that runs as the server under test.
pub(crate) struct RunningCommand {
    child: Child,
    program: String,
    /// Processor time that it had used when it began to listen.
    cpu_before: Option<Span>,
}

impl RunningCommand {
    /// Starts a command and waits until a server listens at the address. `probe` is a datagram that
    /// a server ignores if a stranger sends it.
    pub(crate) async fn start(
        command: &[String],
        address: SocketAddr,
        probe: &[u8],
        go_on: &mut dyn FnMut(Snapshot<'_>) -> bool,
    ) -> Result<Self, NetError> {
        if listens(address, probe).await.map_err(NetError::Socket)? {
            return Err(NetError::Occupied { target: address });
        }
        let (program, arguments) = command.split_first().ok_or(NetError::NoProgram)?;
        let mut prepared = Command::new(program);
        // In a process group of its own, Ctrl-C does not reach it.
        prepared.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        #[cfg(unix)]
        prepared.process_group(0);
        prepared.kill_on_drop(true);
        skipbeat_sys::end_with_parent(&mut prepared);
        let mut child = prepared
            .spawn()
            .map_err(|source| NetError::Command { program: program.clone(), source })?;
        let clock = Clock::start();
        while clock.now() < Time::ZERO + START_WITHIN {
            if let Some(status) = child.try_wait().map_err(NetError::Socket)? {
                return Err(NetError::Ended { program: program.clone(), status });
            }
            if listens(address, probe).await.map_err(NetError::Socket)? {
                let cpu_before = child.id().and_then(host::cpu_of);
                return Ok(RunningCommand { child, program: program.clone(), cpu_before });
            }
            if !go_on(Snapshot::early(Time::ZERO)) {
                return Err(NetError::Interrupted);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(NetError::Silent { program: program.clone(), target: address })
    }

    /// The program and its exit status, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<(String, ExitStatus)> {
        Some((self.program.clone(), self.child.try_wait().ok()??))
    }

    /// Processor time since it listens, and peak memory in bytes, if the system tells.
    pub(crate) fn cost(&self) -> (Option<Span>, Option<u64>) {
        let Some(process) = self.child.id() else { return (None, None) };
        let cpu = host::cpu_of(process).zip(self.cpu_before);
        (cpu.map(|(now, before)| now.saturating_sub(before)), host::peak_memory_of(process))
    }

    /// Asks the command to end, and kills it if it does not.
    pub(crate) async fn stop(&mut self) -> io::Result<()> {
        skipbeat_sys::terminate(&mut self.child);
        if tokio::time::timeout(END_WITHIN, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Fails if nothing listens at the address.
pub(crate) async fn expect_listener(target: SocketAddr, probe: &[u8]) -> Result<(), NetError> {
    if listens(target, probe).await.map_err(NetError::Socket)? {
        Ok(())
    } else {
        Err(NetError::Unreachable { target })
    }
}

/// Whether something listens, as far as that can be known: a closed port answers `probe` with
/// "unreachable", and silence counts as a listener.
async fn listens(address: SocketAddr, probe: &[u8]) -> io::Result<bool> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    match socket.send(probe).await {
        Err(e) if refused(&e) => return Ok(false),
        sent => sent?,
    };
    match tokio::time::timeout(ANSWER_WITHIN, socket.recv(&mut [0; 64])).await {
        Ok(Err(e)) if refused(&e) => Ok(false),
        Ok(Err(e)) => Err(e),
        Ok(Ok(_)) | Err(_) => Ok(true),
    }
}

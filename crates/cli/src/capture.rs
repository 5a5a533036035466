//! `--pcap` of runs and of the proxy: writes what enters and leaves the links to a file.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use skipbeat_capture::{Capture, CaptureError};
use skipbeat_core::{Direction, EndpointId, Time};
use skipbeat_harness::Tap;
use skipbeat_link::Verdict;
use skipbeat_sim::{CLIENTS, SERVER};

/// A capture that can be cloned. It ends at the first error, which `finish` returns.
#[derive(Clone)]
pub(crate) struct SharedCapture(Rc<RefCell<Result<Option<Capture>, CaptureError>>>);

impl SharedCapture {
    pub(crate) fn create(path: &Path) -> Result<Self, CaptureError> {
        Ok(SharedCapture(Rc::new(RefCell::new(Ok(Some(Capture::create(path)?))))))
    }

    /// Writes a datagram that enters a link between a client and the server, with its verdict.
    pub(crate) fn write(
        &self,
        at: Time,
        direction: Direction,
        [client, server]: [SocketAddr; 2],
        payload: &[u8],
        verdict: &Verdict,
    ) {
        let mut state = self.0.borrow_mut();
        let ends = match direction {
            Direction::Up => [client, server],
            Direction::Down => [server, client],
        };
        if let Ok(Some(capture)) = &mut *state
            && let Err(failure) = capture.passage(at, direction, ends, payload, verdict)
        {
            *state = Err(failure);
        }
    }

    /// Whether the file can still be written.
    pub(crate) fn goes_on(&self) -> bool {
        self.0.borrow().is_ok()
    }

    /// Ends the capture.
    ///
    /// # Errors
    /// The first error since the capture began.
    pub(crate) fn finish(&self, end: Time) -> anyhow::Result<()> {
        match self.0.replace(Ok(None)) {
            Ok(Some(capture)) => Ok(capture.finish(end)?),
            Ok(None) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The capture of a run. Clients and server have their addresses in virtual time.
impl Tap for SharedCapture {
    fn passage(
        &mut self,
        at: Time,
        direction: Direction,
        endpoint: EndpointId,
        payload: &[u8],
        verdict: &Verdict,
    ) {
        self.write(at, direction, [CLIENTS.address(endpoint), SERVER], payload, verdict);
    }
}

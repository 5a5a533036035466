//! `--pcap`: what enters and leaves the links, to a file, for a run and for the proxy.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use skipbeat_capture::{Capture, CaptureError};
use skipbeat_core::{Direction, EndpointId, Time};
use skipbeat_harness::Tap;
use skipbeat_link::Verdict;
use skipbeat_sim::{CLIENTS, SERVER};

/// A capture that goes on until its file can't be written.
#[derive(Clone)]
pub(crate) struct SharedCapture(Rc<RefCell<Result<Option<Capture>, CaptureError>>>);

impl SharedCapture {
    pub(crate) fn create(path: &Path) -> Result<Self, CaptureError> {
        Ok(SharedCapture(Rc::new(RefCell::new(Ok(Some(Capture::create(path)?))))))
    }

    /// A datagram between a client and the server enters its link.
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

    /// The end; says what went wrong, if anything did.
    pub(crate) fn finish(&self, end: Time) -> anyhow::Result<()> {
        match self.0.replace(Ok(None)) {
            Ok(Some(capture)) => Ok(capture.finish(end)?),
            Ok(None) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The capture of a run: places are named by their addresses in virtual time.
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

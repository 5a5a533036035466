//! Where packets come from and go to: two queues in the place of a network card.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::MTU;

/// IP packets that have come, and those that are to go.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    pub(crate) come: VecDeque<Vec<u8>>,
    pub(crate) go: VecDeque<Vec<u8>>,
}

/// A packet that has come.
pub(crate) struct Come(Vec<u8>);

/// Room for one that is to go.
pub(crate) struct Go<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Come {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Go<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Wires {
    type RxToken<'a> = Come;
    type TxToken<'a> = Go<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Come, Go<'_>)> {
        let packet = self.come.pop_front()?;
        Some((Come(packet), Go(&mut self.go)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Go<'_>> {
        Some(Go(&mut self.go))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

//! Admission: who may become a member, and how much each may ask of the server.
//!
//! An address is proved with a stateless cookie: a keyed hash of the address and a slot of time,
//! like the SYN cookies of TCP and the Retry tokens of QUIC (RFC 9000, 8.1). Before the proof the
//! server keeps no state and sends at most three times the bytes that it received.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use skipbeat_core::{Seed, Span, Time};

use crate::PeerId;

/// The length of a slot. A cookie is valid in the slot in which it was made and in the next.
const SLOT: Span = Span::from_secs(60);
/// The bits of a cookie: as many as fit into three times the bytes of `^join^`. A guess is right
/// once in 3.4·10¹⁰, and each guess costs a datagram.
const BITS: u64 = (1 << 36) - 1;

/// Who may become a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// Every client, by any sign of life, as in the tutorial.
    #[default]
    Open,
    /// Clients that return the cookie that was sent to their address. Their heartbeats are then
    /// `^join COOKIE^`.
    Cookie,
}

/// How much clients may ask of the server. Anything above is refused and counted.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most members at a time; no limit where not given.
    pub members: Option<u32>,
    /// The rate of the texts of each member; no limit where not given.
    pub per_client: Option<RateLimit>,
    /// The rate of the texts of all members together; no limit where not given.
    pub total: Option<RateLimit>,
}

/// A token bucket: `burst` at once, `rate` per second in the long run.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateTable")]
pub struct RateLimit {
    /// Texts per second in the long run, above zero.
    pub rate: f64,
    /// Texts at once, at least one.
    pub burst: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RateTable {
    /// Texts per second in the long run, above 0 and up to 10⁹.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000_000))]
    rate: f64,
    /// Texts at once, from 1.
    #[schemars(range(min = 1))]
    burst: u32,
}

impl TryFrom<RateTable> for RateLimit {
    type Error = &'static str;

    fn try_from(RateTable { rate, burst }: RateTable) -> Result<Self, &'static str> {
        if !(rate > 0.0 && rate <= 1e9) || burst == 0 {
            return Err("expected a rate above 0 and a burst of at least 1");
        }
        Ok(RateLimit { rate, burst })
    }
}

/// Makes and checks cookies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    keys: (u64, u64),
}

impl Cookies {
    /// Cookies with a secret that follows from the seed. Who knows the seed can forge them.
    pub(crate) fn new(secret: Seed) -> Self {
        let stream = secret.family("server.cookie").stream(0);
        Cookies { keys: (stream.bits(0), stream.bits(1)) }
    }

    /// The cookie of an address in the present slot.
    pub(crate) fn make(&self, now: Time, address: SocketAddr) -> u64 {
        self.of_slot(now.nanos() / SLOT.nanos(), address)
    }

    /// Whether the address was sent this cookie in the present slot or the one before.
    pub(crate) fn knows(&self, now: Time, address: SocketAddr, cookie: u64) -> bool {
        let slot = now.nanos() / SLOT.nanos();
        cookie == self.of_slot(slot, address)
            || slot > 0 && cookie == self.of_slot(slot - 1, address)
    }

    fn of_slot(&self, slot: u64, address: SocketAddr) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.keys.0, self.keys.1);
        slot.hash(&mut hasher);
        // The same bytes on every platform.
        match address {
            SocketAddr::V4(v4) => hasher.write(&v4.ip().octets()),
            SocketAddr::V6(v6) => hasher.write(&v6.ip().octets()),
        }
        hasher.write(&address.port().to_le_bytes());
        hasher.finish() & BITS
    }
}

/// The tokens in a bucket, and when they were counted.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Time,
}

impl Bucket {
    /// Adds the tokens of the time since then, and returns whether there is one.
    fn has(&mut self, now: Time, rate: RateLimit) -> bool {
        let earned = now.since(self.at).seconds() * rate.rate;
        self.tokens = (self.tokens + earned).min(f64::from(rate.burst));
        self.at = now;
        self.tokens >= 1.0
    }
}

/// The token buckets of all members, and of all together.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    of_peers: Vec<Option<Bucket>>,
    of_all: Option<Bucket>,
}

/// Which limit a text exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TooMuch {
    OfPeer,
    OfAll,
}

impl Meter {
    /// The id of a peer is given to another address: its bucket is full again.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        if let Some(bucket) = self.of_peers.get_mut(peer as usize) {
            *bucket = None;
        }
    }

    /// Takes tokens for a text of a member, if it is within the limits.
    pub(crate) fn text(&mut self, now: Time, peer: PeerId, limits: &Limits) -> Result<(), TooMuch> {
        let full = |rate: RateLimit| Bucket { tokens: f64::from(rate.burst), at: now };
        let index = peer as usize;
        if limits.per_client.is_some() && index >= self.of_peers.len() {
            self.of_peers.resize(index + 1, None);
        }
        let mut own =
            limits.per_client.map(|rate| (rate, self.of_peers[index].get_or_insert(full(rate))));
        let mut all = limits.total.map(|rate| (rate, self.of_all.get_or_insert(full(rate))));
        // A text that is refused takes no tokens.
        if own.as_mut().is_some_and(|(rate, bucket)| !bucket.has(now, *rate)) {
            return Err(TooMuch::OfPeer);
        }
        if all.as_mut().is_some_and(|(rate, bucket)| !bucket.has(now, *rate)) {
            return Err(TooMuch::OfAll);
        }
        for (_, bucket) in own.into_iter().chain(all) {
            bucket.tokens -= 1.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_address_and_not_for_long() {
        let cookies = Cookies::new(Seed(1));
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let cookie = cookies.make(at(59), address(7));
        assert!(cookie <= BITS);
        assert!(
            cookies.knows(at(59), address(7), cookie) && cookies.knows(at(119), address(7), cookie)
        );
        assert!(!cookies.knows(at(120), address(7), cookie), "two slots later it is not");
        assert!(!cookies.knows(at(59), address(8), cookie), "nor for another address");
        assert!(!Cookies::new(Seed(2)).knows(at(59), address(7), cookie), "nor under another key");
    }

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let limits =
            Limits { per_client: Some(RateLimit { rate: 2.0, burst: 3 }), ..Limits::default() };
        let mut meter = Meter::default();
        let mut allowed = 0;
        for tenth in 0..100 {
            let now = Time::ZERO + Span::from_millis(100 * tenth);
            allowed += u32::from(meter.text(now, 0, &limits).is_ok());
        }
        // Three at once and two a second for 9.9 s.
        assert_eq!(allowed, 3 + 19);
        assert_eq!(meter.text(Time::ZERO, 1, &limits), Ok(()), "another peer has its own");
    }
}

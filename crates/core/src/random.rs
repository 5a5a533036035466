//! Randomness by name and purpose. A draw is a pure function of (seed, purpose, entity, counter),
//! so that adding a client, switching on a stage or drawing in another order changes no other draw.
//!
//! The function is SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number
//! Generators*, OOPSLA 2014, with Stafford's mix 13) addressed by its counter. Its numbers are
//! part of the interface: they are the same on every platform and in every release.

use std::convert::Infallible;

use rand::TryRng;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Stafford's mix 13: a bijection of 64 bits whose output looks random.
#[inline]
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 64 random bits as a number in `[0, 1)`, a multiple of 2⁻⁵³.
///
/// It equals `(bits >> 11) as f64 * 2⁻⁵³`. That conversion is one x86 instruction that depends on
/// the old value of its target register, and so on the draw before; the sum of two halves does not.
#[inline]
pub fn unit(bits: u64) -> f64 {
    let (high, low) = (bits >> 43, bits >> 11 & 0xFFFF_FFFF);
    // As exponent bits: 2⁸⁴ + high·2³² and 2⁵² + low.
    let high = f64::from_bits(0x4530_0000_0000_0000 | high);
    let low = f64::from_bits(0x4330_0000_0000_0000 | low);
    let both = f64::from_bits(0x4530_0000_0010_0000);
    (high - both + low) * (1.0 / (1u64 << 53) as f64)
}

/// The seed of a run.
///
/// ```
/// use skipbeat_core::Seed;
///
/// let losses = Seed(7).family("link.up.loss");
/// let draw = losses.stream(3).unit(0);
/// assert!((0.0..1.0).contains(&draw));
/// assert_eq!(draw, Seed(7).family("link.up.loss").stream(3).unit(0), "the same on every machine");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed(pub u64);

impl Seed {
    /// The streams of one purpose, one per entity. The purpose is a name such as `"link.up.loss"`.
    pub const fn family(self, purpose: &str) -> Family {
        // FNV-1a gives each name its own number; `mix` spreads it.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let bytes = purpose.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x100_0000_01B3);
            i += 1;
        }
        Family { key: mix(mix(self.0.wrapping_add(GOLDEN)) ^ hash) }
    }
}

/// The streams of one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    key: u64,
}

impl Family {
    /// The stream of one entity: a client, a link, an event.
    #[inline]
    pub const fn stream(self, entity: u64) -> Stream {
        Stream { key: mix(self.key.wrapping_add(entity.wrapping_add(1).wrapping_mul(GOLDEN))) }
    }
}

/// A random function of a counter: the draws of one entity for one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The 64 random bits at `counter`.
    #[inline]
    pub const fn bits(self, counter: u64) -> u64 {
        mix(self.key.wrapping_add(counter.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// A number in `[0, 1)` at `counter`.
    #[inline]
    pub fn unit(self, counter: u64) -> f64 {
        unit(self.bits(counter))
    }

    /// An exponential number of mean 1 at `counter`: `-ln(1-u)`.
    #[inline]
    pub fn exponential(self, counter: u64) -> f64 {
        -libm::log(1.0 - self.unit(counter))
    }

    /// The stream read from its start, for code that needs a generator.
    pub const fn draws(self) -> Draws {
        Draws { stream: self, counter: 0 }
    }
}

/// A [`Stream`] as a random number generator of the `rand` crate.
#[derive(Clone, Debug)]
pub struct Draws {
    stream: Stream,
    counter: u64,
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|bits| (bits >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let bits = self.stream.bits(self.counter);
        self.counter += 1;
        Ok(bits)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers are promised to every later release. They were computed by an independent
    /// implementation of the definition above.
    #[test]
    fn values_are_stable() {
        let stream = Seed(7).family("link.up.loss").stream(3);
        assert_eq!(
            [stream.bits(0), stream.bits(1), stream.bits(1 << 40)],
            [2_006_907_920_623_815_824, 16_883_495_597_971_221_224, 13_605_775_469_464_954_372]
        );
        assert_eq!(stream.exponential(0).to_bits(), 4_592_964_047_398_902_039);
    }

    #[test]
    fn a_unit_is_the_number_that_a_conversion_gives() {
        let stream = Seed(1).family("units").stream(0);
        let edges = [0, 1 << 11, u64::MAX, u64::MAX << 43, (1 << 43) - 1, 1 << 63];
        for bits in (0..100_000).map(|n| stream.bits(n)).chain(edges) {
            assert_eq!(unit(bits), (bits >> 11) as f64 / (1u64 << 53) as f64);
        }
    }

    #[test]
    fn streams_of_other_names_entities_and_seeds_differ() {
        let base = Seed(1).family("a").stream(0).bits(0);
        assert_ne!(base, Seed(1).family("b").stream(0).bits(0));
        assert_ne!(base, Seed(1).family("a").stream(1).bits(0));
        assert_ne!(base, Seed(2).family("a").stream(0).bits(0));
    }

    #[test]
    fn units_are_uniform_within_and_across_streams() {
        let family = Seed(11).family("test");
        let n = 200_000u64;
        for draw in [(|f: Family, i| f.stream(5).unit(i)) as fn(Family, u64) -> f64, |f, i| {
            f.stream(i).unit(0)
        }] {
            let mean = (0..n).map(|i| draw(family, i)).sum::<f64>() / n as f64;
            let lag = (1..n).map(|i| (draw(family, i) - 0.5) * (draw(family, i - 1) - 0.5));
            let lag = lag.sum::<f64>() * 12.0 / n as f64;
            let four_sigma = 4.0 / (n as f64).sqrt();
            assert!((mean - 0.5).abs() < four_sigma * 0.2887, "mean {mean}");
            assert!(lag.abs() < four_sigma, "correlation {lag}");
        }
    }
}

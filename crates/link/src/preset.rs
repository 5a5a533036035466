//! Presets of links. Their numbers are plausible, not measured. A scenario can change each key.

use schemars::JsonSchema;
use serde::Deserialize;
use skipbeat_core::Direction;

/// A kind of network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkPreset {
    /// A quiet wired network: a third of a millisecond, no loss.
    Lan,
    /// A shared radio in a house: a few milliseconds with a tail, 1 % loss in short bursts.
    Wifi,
    /// A phone with a good signal: 35 ms with a tail, little loss, a queue.
    Lte,
    /// A geostationary satellite: a quarter of a second each way, little loss, a queue.
    Satellite,
    /// A phone on the move: long delays, and in one second of twenty almost everything is lost.
    LossyMobile,
    /// A slow line with a queue that is far too long: four seconds.
    Bufferbloat,
}

impl LinkPreset {
    /// Every preset with its name.
    pub const ALL: [(&'static str, LinkPreset); 6] = [
        ("lan", LinkPreset::Lan),
        ("wifi", LinkPreset::Wifi),
        ("lte", LinkPreset::Lte),
        ("satellite", LinkPreset::Satellite),
        ("lossy-mobile", LinkPreset::LossyMobile),
        ("bufferbloat", LinkPreset::Bufferbloat),
    ];

    /// The preset of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, preset)| preset)
    }

    /// Its options in compact notation.
    pub const fn text(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (LinkPreset::Lan, _) => "delay=normal(mean=300us,deviation=50us,min=100us)",
            (LinkPreset::Wifi, _) => {
                "loss=ge(loss=1%,burst=2),delay=lognormal(min=1ms,median=3ms,sigma=.8)"
            }
            (LinkPreset::Lte, Direction::Up) => {
                "loss=ge(loss=.5%,burst=3),rate=(bandwidth=5Mbit,bytes=200000,overhead=28),\
                 delay=lognormal(min=20ms,median=35ms,sigma=.5,correlation=.5)"
            }
            (LinkPreset::Lte, Direction::Down) => {
                "loss=ge(loss=.5%,burst=3),rate=(bandwidth=20Mbit,bytes=500000,overhead=28),\
                 delay=lognormal(min=20ms,median=35ms,sigma=.5,correlation=.5)"
            }
            (LinkPreset::Satellite, _) => {
                "loss=.5%,rate=(bandwidth=5Mbit,bytes=500000,overhead=28),\
                 delay=normal(mean=260ms,deviation=5ms,min=240ms)"
            }
            (LinkPreset::LossyMobile, _) => {
                "loss=get(mean_good=19s,mean_bad=1s,good_loss=1%,bad_loss=90%),\
                 delay=lognormal(min=40ms,median=90ms,sigma=.7,correlation=.7)"
            }
            (LinkPreset::Bufferbloat, _) => {
                "rate=(bandwidth=1Mbit,bytes=500000,overhead=28),delay=20ms"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkOptions;

    #[test]
    fn every_preset_is_a_link() {
        for (name, preset) in LinkPreset::ALL {
            for direction in Direction::BOTH {
                let options = preset.options(direction);
                assert_ne!(options, LinkOptions::default(), "{name}");
            }
            assert_eq!(LinkPreset::named(name), Some(preset));
        }
        assert_eq!(LinkPreset::named("dsl"), None);
    }
}

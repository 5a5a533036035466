//! Presets: the heartbeats and detectors of real systems as defaults, which a scenario can change
//! key by key. Each is the documented default of a system in the terms of this program.

use schemars::JsonSchema;
use serde::Deserialize;
use skipbeat_core::Span;
use skipbeat_server::{DetectorOptions, Mechanism, Missed, Phi, Tail};
use skipbeat_swarm::{Heartbeat, Jitter};

/// A system whose heartbeat, timeout and detector become the defaults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// The chat of the tutorial: a heartbeat every 5 s, a timeout of 10 s.
    #[default]
    Tutorial,
    /// MQTT (3.1.1, 3.1.2.10): keep-alive 60 s, a timeout of one and a half of it.
    Mqtt,
    /// BFD (RFC 5880, 6.8): a packet every 1 s with jitter, suspected after three missed.
    Bfd,
    /// ICE consent freshness (RFC 7675, 5.1): a check every 5 s ± 20 %, a timeout of 30 s.
    Ice,
    /// Akka's cluster: a heartbeat every 1 s, φ 8 by the logistic approximation, deviation at least
    /// 100 ms, 3 s of pause.
    Akka,
    /// Cassandra's gossip: a heartbeat every 1 s, φ 8 with an exponential tail: 18.42 mean gaps.
    Cassandra,
    /// ENet: the server pings every 500 ms, a timeout of 5 s.
    Enet,
}

/// The values of a preset.
pub(crate) struct Defaults {
    pub(crate) heartbeat: Heartbeat,
    pub(crate) mechanism: Mechanism,
    pub(crate) timeout: Span,
    pub(crate) detector: DetectorOptions,
}

impl Preset {
    pub(crate) fn defaults(self) -> Defaults {
        let beat = |every, jitter| Heartbeat { every, jitter };
        let by_timeout = |heartbeat, timeout| Defaults {
            heartbeat,
            mechanism: Mechanism::Client,
            timeout,
            detector: DetectorOptions::Timeout,
        };
        let second = Span::from_secs(1);
        let by_phi = |tail, min_deviation, pause| Defaults {
            detector: DetectorOptions::Phi(Phi {
                threshold: 8.0,
                tail,
                window: 1000,
                min_deviation,
                pause,
                every: second,
            }),
            ..by_timeout(beat(second, Jitter::None), Span::from_secs(10))
        };
        match self {
            Preset::Tutorial => by_timeout(Heartbeat::default(), Span::from_secs(10)),
            Preset::Mqtt => {
                by_timeout(beat(Span::from_secs(60), Jitter::None), Span::from_secs(90))
            }
            Preset::Bfd => Defaults {
                detector: DetectorOptions::Missed(Missed { misses: 3, every: second }),
                ..by_timeout(beat(second, Jitter::Bfd), second * 3)
            },
            Preset::Ice => {
                by_timeout(beat(Span::from_secs(5), Jitter::Rfc7675), Span::from_secs(30))
            }
            Preset::Akka => by_phi(Tail::Logistic, Span::from_millis(100), Span::from_secs(3)),
            Preset::Cassandra => by_phi(Tail::Exponential, Span::ZERO, Span::ZERO),
            Preset::Enet => Defaults {
                mechanism: Mechanism::Server,
                ..by_timeout(beat(Span::from_millis(500), Jitter::None), Span::from_secs(5))
            },
        }
    }
}

//! Presets: how real systems beat and judge silence, as defaults that a scenario can change key by
//! key. Each is the system's documented default, mapped on the terms used here.

use schemars::JsonSchema;
use serde::Deserialize;
use skipbeat_core::Span;
use skipbeat_server::{DetectorOptions, Mechanism, Missed, Phi, Tail};
use skipbeat_swarm::{Heartbeat, Jitter};

/// A system whose defaults a scenario begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// The tutorial's chat: a beat every 5 s, out after 10 s.
    #[default]
    Tutorial,
    /// MQTT (3.1.1, 3.1.2.10): keep-alive 60 s, out after one and a half.
    Mqtt,
    /// BFD (RFC 5880, 6.8): a packet every 1 s with jitter, out after three missed.
    Bfd,
    /// ICE consent freshness (RFC 7675, 5.1): a check every 5 s ± 20 %, out after 30 s.
    Ice,
    /// Akka's cluster: a beat every 1 s, φ 8 by the logistic approximation, deviation at least
    /// 100 ms, 3 s of pause.
    Akka,
    /// Cassandra's gossip: a beat every 1 s, φ 8 with an exponential tail: 18.42 mean gaps.
    Cassandra,
    /// ENet: the server pings every 500 ms, a client is out after 5 s.
    Enet,
}

/// What a preset says.
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

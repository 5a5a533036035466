//! The E-model: how well people hear each other over a path, as a transmission rating R from 0 to
//! 100 (ITU-T G.107, 06/2015). Every parameter that is not named here has its default of table 2.

use libm::{exp, log10, pow, sqrt};

/// What a codec does to speech (ITU-T G.113, appendix I).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Equipment {
    /// The equipment impairment factor `Ie` without loss.
    pub impairment: f64,
    /// The packet-loss robustness factor `Bpl`.
    pub robustness: f64,
}

/// Default values (G.107, table 2): sound levels in dB, noise in dBm0p or dB(A).
const SLR: f64 = 8.0;
const RLR: f64 = 2.0;
const STMR: f64 = 15.0;
const DS: f64 = 3.0;
const DR: f64 = 3.0;
const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;
const QDU: f64 = 1.0;
const NC: f64 = -70.0;
const NFOR: f64 = -64.0;
const PS: f64 = 35.0;
const PR: f64 = 35.0;
const OLR: f64 = SLR + RLR;

/// The transmission rating of a call: `delay_ms` one way from mouth to ear, in milliseconds, and a
/// share `loss` in `[0, 1]` of the packets lost or too late, in bursts of this ratio (the mean run
/// of losses over that of random loss; 1 is random).
pub fn rating(delay_ms: f64, equipment: Equipment, loss: f64, burst_ratio: f64) -> f64 {
    let noise = noise();
    let signal_to_noise = 15.0 - 1.5 * (SLR + noise);
    let simultaneous = simultaneous(signal_to_noise, noise, delay_ms);
    let delay = delayed(signal_to_noise, noise, delay_ms);
    signal_to_noise - simultaneous - delay - with_loss(equipment, loss, burst_ratio)
}

/// The mean opinion score of a rating, 1 to 4.5 (annex B).
pub fn opinion(rating: f64) -> f64 {
    match rating {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// `Ie,eff` (7.5): what codec and loss do together.
fn with_loss(Equipment { impairment, robustness }: Equipment, loss: f64, burst_ratio: f64) -> f64 {
    let percent = 100.0 * loss;
    impairment + (95.0 - impairment) * percent / (percent / burst_ratio + robustness)
}

/// `No` (7.2): all noise together at the 0 dBr point.
fn noise() -> f64 {
    let sender = PS - SLR - DS - 100.0 + 0.004 * square(PS - OLR - DS - 14.0);
    let effective = PR + 10.0 * log10(1.0 + pow(10.0, (10.0 - (STMR + DR)) / 10.0));
    let receiver = RLR - 121.0 + effective + 0.008 * square(effective - 35.0);
    let powers = [NC, sender, receiver, NFOR + RLR].map(|level| pow(10.0, level / 10.0));
    10.0 * log10(powers.iter().sum())
}

/// `Is` (7.3): what is there at the same time as speech: loudness, sidetone, quantizing.
fn simultaneous(signal_to_noise: f64, noise: f64, delay_ms: f64) -> f64 {
    let x = OLR + 0.2 * (64.0 + noise - RLR);
    let loud = 20.0 * (pow(1.0 + pow(x / 8.0, 8.0), 1.0 / 8.0) - x / 8.0);
    let echo = exp(-delay_ms / 4.0) * pow(10.0, -TELR / 10.0);
    let sidetone = -10.0 * log10(pow(10.0, -STMR / 10.0) + echo);
    let root =
        |offset: f64, scale: f64, n: f64| pow(1.0 + pow((sidetone + offset) / scale, n), 1.0 / n);
    let side =
        12.0 * root(-13.0, 6.0, 8.0) - 28.0 * root(1.0, 19.4, 35.0) - 13.0 * root(-3.0, 33.0, 13.0)
            + 29.0;
    let q = 37.0 - 15.0 * log10(QDU);
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (signal_to_noise - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    let quantizing = 15.0 * log10(1.0 + pow(10.0, y) + pow(10.0, z));
    loud + side + quantizing
}

/// `Id` (7.4): what delay does, by the echo of the talker and of the listener and by itself.
fn delayed(signal_to_noise: f64, noise: f64, delay_ms: f64) -> f64 {
    let talker = if delay_ms < 1.0 {
        0.0
    } else {
        let loudness = TELR - 40.0 * log10((1.0 + delay_ms / 10.0) / (1.0 + delay_ms / 150.0))
            + 6.0 * exp(-0.3 * delay_ms * delay_ms);
        let without = -1.5 * (noise - RLR);
        let half = (without - (80.0 + 2.5 * (loudness - 14.0))) / 2.0;
        (half + sqrt(half * half + 100.0) - 1.0) * (1.0 - exp(-delay_ms))
    };
    let round_trip = 2.0 * delay_ms;
    let half = (signal_to_noise - 10.5 * (WEPL + 7.0) * pow(round_trip + 1.0, -0.25)) / 2.0;
    let listener = half + sqrt(half * half + 169.0);
    let long = if delay_ms <= 100.0 {
        0.0
    } else {
        let x = log10(delay_ms / 100.0) / log10(2.0);
        let root = |x: f64| pow(1.0 + pow(x, 6.0), 1.0 / 6.0);
        25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
    };
    talker + listener + long
}

fn square(x: f64) -> f64 {
    x * x
}

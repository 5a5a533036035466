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

#[cfg(test)]
mod tests {
    use super::*;

    const G711: Equipment = Equipment { impairment: 0.0, robustness: 25.1 };
    const G729A: Equipment = Equipment { impairment: 11.0, robustness: 19.0 };

    /// G.107, 7.7: with the default values of all parameters R is 93.2.
    #[test]
    fn the_rating_at_the_defaults_is_as_published() {
        assert!((rating(0.0, G711, 0.0, 1.0) - 93.2).abs() < 0.05);
    }

    /// Cole and Rosenbluth, *Voice over IP Performance Monitoring*, CCR 31(2), 2001, fit what delay
    /// costs by two straight lines, up to 300 ms.
    #[test]
    fn delay_costs_as_much_as_published() {
        for delay in [50.0, 100.0, 150.0, 200.0, 250.0, 300.0] {
            let cost = rating(0.0, G711, 0.0, 1.0) - rating(delay, G711, 0.0, 1.0);
            let published = 0.024 * delay + 0.11 * (delay - 177.3_f64).max(0.0);
            assert!((cost - published).abs() < 0.3, "{delay} ms: {cost} for {published}");
        }
    }

    /// G.113, appendix I: the impairment of G.729A with voice activity detection at random losses
    /// in percent, in whole numbers.
    #[test]
    fn loss_costs_as_much_as_published() {
        let published = [
            (0.5, 13.0),
            (1.0, 15.0),
            (2.0, 19.0),
            (3.0, 23.0),
            (4.0, 26.0),
            (8.0, 36.0),
            (16.0, 49.0),
        ];
        for (percent, published) in published {
            let cost = rating(0.0, G711, 0.0, 1.0) - rating(0.0, G729A, percent / 100.0, 1.0);
            assert!((cost - published).abs() < 0.6, "{percent} %: {cost} for {published}");
        }
        // Bursts cost more.
        assert!(rating(0.0, G729A, 0.05, 2.0) < rating(0.0, G729A, 0.05, 1.0));
    }

    /// G.107, annex B, table B.1.
    #[test]
    fn opinions_are_as_published() {
        for (rating, published) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            let opinion = opinion(rating);
            assert!((opinion - published).abs() < 0.01, "{rating}: {opinion} for {published}");
        }
        assert_eq!([-1.0, 101.0].map(opinion), [1.0, 4.5]);
    }
}

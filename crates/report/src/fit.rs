//! `skipbeat link --fit FILE`: estimates the parameters of a link from a trace.
//!
//! Loss: independent, simple Gilbert, and Gilbert-Elliott by expectation maximisation (Baum,
//! Petrie, Soules, Weiss 1970). The Bayesian information criterion (Schwarz 1978) chooses one.
//! Delay: uniform, shifted exponential, normal and shifted lognormal. The Kolmogorov-Smirnov
//! distance chooses one, and the correlation comes from the ranks of neighbouring delays.

use skipbeat_core::{Span, normal_cdf};

use crate::text::{percent, seconds, table};
use crate::trace::Crossing;

/// The link that fits a trace best.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The link in compact notation.
    pub link: String,
    /// The candidates and how well each fits, as tables for a terminal.
    pub text: String,
}

/// Fits a link to a trace that is sorted by `seq`. Missing sequence numbers count as lost.
///
/// # Errors
/// If the trace covers fewer than 100 or more than 50 million sequence numbers, or if a datagram
/// arrived before it was sent.
pub fn fit(trace: &[Crossing]) -> Result<Fit, String> {
    let (Some(first), Some(last)) = (trace.first(), trace.last()) else {
        return Err("the trace is empty".to_owned());
    };
    let length = last.seq - first.seq;
    if length > 50_000_000 {
        return Err(format!("the numbers span {length}: expected a sequence without large gaps"));
    }
    let mut lost = vec![true; length as usize + 1];
    for crossing in trace.iter().filter(|crossing| crossing.received_s.is_some()) {
        lost[(crossing.seq - first.seq) as usize] = false;
    }
    if lost.len() < 100 {
        return Err(format!("{} datagrams are too few, expected at least 100", lost.len()));
    }
    let (loss, mut text) = fit_loss(&lost);
    let delays: Vec<f64> = trace.iter().filter_map(|c| Some(c.received_s? - c.sent_s)).collect();
    let (delay, more) = fit_delay(&delays)?;
    text.push_str(&more);
    let link = [loss, delay].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Ok(Fit { link: link.join(","), text })
}

/// The four parameters of a Gilbert-Elliott model.
#[derive(Clone, Copy, Debug)]
struct Chain {
    p: f64,
    r: f64,
    good_loss: f64,
    bad_loss: f64,
}

fn fit_loss(lost: &[bool]) -> (String, String) {
    let n = lost.len() as f64;
    let losses = lost.iter().filter(|lost| **lost).count() as f64;
    let loss = losses / n;
    let run = {
        let begins = lost.windows(2).filter(|w| !w[0] && w[1]).count() + usize::from(lost[0]);
        (begins > 0).then(|| losses / begins as f64)
    };
    let mut rows = vec![["loss", "criterion", "parameters"].map(str::to_owned).to_vec()];
    let mut best = (f64::INFINITY, String::new());
    let mut candidate = |name: &str, likelihood: f64, parameters: f64, link: String| {
        let criterion = parameters * n.ln() - 2.0 * likelihood;
        rows.push(vec![name.to_owned(), format!("{criterion:.1}"), link.clone()]);
        if criterion < best.0 {
            best = (criterion, link);
        }
    };
    let entropy = |p: f64, count: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
    let independent = entropy(loss, losses) + entropy(1.0 - loss, n - losses);
    let link = if losses == 0.0 { String::new() } else { format!("loss={}", digits(loss)) };
    candidate("independent", independent, 1.0, link);
    if losses >= 10.0 && losses < n {
        let pairs =
            |a: bool, b: bool| lost.windows(2).filter(|w| w[0] == a && w[1] == b).count() as f64;
        let (p, r) = (
            pairs(false, true) / (pairs(false, true) + pairs(false, false)).max(1.0),
            pairs(true, false) / (pairs(true, false) + pairs(true, true)).max(1.0),
        );
        let simple = entropy(p, pairs(false, true))
            + entropy(1.0 - p, pairs(false, false))
            + entropy(r, pairs(true, false))
            + entropy(1.0 - r, pairs(true, true));
        candidate("Gilbert", simple, 2.0, format!("loss=ge(p={},r={})", digits(p), digits(r)));
        let (chain, likelihood) = expectation_maximisation(lost, p, r);
        let Chain { p, r, good_loss, bad_loss } = chain;
        let [p, r, good_loss, bad_loss] = [p, r, good_loss, bad_loss].map(digits);
        let link = format!("loss=ge(p={p},r={r},good_loss={good_loss},bad_loss={bad_loss})");
        candidate("Gilbert-Elliott", likelihood, 4.0, link);
    }
    let mean = run.map_or(String::new(), |run| format!(", mean loss run {run:.3}"));
    let text = format!(
        "{} datagrams, {} lost{mean}\n\n{}\n",
        lost.len(),
        percent(Some(loss)),
        table("loss", &rows)
    );
    (best.1, text)
}

/// The most likely chain near a first guess, and the logarithm of its likelihood.
fn expectation_maximisation(lost: &[bool], p: f64, r: f64) -> (Chain, f64) {
    let inside = |x: f64| x.clamp(1e-6, 1.0 - 1e-6);
    let mut chain = Chain {
        p: inside(p / 2.0),
        r: inside(r / 2.0),
        good_loss: inside(p / 4.0),
        bad_loss: inside(0.8),
    };
    let n = lost.len();
    let mut ahead = vec![[0.0f64; 2]; n];
    let mut scales = vec![0.0f64; n];
    let mut likelihood = f64::NEG_INFINITY;
    for _ in 0..500 {
        let Chain { p, r, good_loss, bad_loss } = chain;
        let emits = |state: usize, lost: bool| {
            let loss = [good_loss, bad_loss][state];
            if lost { loss } else { 1.0 - loss }
        };
        let moves = [[1.0 - p, p], [r, 1.0 - r]];
        let start = [r / (p + r), p / (p + r)];
        // The forward pass; the states of each step are scaled to a sum of one.
        for (t, lost) in lost.iter().enumerate() {
            let prior = |s: usize| match t {
                0 => start[s],
                _ => ahead[t - 1][0] * moves[0][s] + ahead[t - 1][1] * moves[1][s],
            };
            let raw = [prior(0) * emits(0, *lost), prior(1) * emits(1, *lost)];
            scales[t] = (raw[0] + raw[1]).max(f64::MIN_POSITIVE);
            ahead[t] = raw.map(|x| x / scales[t]);
        }
        let now: f64 = scales.iter().map(|scale| scale.ln()).sum();
        // The backward pass, which counts the expected visits, losses and changes of each state.
        let mut behind = [1.0; 2];
        let (mut changes, mut stays, mut losses, mut times) =
            ([0.0; 2], [0.0; 2], [0.0; 2], [0.0; 2]);
        for t in (0..n).rev() {
            let here = [ahead[t][0] * behind[0], ahead[t][1] * behind[1]];
            let sum = here[0] + here[1];
            for s in 0..2 {
                times[s] += here[s] / sum;
                losses[s] += if lost[t] { here[s] / sum } else { 0.0 };
            }
            if t == 0 {
                break;
            }
            let next = [emits(0, lost[t]) * behind[0], emits(1, lost[t]) * behind[1]];
            for s in 0..2 {
                let both = |to: usize| ahead[t - 1][s] * moves[s][to] * next[to] / scales[t];
                changes[s] += both(1 - s);
                stays[s] += both(s);
            }
            behind = [0, 1].map(|s| (moves[s][0] * next[0] + moves[s][1] * next[1]) / scales[t]);
        }
        chain = Chain {
            p: inside(changes[0] / (changes[0] + stays[0])),
            r: inside(changes[1] / (changes[1] + stays[1])),
            good_loss: inside(losses[0] / times[0]),
            bad_loss: inside(losses[1] / times[1]),
        };
        let better = now - likelihood;
        likelihood = now;
        if better < 1e-4 {
            break;
        }
    }
    (chain, likelihood)
}

fn fit_delay(delays: &[f64]) -> Result<(String, String), String> {
    if delays.len() < 100 {
        return Ok((String::new(), format!("{} delays are too few for a fit\n", delays.len())));
    }
    let mut sorted = delays.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let at = |q: f64| sorted[((q * n) as usize).min(sorted.len() - 1)];
    let (min, max) = (sorted[0], at(1.0));
    if min < 0.0 {
        return Err(format!(
            "a datagram arrived {} before it was sent: the clocks of both ends differ",
            seconds(Some(-min))
        ));
    }
    if max - min < 1e-9 {
        let value = text(min);
        return Ok((format!("delay={value}"), format!("every delay is {value}\n")));
    }
    let correlation = rank_correlation(delays, &sorted).min(0.999);
    let suffix = if correlation > 4.0 / n.sqrt() {
        format!(",correlation={correlation:.3}")
    } else {
        String::new()
    };
    let candidates = candidates(&sorted, &suffix);
    let distance = |cdf: &dyn Fn(f64) -> f64| {
        let gap = |(i, d): (usize, &f64)| {
            let share = cdf(*d).clamp(0.0, 1.0);
            (share - i as f64 / n).abs().max((share - (i + 1) as f64 / n).abs())
        };
        sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
    };
    let mut rows = vec![["delay", "distance", "parameters"].map(str::to_owned).to_vec()];
    let mut best = (f64::INFINITY, String::new());
    for (link, cdf) in &candidates {
        let distance = distance(cdf);
        let name = link.split('(').next().unwrap_or("");
        rows.push(vec![name.to_owned(), format!("{distance:.4}"), link.clone()]);
        if distance < best.0 {
            best = (distance, link.clone());
        }
    }
    let mut text = table("delay", &rows);
    let limit = 1.95 / n.sqrt();
    if best.0 > limit {
        text.push_str(&format!(
            "none of them fits: chance allows a distance of {limit:.4}; \
             `delay=table(file=…)` takes the delays as they are\n"
        ));
    }
    Ok((format!("delay={}", best.1), text))
}

/// A delay in compact notation, and its cumulative distribution function over seconds.
type Candidate = (String, Box<dyn Fn(f64) -> f64>);

/// Each distribution, with the parameters that fit these sorted delays.
fn candidates(sorted: &[f64], suffix: &str) -> Vec<Candidate> {
    let n = sorted.len() as f64;
    let at = |q: f64| sorted[((q * n) as usize).min(sorted.len() - 1)];
    let (min, max) = (sorted[0], at(1.0));
    let mean = sorted.iter().sum::<f64>() / n;
    let deviation = (sorted.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut candidates: Vec<Candidate> = vec![
        (
            format!("uniform(min={},max={}{suffix})", text(min), text(max)),
            Box::new(move |d| (d - min) / (max - min)),
        ),
        (
            format!("exp(min={},mean={}{suffix})", text(min), text(mean)),
            Box::new(move |d| 1.0 - (-(d - min) / (mean - min)).exp()),
        ),
        (
            format!("normal(mean={},deviation={}{suffix})", text(mean), text(deviation)),
            Box::new(move |d| normal_cdf((d - mean) / deviation)),
        ),
    ];
    // The shift of a lognormal from three quantiles: once it is subtracted, the logarithms of the
    // quantiles q and 1-q are equally far from that of the median.
    let (low, middle, high) = (at(0.05), at(0.5), at(0.95));
    let bend = low + high - 2.0 * middle;
    let shift = (low * high - middle * middle) / bend;
    let shift = shift.max(0.0);
    if bend > 0.0 && shift < min {
        let sigma = ((high - shift) / (middle - shift)).ln() / 1.644_853_626_951_472;
        candidates.push((
            format!(
                "lognormal(min={},median={},sigma={sigma:.4}{suffix})",
                text(shift),
                text(middle)
            ),
            Box::new(move |d| normal_cdf(((d - shift) / (middle - shift)).ln() / sigma)),
        ));
    }
    candidates
}

/// A span in the notation of scenarios, rounded to a microsecond if it is 1 ms or more, else to a
/// nanosecond.
fn text(seconds: f64) -> String {
    let round = if seconds < 1e-3 { 1.0 } else { 1e3 };
    Span::from_nanos(((seconds * 1e9 / round).round() * round) as u64).to_string()
}

/// A probability with four significant digits.
fn digits(p: f64) -> String {
    if p == 0.0 {
        return "0".to_owned();
    }
    let places = (3 - p.log10().floor() as i32).clamp(0, 15) as usize;
    format!("{p:.places$}")
}

/// The correlation ρ of the normal numbers behind neighbouring delays, from Spearman's rank
/// correlation of the delays, which is (6/π)·asin(ρ/2).
fn rank_correlation(delays: &[f64], sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let rank = |d: &f64| (sorted.partition_point(|x| x < d) as f64 + 0.5) / n - 0.5;
    let ranks: Vec<f64> = delays.iter().map(rank).collect();
    let product = ranks.windows(2).map(|w| w[0] * w[1]).sum::<f64>() * 12.0 / n;
    2.0 * (std::f64::consts::PI * product / 6.0).sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{crossings, draw, read_trace, write_trace};
    use skipbeat_core::Direction;
    use skipbeat_link::{DelayModel, LinkOptions, LossModel, delay, loss, read_compact};

    fn link(text: &str) -> LinkOptions {
        read_compact(text, Direction::Up, LinkOptions::default()).unwrap()
    }

    fn fitted(text: &str) -> LinkOptions {
        let spacing = Span::from_millis(20);
        let verdicts = draw(&link(text), Direction::Up, 3, 200_000, spacing, 100);
        let mut file = Vec::new();
        write_trace(&crossings(&verdicts), &mut file).unwrap();
        let trace = read_trace(&*file).unwrap();
        link(&fit(&trace).unwrap().link)
    }

    /// The trace is written to CSV and read back on the way.
    #[test]
    fn a_fit_finds_the_model_that_a_trace_was_drawn_from() {
        let near = |got: f64, expected: f64| {
            assert!((got - expected).abs() < 0.05 * expected, "{got}, expected {expected}");
        };
        let bernoulli = fitted("loss=.05,delay=exp(min=10ms,mean=30ms)");
        assert!(matches!(bernoulli.loss.model, LossModel::Bernoulli { .. }));
        near(bernoulli.loss.model.mean().unwrap(), 0.05);
        let DelayModel::Exponential(delay::Exponential { min, mean }) = bernoulli.delay.model
        else {
            panic!()
        };
        near(min.seconds(), 0.010);
        near(mean.seconds(), 0.030);
        let simple = fitted("loss=ge(p=.02,r=.25),delay=normal(mean=50ms,deviation=5ms)");
        let LossModel::GilbertElliott(loss::GilbertElliott { p, r, good_loss, bad_loss }) =
            simple.loss.model
        else {
            panic!("{:?}", simple.loss)
        };
        near(p.get(), 0.02);
        near(r.get(), 0.25);
        assert_eq!((good_loss.get(), bad_loss.get()), (0.0, 1.0));
        let DelayModel::Normal(delay::Normal { mean, deviation, .. }) = simple.delay.model else {
            panic!()
        };
        near(mean.seconds(), 0.050);
        near(deviation.seconds(), 0.005);
        let full = fitted(
            "loss=ge(p=.02,r=.05,good_loss=.01,bad_loss=.6),\
             delay=lognormal(min=5ms,median=20ms,sigma=.6,correlation=.5)",
        );
        let LossModel::GilbertElliott(loss::GilbertElliott { p, r, good_loss, bad_loss }) =
            full.loss.model
        else {
            panic!("{:?}", full.loss)
        };
        // Some 2,800 bad periods of about 20 datagrams each, and the trace doesn't show when one
        // begins.
        for (got, expected) in [(p, 0.02), (r, 0.05), (good_loss, 0.01), (bad_loss, 0.6)] {
            let got = got.get();
            assert!((got - expected).abs() < 0.15 * expected, "{got}, expected {expected}");
        }
        assert!((full.delay.correlation - 0.5).abs() < 0.05, "{}", full.delay.correlation);
        let DelayModel::Lognormal(delay::Lognormal { median, sigma, .. }) = full.delay.model else {
            panic!()
        };
        near(median.seconds(), 0.020);
        near(sigma, 0.6);
    }

    #[test]
    fn mistakes_of_a_trace_are_shown_with_their_row() {
        let read = |text: &str| read_trace(text.as_bytes()).unwrap_err();
        assert!(read("a,b\n1,2\n").contains("expected a column \"seq\""));
        assert_eq!(read("seq,sent_s,received_s\n1,x,\n"), "row 2: expected seconds, got \"x\"");
        assert!(read("seq,sent_s,received_s\n1,1,2\n1,1,2\n").contains("twice"));
        assert!(fit(&[]).is_err());
        let far = |seq| Crossing { seq, sent_s: 0.0, received_s: Some(1.0) };
        assert!(fit(&[far(0), far(u64::MAX)]).unwrap_err().contains("large gaps"));
    }
}

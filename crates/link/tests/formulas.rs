//! Every model of loss, delay, order and duplication against its closed form. Intervals follow from
//! the model and the number of datagrams; distributions are held to their quantile functions by the
//! Kolmogorov-Smirnov test.

use skipbeat_core::{Direction, Roster, Seed, Span, Time};
use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, Verdict, read_compact};

/// Any datagram: these models do not depend on it.
const FREIGHT: PacketInfo = PacketInfo { bytes: 100, class: Class::Chat };

fn options(text: &str) -> LinkOptions {
    read_compact(text, Direction::Up, LinkOptions::default())
        .unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The verdicts of `n` datagrams, one every `spacing`, on each of `links` links.
fn verdicts(options: &LinkOptions, links: u32, n: u32, spacing: Span) -> Vec<Vec<Verdict>> {
    let roster = Roster::new([links]);
    let mut all = Links::new(Seed(12), Direction::Up, [options.clone().into()], &roster);
    let judge = |link: u32| {
        let times = (0..u64::from(n)).map(|i| Time::ZERO + spacing * i);
        times.map(|now| all.judge(now, 0, link, FREIGHT)).collect()
    };
    (0..links).map(judge).collect()
}

/// Checks a figure against its closed form.
fn close(what: &str, simulated: f64, expected: f64, interval: f64) {
    println!("{what:<44} expected {expected:<12.6} simulated {simulated:<12.6} ± {interval:.6}");
    assert!((simulated - expected).abs() <= interval, "{what}: {simulated}, expected {expected}");
}

/// Checks the loss and the mean loss run of a model, both as simulated and as the model states
/// them.
fn check_loss(text: &str, loss: f64, run: Option<f64>, spacing: Span) {
    let options = options(text);
    let (links, n) = (40, 20_000);
    let all = verdicts(&options, links, n, spacing);
    let model = &options.loss.model;
    close(&format!("{text}: PL in theory"), model.mean().unwrap(), loss, 1e-9);
    let lost: usize = all.iter().flatten().filter(|v| v.arrival.is_err()).count();
    let total = f64::from(links * n);
    let variance = model.variance(spacing).unwrap();
    close(&format!("{text}: loss"), lost as f64 / total, loss, 4.0 * (variance / total).sqrt());
    let Some(run) = run else { return };
    close(&format!("{text}: run in theory"), model.mean_run(spacing).unwrap(), run, 1e-6);
    // The interval follows from how the mean run differs between links.
    let means: Vec<f64> = all.iter().map(|link| mean_run(link)).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let spread = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
    let interval = 4.0 * (spread / (means.len() * (means.len() - 1)) as f64).sqrt();
    // The runs at both ends of a link's stream are cut short, which adds run²/n.
    close(&format!("{text}: mean run"), mean, run, interval + run * run / f64::from(n));
}

/// The mean length of the runs of lost datagrams.
fn mean_run(link: &[Verdict]) -> f64 {
    let lost: Vec<bool> = link.iter().map(|v| v.arrival.is_err()).collect();
    let losses = lost.iter().filter(|lost| **lost).count();
    let begins = |w: &&[bool]| !w[0] && w[1];
    let runs = lost.windows(2).filter(begins).count() + usize::from(lost[0]);
    losses as f64 / runs as f64
}

#[test]
fn loss_and_mean_run_follow_the_models() {
    let ms = Span::from_millis(20);
    check_loss("loss=.05", 0.05, Some(1.0 / 0.95), ms);
    // Gilbert's special case, all lost in the bad state and none in the good: the mean run is 1/r.
    check_loss("loss=ge(p=.01,r=.2)", 0.01 / 0.21, Some(5.0), ms);
    // All four parameters: PL = πG·eG + πB·eB, run = PL/(PL-PLL).
    let (p, r, eg, eb) = (0.02, 0.1, 0.01, 0.7);
    let (bad, good) = (p / (p + r), r / (p + r));
    let loss = good * eg + bad * eb;
    let both = good * eg * ((1.0 - p) * eg + p * eb) + bad * eb * (r * eg + (1.0 - r) * eb);
    let text = "loss=ge(p=.02,r=.1,good_loss=.01,bad_loss=.7)";
    check_loss(text, loss, Some(loss / (loss - both)), ms);
    // The other parameters of the same model: the loss, and the mean stay in the bad state.
    check_loss("loss=ge(loss=.1,burst=4)", 0.1, Some(4.0), ms);
    // netem's four states.
    let (p13, p31, p32, p23, p14) = (0.02, 0.3, 0.1, 0.4, 0.01);
    let one = 1.0 / (1.0 + p14 + p13 / p31 * (1.0 + p32 / p23));
    let loss = one * p13 / p31 + one * p14;
    check_loss("loss=markov4(p13=.02,p31=.3,p32=.1,p23=.4,p14=.01)", loss, None, ms);
    // In continuous time: 1 s in 20 s is bad in the mean.
    check_loss("loss=get(mean_good=19s,mean_bad=1s)", 0.05, None, Span::from_millis(500));
}

#[test]
fn the_memory_of_the_continuous_time_model_fades_at_its_rates() {
    let options = options("loss=get(mean_good=4s,mean_bad=1s)");
    for spacing in [Span::from_millis(100), Span::from_secs(1), Span::from_secs(5)] {
        let all = verdicts(&options, 100, 20_000, spacing);
        let pairs = all.iter().flat_map(|link| link.windows(2));
        let (mut after_bad, mut both) = (0u32, 0u32);
        for pair in pairs {
            if pair[0].arrival.is_err() {
                after_bad += 1;
                both += u32::from(pair[1].arrival.is_err());
            }
        }
        // P(bad at t+D | bad at t) = πB + πG·exp(-(λ+μ)D).
        let expected = 0.2 + 0.8 * (-(1.25f64) * spacing.seconds()).exp();
        let n = f64::from(after_bad);
        let interval = 4.0 * (expected * (1.0 - expected) / n).sqrt();
        close(&format!("bad again after {spacing}"), f64::from(both) / n, expected, interval);
    }
}

#[test]
fn list_and_every_lose_exactly_their_datagrams() {
    let lost = |text: &str| {
        let all = verdicts(&options(text), 2, 12, Span::from_millis(1));
        assert_eq!(all[0], all[1], "every link alike");
        let indices = all[0].iter().filter(|v| v.arrival.is_err()).map(|v| v.index);
        indices.collect::<Vec<_>>()
    };
    assert_eq!(lost("loss=list(indices=[7,0,3])"), [0, 3, 7]);
    assert_eq!(lost("loss=every(n=5)"), [4, 9]);
}

/// With `only`, a model counts the datagrams of that class alone.
#[test]
fn datagrams_of_other_classes_do_not_advance_a_model() {
    let options = options("loss=every(n=3,only=[\"heartbeat\"])");
    let mut links = Links::new(Seed(1), Direction::Up, [options.into()], &Roster::new([1]));
    let mut arrives =
        |class| links.judge(Time::ZERO, 0, 0, PacketInfo { bytes: 1, class }).arrival.is_ok();
    for _ in 0..5 {
        for expected in [true, true, false] {
            assert_eq!((arrives(Class::Chat), arrives(Class::Heartbeat)), (true, expected));
        }
    }
}

/// A change of one key leaves the draws and the memory of the other stages alone.
#[test]
fn a_change_of_one_key_shifts_no_other_stage() {
    let text = "loss=ge(p=.05,r=.1),delay=exp(mean=30ms,order=preserve,correlation=.5)";
    let run = |change: bool| {
        let roster = Roster::new([1]);
        let mut links = Links::new(Seed(5), Direction::Up, [options(text).into()], &roster);
        let mut verdicts = Vec::new();
        for i in 0..2_000u64 {
            if change && i % 100 == 0 {
                links.set(0, LinkOptions { mtu: Some(1000 + i as usize), ..options(text) });
            }
            verdicts.push(links.judge(Time::ZERO + Span::from_millis(10) * i, 0, 0, FREIGHT));
        }
        verdicts
    };
    assert_eq!(run(false), run(true));
    // Preserved order holds across a change of the delay too.
    let roster = Roster::new([1]);
    let slow = options("delay=constant(value=500ms,order=preserve)");
    let mut links = Links::new(Seed(5), Direction::Up, [slow.into()], &roster);
    let first = links.judge(Time::ZERO, 0, 0, FREIGHT).arrival.unwrap();
    links.set(0, options("delay=constant(value=10ms,order=preserve)"));
    assert_eq!(links.judge(Time::ZERO, 0, 0, FREIGHT).arrival.unwrap(), first);
}

#[test]
fn raising_the_bandwidth_keeps_what_is_queued() {
    let link = |bandwidth: &str| options(&format!("rate=(bandwidth={bandwidth},bytes=3000)"));
    let roster = Roster::new([1]);
    let mut links = Links::new(Seed(1), Direction::Up, [link("3kbit").into()], &roster);
    let judge = |links: &mut Links, millis| {
        links.judge(Time::ZERO + Span::from_millis(millis), 0, 0, FREIGHT).arrival.is_ok()
    };
    assert!((0..20).all(|_| judge(&mut links, 0)), "2,000 bytes wait");
    links.set(0, link("10Mbit"));
    assert!((0..9).all(|_| judge(&mut links, 1)), "and 900 more have room");
}

#[test]
fn a_trace_starts_again_after_its_end() {
    let mut options = options("loss=trace(file=somewhere.txt)");
    let (file, model) = options.files().next().unwrap();
    assert_eq!(file, "somewhere.txt");
    model.take("1101 # the vector of RFC 3357\n1111 0001 1111").unwrap();
    let all = verdicts(&options, 1, 32, Span::from_millis(1));
    let bits: String = all[0].iter().map(|v| if v.arrival.is_err() { '0' } else { '1' }).collect();
    assert_eq!(bits, "1101111100011111".repeat(2));
    assert_eq!(options.loss.model.mean(), Some(0.25));
    let (_, model) = options.files().next().unwrap();
    assert_eq!(model.take("10\n2").unwrap_err(), "line 2: expected 0 or 1, got '2'");
}

/// The travel times of one link, sorted, in seconds.
fn travels(options: &LinkOptions, n: u32) -> Vec<f64> {
    let spacing = Span::from_millis(10);
    let all = verdicts(options, 1, n, spacing);
    let travel = |(i, v): (usize, &Verdict)| {
        v.arrival.unwrap().since(Time::ZERO + spacing * i as u64).seconds()
    };
    all[0].iter().enumerate().map(travel).collect()
}

const DELAYS: [&str; 7] = [
    "uniform(min=10ms,max=30ms",
    "exp(min=5ms,mean=25ms",
    "normal(mean=20ms,deviation=10ms,min=5ms",
    "lognormal(min=2ms,median=12ms,sigma=.9",
    "pareto(min=5ms,alpha=1.5,cap=2s",
    "pareto(min=5ms,alpha=1,cap=1s",
    "normal(mean=300us,deviation=50us",
];

/// Kolmogorov-Smirnov: the greatest distance between the distribution of n independent draws and
/// the one they are drawn from is below 1.95/√n with probability 0.999.
#[test]
fn delays_follow_their_distribution() {
    for delay in DELAYS {
        let options = options(&format!("delay={delay})"));
        let n = 50_000;
        let mut drawn = travels(&options, n);
        let mean = drawn.iter().sum::<f64>() / f64::from(n);
        let variance = drawn.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / f64::from(n);
        let asked = options.delay.mean().seconds();
        close(&format!("{delay}): mean"), mean, asked, 4.0 * (variance / f64::from(n)).sqrt());
        drawn.sort_by(f64::total_cmp);
        let distance = distance(&options, &drawn);
        assert!(distance < 1.95 / f64::from(n).sqrt(), "{delay}: {distance}");
    }
}

/// The greatest distance between the share of draws up to a quantile and the quantile's own share.
fn distance(options: &LinkOptions, sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    (1..1000)
        .map(|i| {
            let u = f64::from(i) / 1000.0;
            let at = options.delay.model.quantile(u).seconds();
            let below = sorted.partition_point(|d| *d <= at) as f64 / n;
            (below - u).abs()
        })
        .fold(0.0, f64::max)
}

/// In netem, correlation narrows the distribution; here it stays exact. With a correlation of ρ, n
/// draws are worth n(1-ρ)/(1+ρ) independent ones.
#[test]
fn correlated_delays_keep_their_distribution() {
    for delay in DELAYS {
        for rho in [0.25, 0.8] {
            let options = options(&format!("delay={delay},correlation={rho})"));
            let n = 100_000;
            let drawn = travels(&options, n);
            let mut sorted = drawn.clone();
            sorted.sort_by(f64::total_cmp);
            let independent = f64::from(n) * (1.0 - rho) / (1.0 + rho);
            let distance = distance(&options, &sorted);
            assert!(distance < 1.95 / independent.sqrt(), "{delay} ρ {rho}: {distance}");
            // Ranks do not depend on the distribution. Spearman's rank correlation of a Gaussian
            // copula is (6/π)·asin(ρ/2).
            let rank = |d: &f64| sorted.partition_point(|x| x < d) as f64 / f64::from(n) - 0.5;
            let ranks: Vec<f64> = drawn.iter().map(rank).collect();
            let product = ranks.windows(2).map(|w| w[0] * w[1]).sum::<f64>() * 12.0 / f64::from(n);
            let expected = 6.0 / std::f64::consts::PI * (rho / 2.0f64).asin();
            close(&format!("{delay} ρ {rho}: ranks"), product, expected, 4.0 / independent.sqrt());
        }
    }
}

#[test]
fn a_table_of_delays_is_its_own_distribution() {
    let mut options = options("delay=table(file=delays.txt)");
    let (_, model) = options.files().next().unwrap();
    model.take("10ms 20ms # two of them\n0.040, 80ms").unwrap();
    let quantile = |u| options.delay.model.quantile(u).seconds();
    assert_eq!((quantile(0.0), quantile(0.5)), (0.010, 0.030));
    assert_eq!(options.delay.mean(), Span::from_nanos(35_000_000));
    let n = 20_000;
    let mut drawn = travels(&options, n);
    drawn.sort_by(f64::total_cmp);
    assert!(distance(&options, &drawn) < 1.95 / f64::from(n).sqrt());
}

#[test]
fn preserved_order_delays_each_datagram_no_longer_than_needed() {
    let arrivals = |order: &str| {
        let text = format!("delay=exp(mean=50ms,order={order})");
        let all = verdicts(&options(&text), 1, 5_000, Span::from_millis(10));
        all[0].iter().map(|v| v.arrival.unwrap()).collect::<Vec<_>>()
    };
    let (free, kept) = (arrivals("free"), arrivals("preserve"));
    assert!(!free.is_sorted() && kept.is_sorted());
    let mut latest = Time::ZERO;
    for (free, kept) in free.iter().zip(&kept) {
        latest = latest.max(*free);
        assert_eq!(latest, *kept, "each waits for those before it, and no longer");
    }
}

/// The share of reordered datagrams among those that arrive. One is reordered if another that was
/// sent later arrived before it (RFC 4737, section 3).
fn reordered(text: &str, n: u32, spacing: Span) -> f64 {
    let all = verdicts(&options(text), 1, n, spacing);
    let arrived = all[0].iter().filter_map(|v| Some((v.arrival.ok()?, v.index)));
    let mut order: Vec<_> = arrived.collect();
    order.sort_unstable();
    let mut next = 0;
    let late = order.iter().filter(|(_, index)| {
        let late = *index < next;
        next = next.max(index + 1);
        late
    });
    late.count() as f64 / order.len() as f64
}

#[test]
fn the_reordered_share_follows_its_closed_forms() {
    let (n, spacing) = (200_000, Span::from_millis(10));
    // Whether a datagram is reordered depends on up to m others on each side, so n datagrams are
    // worth n/(2m+1) independent ones.
    let check = |text: &str, expected: f64, m: i32| {
        let simulated = reordered(text, n, spacing);
        let share = expected * (1.0 - expected) / f64::from(n);
        close(text, simulated, expected, 4.0 * (share * f64::from(2 * m + 1)).sqrt());
    };
    for (q, extra, m) in [(0.1f64, "25ms", 2), (0.3, "45ms", 4)] {
        let text = format!("reorder=hold(probability={q},extra={extra}),delay=5ms");
        check(&text, q * (1.0 - q.powi(m)), m);
    }
    for (q, delay, m) in [(0.1f64, "25ms", 2), (0.3, "45ms", 4)] {
        let text = format!("reorder=early(probability={q}),delay={delay}");
        check(&text, (1.0 - q) * (1.0 - (1.0 - q).powi(m)), m);
    }
    // Every fifth overtakes the two before it, so two in five are reordered.
    close("every 5th", reordered("reorder=early(every=5),delay=25ms", n, spacing), 0.4, 1e-4);
    // Jitter of width W, T ≤ W ≤ 2T: (W-T)²/(2W²).
    check("delay=uniform(min=0ms,max=15ms)", 25.0 / (2.0 * 225.0), 1);
}

#[test]
fn only_datagrams_that_survive_loss_are_duplicated_and_only_once() {
    let options = options("loss=.2,duplicate=.3");
    let n = 200_000;
    let all = verdicts(&options, 1, n, Span::from_millis(10));
    let delivered: usize = all[0]
        .iter()
        .map(|v| usize::from(v.arrival.is_ok()) + usize::from(v.copy().is_some()))
        .sum();
    assert!(all[0].iter().all(|v| v.arrival.is_ok() || v.copy().is_none()));
    // Each datagram is delivered 0, 1 or 2 times: in the mean (1-PL)(1+Pdup) times.
    let expected = 0.8 * 1.3;
    let variance = 0.8 * (0.7 + 0.3 * 4.0) - expected * expected;
    let interval = 4.0 * (variance / f64::from(n)).sqrt();
    close("delivered/sent", delivered as f64 / f64::from(n), expected, interval);
}

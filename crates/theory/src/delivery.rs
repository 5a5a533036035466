//! Who gets a message.

use skipbeat_measure::Results;

use crate::row::{H, P, Q, figure, run};
use crate::{Size, TheoryRow};

/// Receivers of a message.
const N: f64 = 9.0;

/// Nine listeners that beat and one that talks; p towards the server, q from it.
fn room(size: &Size, timeout: &str) -> Results {
    run(&format!(
        r#"
        name = "room"
        seed = 16
        warmup = "30s"
        duration = "{}s"
        [server]
        timeout = "{timeout}"
        [[group]]
        name = "talker"
        clients = 1
        chat = {{ rate = 1.0 }}
        up = {{ loss = 0.1 }}
        [[group]]
        name = "listeners"
        clients = 9
        up = {{ loss = 0.1 }}
        down = {{ loss = 0.1 }}
        "#,
        size.seconds(40_000)
    ))
}

/// The variance of one message's delivered share: one loss up hits every receiver.
fn variance() -> f64 {
    P * (1.0 - P) * (1.0 - Q).powi(2) + (1.0 - P) * Q * (1.0 - Q) / N
}

pub(crate) fn ratio(size: &Size) -> Vec<TheoryRow> {
    let delivered = (1.0 - P) * (1.0 - Q);
    let accuracy = 1.0 - P * P;
    let row = |case, form, timeout, expected, variance: f64| {
        let results = room(size, timeout);
        let messages = figure(&results.figures, "chat_sent");
        let got = figure(&results.groups[1], "delivery_ratio");
        TheoryRow::mean(case, form, expected, got, variance.sqrt(), messages)
    };
    // Membership comes and goes in spells of h/(1-p), more than a second apart from text to text:
    // each listener's absences add their own variance.
    let absence = accuracy * (1.0 - accuracy) * delivered.powi(2);
    let absence = absence * (1.0 + 2.0 * H / (1.0 - P)) / N;
    let member = "(1-p)(1-q)(1-p²)";
    vec![
        row("delivery ratio", "(1-p)(1-q)", "1000s", delivered, variance()),
        row("with auto-rejoin, T=2h", member, "10s", delivered * accuracy, variance() + absence),
    ]
}

pub(crate) fn shares(size: &Size) -> Vec<TheoryRow> {
    let results = run(&format!(
        r#"
        name = "shares"
        seed = 17
        warmup = "10s"
        duration = "{}s"
        [server]
        timeout = "1000s"
        [[group]]
        name = "g"
        clients = 9
        chat = {{ rate = 0.5 }}
        up = {{ loss = 0.1 }}
        down = {{ loss = 0.1 }}
        "#,
        size.seconds(10_000)
    ));
    let of = |name| figure(&results.figures, name);
    let messages = of("chat_sent");
    // The variance of a share in [0, 1] is itself known to √(kurtosis-1)·variance/√n; this one's
    // kurtosis, by its definition with p = q = 0.1 and n = 9, is 6.50.
    let deviation = variance() * 5.50f64.sqrt();
    let got = of("message_share_sd").powi(2);
    let form = "p(1-p)(1-q)²+(1-p)q(1-q)/n";
    let all = (1.0 - P) * (1.0 - Q).powf(N);
    vec![
        TheoryRow::mean(
            "variance of the share reached, n=9",
            form,
            variance(),
            got,
            deviation,
            messages,
        ),
        TheoryRow::share(
            "all nine receive it",
            "(1-p)(1-q)^n",
            all,
            of("complete_ratio"),
            messages,
        ),
    ]
}

//! The share of receivers that a chat message reaches.

use skipbeat_measure::Results;

use crate::row::TheoryRow;
use crate::simulation::{H, P, Q, figure, run};
use crate::size::Size;

/// The number of receivers of each message.
const N: f64 = 9.0;

/// One talker and nine listeners, with loss p towards the server and q from it.
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

/// The variance of the share that one message reaches. A loss on the way up hits all receivers at
/// once, a loss on the way down only one.
fn variance() -> f64 {
    P * (1.0 - P) * (1.0 - Q).powi(2) + (1.0 - P) * Q * (1.0 - Q) / N
}

pub(crate) fn ratio(size: &Size) -> Vec<TheoryRow> {
    let delivered = (1.0 - P) * (1.0 - Q);
    let accuracy = 1.0 - P * P;
    let row = |case, form, timeout, expected, variance: f64| {
        let results = room(size, timeout);
        let messages = figure(&results.figures, "chat_sent");
        let simulated = figure(&results.groups[1], "delivery_ratio");
        TheoryRow::mean(case, form, expected, simulated, variance.sqrt(), messages)
    };
    // With auto-rejoin a listener is now and then no member, for h/(1-p) in the mean. That spans
    // several messages, so they are not independent. Listeners are: each adds a variance of its
    // own.
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
    let metric = |name| figure(&results.figures, name);
    let messages = metric("chat_sent");
    // A sample variance has the standard error √(kurtosis-1)·variance/√n. The kurtosis of the
    // share, from its distribution with p = q = 0.1 and n = 9, is 6.50.
    let deviation = variance() * 5.50f64.sqrt();
    let simulated = metric("message_share_sd").powi(2);
    let form = "p(1-p)(1-q)²+(1-p)q(1-q)/n";
    let all = (1.0 - P) * (1.0 - Q).powf(N);
    vec![
        TheoryRow::mean(
            "variance of the share reached, n=9",
            form,
            variance(),
            simulated,
            deviation,
            messages,
        ),
        TheoryRow::share(
            "all nine receive it",
            "(1-p)(1-q)^n",
            all,
            metric("complete_ratio"),
            messages,
        ),
    ]
}

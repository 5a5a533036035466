//! Hard cases for the recorder: evictions seen late or only within a bracket of time, runs that end
//! early, and drivers that forget a datagram.

use skipbeat_core::{ClientSet, Direction, Life, Roster, Span, Time};
use skipbeat_link::Verdict;
use skipbeat_measure::{
    Columns, Doubt, Event, EvictionCause, GroupKind, Recorder, Results, RunContext, Window,
};

fn at(seconds: f64) -> Time {
    Time::ZERO + Span::from_seconds(seconds)
}

fn recorder() -> Recorder {
    let window = Window { from: at(10.0), to: at(100.0), detection: Span::from_secs(10) };
    Recorder::new(
        Roster::new([3]),
        window,
        vec![GroupKind { hostile: false, member: true, stream: false, books: None }],
    )
}

fn finish(recorder: Recorder, end: f64) -> Results {
    let context = RunContext {
        end: at(end),
        sockets: None,
        foreign: false,
        membership_seen: true,
        answers_known: false,
        server_beats: false,
        lateness: None,
        lateness_limit: Span::ZERO,
    };
    recorder.finish(context, &Columns::default())
}

fn life(recorder: &mut Recorder, seconds: f64, client: u32, life: Life) {
    recorder.record(at(seconds), Event::Life { client, life });
}

fn evicted(recorder: &mut Recorder, seconds: f64, client: u32, uncertainty: f64) {
    let uncertainty = Span::from_seconds(uncertainty);
    recorder.record(at(seconds), Event::Evicted { client, silence: None, uncertainty });
}

fn member(recorder: &mut Recorder, client: u32) {
    life(recorder, 0.0, client, Life::Up);
    recorder.record(at(1.0), Event::Joined { client });
}

#[test]
fn a_crash_within_the_bracket_of_an_eviction_is_its_cause_and_comes_first() {
    let mut recorder = recorder();
    member(&mut recorder, 0);
    life(&mut recorder, 20.0, 0, Life::Crashed);
    // The eviction was between 16 and 24 s. The middle would be before the crash.
    evicted(&mut recorder, 20.0 - 1e-3, 0, 4.0);
    let results = finish(recorder, 110.0);
    let [eviction] = results.tally.evictions()[..] else { panic!("one eviction") };
    assert_eq!(eviction.cause, EvictionCause::Crash);
    assert!(eviction.at > at(21.9) && eviction.at < at(22.1), "the middle of 20 s to 24 s");
    assert_eq!(results.figures.get("false_evictions"), Some(0.0));
}

#[test]
fn an_eviction_reported_late_has_the_cause_of_its_own_time() {
    let mut recorder = recorder();
    (0..3).for_each(|client| member(&mut recorder, client));
    // Left before the eviction, and back before it is reported.
    life(&mut recorder, 20.0, 0, Life::Left);
    life(&mut recorder, 25.0, 0, Life::Up);
    evicted(&mut recorder, 24.9, 0, 0.0);
    // Alive at the eviction, but crashed and back since.
    life(&mut recorder, 30.0, 1, Life::Crashed);
    life(&mut recorder, 30.1, 1, Life::Up);
    evicted(&mut recorder, 29.9, 1, 0.0);
    // Crashed just after the eviction.
    life(&mut recorder, 40.0, 2, Life::Crashed);
    evicted(&mut recorder, 39.9, 2, 0.0);
    let causes: Vec<_> =
        finish(recorder, 110.0).tally.evictions().iter().map(|e| e.cause).collect();
    assert_eq!(causes, [EvictionCause::Leave, EvictionCause::False, EvictionCause::False]);
}

#[test]
fn a_crashed_client_that_returns_before_its_eviction_is_censored() {
    let mut recorder = recorder();
    member(&mut recorder, 0);
    life(&mut recorder, 20.0, 0, Life::Crashed);
    life(&mut recorder, 25.0, 0, Life::Up);
    let results = finish(recorder, 110.0);
    assert_eq!(results.figures.get("eviction_latency_samples"), Some(0.0));
    assert_eq!(results.figures.get("eviction_latency_censored"), Some(1.0));
    assert_eq!(results.figures.get("eviction_latency_mean_s"), None);
}

#[test]
fn a_run_that_ends_early_measures_up_to_its_end() {
    for (end, live, crashes_seen) in [(5.0, 0.0, 0.0), (30.0, 20.0 + 10.0, 1.0), (22.0, 22.0, 0.0)]
    {
        let mut recorder = recorder();
        (0..2).for_each(|client| member(&mut recorder, client));
        if end > 20.0 {
            life(&mut recorder, 20.0, 1, Life::Crashed);
            evicted(&mut recorder, 21.0, 1, 0.0);
        }
        let results = finish(recorder, end);
        assert_eq!(results.figures.get("live_time_s"), Some(live), "ended at {end}");
        // A crash shortly before the end is left out: only a fast detection of it would be seen,
        // which is a bias.
        assert_eq!(results.figures.get("eviction_latency_samples"), Some(crashes_seen));
    }
}

#[test]
fn a_datagram_that_the_driver_forgets_makes_the_run_inconclusive() {
    let mut recorder = recorder();
    member(&mut recorder, 0);
    let verdict = Verdict::arrives(0, at(20.1));
    let (direction, client, bytes, message) = (Direction::Up, 0, 4, None);
    recorder.record(
        at(20.0),
        Event::Offered { direction, client, bytes, verdict, mangled: 0, message },
    );
    let results = finish(recorder, 110.0);
    assert_eq!(results.doubts, [Doubt::Unexplained { count: 1 }]);
    assert_eq!(results.figures.get("unexplained"), Some(1.0));
}

#[test]
fn a_message_that_is_lost_track_of_is_unexplained_for_each_receiver() {
    let mut recorder = recorder();
    let mut audience = ClientSet::new();
    for client in 0..3 {
        member(&mut recorder, client);
        audience.insert(client);
    }
    let message = skipbeat_core::MessageId { sender: 0, seq: 0 };
    recorder.record(at(20.0), Event::Chat { message, audience: &audience });
    let slot = recorder.find(message);
    let verdict = Verdict::arrives(0, at(20.1));
    let (direction, client, bytes, copy) = (Direction::Up, 0, 64, false);
    recorder.record(
        at(20.0),
        Event::Offered { direction, client, bytes, verdict, mangled: 0, message: slot },
    );
    let late = Span::ZERO;
    recorder.record(
        at(20.1),
        Event::Arrived { direction, client, index: 0, copy, late, message: slot },
    );
    let results = finish(recorder, 110.0);
    assert_eq!(results.doubts, [Doubt::Unexplained { count: 3 }]);
}

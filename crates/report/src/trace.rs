//! Traces of one link: the number, send time and arrival time of each datagram. A trace is drawn
//! from a model or read from a file of measurements.

use std::io::{Read, Write};

use skipbeat_core::{Direction, Roster, Seed, Span, Time};
use skipbeat_link::{Class, LinkOptions, Links, PacketInfo, Verdict};

/// One datagram of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Its sequence number.
    pub seq: u64,
    /// When it was sent, in seconds.
    pub sent_s: f64,
    /// When it arrived, in seconds; `None` if it was lost.
    pub received_s: Option<f64>,
}

/// Draws the verdicts of one link on `n` datagrams of `bytes` bytes each, one sent every `spacing`.
pub fn draw(
    options: &LinkOptions,
    direction: Direction,
    seed: u64,
    n: u32,
    spacing: Span,
    bytes: usize,
) -> Vec<(Time, Verdict)> {
    let roster = Roster::new([1]);
    let mut links = Links::new(Seed(seed), direction, [options.clone().into()], &roster);
    // The loss model may apply to some classes only; this is one of them.
    let class = options.loss.only.first().copied().unwrap_or(Class::Chat);
    let packet = PacketInfo { bytes, class };
    let times = (0..u64::from(n)).map(|i| Time::ZERO + spacing * i);
    times.map(|now| (now, links.judge(now, 0, 0, packet))).collect()
}

/// Turns verdicts into a trace; duplicates are left out.
pub fn crossings(verdicts: &[(Time, Verdict)]) -> Vec<Crossing> {
    let crossing = |(sent, verdict): &(Time, Verdict)| Crossing {
        seq: verdict.index.into(),
        sent_s: sent.seconds(),
        received_s: verdict.arrival.ok().map(Time::seconds),
    };
    verdicts.iter().map(crossing).collect()
}

/// Writes a trace as CSV.
///
/// # Errors
/// If `out` can't be written to.
pub fn write_trace(trace: &[Crossing], out: impl Write) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["seq", "sent_s", "received_s"])?;
    for Crossing { seq, sent_s, received_s } in trace {
        let received = received_s.map_or(String::new(), |at| at.to_string());
        csv.write_record([seq.to_string(), sent_s.to_string(), received])?;
    }
    csv.flush()?;
    Ok(())
}

/// Reads a trace: a CSV file with the columns `seq`, `sent_s` and `received_s`. A datagram was lost
/// if its `received_s` is empty or its number is missing. The trace returned is sorted by `seq`.
///
/// ```
/// let csv = "seq,sent_s,received_s\n1,0.0,0.05\n2,0.02,\n";
/// let trace = skipbeat_report::read_trace(csv.as_bytes()).unwrap();
/// assert_eq!(trace[0].received_s, Some(0.05));
/// assert_eq!(trace[1].received_s, None);
/// ```
///
/// # Errors
/// A message that says what is wrong, and in which row.
pub fn read_trace(input: impl Read) -> Result<Vec<Crossing>, String> {
    let mut csv = csv::Reader::from_reader(input);
    let head = csv.headers().map_err(|e| e.to_string())?.clone();
    let column = |name: &str| {
        let place = head.iter().position(|column| column.trim() == name);
        place.ok_or_else(|| {
            format!(
                "expected a column {name:?}, got {}",
                head.iter().collect::<Vec<_>>().join(", ")
            )
        })
    };
    let (seq, sent, received) = (column("seq")?, column("sent_s")?, column("received_s")?);
    let mut trace = Vec::new();
    for (number, row) in (2..).zip(csv.records()) {
        let row = row.map_err(|e| e.to_string())?;
        let cell = |column: usize| row.get(column).unwrap_or("").trim();
        let time = |column: usize| {
            let time = cell(column).parse().ok().filter(|t: &f64| t.is_finite());
            time.ok_or_else(|| format!("row {number}: expected seconds, got {:?}", cell(column)))
        };
        let seq = cell(seq)
            .parse()
            .map_err(|_| format!("row {number}: expected a number, got {:?}", cell(seq)))?;
        let received_s = if cell(received).is_empty() { None } else { Some(time(received)?) };
        trace.push(Crossing { seq, sent_s: time(sent)?, received_s });
    }
    trace.sort_by_key(|crossing| crossing.seq);
    if trace.windows(2).any(|pair| pair[0].seq == pair[1].seq) {
        return Err("a number appears twice: leave out the copies".to_owned());
    }
    Ok(trace)
}

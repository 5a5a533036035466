//! Media: frames at a constant rate from talkers to all members. A receiver plays each frame at its
//! time, and has no use for what arrives later. The metrics say how much has to be concealed, and
//! what people think of the result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{
    Average, ClientId, ClientSet, Life, Measure, MessageId, ScalarOrTable, Span, Stream, Time,
    Unit, schema,
};
use skipbeat_protocol::Tag;

use crate::arrivals::{checked_rate, checked_size};
use crate::emodel::{self, Equipment};
use crate::kind::ratio;
use crate::{Additive, Arrivals, Books, Reached, Saying, Word, WorkloadContext, WorkloadModel};

/// What talkers send, and when receivers play it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "MediaTable")]
pub struct Media {
    /// How many clients of the group talk. All clients listen, those of other groups too.
    pub talkers: u32,
    /// Frames per second of each talker, above zero.
    pub rate: f64,
    /// Datagrams of a frame, 1 to 255. A frame needs all of them.
    pub datagrams: u32,
    /// The size of a datagram in bytes, 47 to 65,000. It begins with a tag of 47 bytes.
    pub size: usize,
    /// When a receiver plays a frame.
    pub playout: Playout,
    /// The codec of the speech, whose quality is estimated.
    pub codec: Codec,
}

/// One talker in a conversation: frames of 20 ms of uncompressed speech.
impl Default for Media {
    fn default() -> Self {
        Media {
            talkers: 1,
            rate: 50.0,
            datagrams: 1,
            size: 160,
            playout: Playout::Fixed(Span::from_millis(60)),
            codec: Codec::G711Plc,
        }
    }
}

/// When a receiver plays a frame, counted from when it was due at the talker.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScalarOrTable<Span, AdaptiveTable>", rename_all = "kebab-case")]
pub enum Playout {
    /// After a fixed time.
    Fixed(Span),
    /// After the mean transit time and this many times the jitter (RFC 3550, 6.4.1), both as
    /// estimated a second ago. Ramjee et al. (INFOCOM 1994) adapt in this way between two
    /// talkspurts.
    Adaptive(f64),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a time, or `{ adaptive = 4 }`")]
struct AdaptiveTable {
    /// How many times the jitter to wait beyond the mean transit time, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    adaptive: f64,
}

impl TryFrom<ScalarOrTable<Span, AdaptiveTable>> for Playout {
    type Error = String;

    fn try_from(form: ScalarOrTable<Span, AdaptiveTable>) -> Result<Self, String> {
        match form {
            ScalarOrTable::Scalar(delay) => Ok(Playout::Fixed(delay)),
            ScalarOrTable::Table(AdaptiveTable { adaptive })
                if (0.0..=100.0).contains(&adaptive) =>
            {
                Ok(Playout::Adaptive(adaptive))
            }
            ScalarOrTable::Table(AdaptiveTable { adaptive }) => {
                Err(format!("expected 0 to 100 times the jitter, got {adaptive}"))
            }
        }
    }
}

/// Speech codecs, with the values of ITU-T G.113, appendix I.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// No speech: no quality is estimated.
    None,
    /// G.711 without concealment of lost packets.
    G711,
    /// G.711 with the concealment of its appendix I.
    G711Plc,
    /// G.729A with voice activity detection.
    G729a,
    /// G.723.1 at 6.3 kbit/s with voice activity detection.
    G7231,
}

impl Codec {
    /// Its effect on speech, and its look-ahead in milliseconds.
    fn equipment(self) -> Option<(Equipment, f64)> {
        let of = |impairment, robustness| Equipment { impairment, robustness };
        match self {
            Codec::None => None,
            Codec::G711 => Some((of(0.0, 4.3), 0.0)),
            Codec::G711Plc => Some((of(0.0, 25.1), 0.0)),
            Codec::G729a => Some((of(11.0, 19.0), 5.0)),
            Codec::G7231 => Some((of(15.0, 16.1), 7.5)),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ talkers, rate, playout, … }`")]
struct MediaTable {
    /// How many clients of the group talk, from 1; default 1. All of them listen.
    #[schemars(range(min = 1))]
    talkers: Option<u32>,
    /// Frames per second of each talker, above 0 and up to 10⁶; default 50.
    #[schemars(transform = schema::rate)]
    rate: Option<f64>,
    /// Datagrams of a frame, 1 to 255; default 1.
    #[schemars(range(min = 1, max = 255))]
    datagrams: Option<u32>,
    /// Bytes of a datagram, 47 to 65,000; default 160. It begins with a tag of 47 bytes.
    #[schemars(range(min = Tag::LEN, max = 65_000))]
    size: Option<usize>,
    /// When a frame is played, from when it was due at the talker: a time, or
    /// `{ adaptive = 4 }` for the mean transit and so many times the jitter. Default `"60ms"`.
    playout: Option<Playout>,
    /// Whose speech it is, for the estimate of its quality; default `"g711-plc"`, and `"none"` with
    /// several datagrams a frame.
    codec: Option<Codec>,
}

impl TryFrom<MediaTable> for Media {
    type Error = String;

    fn try_from(table: MediaTable) -> Result<Self, String> {
        let default = Media::default();
        let talkers = table.talkers.unwrap_or(default.talkers);
        let datagrams = table.datagrams.unwrap_or(default.datagrams);
        if talkers == 0 {
            return Err("expected at least one talker".to_owned());
        }
        if !(1..=255).contains(&datagrams) {
            return Err(format!("expected 1 to 255 datagrams a frame, got {datagrams}"));
        }
        let no_speech = if datagrams > 1 { Codec::None } else { default.codec };
        Ok(Media {
            talkers,
            rate: checked_rate("frame", table.rate.unwrap_or(default.rate))?,
            datagrams,
            size: checked_size("datagram", table.size.unwrap_or(default.size))?,
            playout: table.playout.unwrap_or(default.playout),
            codec: table.codec.unwrap_or(no_speech),
        })
    }
}

impl WorkloadModel for Media {
    type Books = Room;

    fn first_gap(&self, stream: Stream, draw: u64) -> Span {
        Arrivals::Periodic.first_gap(self.rate, stream, draw)
    }

    #[inline]
    fn gap(&self, stream: Stream, draw: u64) -> Span {
        Arrivals::Periodic.gap(self.rate, stream, draw)
    }

    fn saying(&self) -> Saying {
        Saying { word: Word::Text, size: self.size }
    }

    fn at_once(&self) -> u32 {
        self.datagrams
    }

    fn talkers(&self) -> u32 {
        self.talkers
    }

    fn needs_order(&self) -> bool {
        true
    }

    fn books(&self, WorkloadContext { group, clients, .. }: WorkloadContext) -> Room {
        let talkers = self.talkers.min(group.len() as u32);
        Room {
            media: *self,
            first: group.start,
            clients: clients as usize,
            frames: vec![None; talkers as usize],
            up: ClientSet::with_room(clients),
            streams: vec![Stretch::default(); talkers as usize * clients as usize],
            tally: MediaTally::default(),
        }
    }
}

/// The books: what receivers play from the talkers of a group.
#[derive(Clone, Debug)]
pub struct Room {
    media: Media,
    first: ClientId,
    clients: usize,
    /// By talker: its frames so far that are due in the measured time.
    frames: Vec<Option<Frames>>,
    /// The receivers of the last frame.
    up: ClientSet,
    /// By talker and receiver.
    streams: Vec<Stretch>,
    tally: MediaTally,
}

/// The frames of a talker, as receivers expect them.
#[derive(Clone, Copy, Debug)]
struct Frames {
    first: u32,
    /// One past the last.
    end: u32,
    /// When the last was due.
    due: Time,
}

impl Frames {
    /// One past the last frame that should have been played by now.
    fn played(&self, now: Time, media: &Media) -> u32 {
        let patience = match media.playout {
            Playout::Fixed(delay) => delay,
            // An adaptive receiver may choose any delay; more than this is rare.
            Playout::Adaptive(_) => Span::from_secs(1),
        };
        let open = patience.saturating_sub(now.since(self.due)).seconds() * media.rate;
        self.end.saturating_sub(open.ceil() as u32).max(self.first)
    }
}

/// How many frames a receiver keeps track of. A frame that is not whole this many frames later is
/// lost.
const REACH: u32 = 64;

/// The frames of one talker at one receiver.
#[derive(Clone, Debug)]
struct Stretch {
    /// The first frame that is not judged yet; `None` if no frame is known.
    next: Option<u32>,
    /// One above the highest frame of which something arrived.
    seen: u32,
    /// Datagrams that arrived of each frame from `next`, by its number modulo [`REACH`].
    arrived: [u8; REACH as usize],
    /// A bit for each of these frames: whether one of its datagrams was late.
    late: u64,
    /// Consecutive frames concealed up to now.
    run: u64,
    /// The playout delay and the second of the run for which it was chosen; `before` is the delay
    /// before that one.
    playout: Option<(u64, Span)>,
    before: Span,
    /// The mean transit time, the jitter and the last transit time, in seconds.
    transit: f64,
    jitter: f64,
    last: Option<f64>,
}

impl Default for Stretch {
    fn default() -> Self {
        Stretch {
            next: None,
            seen: 0,
            arrived: [0; REACH as usize],
            late: 0,
            run: 0,
            playout: None,
            before: Span::ZERO,
            transit: 0.0,
            jitter: 0.0,
            last: None,
        }
    }
}

impl Stretch {
    /// The time from when a frame was due to when it is played. Adaptive receivers choose a new one
    /// each second.
    fn playout(
        &mut self,
        planned: Time,
        transit: Span,
        media: &Media,
        tally: &mut MediaTally,
    ) -> Span {
        let factor = match media.playout {
            Playout::Fixed(delay) => return delay,
            Playout::Adaptive(factor) => factor,
        };
        let second = planned.nanos() / 1_000_000_000;
        match self.playout {
            Some((of, _)) if second < of => return self.before,
            Some((of, delay)) if second == of => return delay,
            _ => {}
        }
        // For the first frame of all only its own transit time is known.
        let delay = match self.last {
            Some(_) => Span::from_seconds((self.transit + factor * self.jitter).max(0.0)),
            None => transit,
        };
        self.before = self.playout.map_or(delay, |(_, before)| before);
        self.playout = Some((second, delay));
        tally.playouts += 1;
        tally.playout_sum += u128::from(delay.nanos());
        delay
    }

    /// Updates the estimates with the transit time of a datagram, in seconds.
    fn estimate(&mut self, transit: f64) {
        match self.last.replace(transit) {
            None => self.transit = transit,
            Some(last) => {
                self.transit += (transit - self.transit) / 16.0;
                self.jitter += ((transit - last).abs() - self.jitter) / 16.0;
            }
        }
    }

    /// A datagram of a frame arrives.
    fn arrive(&mut self, frame: u32, late: bool, datagrams: u32, tally: &mut MediaTally) {
        let next = self.next.unwrap_or(frame);
        if frame < next {
            // It was not there in time, so it has been concealed already.
            if datagrams == 1 {
                tally.lost = tally.lost.saturating_sub(1);
                tally.late += 1;
            }
            return;
        }
        self.judge(frame.saturating_sub(REACH - 1), datagrams, tally);
        self.seen = self.seen.max(frame + 1);
        let slot = frame % REACH;
        self.arrived[slot as usize] = self.arrived[slot as usize].saturating_add(1);
        self.late |= u64::from(late) << slot;
    }

    /// Judges all frames below this one.
    fn judge(&mut self, until: u32, datagrams: u32, tally: &mut MediaTally) {
        while let Some(frame) = self.next.filter(|next| *next < until) {
            let slot = frame % REACH;
            let arrived = std::mem::take(&mut self.arrived[slot as usize]);
            let whole = u32::from(arrived) == datagrams;
            let late = self.late >> slot & 1 == 1;
            self.late &= !(1 << slot);
            self.next = Some(frame + 1);
            match (whole, late) {
                (true, false) => {
                    tally.played += 1;
                    self.end_run(tally);
                    continue;
                }
                (true, true) => tally.late += 1,
                (false, _) => tally.lost += 1,
            }
            self.run += 1;
        }
    }

    /// Ends a run of concealed frames.
    fn end_run(&mut self, tally: &mut MediaTally) {
        if self.run > 0 {
            tally.runs += 1;
            tally.longest = tally.longest.max(self.run);
            tally.concealed += self.run;
            self.run = 0;
        }
    }
}

impl Room {
    /// The index of the talker of a datagram, and the frame that it belongs to.
    fn frame(&self, message: MessageId) -> (usize, u32) {
        ((message.sender - self.first) as usize, message.seq / self.media.datagrams)
    }
}

impl Books for Room {
    type Tally = MediaTally;

    const METRICS: &'static [Measure<MediaTally>] = &[
        Measure::<MediaTally>::number(
            "frames_expected",
            Unit::Count,
            "frames expected",
            "frames of the window × receivers that were up, their talkers apart",
            |t| Some(t.frames() as f64),
        )
        .rank(60),
        Measure::<MediaTally>::number(
            "frames_lost_ratio",
            Unit::Ratio,
            "frames lost",
            "share of the expected frames that never came whole",
            |t| ratio(t.lost, t.frames()),
        )
        .note("A frame of several datagrams that is whole only 64 frames later counts as lost.")
        .lower(),
        Measure::<MediaTally>::number(
            "frames_late_ratio",
            Unit::Ratio,
            "frames too late",
            "share of the expected frames that came after they were to be played",
            |t| ratio(t.late, t.frames()),
        )
        .lower()
        .rank(61),
        Measure::<MediaTally>::number(
            "concealed_ratio",
            Unit::Ratio,
            "frames concealed",
            "share of the expected frames that were not there in time: lost or late",
            |t| ratio(t.lost + t.late, t.frames()),
        )
        .lower()
        .rank(62),
        Measure::<MediaTally>::number(
            "concealed_run_mean",
            Unit::Number,
            "run of concealed frames, mean",
            "mean run of consecutive frames concealed at a receiver",
            |t| ratio(t.concealed, t.runs),
        )
        .lower()
        .rank(63),
        Measure::<MediaTally>::number(
            "concealed_run_max",
            Unit::Number,
            "run of concealed frames, longest",
            "the longest of those runs",
            |t| (t.runs > 0).then_some(t.longest as f64),
        )
        .lower(),
        Measure::<MediaTally>::number(
            "playout_delay_mean_s",
            Unit::Seconds,
            "playout delay, mean",
            "from when a frame was due to when it is played, mean over receivers and seconds",
            |t| t.playout_s(),
        )
        .lower()
        .rank(64),
        Measure::<MediaTally>::number(
            "media_jitter_s",
            Unit::Seconds,
            "jitter of streams",
            "interarrival jitter of a stream, mean over streams at the end",
            |t| t.jitter.mean(),
        )
        .source("RFC 3550, 6.4.1")
        .lower(),
        Measure::<MediaTally>::number(
            "r_factor",
            Unit::Number,
            "R-factor of speech",
            "transmission rating of the speech, 0 to 100: 93 is best, below 50 nearly all are dissatisfied",
            |t| t.rating(),
        )
        .note(
            "Delay from mouth to ear: playout delay, a frame, and the codec's look-ahead. Loss: \
             `concealed_ratio`. Burst ratio: `concealed_run_mean` · (1 - `concealed_ratio`), at \
             least 1. All else has the defaults of G.107, codecs the values of G.113, appendix I. \
             Empty where groups with different codecs, rates or playout are taken together.",
        )
        .source("ITU-T G.107, 06/2015")
        .higher()
        .rank(65),
        Measure::<MediaTally>::number(
            "mos",
            Unit::Number,
            "mean opinion score",
            "mean opinion score that is expected of that rating, 1 to 4.5",
            |t| t.rating().map(emodel::opinion),
        )
        .source("ITU-T G.107, annex B")
        .higher()
        .rank(66),
    ];

    fn due(&mut self, due: Time, message: MessageId, to: Option<&ClientSet>) {
        let (talker, frame) = self.frame(message);
        let Some(frames) = self.frames.get_mut(talker) else { return };
        match frames {
            Some(frames) => (frames.end, frames.due) = (frame + 1, due),
            None => *frames = Some(Frames { first: frame, end: frame + 1, due }),
        }
        if let Some(to) = to.filter(|to| self.up != **to) {
            self.up.clone_from(to);
        }
    }

    fn reached(&mut self, Reached { at, planned, message, to }: Reached) {
        let (talker, frame) = self.frame(message);
        if to == message.sender || talker >= self.frames.len() {
            return;
        }
        let stream = &mut self.streams[talker * self.clients + to as usize];
        if stream.next.is_none() {
            stream.next = self.frames[talker].map(|frames| frames.first);
        }
        let transit = at.since(planned);
        let playout = stream.playout(planned, transit, &self.media, &mut self.tally);
        stream.estimate(transit.seconds());
        stream.arrive(frame, transit > playout, self.media.datagrams, &mut self.tally);
    }

    fn life(&mut self, _: Time, client: ClientId, life: Life) {
        for (talker, frames) in self.frames.iter().enumerate() {
            let stream = &mut self.streams[talker * self.clients + client as usize];
            // Frames of which it had received nothing when it went away are not counted.
            stream.judge(stream.seen, self.media.datagrams, &mut self.tally);
            stream.end_run(&mut self.tally);
            let next = frames.map(|frames| frames.end).filter(|_| life == Life::Up);
            *stream = Stretch { next, ..Stretch::default() };
        }
    }

    fn tally(&self, now: Time) -> MediaTally {
        let mut tally = MediaTally { speech: Some(Speech::of(&self.media)), ..self.tally.clone() };
        for (talker, frames) in self.frames.iter().enumerate() {
            let Some(frames) = frames else { continue };
            let own = self.first + talker as ClientId;
            for receiver in self.up.iter().filter(|receiver| *receiver != own) {
                let mut stream = self.streams[talker * self.clients + receiver as usize].clone();
                stream.next.get_or_insert(frames.first);
                stream.judge(frames.played(now, &self.media), self.media.datagrams, &mut tally);
                stream.end_run(&mut tally);
                if stream.last.is_some() {
                    tally.jitter.record(stream.jitter);
                }
            }
        }
        tally
    }
}

/// What a rating of speech depends on besides the sums.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Speech {
    codec: Codec,
    /// Frames per second.
    rate: f64,
    /// The playout delay; `None` if receivers adapt.
    fixed_playout: Option<Span>,
}

impl Speech {
    fn of(media: &Media) -> Self {
        let fixed_playout = match media.playout {
            Playout::Fixed(delay) => Some(delay),
            Playout::Adaptive(_) => None,
        };
        Speech { codec: media.codec, rate: media.rate, fixed_playout }
    }
}

/// The sums of the streams of one or several groups.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaTally {
    speech: Option<Speech>,
    /// Whether groups with different speech were added. Then there is no rating.
    mixed: bool,
    played: u64,
    late: u64,
    lost: u64,
    /// Runs of concealed frames, the number of frames in them, and the length of the longest run.
    runs: u64,
    concealed: u64,
    longest: u64,
    /// How often an adaptive receiver chose a playout delay, and the sum of these delays in
    /// nanoseconds.
    playouts: u64,
    #[serde(with = "skipbeat_core::decimal")]
    playout_sum: u128,
    /// The jitter of each stream, in seconds.
    jitter: Average,
}

impl Additive for MediaTally {
    fn add(&mut self, other: &MediaTally) {
        let differ = |(mine, theirs)| mine != theirs;
        self.mixed |= other.mixed || self.speech.zip(other.speech).is_some_and(differ);
        self.speech = self.speech.or(other.speech);
        self.played += other.played;
        self.late += other.late;
        self.lost += other.lost;
        self.runs += other.runs;
        self.concealed += other.concealed;
        self.longest = self.longest.max(other.longest);
        self.playouts += other.playouts;
        self.playout_sum += other.playout_sum;
        self.jitter.add(&other.jitter);
    }
}

impl MediaTally {
    fn frames(&self) -> u64 {
        self.played + self.late + self.lost
    }

    /// The mean time from when a frame was due to when it is played, in seconds.
    fn playout_s(&self) -> Option<f64> {
        let speech = self.speech.filter(|_| !self.mixed)?;
        let chosen = || self.playout_sum as f64 / self.playouts as f64 / 1e9;
        let adapted = (self.playouts > 0).then(chosen);
        speech.fixed_playout.map_or(adapted, |delay| Some(delay.seconds()))
    }

    /// The rating for the mean loss and delay of all streams. The delay from mouth to ear is the
    /// length of a frame, the look-ahead of the codec and the playout delay.
    fn rating(&self) -> Option<f64> {
        let speech = self.speech.filter(|_| !self.mixed)?;
        let (equipment, lookahead_ms) = speech.codec.equipment()?;
        let loss = ratio(self.late + self.lost, self.frames())?;
        let delay_ms = 1e3 * (self.playout_s()? + 1.0 / speech.rate) + lookahead_ms;
        // The mean run of random losses is 1 / (1 - loss).
        let run = ratio(self.concealed, self.runs).unwrap_or(1.0);
        let burst_ratio = (run * (1.0 - loss)).max(1.0);
        Some(emodel::rating(delay_ms, equipment, loss, burst_ratio).clamp(0.0, 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clients, the first of which talks; both listen from the start.
    fn room(media: Media) -> Room {
        let window = Time::ZERO..Time::ZERO + Span::from_secs(100);
        let mut room =
            media.books(WorkloadContext { group: 0..2, clients: 2, window, server_tells: true });
        (0..2).for_each(|client| room.life(Time::ZERO, client, Life::Up));
        room
    }

    /// The talker's frames are due every 20 ms. Each datagram arrives at the other client after
    /// this many milliseconds, if at all, and at the talker at once.
    fn play(room: &mut Room, transits_ms: &[Option<u64>]) -> MediaTally {
        let each = room.media.datagrams;
        let due = |seq: u32| Time::ZERO + Span::from_millis(20 * u64::from(seq / each));
        let both: ClientSet = [0, 1].into_iter().collect();
        let mut arrivals = Vec::new();
        for (seq, transit) in (0..).zip(transits_ms) {
            let (planned, message) = (due(seq), MessageId { sender: 0, seq });
            room.due(planned, message, Some(&both));
            room.reached(Reached { at: planned, planned, message, to: 0 });
            let at = transit.map(|transit| planned + Span::from_millis(transit));
            arrivals.extend(at.map(|at| Reached { at, planned, message, to: 1 }));
        }
        arrivals.sort_by_key(|reached| reached.at);
        arrivals.into_iter().for_each(|reached| room.reached(reached));
        room.tally(Time::NEVER)
    }

    #[test]
    fn what_is_lost_or_comes_too_late_is_concealed_and_stands_in_runs() {
        let on_time = Some(10);
        let late = Some(61);
        let transits = [on_time, None, late, late, on_time, on_time, None, on_time];
        let tally = play(&mut room(Media::default()), &transits);
        assert_eq!((tally.frames(), tally.played, tally.late, tally.lost), (8, 4, 2, 2));
        assert_eq!((tally.runs, tally.concealed, tally.longest), (2, 4, 3));
        assert_eq!(tally.playout_s(), Some(0.06));
        assert!(tally.rating().is_some_and(|rating| rating < 50.0), "half of it is missing");
    }

    #[test]
    fn what_is_still_to_be_played_is_not_judged() {
        let mut room = room(Media::default());
        play(&mut room, &[Some(10), Some(10), None, None, None]);
        // The last is due at 80 ms, and those that are due at 60 ms or later are not played yet.
        let tally = room.tally(Time::ZERO + Span::from_millis(119));
        assert_eq!((tally.played, tally.lost), (2, 1));
    }

    #[test]
    fn a_frame_is_of_use_when_all_its_datagrams_came_in_time() {
        let media = Media { datagrams: 2, codec: Codec::None, ..Media::default() };
        let transits = [Some(5), Some(6), Some(5), None, Some(5), Some(99), None, None];
        let tally = play(&mut room(media), &transits);
        assert_eq!((tally.played, tally.late, tally.lost), (1, 1, 2));
        assert_eq!((tally.longest, tally.rating()), (3, None));
    }

    #[test]
    fn what_comes_after_all_is_late_and_not_lost() {
        // The second frame comes a hundred frames later.
        let mut transits = vec![Some(10); 120];
        transits[1] = Some(2000);
        let tally = play(&mut room(Media::default()), &transits);
        assert_eq!((tally.played, tally.late, tally.lost, tally.runs), (119, 1, 0, 1));
    }

    #[test]
    fn a_receiver_that_adapts_follows_the_transit_and_leaves_room_for_its_jitter() {
        let media = Media { playout: Playout::Adaptive(4.0), ..Media::default() };
        // 100 ms ± 10 ms for ten seconds: the jitter is 20 ms.
        let transits: Vec<_> = (0..500).map(|n| Some(if n % 2 == 0 { 90 } else { 110 })).collect();
        let mut room = room(media);
        let tally = play(&mut room, &transits);
        assert!(tally.late <= 25, "{}: only of the first second", tally.late);
        let (_, playout) = room.streams[1].playout.unwrap();
        assert!((playout.seconds() - (0.1 + 4.0 * 0.02)).abs() < 0.01, "{playout}");
    }

    #[test]
    fn what_a_receiver_misses_that_is_away_is_not_counted() {
        let mut room = room(Media::default());
        play(&mut room, &[Some(10); 5]);
        room.life(Time::ZERO + Span::from_secs(1), 1, Life::Crashed);
        let only: ClientSet = [0].into_iter().collect();
        for seq in 5..10 {
            room.due(Time::ZERO + Span::from_secs(2), MessageId { sender: 0, seq }, Some(&only));
        }
        let tally = room.tally(Time::NEVER);
        assert_eq!((tally.played, tally.lost), (5, 0));
    }
}

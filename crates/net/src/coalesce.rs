//! Puts datagrams to one address into few messages: texts that were queued together are sorted by
//! length, since the datagrams of a message must have equal lengths. Receivers get the same bytes,
//! and the texts of one speaker stay in order. Those of different speakers may change places, since
//! none of them can have read the others' texts yet.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use skipbeat_server::PeerId;

use skipbeat_sys::ByteRange;

/// The most bytes of one message: the longest UDP payload there is over IPv4 (RFC 768, RFC 791).
const MOST_BYTES: usize = 65_507;

/// An order of texts in which those of equal length are together, and shorter ones come after
/// longer ones. `texts` has the speaker and the length of each. Returns their indices.
pub(crate) fn arrange(texts: &[(Option<PeerId>, usize)]) -> Vec<usize> {
    // A text that is longer than an earlier one of the same speaker goes into a later round.
    let mut last: HashMap<Option<PeerId>, (u32, usize)> = HashMap::new();
    let mut order: Vec<(u32, Reverse<usize>, usize)> = Vec::with_capacity(texts.len());
    let mut highest = 0;
    for (index, &(speaker, length)) in texts.iter().enumerate() {
        let (round, longest) = last.get(&speaker).copied().unwrap_or((0, usize::MAX));
        let round = match speaker {
            // What the server itself says, above all its `bye`, must come after all earlier texts.
            None => highest + 1,
            Some(_) => round + u32::from(length > longest),
        };
        highest = highest.max(round);
        last.insert(speaker, (round, length));
        order.push((round, Reverse(length), index));
    }
    order.sort_unstable();
    order.into_iter().map(|(.., index)| index).collect()
}

/// Cuts datagrams to one address, in their order, into messages of up to `most`: of equal length,
/// but the last may be shorter.
pub(crate) fn runs(ranges: &[ByteRange], most: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let length = |n: usize| (ranges[n].1 - ranges[n].0) as usize;
    let mut start = 0;
    std::iter::from_fn(move || {
        let segment = (start < ranges.len()).then(|| length(start))?;
        let (mut end, mut bytes) = (start + 1, segment);
        // An empty datagram can't share a message: it would take no bytes in it.
        while segment > 0 && end < ranges.len() && end - start < most {
            let next = length(end);
            if next == 0 || next > segment || bytes + next > MOST_BYTES {
                break;
            }
            (end, bytes) = (end + 1, bytes + next);
            if next < segment {
                break;
            }
        }
        let run = start..end;
        start = end;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(lengths: &[usize]) -> Vec<ByteRange> {
        let ends = lengths.iter().scan(0, |end, length| {
            *end += *length as u32;
            Some(*end)
        });
        ends.zip(lengths).map(|(end, length)| (end - *length as u32, end)).collect()
    }

    #[test]
    fn equal_lengths_share_a_message_and_a_shorter_one_ends_it() {
        let cut = |lengths: &[usize], most| runs(&ranges(lengths), most).collect::<Vec<_>>();
        assert_eq!(cut(&[60, 60, 60, 61], 64), [0..3, 3..4]);
        assert_eq!(cut(&[60, 60, 59, 59, 60], 64), [0..3, 3..4, 4..5]);
        assert_eq!(cut(&[60, 60, 60], 2), [0..2, 2..3]);
        assert_eq!(cut(&[60, 0, 60], 64), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&[40_000, 40_000], 64), [0..1, 1..2]);
    }

    #[test]
    fn texts_of_equal_length_come_together_but_those_of_one_speaker_stay_in_order() {
        let by = |speaker, length| (Some(speaker), length);
        let order = arrange(&[by(1, 60), by(2, 61), by(3, 60), by(1, 61), by(4, 61)]);
        assert_eq!(order, [1, 4, 0, 2, 3]);
        let order = arrange(&[by(1, 60), by(1, 61), (None, 3)]);
        assert_eq!(order, [0, 1, 2], "the server's `bye` is the last");
    }

    proptest! {
        #[test]
        fn messages_are_what_the_kernel_takes_and_nothing_is_lost(
            lengths in prop::collection::vec(
                prop_oneof![0..4usize, 50..53usize, 1000..3000usize],
                0..200,
            ),
            most in 1..=64usize,
        ) {
            let ranges = ranges(&lengths);
            let mut next = 0;
            for run in runs(&ranges, most) {
                prop_assert_eq!(run.start, next);
                next = run.end;
                let lengths = &lengths[run];
                let (last, others) = lengths.split_last().unwrap();
                prop_assert!(lengths.len() <= most);
                prop_assert!(lengths.iter().sum::<usize>() <= MOST_BYTES);
                prop_assert!(others.iter().all(|length| *length == lengths[0]));
                prop_assert!(others.is_empty() || (1..=lengths[0]).contains(last));
            }
            prop_assert_eq!(next, ranges.len());
        }

        #[test]
        fn texts_of_one_speaker_stay_in_order(
            texts in prop::collection::vec((prop::option::of(0..5u32), 50..54usize), 0..60),
        ) {
            let order = arrange(&texts);
            let mut seen = order.clone();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..texts.len()), "each once");
            for speaker in std::iter::once(None).chain((0..5).map(Some)) {
                let of_one: Vec<_> =
                    order.iter().filter(|index| texts[**index].0 == speaker).collect();
                prop_assert!(of_one.is_sorted(), "{:?} in {:?}", speaker, order);
            }
        }
    }
}

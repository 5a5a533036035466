//! Which datagrams to one address can go as one message, and in which order texts of one moment go
//! so that there are few messages. It changes nothing that a receiver can see but time: every byte is
//! the same, and what one member said stays in order. The order of different members is free within
//! a moment, since none of them can have heard the others yet.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use skipbeat_server::PeerId;

use skipbeat_sys::ByteRange;

/// The most bytes of one message: the longest UDP payload there is over IPv4 (RFC 768, RFC 791).
const MOST_BYTES: usize = 65_507;

/// An order of texts, by who says each and its length, in which those of equal length stand together
/// and shorter ones behind them.
pub(crate) fn arrange(texts: &[(Option<PeerId>, usize)]) -> Vec<usize> {
    // A text that is longer than an earlier one of the same member comes a round later than it.
    let mut last: HashMap<Option<PeerId>, (u32, usize)> = HashMap::new();
    let mut order: Vec<(u32, Reverse<usize>, usize)> = Vec::with_capacity(texts.len());
    let mut highest = 0;
    for (index, &(speaker, length)) in texts.iter().enumerate() {
        let (round, longest) = last.get(&speaker).copied().unwrap_or((0, usize::MAX));
        let round = match speaker {
            // What the server says itself, its `bye` above all, is heard after what was said before.
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

/// Cuts datagrams to one address, in their order, into messages: up to `most` of equal length, of
/// which only the last may be shorter.
pub(crate) fn runs(pieces: &[ByteRange], most: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let length = |n: usize| (pieces[n].1 - pieces[n].0) as usize;
    let mut start = 0;
    std::iter::from_fn(move || {
        let segment = (start < pieces.len()).then(|| length(start))?;
        let (mut end, mut bytes) = (start + 1, segment);
        // An empty datagram can't be part of a message: nothing would stand for it.
        while segment > 0 && end < pieces.len() && end - start < most {
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

    fn pieces(lengths: &[usize]) -> Vec<ByteRange> {
        let ends = lengths.iter().scan(0, |end, length| {
            *end += *length as u32;
            Some(*end)
        });
        ends.zip(lengths).map(|(end, length)| (end - *length as u32, end)).collect()
    }

    #[test]
    fn equal_lengths_go_together_and_one_shorter_ends_the_message() {
        let cut = |lengths: &[usize], most| runs(&pieces(lengths), most).collect::<Vec<_>>();
        assert_eq!(cut(&[60, 60, 60, 61], 64), [0..3, 3..4]);
        assert_eq!(cut(&[60, 60, 59, 59, 60], 64), [0..3, 3..4, 4..5]);
        assert_eq!(cut(&[60, 60, 60], 2), [0..2, 2..3]);
        assert_eq!(cut(&[60, 0, 60], 64), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&[40_000, 40_000], 64), [0..1, 1..2]);
    }

    #[test]
    fn texts_of_like_length_stand_together_but_no_member_is_put_out_of_order() {
        let by = |speaker, length| (Some(speaker), length);
        let order = arrange(&[by(1, 60), by(2, 61), by(3, 60), by(1, 61), by(4, 61)]);
        assert_eq!(order, [1, 4, 0, 2, 3]);
        let order = arrange(&[by(1, 60), by(1, 61), (None, 3)]);
        assert_eq!(order, [0, 1, 2], "the server's `bye` is the last");
    }

    proptest! {
        #[test]
        fn messages_are_what_the_kernel_takes_and_nothing_is_lost(
            lengths in prop::collection::vec(prop_oneof![0..4usize, 50..53usize, 1000..3000usize], 0..200),
            most in 1..=64usize,
        ) {
            let pieces = pieces(&lengths);
            let mut next = 0;
            for run in runs(&pieces, most) {
                prop_assert_eq!(run.start, next);
                next = run.end;
                let lengths = &lengths[run];
                let (last, others) = lengths.split_last().unwrap();
                prop_assert!(lengths.len() <= most);
                prop_assert!(lengths.iter().sum::<usize>() <= MOST_BYTES);
                prop_assert!(others.iter().all(|length| *length == lengths[0]));
                prop_assert!(others.is_empty() || (1..=lengths[0]).contains(last));
            }
            prop_assert_eq!(next, pieces.len());
        }

        #[test]
        fn what_one_member_says_stays_in_order(
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

//! Which numbers of a stream were received before: one bit for each of the [`WINDOW`] numbers up to
//! the highest one, like the anti-replay window of IPsec (RFC 4303, 3.4.3).

/// How many numbers up to the highest one are remembered. An outbox gives up items that fall below
/// it, since the receiver could not tell them from repetitions.
pub const WINDOW: u32 = 1024;

const WORDS: usize = WINDOW as usize / 64;

/// The numbers that one sender has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DuplicateWindow {
    /// One above the highest number seen.
    next: u64,
    /// Whether a number was seen, at the number modulo [`WINDOW`].
    seen: [u64; WORDS],
}

impl DuplicateWindow {
    /// Records a number and returns whether it is new. A number below the window counts as seen.
    pub fn take(&mut self, number: u32) -> bool {
        let number = u64::from(number);
        if number + u64::from(WINDOW) < self.next {
            return false;
        }
        // The numbers between the old highest one and this one have not been seen.
        for skipped in self.next..=number.min(self.next + u64::from(WINDOW) - 1) {
            let (word, bit) = bit_of(skipped);
            self.seen[word] &= !bit;
        }
        if number >= self.next + u64::from(WINDOW) {
            self.seen = [0; WORDS];
        }
        self.next = self.next.max(number + 1);
        let (word, bit) = bit_of(number);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

fn bit_of(number: u64) -> (usize, u64) {
    let at = number % u64::from(WINDOW);
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_number_is_new_once() {
        let mut window = DuplicateWindow::default();
        let numbers = [0, 0, 2, 1, 1, 2, 66, 2, 3, 3, 1024, 0, 1, 1023, 1025, 5000, 3976, 3975];
        let news: Vec<bool> = numbers.into_iter().map(|number| window.take(number)).collect();
        let t = true;
        assert_eq!(
            news,
            [t, !t, t, t, !t, !t, t, !t, t, !t, t, !t, !t, t, t, t, !t, !t],
            "3976 + 1024 is the highest but one: below the window"
        );
        assert_eq!((window.take(3977), window.take(3977)), (true, false));
        assert_eq!((window.take(u32::MAX), window.take(u32::MAX)), (true, false));
    }

    /// Against a set that forgets nothing, with numbers that jump about within the window.
    #[test]
    fn a_window_agrees_with_a_set() {
        let (mut window, mut all) = (DuplicateWindow::default(), BTreeSet::new());
        let mut number = 0u32;
        for step in 0..20_000u32 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let highest = all.last().copied().unwrap_or(0u32);
            let next = highest.saturating_sub(900) + number % (901 + step % 7);
            assert_eq!(window.take(next), all.insert(next), "step {step}, number {next}");
        }
    }
}

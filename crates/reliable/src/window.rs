//! What of a numbered stream was seen before: the highest number and the 64 below it, as the
//! anti-replay window of IPsec (RFC 4303, 3.4.3).

/// The window of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// One above the highest number seen.
    next: u64,
    /// Bit i: `next - 1 - i` was seen.
    seen: u64,
}

impl Window {
    /// Takes a number; says whether it is new. What is below the window counts as seen.
    pub fn take(&mut self, number: u32) -> bool {
        let number = u64::from(number);
        if number >= self.next {
            let ahead = (number - self.next + 1).min(64) as u32;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.next = number + 1;
            return true;
        }
        let back = (self.next - 1 - number).min(64) as u32;
        let bit = 1u64.checked_shl(back).unwrap_or(0);
        let new = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut window = Window::default();
        let news: Vec<bool> = [0, 0, 2, 1, 1, 2, 66, 2, 3, 3, 500, 66, 437, 436]
            .into_iter()
            .map(|number| window.take(number))
            .collect();
        let t = true;
        assert_eq!(news, [t, !t, t, t, !t, !t, t, !t, t, !t, t, !t, t, !t]);
        assert_eq!((window.take(u32::MAX), window.take(u32::MAX)), (true, false));
    }
}

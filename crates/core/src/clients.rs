//! A set of clients: a bitmap, iterated in the order of their ids.

use crate::ClientId;

/// A set of dense ids as a bitmap. It always iterates in the order of the ids.
///
/// ```
/// use skipbeat_core::ClientSet;
///
/// let mut set: ClientSet = [7, 3].into_iter().collect();
/// assert!(set.insert(5) && !set.insert(3));
/// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 5, 7]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientSet {
    words: Vec<u64>,
    len: u32,
}

impl ClientSet {
    /// An empty set.
    pub const fn new() -> Self {
        ClientSet { words: Vec::new(), len: 0 }
    }

    /// An empty set that has memory for ids below `clients`.
    pub fn with_room(clients: u32) -> Self {
        ClientSet { words: vec![0; Self::words_for(clients)], len: 0 }
    }

    /// The number of 64-bit words that hold `clients` bits.
    pub const fn words_for(clients: u32) -> usize {
        clients.div_ceil(64) as usize
    }

    /// The number of clients in the set.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the set is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `client` is in the set.
    pub fn contains(&self, client: ClientId) -> bool {
        self.words.get(client as usize / 64).is_some_and(|w| w >> (client % 64) & 1 == 1)
    }

    /// Adds `client`; returns whether it is new.
    pub fn insert(&mut self, client: ClientId) -> bool {
        let index = client as usize / 64;
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let bit = 1 << (client % 64);
        let new = self.words[index] & bit == 0;
        self.words[index] |= bit;
        self.len += u32::from(new);
        new
    }

    /// Removes `client`; returns whether it was in the set.
    pub fn remove(&mut self, client: ClientId) -> bool {
        let was_in = self.contains(client);
        if was_in {
            self.words[client as usize / 64] &= !(1 << (client % 64));
            self.len -= 1;
        }
        was_in
    }

    /// Adds all clients of another set.
    pub fn add(&mut self, other: &ClientSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            self.len += (theirs & !*mine).count_ones();
            *mine |= theirs;
        }
    }

    /// The first client of the set from `client` on.
    #[inline]
    pub fn first_from(&self, client: ClientId) -> Option<ClientId> {
        let index = client as usize / 64;
        let first = self.words.get(index)? & (u64::MAX << (client % 64));
        let rest = self.words[index + 1..].iter().copied();
        let (steps, word) =
            std::iter::once(first).chain(rest).enumerate().find(|(_, word)| *word != 0)?;
        Some((index + steps) as u32 * 64 + word.trailing_zeros())
    }

    /// The bitmap: 64 clients a word, the lowest id in the lowest bit. Clients beyond its end are
    /// not in the set.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The clients in order.
    pub fn iter(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.by_word().flatten()
    }

    /// The clients in order, up to 64 at a time.
    pub fn by_word(&self) -> impl Iterator<Item = impl Iterator<Item = ClientId>> + '_ {
        self.words.iter().enumerate().filter(|(_, word)| **word != 0).map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    index as u32 * 64 + bit
                })
            })
        })
    }
}

impl FromIterator<ClientId> for ClientSet {
    fn from_iter<I: IntoIterator<Item = ClientId>>(clients: I) -> Self {
        let mut set = ClientSet::new();
        for client in clients {
            set.insert(client);
        }
        set
    }
}

/// Sets are equal if their clients are, however much memory they have.
impl PartialEq for ClientSet {
    fn eq(&self, other: &Self) -> bool {
        let both = self.words.len().min(other.words.len());
        self.len == other.len && self.words[..both] == other.words[..both]
    }
}

impl Eq for ClientSet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterates_in_order_and_counts() {
        let mut set = ClientSet::new();
        for client in [130, 3, 64, 3, 63] {
            set.insert(client);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 63, 64, 130]);
        assert!(set.remove(64) && !set.remove(64) && !set.remove(9999));
        assert_eq!((set.len(), set.contains(63), set.contains(64)), (3, true, false));
        let from = [0, 4, 63, 64, 131, 1000].map(|client| set.first_from(client));
        assert_eq!(from, [Some(3), Some(63), Some(63), Some(130), None, None]);
    }

    #[test]
    fn sets_are_equal_and_add_up_whatever_room_they_have() {
        let mut roomy = ClientSet::with_room(1000);
        assert_eq!(roomy, ClientSet::new());
        roomy.insert(3);
        let other: ClientSet = [3, 700].into_iter().collect();
        assert_ne!(roomy, other);
        let mut sum: ClientSet = [5].into_iter().collect();
        sum.add(&other);
        sum.add(&roomy);
        assert_eq!((sum.len(), sum), (3, [3, 5, 700].into_iter().collect()));
    }
}

//! A set of clients: one bit each, iterated in order of their numbers.

use crate::ClientId;

/// A set of dense ids as a bitmap. Equal sets iterate alike, whatever their history.
#[derive(Clone, Debug, Default)]
pub struct ClientSet {
    words: Vec<u64>,
    len: u32,
}

impl ClientSet {
    /// The empty set.
    pub const fn new() -> Self {
        ClientSet { words: Vec::new(), len: 0 }
    }

    /// The empty set with room for ids below `clients`.
    pub fn with_room(clients: u32) -> Self {
        ClientSet { words: vec![0; Self::words_for(clients)], len: 0 }
    }

    /// How many words of 64 bits hold `clients` bits.
    pub const fn words_for(clients: u32) -> usize {
        clients.div_ceil(64) as usize
    }

    /// How many clients are in the set.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether nobody is in the set.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `client` is in the set.
    pub fn contains(&self, client: ClientId) -> bool {
        self.words.get(client as usize / 64).is_some_and(|w| w >> (client % 64) & 1 == 1)
    }

    /// Puts `client` in; says whether it was out.
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

    /// Takes `client` out; says whether it was in.
    pub fn remove(&mut self, client: ClientId) -> bool {
        let was_in = self.contains(client);
        if was_in {
            self.words[client as usize / 64] &= !(1 << (client % 64));
            self.len -= 1;
        }
        was_in
    }

    /// The bitmap, 64 clients a word, lowest id in the lowest bit. It may be shorter than the
    /// number of clients: what is missing is out.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.by_word().flatten()
    }

    /// The members in order, up to 64 at a time.
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

/// Sets are equal where their members are, whatever room they have.
impl PartialEq for ClientSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
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
    }
}

//! The options of a link, and how they are read: key by key, on top of others.

use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, mix};

use crate::{Corrupt, Delay, Duplicate, Loss, Rate, Reorder};

/// The impairments of one direction of the links of a group. The default impairs nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LinkOptions {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// The most bytes of payload; larger datagrams are lost.
    pub mtu: Option<usize>,
    /// How many bits a second it carries, and what happens to the rest.
    pub rate: Option<Rate>,
    /// How long datagrams travel.
    pub delay: Delay,
    /// Which of them are put out of order beside what `delay` does.
    pub reorder: Option<Reorder>,
    /// Which of them arrive twice.
    pub duplicate: Duplicate,
    /// Which of them are changed.
    pub corrupt: Option<Corrupt>,
}

impl LinkOptions {
    /// The travel time that all but one in 10⁴ datagrams stay below. What a queue adds is not known.
    pub fn nearly_longest(&self) -> Span {
        let held = self.reorder.map_or(Span::ZERO, |reorder| reorder.longest());
        let copied = self.duplicate.longest();
        self.delay.nearly_longest() + held + copied
    }

    /// The files that models are read from: their path, and what takes their text.
    pub fn files(&mut self) -> impl Iterator<Item = (String, ModelFile<'_>)> {
        let loss = match &self.loss.model {
            crate::LossModel::Trace { file, .. } => Some(file.clone()),
            _ => None,
        };
        let delay = match &self.delay.model {
            crate::DelayModel::Table { file, .. } => Some(file.clone()),
            _ => None,
        };
        let loss = loss.map(|file| (file, ModelFile::Loss(&mut self.loss)));
        let delay = delay.map(|file| (file, ModelFile::Delay(&mut self.delay)));
        loss.into_iter().chain(delay)
    }
}

/// A model that waits for the text of its file.
#[derive(Debug)]
pub enum ModelFile<'a> {
    /// A trace of losses.
    Loss(&'a mut Loss),
    /// A table of delays.
    Delay(&'a mut Delay),
}

impl ModelFile<'_> {
    /// Takes the text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn take(self, text: &str) -> Result<(), String> {
        match self {
            ModelFile::Loss(loss) => loss.model.take_trace(text),
            ModelFile::Delay(delay) => delay.model.take_table(text),
        }
    }
}

/// Stands for what was read from a file: how much it was, and a number that is another for other
/// contents.
pub(crate) fn fingerprint<T: std::fmt::Debug, S: serde::Serializer>(
    contents: &std::sync::Arc<[T]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let hash = contents.iter().fold(0, |hash, item| {
        format!("{item:?}").bytes().fold(mix(hash), |hash, byte| mix(hash ^ u64::from(byte)))
    });
    serializer.collect_str(&format_args!("{} values, {hash:016x}", contents.len()))
}

/// A table of link options: what is not there is as in another link.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkTable {
    loss: Option<Loss>,
    mtu: Option<usize>,
    rate: Option<Rate>,
    delay: Option<Delay>,
    reorder: Option<Reorder>,
    duplicate: Option<Duplicate>,
    corrupt: Option<Corrupt>,
}

impl LinkTable {
    /// The options of a link that is like `base` but for what is here.
    pub fn over(self, base: LinkOptions) -> LinkOptions {
        LinkOptions {
            loss: self.loss.unwrap_or(base.loss),
            mtu: self.mtu.or(base.mtu),
            rate: self.rate.or(base.rate),
            delay: self.delay.unwrap_or(base.delay),
            reorder: self.reorder.or(base.reorder),
            duplicate: self.duplicate.unwrap_or(base.duplicate),
            corrupt: self.corrupt.or(base.corrupt),
        }
    }
}

//! The options of a link, and how tables of them are read on top of other options.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{F64Deserializer, I64Deserializer, MapAccessDeserializer, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize, de};
use skipbeat_core::{Probability, Span, mix};

use crate::{
    Corrupt, Delay, DelayModel, Duplicate, How, Loss, LossModel, Rate, Reorder, delay, loss,
};

/// The impairments of one direction of the links of a group. The default impairs nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LinkOptions {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// The largest payload in bytes. Larger datagrams are lost.
    pub mtu: Option<usize>,
    /// The rate of the link, and what happens to datagrams above it.
    pub rate: Option<Rate>,
    /// How long datagrams travel.
    pub delay: Delay,
    /// Which datagrams are reordered, in addition to what `delay` does.
    pub reorder: Option<Reorder>,
    /// Which datagrams arrive twice.
    pub duplicate: Duplicate,
    /// Which datagrams are changed.
    pub corrupt: Option<Corrupt>,
}

impl LinkOptions {
    /// The delay that all but one in 10⁴ datagrams stay below, without the time in a queue.
    pub fn nearly_longest(&self) -> Span {
        let held = self.reorder.map_or(Span::ZERO, |reorder| reorder.longest());
        let copied = self.duplicate.longest();
        self.delay.nearly_longest() + held + copied
    }

    /// The loss, if datagrams are only lost and delayed, each independently of the others.
    pub(crate) fn plain_loss(&self) -> Option<Probability> {
        let LinkOptions { loss, mtu, rate, delay, reorder, duplicate, corrupt } = self;
        let more = mtu.is_some()
            || rate.is_some()
            || delay.remembers()
            || reorder.is_some()
            || !duplicate.probability.is_zero()
            || corrupt.is_some();
        loss.independent().filter(|_| loss.only.is_empty() && !more)
    }

    /// The delay that no datagram undercuts.
    pub fn shortest(&self) -> Span {
        let early = self.reorder.is_some_and(|reorder| reorder.how == How::Early);
        if early { Span::ZERO } else { self.delay.shortest() }
    }

    /// The files that models are read from, each with the model that takes its text.
    pub fn files(&mut self) -> impl Iterator<Item = (String, ModelFile<'_>)> {
        let loss = match &mut self.loss.model {
            LossModel::Trace(trace) => Some((trace.file.clone(), ModelFile::Loss(trace))),
            _ => None,
        };
        let delay = match &mut self.delay.model {
            DelayModel::Table(table) => Some((table.file.clone(), ModelFile::Delay(table))),
            _ => None,
        };
        loss.into_iter().chain(delay)
    }
}

/// A model that needs the text of a file.
#[derive(Debug)]
pub enum ModelFile<'a> {
    /// A trace of losses.
    Loss(&'a mut loss::Trace),
    /// A table of delays.
    Delay(&'a mut delay::Table),
}

impl ModelFile<'_> {
    /// Gives the text of the file to the model.
    ///
    /// # Errors
    /// What is wrong with the text, and in which line.
    pub fn take(self, text: &str) -> Result<(), String> {
        match self {
            ModelFile::Loss(trace) => trace.read(text),
            ModelFile::Delay(table) => table.read(text),
        }
    }
}

/// Writes a fingerprint in place of the contents of a file: the number of values, and a hash of
/// them.
pub(crate) fn fingerprint<T: std::fmt::Debug, S: serde::Serializer>(
    contents: &std::sync::Arc<[T]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let hash = contents.iter().fold(0, |hash, item| {
        format!("{item:?}").bytes().fold(mix(hash), |hash, byte| mix(hash ^ u64::from(byte)))
    });
    serializer.collect_str(&format_args!("{} values, {hash:016x}", contents.len()))
}

/// A table of link options. Keys that are not given keep the value of another link.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table of link options")]
pub struct LinkTable {
    /// Which datagrams are lost: a probability, or a model; default 0.
    loss: Option<Loss>,
    /// Datagrams with more bytes of payload are lost, 1 to 65,507; `"none"`: none are.
    mtu: Option<Switch<Bytes>>,
    /// How many bits a second the link carries, and what happens to the rest; `"none"`: no limit.
    rate: Option<Switch<Rate>>,
    /// How long datagrams travel: a span, or a distribution; default `"0s"`.
    delay: Option<Delay>,
    /// Which datagrams are put out of order, beside what `delay` does; `"none"`: none are.
    reorder: Option<Switch<Reorder>>,
    /// Which datagrams arrive twice: a probability, or a table; default 0.
    duplicate: Option<Duplicate>,
    /// Which datagrams are changed: a probability, or a table; `"none"`: none are.
    corrupt: Option<Switch<Corrupt>>,
}

/// Something that `"none"` switches off.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Switch<T>(Option<T>);

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(inline, extend("minimum" = 1, "maximum" = 65_507))]
struct Bytes(usize);

impl TryFrom<i64> for Bytes {
    type Error = &'static str;

    fn try_from(bytes: i64) -> Result<Self, &'static str> {
        let fits = usize::try_from(bytes).ok().filter(|bytes| (1..=65_507).contains(bytes));
        fits.map(Bytes).ok_or("expected 1 to 65507 bytes")
    }
}

impl<T: JsonSchema> JsonSchema for Switch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_or_none", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string", "const": "none" }, generator.subschema_for::<T>()]
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Anything but the word is read by `T`, which reports its own mistakes.
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Switch<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", or a value")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Switch<T>, E> {
                if word == "none" {
                    return Ok(Switch(None));
                }
                T::deserialize(StrDeserializer::new(word)).map(Some).map(Switch)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Switch<T>, E> {
                T::deserialize(I64Deserializer::new(n)).map(Some).map(Switch)
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Switch<T>, E> {
                T::deserialize(F64Deserializer::new(x)).map(Some).map(Switch)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Switch<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Some).map(Switch)
            }
        }
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl LinkTable {
    /// The options of `base`, with those of the table in their place.
    pub fn over(self, base: LinkOptions) -> LinkOptions {
        LinkOptions {
            loss: self.loss.unwrap_or(base.loss),
            mtu: self.mtu.map_or(base.mtu, |mtu| mtu.0.map(|bytes| bytes.0)),
            rate: self.rate.map_or(base.rate, |rate| rate.0),
            delay: self.delay.unwrap_or(base.delay),
            reorder: self.reorder.map_or(base.reorder, |reorder| reorder.0),
            duplicate: self.duplicate.unwrap_or(base.duplicate),
            corrupt: self.corrupt.map_or(base.corrupt, |corrupt| corrupt.0),
        }
    }
}

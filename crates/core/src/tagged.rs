//! Tables of a scenario whose key `kind` says which other keys they have: a model of loss, a
//! detector, a kind of jitter. Each kind is a struct that `serde` and `schemars` read; the macro
//! [`tagged!`](crate::tagged!) puts them together, and [`TaggedTable`] reads them.
//!
//! A mistake is reported where it stands. So that this holds for the keys of a kind, `kind` should
//! be the first of them: what stands before it is kept until the kind is known, and a mistake in it
//! is reported for the whole table, with the name of the key.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Error as _, IntoDeserializer};
use serde::forward_to_deserialize_any;
use serde_json::Value;

// The macros refer to these, so that their users need not depend on them.
#[doc(hidden)]
pub use schemars::{JsonSchema, Schema, SchemaGenerator};
#[doc(hidden)]
pub use serde::{Deserialize, Deserializer, de::MapAccess};

/// What a table can be, by its key `kind`. It is implemented by [`tagged!`](crate::tagged!).
pub trait Tagged: Sized {
    /// What the table is, with its article: `"a model of loss"`.
    const WHAT: &'static str;
    /// The names of the kinds, in order.
    const KINDS: &'static [&'static str];
    /// The kind of a table without the key `kind`; without a default the key is required.
    const DEFAULT: Option<&'static str>;

    /// Reads the keys of a kind, which is one of [`Tagged::KINDS`].
    ///
    /// # Errors
    /// What is wrong with a key, or which one is missing.
    fn read<'de, D: Deserializer<'de>>(kind: &str, keys: D) -> Result<Self, D::Error>;

    /// The description and the schema of each kind, in order.
    fn kinds(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)>;
}

/// Keys that a table has whatever its kind. It is implemented by
/// [`common_keys!`](crate::common_keys!).
pub trait CommonKeys: Default {
    /// Their names.
    const KEYS: &'static [&'static str];

    /// Reads the value of a key, which is one of [`CommonKeys::KEYS`].
    ///
    /// # Errors
    /// What is wrong with the value.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;

    /// Their schema: an object.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
}

impl CommonKeys for () {
    const KEYS: &'static [&'static str] = &[];

    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, _: &mut A) -> Result<(), A::Error> {
        Err(A::Error::unknown_field(key, Self::KEYS))
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// Makes an enum of the kinds of a table. Each kind has a variant with its keys, a struct that can
/// be deserialised and described, or without keys. The doc comment of a variant describes the kind
/// in the JSON schema.
///
/// ```
/// use serde::Deserialize;
/// use schemars::JsonSchema;
/// use skipbeat_core::{TaggedTable, tagged};
///
/// #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
/// struct Square {
///     /// The length of a side in metres.
///     side: f64,
/// }
///
/// tagged! {
///     /// A shape.
///     #[derive(Debug, PartialEq)]
///     enum Shape: "a shape" {
///         /// A single point.
///         Point = "point",
///         /// Four equal sides.
///         Square(Square) = "square",
///     }
/// }
///
/// let read = |text| serde_json::from_str::<TaggedTable<Shape>>(text).map(|table| table.model);
/// let square = read(r#"{ "kind": "square", "side": 2.5 }"#).unwrap();
/// assert_eq!(square, Shape::Square(Square { side: 2.5 }));
/// let mistake = read(r#"{ "kind": "point", "side": 2.5 }"#).unwrap_err().to_string();
/// assert!(mistake.starts_with("`side` does not belong to a shape of kind `point`"), "{mistake}");
/// ```
#[macro_export]
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Name:ident: $what:literal $(, default $default:literal)? {
            $($(#[doc = $doc:literal])* $Variant:ident $(($Keys:ty))? = $kind:literal,)+
        }
    ) => {
        $(#[$meta])*
        $vis enum $Name {
            $($(#[doc = $doc])* $Variant $(($Keys))?,)+
        }

        impl $crate::Tagged for $Name {
            const WHAT: &'static str = $what;
            const KINDS: &'static [&'static str] = &[$($kind),+];
            const DEFAULT: Option<&'static str> = $crate::tagged!(@default $($default)?);

            fn read<'de, D: $crate::tagged::Deserializer<'de>>(
                kind: &str,
                keys: D,
            ) -> Result<Self, D::Error> {
                match kind {
                    $($kind => $crate::tagged!(@read keys, $Name::$Variant $(, $Keys)?),)+
                    other => Err($crate::tagged::unknown_kind(other, Self::KINDS)),
                }
            }

            fn kinds(
                generator: &mut $crate::tagged::SchemaGenerator,
            ) -> Vec<(&'static str, $crate::tagged::Schema)> {
                vec![$((
                    concat!($($doc, "\n"),*),
                    $crate::tagged!(@schema generator $(, $Keys)?),
                )),+]
            }
        }
    };
    (@read $keys:ident, $Name:ident::$Variant:ident) => {
        <$crate::NoKeys as $crate::tagged::Deserialize>::deserialize($keys)
            .map(|$crate::NoKeys {}| $Name::$Variant)
    };
    (@read $keys:ident, $Name:ident::$Variant:ident, $Keys:ty) => {
        <$Keys as $crate::tagged::Deserialize>::deserialize($keys).map($Name::$Variant)
    };
    (@schema $generator:ident) => {
        <$crate::NoKeys as $crate::tagged::JsonSchema>::json_schema($generator)
    };
    (@schema $generator:ident, $Keys:ty) => {
        <$Keys as $crate::tagged::JsonSchema>::json_schema($generator)
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

/// Makes a struct of the keys that a tagged table has whatever its kind; a key that is not given is
/// `None`. The attributes of fields are those of `schemars`.
#[macro_export]
macro_rules! common_keys {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Name:ident {
            $($(#[$attribute:meta])* $key:ident: $Type:ty,)+
        }
    ) => {
        #[derive(Default, $crate::tagged::JsonSchema)]
        $(#[$meta])*
        $vis struct $Name {
            $($(#[$attribute])* $key: Option<$Type>,)+
        }

        impl $crate::CommonKeys for $Name {
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];

            fn read<'de, A: $crate::tagged::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                $(if key == stringify!($key) {
                    self.$key = Some(map.next_value()?);
                })+
                Ok(())
            }

            fn schema(
                generator: &mut $crate::tagged::SchemaGenerator,
            ) -> Option<$crate::tagged::Schema> {
                Some(<Self as $crate::tagged::JsonSchema>::json_schema(generator))
            }
        }
    };
}

#[doc(hidden)]
pub fn unknown_kind<E: de::Error>(kind: &str, kinds: &'static [&'static str]) -> E {
    E::unknown_variant(kind, kinds)
}

/// A kind without keys of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct NoKeys {}

/// A table with a `kind`, as it is read: the keys of the kind, and those that all kinds have.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TaggedTable<M, C = ()> {
    /// The keys of the kind.
    pub model: M,
    /// The keys that all kinds have.
    pub common: C,
}

impl<'de, M: Tagged, C: CommonKeys> Deserialize<'de> for TaggedTable<M, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

struct TableVisitor<M, C>(PhantomData<(M, C)>);

impl<'de, M: Tagged, C: CommonKeys> de::Visitor<'de> for TableVisitor<M, C> {
    type Value = TaggedTable<M, C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: a table with `kind`", M::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut common, mut early) = (C::default(), Vec::new());
        let kind = loop {
            match map.next_key::<String>()? {
                Some(key) if key == "kind" => {
                    break map.next_value_seed(KindName(M::KINDS))?;
                }
                Some(key) if C::KEYS.contains(&&*key) => common.read(&key, &mut map)?,
                Some(key) => early.push((key, map.next_value::<Value>()?)),
                None => break default_kind::<M, A::Error>()?,
            }
        };
        let keys = Keys { map, common: &mut common, early: early.into_iter(), value: None, kind };
        let model = M::read(kind, KeysOf::<_, _, M>(keys, PhantomData))?;
        Ok(TaggedTable { model, common })
    }
}

fn default_kind<M: Tagged, E: de::Error>() -> Result<&'static str, E> {
    M::DEFAULT.ok_or_else(|| {
        E::custom(format!("{} needs its `kind`, one of {}", M::WHAT, quoted(M::KINDS)))
    })
}

/// Names in backquotes with commas between them.
fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Reads the name of a kind, so that a wrong one is reported where it stands.
struct KindName(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KindName {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = self.0.iter().find(|known| **known == name);
        known.copied().ok_or_else(|| unknown_kind(&name, self.0))
    }
}

/// The rest of a table whose kind is known: its common keys go to `common`, the others to the kind.
struct Keys<'a, A, C> {
    map: A,
    common: &'a mut C,
    /// What stood before `kind`.
    early: std::vec::IntoIter<(String, Value)>,
    /// The value of the early key that was given out last.
    value: Option<(String, Value)>,
    kind: &'static str,
}

/// [`Keys`] as a deserialiser: by the names of the fields it learns which keys the kind has.
struct KeysOf<'a, A, C, M>(Keys<'a, A, C>, PhantomData<M>);

impl<'de, A: MapAccess<'de>, C: CommonKeys, M: Tagged> Deserializer<'de> for KeysOf<'_, A, C, M> {
    type Error = A::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let refuse = Refuse { what: M::WHAT, kind: self.0.kind, fields, common: C::KEYS };
        visitor.visit_map(KeyAccess { keys: self.0, refuse })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Says which keys a kind has.
#[derive(Clone, Copy)]
struct Refuse {
    what: &'static str,
    kind: &'static str,
    fields: &'static [&'static str],
    common: &'static [&'static str],
}

impl Refuse {
    fn check<E: de::Error>(&self, key: &str) -> Result<(), E> {
        if self.fields.contains(&key) {
            return Ok(());
        }
        let known = [&["kind"], self.fields, self.common].concat();
        let Refuse { what, kind, .. } = self;
        Err(E::custom(format!(
            "`{key}` does not belong to {what} of kind `{kind}`: expected {}",
            quoted(&known)
        )))
    }
}

struct KeyAccess<'a, A, C> {
    keys: Keys<'a, A, C>,
    refuse: Refuse,
}

impl<'de, A: MapAccess<'de>, C: CommonKeys> MapAccess<'de> for KeyAccess<'_, A, C> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        if let Some((key, value)) = self.keys.early.next() {
            self.refuse.check(&key)?;
            let field = seed.deserialize(key.as_str().into_deserializer())?;
            self.keys.value = Some((key, value));
            return Ok(Some(field));
        }
        let mut seed = Some(seed);
        loop {
            let next = OwnOrCommon { seed: &mut seed, refuse: self.refuse };
            match self.keys.map.next_key_seed(next)? {
                None => return Ok(None),
                Some(Key::Own(field)) => return Ok(Some(field)),
                Some(Key::Common(key)) => self.keys.common.read(&key, &mut self.keys.map)?,
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.keys.value.take() {
            Some((key, value)) => {
                seed.deserialize(value).map_err(|e| A::Error::custom(format!("`{key}`: {e}")))
            }
            None => self.keys.map.next_value_seed(seed),
        }
    }
}

/// A key of the kind itself, or one that all kinds have.
enum Key<T> {
    Own(T),
    Common(String),
}

struct OwnOrCommon<'a, K> {
    seed: &'a mut Option<K>,
    refuse: Refuse,
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for OwnOrCommon<'_, K> {
    type Value = Key<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let key = String::deserialize(deserializer)?;
        if self.refuse.common.contains(&&*key) {
            return Ok(Key::Common(key));
        }
        self.refuse.check(&key)?;
        let seed = self.seed.take().expect("a key of the kind ends the search");
        let key: StrDeserializer<'_, D::Error> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Key::Own)
    }
}

/// A kind by its name alone, with the defaults of all its keys.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KindWord<M>(pub M);

impl<'de, M: Tagged> Deserialize<'de> for KindWord<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = KindName(M::KINDS).deserialize(deserializer)?;
        let no_keys = std::iter::empty::<(&str, &str)>();
        let model = M::read(kind, MapDeserializer::<_, D::Error>::new(no_keys));
        model.map(KindWord).map_err(|e| {
            D::Error::custom(format!("{} of kind `{kind}` has to be a table: {e}", M::WHAT))
        })
    }
}

impl<M: Tagged> JsonSchema for KindWord<M> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("KindWord_{}", M::WHAT).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        crate::schema::kind_words(M::KINDS, M::kinds(generator))
    }
}

impl<M: Tagged, C: CommonKeys> JsonSchema for TaggedTable<M, C> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Tagged_{}", M::WHAT).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (common, kinds) = (C::schema(generator), M::kinds(generator));
        crate::schema::tagged(M::WHAT, M::KINDS, kinds, common, M::DEFAULT)
    }
}

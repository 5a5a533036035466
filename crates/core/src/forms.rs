//! Scenario values with a short and a long form: `loss = 0.05` or `loss = { kind = …, … }`. The
//! reader looks at the type of the value, so that a mistake is reported for the form that was
//! meant, where it stands. serde's `untagged` would lose both.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{
    BoolDeserializer, F64Deserializer, I64Deserializer, MapAccessDeserializer, StrDeserializer,
    U64Deserializer,
};
use serde::{Deserialize, Deserializer, de};

/// A scalar (number, text, truth value) or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum ScalarOrTable<S, T> {
    /// The short form: a number, a text, a truth value.
    Scalar(S),
    /// The long form.
    Table(T),
}

impl<'de, S: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for ScalarOrTable<S, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

/// Either form. The schema of the table is inlined, since the type that holds it has its own name.
impl<S: JsonSchema, T: JsonSchema> JsonSchema for ScalarOrTable<S, T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_or_{}", S::schema_name(), T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{}|{}", S::schema_id(), T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [generator.subschema_for::<S>(), T::json_schema(generator)]
        })
    }
}

struct Visitor<S, T>(PhantomData<(S, T)>);

impl<'de, S: Deserialize<'de>, T: Deserialize<'de>> de::Visitor<'de> for Visitor<S, T> {
    type Value = ScalarOrTable<S, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a table")
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Self::Value, E> {
        S::deserialize(BoolDeserializer::new(v)).map(ScalarOrTable::Scalar)
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
        S::deserialize(I64Deserializer::new(v)).map(ScalarOrTable::Scalar)
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
        S::deserialize(U64Deserializer::new(v)).map(ScalarOrTable::Scalar)
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Self::Value, E> {
        S::deserialize(F64Deserializer::new(v)).map(ScalarOrTable::Scalar)
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        S::deserialize(StrDeserializer::new(v)).map(ScalarOrTable::Scalar)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(ScalarOrTable::Table)
    }
}

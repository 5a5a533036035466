//! Chat: texts to all members, the sender included. It has no metrics beyond the common ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skipbeat_core::{Span, Stream, schema};
use skipbeat_protocol::Tag;

use crate::arrivals::{checked_rate, checked_size};
use crate::{Arrivals, Saying, Word, WorkloadContext, WorkloadModel};

/// The texts of a client.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ChatTable")]
pub struct Chat {
    /// Messages per second of each client, above zero.
    pub rate: f64,
    /// How they are spread over time.
    pub arrivals: Arrivals,
    /// The size of a text in bytes, 47 to 65,000. It begins with a tag of 47 bytes.
    pub size: usize,
}

/// A text every ten seconds on average, at random times.
impl Default for Chat {
    fn default() -> Self {
        Chat { rate: 0.1, arrivals: Arrivals::Poisson, size: 64 }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table `{ rate, … }`")]
struct ChatTable {
    /// Messages per second of each client, above 0 and up to 10⁶. The server sends
    /// `rate · clients · members` datagrams a second.
    #[schemars(transform = schema::rate)]
    rate: f64,
    /// How they are spread over time; default `"poisson"`.
    #[serde(default)]
    arrivals: Arrivals,
    /// Bytes of a text, 47 to 65,000; default 64. It begins with a tag of 47 bytes.
    #[schemars(range(min = Tag::LEN, max = 65_000))]
    size: Option<usize>,
}

impl TryFrom<ChatTable> for Chat {
    type Error = String;

    fn try_from(ChatTable { rate, arrivals, size }: ChatTable) -> Result<Self, String> {
        let rate = checked_rate("chat", rate)?;
        let size = checked_size("chat", size.unwrap_or(Chat::default().size))?;
        Ok(Chat { rate, arrivals, size })
    }
}

impl WorkloadModel for Chat {
    type Books = ();

    fn first_gap(&self, stream: Stream, draw: u64) -> Span {
        self.arrivals.first_gap(self.rate, stream, draw)
    }

    #[inline]
    fn gap(&self, stream: Stream, draw: u64) -> Span {
        self.arrivals.gap(self.rate, stream, draw)
    }

    fn saying(&self) -> Saying {
        Saying { word: Word::Text, size: self.size }
    }

    fn books(&self, _: WorkloadContext) {}
}

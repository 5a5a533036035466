//! Turns the list of workloads in `lib.rs` into the value of a scenario's `workload`, the books of
//! a group, and the columns of all metrics.

/// Makes [`Workload`](crate::Workload), [`GroupBooks`](crate::GroupBooks),
/// [`WorkloadTallies`](crate::WorkloadTallies) and [`WORKLOAD_CARDS`](crate::WORKLOAD_CARDS) from a
/// line `name: Options` for each workload.
macro_rules! workloads {
    ($($(#[$doc:meta])* $name:ident: $options:ident,)*) => {
        use std::sync::LazyLock;

        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};
        use skipbeat_core::{Card, ClientId, ClientSet, Life, MessageId, Span, Statistic, Stream, Time};

        /// What the clients of a group do, with its options.
        #[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
        #[expect(non_camel_case_types, reason = "the names of a scenario")]
        pub enum Workload {
            $($(#[$doc])* $name($options),)*
        }

        /// A workload by its name alone, with the default of every option.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
        #[expect(non_camel_case_types, reason = "the names of a scenario")]
        #[schemars(inline)]
        pub enum Name {
            $($(#[$doc])* $name,)*
        }

        impl From<Name> for Workload {
            fn from(name: Name) -> Self {
                match name { $(Name::$name => Workload::$name($options::default()),)* }
            }
        }

        impl Workload {
            /// Its name in a scenario.
            pub fn name(&self) -> &'static str {
                match self { $(Workload::$name(_) => stringify!($name),)* }
            }

            /// See [`WorkloadModel::first_gap`].
            pub fn first_gap(&self, stream: Stream, draw: u64) -> Span {
                match self { $(Workload::$name(kind) => kind.first_gap(stream, draw),)* }
            }

            /// See [`WorkloadModel::gap`].
            pub fn gap(&self, stream: Stream, draw: u64) -> Span {
                match self { $(Workload::$name(kind) => kind.gap(stream, draw),)* }
            }

            /// See [`WorkloadModel::saying`].
            pub fn saying(&self) -> Saying {
                match self { $(Workload::$name(kind) => kind.saying(),)* }
            }

            /// See [`WorkloadModel::at_once`].
            pub fn at_once(&self) -> u32 {
                match self { $(Workload::$name(kind) => kind.at_once(),)* }
            }

            /// See [`WorkloadModel::talkers`].
            pub fn talkers(&self) -> u32 {
                match self { $(Workload::$name(kind) => kind.talkers(),)* }
            }

            /// See [`WorkloadModel::needs_order`].
            pub fn needs_order(&self) -> bool {
                match self { $(Workload::$name(kind) => kind.needs_order(),)* }
            }

            /// See [`WorkloadModel::books`].
            pub fn books(&self, setting: WorkloadContext) -> GroupBooks {
                match self { $(Workload::$name(kind) => GroupBooks::$name(kind.books(setting)),)* }
            }
        }

        /// What is counted of a group, by its workload.
        #[derive(Clone, Debug)]
        #[expect(non_camel_case_types, reason = "the names of a scenario")]
        pub enum GroupBooks {
            $($(#[$doc])* $name(<$options as WorkloadModel>::Books),)*
        }

        impl GroupBooks {
            /// See [`Books::due`].
            pub fn due(&mut self, at: Time, message: MessageId, to: Option<&ClientSet>) {
                match self { $(GroupBooks::$name(books) => books.due(at, message, to),)* }
            }

            /// See [`Books::offered`].
            pub fn offered(&mut self, message: MessageId) {
                match self { $(GroupBooks::$name(books) => books.offered(message),)* }
            }

            /// See [`Books::reached`].
            pub fn reached(&mut self, reached: Reached) {
                match self { $(GroupBooks::$name(books) => books.reached(reached),)* }
            }

            /// See [`Books::settled`].
            pub fn settled(&mut self, at: Time, planned: Time, message: MessageId, answered: bool) {
                match self {
                    $(GroupBooks::$name(books) => books.settled(at, planned, message, answered),)*
                }
            }

            /// See [`Books::over`].
            pub fn over(&mut self, message: MessageId, reached: bool) {
                match self { $(GroupBooks::$name(books) => books.over(message, reached),)* }
            }

            /// See [`Books::life`].
            pub fn life(&mut self, at: Time, client: ClientId, life: Life) {
                match self { $(GroupBooks::$name(books) => books.life(at, client, life),)* }
            }
        }

        /// The sums of each workload that a group has, or several groups together.
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct WorkloadTallies {
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $name: Option<<<$options as WorkloadModel>::Books as Books>::Tally>,
            )*
        }

        impl WorkloadTallies {
            /// The sums in the books of a group at `now`.
            pub fn of(books: &GroupBooks, now: Time) -> Self {
                let mut tallies = WorkloadTallies::default();
                match books { $(GroupBooks::$name(books) => tallies.$name = Some(books.tally(now)),)* }
                tallies
            }

            /// Adds the sums of another group, or of another part of the run.
            pub fn add(&mut self, other: &WorkloadTallies) {
                $(if let Some(other) = &other.$name {
                    self.$name.get_or_insert_default().add(other);
                })*
            }

            /// The figure of the metric of this name; `None` if it is undefined or its workload is
            /// not here. `statistic` is for distributions.
            pub fn figure(&self, metric: &str, statistic: Option<Statistic>) -> Option<f64> {
                $(
                    let mut measures = <<$options as WorkloadModel>::Books as Books>::METRICS.iter();
                    if let Some(measure) = measures.find(|measure| measure.card.name == metric) {
                        return measure.figure(self.$name.as_ref()?, statistic);
                    }
                )*
                None
            }
        }

        /// The metrics of all workloads, in the order of their columns, each with its workload.
        pub static WORKLOAD_CARDS: LazyLock<Vec<(&'static str, Card)>> = LazyLock::new(|| {
            let mut all = Vec::new();
            $({
                let measures = <<$options as WorkloadModel>::Books as Books>::METRICS.iter();
                all.extend(measures.map(|measure| (stringify!($name), measure.card)));
            })*
            all
        });
    };
}
pub(crate) use workloads;

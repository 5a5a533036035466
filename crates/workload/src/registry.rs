//! The one list of workloads, and what is made of it: the value of a scenario's `workload`, the
//! books of a group, and the columns of all metrics.

/// Makes [`Workload`](crate::Workload), [`GroupBooks`](crate::GroupBooks) and
/// [`WORKLOAD_METRICS`](crate::WORKLOAD_METRICS) from `name: Options` for each.
macro_rules! workloads {
    ($($(#[$doc:meta])* $name:ident: $options:ident,)*) => {
        use std::sync::LazyLock;

        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};
        use skipbeat_core::{Better, ClientId, ClientSet, Life, MessageId, Span, Stream, Time, Unit};

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

        /// What is counted for a group, by its workload.
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

        /// The metrics of these groups together at `now`, in the order of [`WORKLOAD_METRICS`].
        /// Those of a workload that no group has are undefined.
        pub fn figures<'a>(
            groups: impl Iterator<Item = &'a GroupBooks> + Clone,
            now: Time,
        ) -> Vec<Option<f64>> {
            let mut figures = Vec::with_capacity(WORKLOAD_METRICS.len());
            $({
                type Of = <$options as WorkloadModel>::Books;
                let mut tally = <Of as Books>::Tally::default();
                let mut some = false;
                for books in groups.clone() {
                    if let GroupBooks::$name(books) = books {
                        books.add_to(now, &mut tally);
                        some = true;
                    }
                }
                let measures = <Of as Books>::METRICS.iter();
                figures.extend(measures.map(|m| if some { (m.value)(&tally) } else { None }));
            })*
            figures
        }

        /// A metric of a workload, without its formula.
        #[derive(Clone, Copy, Debug)]
        pub struct WorkloadMetric {
            /// Its name, which is that of its column.
            pub name: &'static str,
            /// Its name in words, if it is a headline.
            pub label: Option<&'static str>,
            /// What it means.
            pub meaning: &'static str,
            /// Its unit.
            pub unit: Unit,
            /// Which values are better.
            pub better: Better,
        }

        /// The metrics of all workloads, in the order of their columns.
        pub static WORKLOAD_METRICS: LazyLock<Vec<WorkloadMetric>> = LazyLock::new(|| {
            let mut all = Vec::new();
            $(all.extend(<<$options as WorkloadModel>::Books as Books>::METRICS.iter().map(|m| {
                let Measure { name, label, meaning, unit, better, .. } = *m;
                WorkloadMetric { name, label, meaning, unit, better }
            }));)*
            all
        });
    };
}
pub(crate) use workloads;

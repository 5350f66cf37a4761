//! Writes the enum of events, its kinds and their readings from one list.

/// One event a paragraph: what it means, its variant, name, level and fields, and the sentence that shows the fields.
macro_rules! events {
    ($( $(#[doc = $doc:literal])+ $variant:ident $name:literal $level:ident
        { $($field:ident : $type:ty),+ $(,)? } $sentence:literal; )+) => {
        /// Something that happened. Displayed as a sentence for the operator.
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "the sentence of an event says what its fields are")]
        pub enum Event<'a> { $(
            $(#[doc = $doc])+
            #[doc = concat!("\n`", $name, "`: ", $sentence)]
            $variant { $($field: $type),+ },
        )+ }

        /// An [`Event`] without its fields: what is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $( $(#[doc = $doc])+ $variant, )+ }

        impl EventKind {
            /// Every kind, in the order of the manual.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name: what scripts, dashboards and alarms may rely on.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// How grave it is.
            pub const fn level(self) -> $crate::Level {
                match self { $(Self::$variant => $crate::Level::$level),+ }
            }

            /// What it means, line by line.
            pub(crate) const fn meaning(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($doc),+]),+ }
            }

            /// The sentence with the names of its fields in braces.
            pub(crate) const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }

            /// The names of its fields, as JSON lines have them.
            pub const fn fields(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$(stringify!($field)),+]),+ }
            }
        }

        impl Event<'_> {
            /// The event without its fields.
            #[inline]
            pub const fn kind(&self) -> EventKind {
                match self { $(Self::$variant { .. } => EventKind::$variant),+ }
            }

            /// Appends `,"name":value` for each field.
            pub(crate) fn write_json_fields(&self, line: &mut String) {
                match self { $(
                    Self::$variant { $($field),+ } => { $( $crate::field::write_json_field(line, stringify!($field), $field); )+ }
                )+ }
            }
        }

        impl std::fmt::Display for Event<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(
                    Self::$variant { $($field),+ } => {
                        $( let $field = $crate::field::Shown($field); )+
                        write!(f, $sentence)
                    }
                )+ }
            }
        }
    };
}

pub(crate) use events;

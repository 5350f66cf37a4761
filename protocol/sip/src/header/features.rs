//! Sets of features: the parameters of Contact that say what a device can do (RFC 3840 §9), those of Accept-Contact and
//! Reject-Contact that say what a caller wants (RFC 3841 §10), and what two sets have in common.
//!
//! ```text
//!   wanted:       video;methods="INVITE,BYE"      each feature is looked for in the other set by its tag,
//!                   │        │                    its values with those there: RFC 2533, in the form that
//!   capable of:   video;methods="INVITE";audio    RFC 4596 §6 gives it
//! ```
//! Nothing needs to be known about what a tag means: how a value is written says how it compares (RFC 3841 §7.2.4).

use crate::chars::trim;
use crate::params::{Param, Params, unquote};

/// The tags that are written without a plus: RFC 3840 §9 `base-tags`.
const BASE_TAGS: [&[u8]; 20] = [
    b"audio",
    b"automata",
    b"class",
    b"duplex",
    b"data",
    b"control",
    b"mobility",
    b"description",
    b"events",
    b"priority",
    b"methods",
    b"schemes",
    b"application",
    b"video",
    b"language",
    b"type",
    b"isfocus",
    b"actor",
    b"text",
    b"extensions",
];

/// Base tags that stand in no tree: RFC 3840 §5.
const WITHOUT_TREE: [&[u8]; 2] = [b"language", b"type"];

/// Longest number that is read, bytes. RFC 3840 §9 asks for what fits an ANSI C double.
const NUMBER_BYTES_MAX: usize = 64;

/// The features among the parameters of a header value; the others are passed over.
#[derive(Clone, Copy, Debug)]
pub struct FeatureSet<'a> {
    params: Params<'a>,
}

/// One feature: a tag, and the values it may have.
#[derive(Clone, Copy, Debug)]
pub struct Feature<'a> {
    tree: Tree,
    tag: &'a [u8],
    value: Option<&'a [u8]>,
}

/// Where a tag belongs: RFC 3840 §5 leaves `sip.` out of some names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tree {
    Sip,
    Other,
}

/// One value of a feature: RFC 3840 §9 `tag-value` and `string-value`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FeatureValue<'a> {
    /// A token or a boolean, compared without regard to case.
    Token(&'a [u8]),
    /// A string, compared letter by letter.
    Text(&'a [u8]),
    /// Numbers from the first to the second, both included.
    Range(f64, f64),
    /// Nothing that the grammar knows: equal to nothing.
    Malformed,
}

/// What a wanted set finds in another one, in numbers: RFC 4596 §6.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Likeness {
    /// Features that are wanted.
    pub wanted: u32,
    /// Those of them that the other set speaks of.
    pub named: u32,
    /// Those of them with a value in common.
    pub met: u32,
}

impl<'a> FeatureSet<'a> {
    /// Of these parameters.
    pub fn new(params: Params<'a>) -> Self {
        Self { params }
    }

    /// The features, in the order in which they are written.
    pub fn features(self) -> impl Iterator<Item = Feature<'a>> {
        self.params.filter_map(Feature::of)
    }

    /// Whether there is none: such a contact is immune to what callers prefer (RFC 3841 §7.2.3).
    pub fn is_empty(self) -> bool {
        self.features().next().is_none()
    }

    /// The feature with the tag of `like`. There should be one (RFC 3840 §9); the first counts.
    pub fn find(self, like: &Feature<'_>) -> Option<Feature<'a>> {
        self.features().find(|feature| feature.has_tag_of(like))
    }

    /// What of these features the other set has.
    pub fn likeness(self, capable: FeatureSet<'_>) -> Likeness {
        self.features().fold(Likeness::default(), |sum, wanted| sum.and(&wanted, capable))
    }
}

impl Likeness {
    /// With one more wanted feature.
    pub fn and(self, wanted: &Feature<'_>, capable: FeatureSet<'_>) -> Self {
        let found = capable.find(wanted);
        let is_met = found.is_some_and(|found| wanted.has_value_of(&found));
        Self {
            wanted: self.wanted + 1,
            named: self.named + u32::from(found.is_some()),
            met: self.met + u32::from(is_met),
        }
    }

    /// Whether nothing that the other set speaks of is against it. What it does not speak of matches
    /// (RFC 4596 §6.5.2).
    pub fn is_match(self) -> bool {
        self.met == self.named
    }

    /// Whether the other set says itself that it has all that is wanted.
    pub fn is_explicit(self) -> bool {
        self.met == self.wanted
    }
}

impl<'a> Feature<'a> {
    /// A base tag with one value as in a header, for preferences that nobody has written (RFC 3841 §7.2.2).
    pub fn base(tag: &'a [u8], value: &'a [u8]) -> Self {
        Self { tree: Tree::Sip, tag, value: Some(value) }
    }

    /// The feature of a parameter; other parameters are none.
    fn of(param: Param<'a>) -> Option<Self> {
        let is = |own: &&[u8]| own.eq_ignore_ascii_case(param.name);
        if let Some(tag) = param.name.strip_prefix(b"+") {
            let (tree, tag) = match tag.split_at_checked(4) {
                Some((tree, rest)) if tree.eq_ignore_ascii_case(b"sip.") => (Tree::Sip, rest),
                _ => (Tree::Other, tag),
            };
            return (!tag.is_empty()).then_some(Self { tree, tag, value: param.value });
        }
        let tree = if WITHOUT_TREE.iter().any(is) { Tree::Other } else { Tree::Sip };
        BASE_TAGS.iter().any(is).then_some(Self { tree, tag: param.name, value: param.value })
    }

    /// Whether it is about the same thing: tags are compared without regard to case, and as they are encoded.
    fn has_tag_of(&self, other: &Feature<'_>) -> bool {
        self.tree == other.tree && self.tag.eq_ignore_ascii_case(other.tag)
    }

    /// Whether any value of the one is one of the other: RFC 4596 §6.3.
    fn has_value_of(&self, other: &Feature<'_>) -> bool {
        self.values().any(|mine| other.values().any(|theirs| mine.overlaps(theirs)))
    }

    /// The values: at least one.
    pub fn values(&self) -> impl Iterator<Item = Alternative<'a>> + use<'a> {
        // RFC 3841 §8: no value is TRUE.
        let text = trim(self.value.map_or(&b"TRUE"[..], unquote));
        let string = text.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
        let listed = text.split(|&c| c == b',').map(Alternative::read).filter(move |_| string.is_none());
        string.map(Alternative::of_text).into_iter().chain(listed)
    }
}

/// One of the values that a feature may have, or all but that one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Alternative<'a> {
    /// All but this one.
    pub negated: bool,
    /// The value.
    pub value: FeatureValue<'a>,
}

impl<'a> Alternative<'a> {
    fn of_text(text: &'a [u8]) -> Self {
        Self { negated: false, value: FeatureValue::Text(text) }
    }

    fn read(text: &'a [u8]) -> Self {
        let text = trim(text);
        let (negated, text) = match text.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let value = match text.strip_prefix(b"#") {
            Some(numeric) => range(numeric).unwrap_or(FeatureValue::Malformed),
            None if text.is_empty() => FeatureValue::Malformed,
            None => FeatureValue::Token(text),
        };
        Self { negated, value }
    }

    fn overlaps(self, other: Alternative<'_>) -> bool {
        use FeatureValue::{Range, Text, Token};
        let equal = match (self.value, other.value) {
            (Token(a), Token(b)) => a.eq_ignore_ascii_case(b),
            (Text(a), Text(b)) => a == b,
            (Range(low, high), Range(lower, higher)) => low.max(lower) <= high.min(higher),
            // Of different kinds: RFC 4596 §6.3.
            _ => return false,
        };
        equal != (self.negated != other.negated)
    }
}

/// RFC 3840 §9 `numeric`, behind the octothorpe.
fn range(text: &[u8]) -> Option<FeatureValue<'static>> {
    let (low, high) = if let Some(from) = text.strip_prefix(b">=") {
        (number(from)?, f64::INFINITY)
    } else if let Some(to) = text.strip_prefix(b"<=") {
        (f64::NEG_INFINITY, number(to)?)
    } else if let Some(exact) = text.strip_prefix(b"=") {
        (number(exact)?, number(exact)?)
    } else {
        let colon = text.iter().position(|&c| c == b':')?;
        let (a, b) = (number(&text[..colon])?, number(&text[colon + 1..])?);
        (a.min(b), a.max(b))
    };
    Some(FeatureValue::Range(low, high))
}

/// `[ "+" / "-" ] 1*DIGIT ["." 0*DIGIT]`.
fn number(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let is_digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let (whole, decimals) = match digits.iter().position(|&c| c == b'.') {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &b""[..]),
    };
    let is_number = !whole.is_empty() && is_digits(whole) && is_digits(decimals);
    let text = std::str::from_utf8(text).ok().filter(|text| is_number && text.len() <= NUMBER_BYTES_MAX)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(params: &str) -> FeatureSet<'_> {
        FeatureSet::new(Params::new(params.as_bytes()))
    }

    fn likeness(wanted: &str, capable: &str) -> (u32, u32, u32) {
        let Likeness { wanted, named, met } = set(wanted).likeness(set(capable));
        (wanted, named, met)
    }

    /// RFC 3840 §5, RFC 3841 §8: the example of both, each way.
    #[test]
    fn every_form_of_a_value() {
        let text = ";mobility=\"fixed\";events=\"!presence,message-summary\";language=\"en,de\"\
                    ;description=\"<PC>\";+sip.newparam;+rangeparam=\"#-4:+5.125\";other=1;q=0.5";
        let written: Vec<_> = set(text).features().collect();
        let values: Vec<Vec<Alternative<'_>>> = written.iter().map(|f| f.values().collect()).collect();
        let token = |negated, text| Alternative { negated, value: FeatureValue::Token(text) };
        assert_eq!(
            values,
            [
                vec![token(false, b"fixed")],
                vec![token(true, b"presence"), token(false, b"message-summary")],
                vec![token(false, b"en"), token(false, b"de")],
                vec![Alternative::of_text(b"PC")],
                vec![token(false, b"TRUE")],
                vec![Alternative { negated: false, value: FeatureValue::Range(-4.0, 5.125) }],
            ]
        );
        assert_eq!(likeness(text, text), (6, 6, 6));
    }

    /// RFC 3840 §5: `sip.` is left out of base tags and written in others; a plus tells the others.
    #[test]
    fn tags_are_told_apart() {
        for (wanted, capable, named) in [
            ("video", "VIDEO", 1),
            ("video", "+sip.video", 1),
            ("video", "+video", 0),
            ("language=\"de\"", "+language=\"de\"", 1),
            ("language=\"de\"", "+sip.language=\"de\"", 0),
            ("+g.oma.sip-im", "+G.OMA.SIP-IM", 1),
        ] {
            assert_eq!(
                likeness(&format!(";{wanted}"), &format!(";{capable}")).1,
                named,
                "{wanted} {capable}"
            );
        }
        assert!(set(";reg-id=1;expires=60;msgserver;+;q=0.1").is_empty());
        assert!(!set(";+sip.instance=\"<urn:uuid:1>\"").is_empty());
    }

    /// RFC 3841 §7.2.4, RFC 4596 §6.3: tokens, strings and numbers, negated or not.
    #[test]
    fn values_compare_by_their_kind() {
        for (wanted, capable, met) in [
            ("audio", "audio", true),
            ("audio", "audio=\"true\"", true),
            ("audio", "audio=FALSE", false),
            ("methods=\"invite\"", "methods=\"BYE, INVITE\"", true),
            ("methods=\"MESSAGE\"", "methods=\"BYE,INVITE\"", false),
            ("methods=\"!BYE\"", "methods=\"BYE\"", false),
            ("methods=\"!BYE\"", "methods=\"BYE,INVITE\"", true),
            ("events=\"dialog\"", "events=\"!presence\"", true),
            ("events=\"!presence\"", "events=\"!presence\"", true),
            ("description=\"<PC>\"", "description=\"<PC>\"", true),
            ("description=\"<PC>\"", "description=\"<pc>\"", false),
            ("description=\"<PC>\"", "description=\"PC\"", false),
            ("description=\"!PC\"", "description=\"<Mac>\"", false),
            ("description=\"<a,b>\"", "description=\"<a,b>\"", true),
            ("priority=\"#>=4\"", "priority=\"#=4\"", true),
            ("priority=\"#>=4.5\"", "priority=\"#1:4\"", false),
            ("priority=\"#<=-4\"", "priority=\"#=-4.0\"", true),
            ("priority=\"#5:1\"", "priority=\"#=3.\"", true),
            ("priority=\"!#=3\"", "priority=\"#=3\"", false),
            ("priority=\"#=x\"", "priority=\"#=x\"", false),
            ("priority=\"#1\"", "priority=\"#=1\"", false),
            ("priority=\"#=1e9\"", "priority=\"#>=0\"", false),
            ("methods=\"\"", "methods=\"\"", false),
        ] {
            let is_met = likeness(&format!(";{wanted}"), &format!(";{capable}")).2 == 1;
            assert_eq!(is_met, met, "{wanted} {capable}");
        }
    }
}

//! One question: a line of JSON.

use serde_json::{Map, Value};

/// The version of the protocol.
pub(crate) const VERSION: u64 = 1;

/// What stands beside every version.
pub(crate) const VERSION_KEY: &str = "offhook";
const ASK_KEY: &str = "ask";

/// The longest name of a question, bytes: longer ones are not repeated to who asked them.
const NAME_BYTES_MAX: usize = 64;

/// A question and its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    name: String,
    arguments: Map<String, Value>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Fault {
    /// The line is no object of JSON.
    #[error("a question is one line with one JSON object")]
    NotJson,
    /// It does not say for which version it was made, or it was made for another one.
    #[error("this server speaks version 1 of the control protocol; the question must say \"offhook\":1")]
    OtherVersion,
    /// It does not say what it asks.
    #[error("\"ask\" must be the name of a question, of 1 to 64 characters")]
    NoName,
    /// Nobody answers to this name.
    #[error("this server knows no question \"{0}\"")]
    Unknown(String),
    /// An argument is missing or makes no sense.
    #[error("\"{argument}\": {why}")]
    Argument {
        /// Its name.
        argument: &'static str,
        /// What is wrong.
        why: String,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    Absent(String),
}

impl Fault {
    /// A word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotJson | Self::NoName => "malformed",
            Self::OtherVersion => "version",
            Self::Unknown(_) => "unknown",
            Self::Argument { .. } => "argument",
            Self::Absent(_) => "absent",
        }
    }
}

impl Question {
    /// One without arguments.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), arguments: Map::new() }
    }

    /// With one more argument.
    pub fn with(mut self, argument: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(argument.to_owned(), value.into());
        self
    }

    /// Reads a line, its end not included.
    ///
    /// # Errors
    /// The [`Fault`] to answer.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        let Ok(Value::Object(mut arguments)) = serde_json::from_slice(line) else {
            return Err(Fault::NotJson);
        };
        if arguments.remove(VERSION_KEY).and_then(|version| version.as_u64()) != Some(VERSION) {
            return Err(Fault::OtherVersion);
        }
        match arguments.remove(ASK_KEY) {
            Some(Value::String(name)) if (1..=NAME_BYTES_MAX).contains(&name.len()) => {
                Ok(Self { name, arguments })
            }
            _ => Err(Fault::NoName),
        }
    }

    /// The line, its end not included.
    pub fn line(&self) -> String {
        let mut object = self.arguments.clone();
        object.insert(VERSION_KEY.to_owned(), VERSION.into());
        object.insert(ASK_KEY.to_owned(), self.name.clone().into());
        Value::Object(object).to_string()
    }

    /// What is asked.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An argument that must be a text.
    ///
    /// # Errors
    /// [`Fault::Argument`]
    pub fn text(&self, argument: &'static str) -> Result<&str, Fault> {
        let text = self.arguments.get(argument).and_then(Value::as_str);
        text.ok_or(Fault::Argument { argument, why: "a text is wanted".to_owned() })
    }

    /// An argument that must be a whole number.
    ///
    /// # Errors
    /// [`Fault::Argument`]
    pub fn number(&self, argument: &'static str) -> Result<u64, Fault> {
        let number = self.arguments.get(argument).and_then(Value::as_u64);
        number.ok_or(Fault::Argument { argument, why: "a whole number is wanted".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_what_its_line_says() {
        let question = Question::new("ban.lift").with("source", "192.0.2.7");
        assert_eq!(Question::parse(question.line().as_bytes()), Ok(question.clone()));
        assert_eq!((question.name(), question.text("source")), ("ban.lift", Ok("192.0.2.7")));
        let longer = question.clone().with("for_s", 300);
        assert_eq!((longer.number("for_s"), longer.number("source").is_err()), (Ok(300), true));
        assert_eq!(question.text("other").map_err(|fault| fault.kind()), Err("argument"));
        assert_eq!(
            Question::parse(br#" {"later": [1], "ask":"a", "offhook":1} "#).map(|q| q.name),
            Ok("a".to_owned())
        );
    }

    /// A question that is passed on must not change, whatever numbers a later version may ask with.
    #[test]
    fn numbers_come_back_as_they_were() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let line = format!(r#"{{"offhook":1,"ask":"a","n":{number:e}}}"#);
                let question = Question::parse(line.as_bytes()).unwrap();
                assert_eq!(question.arguments["n"].as_f64(), Some(number));
                assert_eq!(Question::parse(question.line().as_bytes()), Ok(question));
            }
        }
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        let deep = "[".repeat(4_000);
        let long = format!(r#"{{"offhook":1,"ask":"{}"}}"#, "x".repeat(65));
        for (line, kind) in [
            ("", "malformed"),
            ("hello", "malformed"),
            ("[]", "malformed"),
            (&deep, "malformed"),
            ("{}", "version"),
            (r#"{"ask":"ban.list"}"#, "version"),
            (r#"{"offhook":2,"ask":"ban.list"}"#, "version"),
            (r#"{"offhook":"1","ask":"ban.list"}"#, "version"),
            (r#"{"offhook":1}"#, "malformed"),
            (r#"{"offhook":1,"ask":7}"#, "malformed"),
            (r#"{"offhook":1,"ask":""}"#, "malformed"),
            (&long, "malformed"),
        ] {
            assert_eq!(Question::parse(line.as_bytes()).map_err(|fault| fault.kind()), Err(kind), "{line}");
        }
        assert_eq!(Question::parse(b"\xff\xfe").map_err(|fault| fault.kind()), Err("malformed"));
    }
}

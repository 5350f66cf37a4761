//! Where questions are answered.

use serde_json::{Value, json};

use crate::question::{Fault, Question, VERSION, VERSION_KEY};

/// Answers one kind of question with any number of things, each an object.
type Clerk = Box<dyn FnMut(&Question) -> Result<Vec<Value>, Fault> + Send>;

/// Knows who answers what.
#[derive(Default)]
pub struct Desk {
    clerks: Vec<(&'static str, Clerk)>,
}

impl Desk {
    /// From now on questions of this name are answered by `clerk`. It must not wait for anything.
    pub fn on(
        &mut self,
        name: &'static str,
        clerk: impl FnMut(&Question) -> Result<Vec<Value>, Fault> + Send + 'static,
    ) {
        self.clerks.push((name, Box::new(clerk)));
    }

    /// Appends the answer to a line.
    pub fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let answered = Question::parse(line).and_then(|question| self.ask(&question));
        let (things, end) = match answered {
            Ok(things) => {
                let done = things.len();
                (things, json!({ VERSION_KEY: VERSION, "done": done }))
            }
            Err(fault) => {
                let (error, kind) = (fault.to_string(), fault.kind());
                (Vec::new(), json!({ VERSION_KEY: VERSION, "error": error, "kind": kind }))
            }
        };
        for thing in things.iter().chain([&end]) {
            out.extend_from_slice(thing.to_string().as_bytes());
            out.push(b'\n');
        }
    }

    fn ask(&mut self, question: &Question) -> Result<Vec<Value>, Fault> {
        let clerk = self.clerks.iter_mut().find(|(name, _)| *name == question.name());
        let (_, clerk) = clerk.ok_or_else(|| Fault::Unknown(question.name().to_owned()))?;
        clerk(question)
    }
}

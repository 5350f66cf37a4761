//! The side of the command that asks.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::question::{Fault, Question, VERSION_KEY};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no server runs with the data directory {0}")]
    NoServer(PathBuf),
    /// Another user's server.
    #[error("the server with the data directory {0} belongs to another user")]
    NotAllowed(PathBuf),
    /// It listens and says nothing.
    #[error("the server with the data directory {0} does not answer")]
    Silent(PathBuf),
    /// It says no.
    #[error("{0}")]
    Refused(String),
    /// What was asked for is not there.
    #[error("{0}")]
    Absent(String),
    /// Its answer ends in the middle or is no JSON.
    #[error("the server with the data directory {0} has not answered to the end")]
    CutOff(PathBuf),
    /// Anything else the system says.
    #[error("cannot ask the server with the data directory {path}")]
    Io {
        /// Its directory.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
}

/// Asks the server that runs with this data directory. The things it names, each an object.
///
/// # Errors
/// [`AskError`]
pub fn ask(data_dir: &Path, question: &Question) -> Result<Vec<Value>, AskError> {
    let path = || data_dir.to_owned();
    let answer = offhook_net::ask_control(data_dir, question.line().as_bytes());
    let answer = answer.map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NoServer(path()),
        ErrorKind::PermissionDenied => AskError::NotAllowed(path()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => AskError::Silent(path()),
        ErrorKind::InvalidData | ErrorKind::ConnectionReset => AskError::CutOff(path()),
        _ => AskError::Io { path: path(), source },
    })?;
    read(&answer).unwrap_or_else(|| Err(AskError::CutOff(path())))
}

/// `None`: it is not whole.
fn read(answer: &[u8]) -> Option<Result<Vec<Value>, AskError>> {
    let mut lines = answer.strip_suffix(b"\n")?.split(|&c| c == b'\n').map(serde_json::from_slice::<Value>);
    let end = lines.next_back()?.ok().filter(|end| end.get(VERSION_KEY).is_some())?;
    if let Some(error) = end.get("error").and_then(Value::as_str) {
        let is_absent = end.get("kind").is_some_and(|kind| kind == Fault::Absent(String::new()).kind());
        let why = error.to_owned();
        return Some(Err(if is_absent { AskError::Absent(why) } else { AskError::Refused(why) }));
    }
    let things: Vec<Value> = lines.collect::<Result<_, _>>().ok()?;
    (end.get("done")?.as_u64()? == things.len() as u64).then_some(Ok(things))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        let done = "{\"a\":1}\n{\"a\":2}\n{\"offhook\":1,\"done\":2}\n";
        assert_eq!(read(done.as_bytes()).unwrap().unwrap().len(), 2);
        for len in 0..done.len() {
            assert!(read(&done.as_bytes()[..len]).is_none(), "{len} bytes of it");
        }
        assert!(read(b"{\"offhook\":1,\"done\":1}\n").is_none(), "a thing is missing");
    }

    #[test]
    fn a_no_says_whether_there_is_such_a_thing() {
        let said =
            |kind: &str| read(format!("{{\"offhook\":1,\"error\":\"x\",\"kind\":\"{kind}\"}}\n").as_bytes());
        assert!(matches!(said("absent"), Some(Err(AskError::Absent(why))) if why == "x"));
        assert!(matches!(said("argument"), Some(Err(AskError::Refused(why))) if why == "x"));
    }
}

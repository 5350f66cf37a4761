//! What `ping` shows: each answer as it comes, and the sum at the end.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use offhook_net::Stopper;
use offhook_sip::{Message, Name, StartLine};

use super::prober::{Report, Witness};
use crate::visible::visible;

/// Columns of a line.
const WIDTH: usize = 80;

/// Writes down what happens and ends the loop when there is no more to come.
pub struct Screen<O> {
    out: O,
    stopper: Stopper,
    timeout_s: u32,
    /// The clock of the loop counts milliseconds; an answer from next door takes less.
    asked_at: Instant,
    asked: u32,
    round_trips: Vec<Duration>,
    /// What the last answer said of its server; said again only when it differs.
    about: String,
    /// The first line that could not be written; none is afterwards.
    broken: Option<io::Error>,
}

impl<O: Write> Screen<O> {
    /// With nothing on it.
    pub fn new(out: O, stopper: Stopper, timeout_s: u32) -> Self {
        Self {
            out,
            stopper,
            timeout_s,
            asked_at: Instant::now(),
            asked: 0,
            round_trips: Vec::new(),
            about: String::new(),
            broken: None,
        }
    }

    /// Shows the sum, where there was more than one question, and says whether anybody answered.
    pub fn finish(mut self) -> io::Result<bool> {
        if self.asked > 1 {
            let sum = sum(self.asked, &self.round_trips);
            self.line(&sum);
        }
        match self.broken {
            Some(error) => Err(error),
            None => Ok(!self.round_trips.is_empty()),
        }
    }

    fn line(&mut self, line: &str) {
        if self.broken.is_none()
            && let Err(error) = writeln!(self.out, "{line}")
        {
            self.broken = Some(error);
            self.stopper.stop();
        }
    }

    fn answered(&mut self, resent: u32, response: &Message<'_>) {
        let round_trip = self.asked_at.elapsed();
        self.round_trips.push(round_trip);
        let again = match resent {
            0 => "",
            1 => ", asked twice",
            _ => ", asked several times",
        };
        self.line(&format!("{}  {}{again}", status_line(response), milliseconds(round_trip)));
        let about = about(response);
        if about != self.about {
            about.lines().for_each(|line| self.line(line));
            self.about = about;
        }
    }
}

impl<O: Write> Witness for Screen<O> {
    fn hear(&mut self, report: Report<'_>) {
        match report {
            Report::Asked => {
                self.asked += 1;
                self.asked_at = Instant::now();
            }
            Report::Answered { resent, response } => self.answered(resent, response),
            Report::Silent => self.line(&format!("no answer within {} s", self.timeout_s)),
            Report::Disconnected => self.line("no connection: refused, unreachable, or closed by the server"),
            Report::Finished => self.stopper.stop(),
        }
    }
}

fn status_line(response: &Message<'_>) -> String {
    match response.start_line() {
        StartLine::Response { status, reason } => format!("SIP/2.0 {status} {}", visible(reason)),
        StartLine::Request { .. } => String::new(),
    }
}

/// What the answer says of its server (RFC 3261 §11.2, §20.35, §20.41), below the status line.
fn about(response: &Message<'_>) -> String {
    let mut about = String::new();
    for name in [Name::Server, Name::UserAgent, Name::Allow, Name::Supported] {
        for line in response.lines_of(name) {
            let words = format!("{}: {}", name.text(), visible(response.line_value(line)));
            about.push_str(&folded(&words));
        }
    }
    about
}

/// Breaks a header value between its words: the first line two columns in, the others four.
fn folded(words: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::from(" "));
    for word in words.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && !line.trim().is_empty() {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

fn sum(asked: u32, round_trips: &[Duration]) -> String {
    let answered = round_trips.len();
    let mut sum = format!("{asked} asked, {answered} answered");
    if let (Some(least), Some(most)) = (round_trips.iter().min(), round_trips.iter().max()) {
        let average = round_trips.iter().sum::<Duration>() / answered as u32;
        let [least, average, most] = [*least, average, *most].map(milliseconds);
        sum.push_str(&format!("; least {least}, average {average}, most {most}"));
    }
    sum
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"SIP/2.0 200 O\x1bK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nServer: Switch\x1b[2J/1\r\nAllow: INVITE, ACK\r\n\
        Content-Length: 0\r\n\r\n";

    fn shown(reports: impl IntoIterator<Item = Report<'static>>) -> (String, bool) {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, Stopper::new().unwrap(), 4);
        reports.into_iter().for_each(|report| screen.hear(report));
        let answered = screen.finish().unwrap();
        (String::from_utf8(out).unwrap(), answered)
    }

    #[test]
    fn an_answer_tells_of_its_server_once_and_cannot_steer_the_terminal() {
        let response: &'static Message<'static> = Box::leak(Box::new(Message::parse(RESPONSE).unwrap()));
        let answer = || Report::Answered { resent: 0, response };
        let (text, answered) = shown([Report::Asked, answer(), Report::Asked, answer(), Report::Finished]);
        assert!(answered);
        assert!(!text.contains('\x1b'), "{text:?}");
        assert_eq!(text.matches("SIP/2.0 200 O\\u{1b}K").count(), 2, "{text}");
        assert_eq!(text.matches("  Server: Switch\\u{1b}[2J/1\n").count(), 1, "{text}");
        assert!(text.contains("2 asked, 2 answered; least "), "{text}");
    }

    #[test]
    fn nobody_there_is_said() {
        let (text, answered) = shown([Report::Asked, Report::Silent, Report::Asked, Report::Disconnected]);
        assert!(!answered);
        assert!(text.ends_with("2 asked, 0 answered\n"), "{text}");
        assert_eq!(text.lines().next(), Some("no answer within 4 s"));
    }

    #[test]
    fn long_headers_are_folded() {
        let lines = folded(&format!("Allow: {}", "OPTIONS, ".repeat(30)));
        assert!(lines.lines().count() > 1 && lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        assert_eq!(folded("Server: x"), "  Server: x\n");
    }
}

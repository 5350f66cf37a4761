//! A socket in a directory by which commands on this machine ask a running server.
//!
//! ```text
//!   command ── one line ──► control.sock (mode 0600) ── thread of its own ──► answer, closed
//! ```
//! One question a connection, one connection at a time, and each has its time: nobody who asks slowly keeps the next one
//! waiting for long, and no shard knows that anybody asks. What the lines mean is for others.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Stopper;
use crate::sys::{Epoll, Interest, Ready, local_socket};

/// The name of the socket in its directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The longest question, its line end included, bytes.
pub const QUESTION_BYTES_MAX: usize = 4_096;

/// The longest answer that a command takes, bytes: thousands of bans or trunks, and no memory is filled by mistake.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How long a question may take to arrive, and an answer to be taken. A command does both at once.
const QUESTION_TIME: Duration = Duration::from_secs(2);
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a command waits for its answer: for those before it too.
const PATIENCE: Duration = Duration::from_secs(30);

/// After a failure to accept (no descriptor is left), so long nobody is heard, ms.
const REST_MS: u64 = 1_000;

/// The server's end. Dropped, it takes its name away.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    directory: PathBuf,
}

impl ControlSocket {
    /// Listens in `directory`, which must be the server's own: what is there under the name is replaced.
    ///
    /// # Errors
    /// What the system says: the directory is not there or not ours, or the file system has no sockets.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let listener = local_socket::listen(directory, CONTROL_SOCKET)?;
        Ok(Self { listener, directory: directory.to_owned() })
    }

    /// Answers until `stop` is pulled. `answer` gets a question without its line end, and appends all that is to be said.
    ///
    /// # Errors
    /// The system has no descriptor left to wait with.
    pub fn serve(self, stop: &Stopper, mut answer: impl FnMut(&[u8], &mut Vec<u8>)) -> io::Result<()> {
        const LISTENER: u64 = 0;
        const STOP: u64 = 1;
        let (epoll, mut ready) = (Epoll::new()?, Ready::new(2));
        epoll.add(self.listener.as_fd(), LISTENER, Interest::READ)?;
        epoll.add(stop.as_fd(), STOP, Interest::READ)?;
        loop {
            let count = epoll.wait(&mut ready, None)?;
            if (0..count).any(|index| ready.event(index).token == STOP) {
                return Ok(());
            }
            match self.listener.accept() {
                // Who goes away in the middle has nobody left to be told.
                Ok((stream, _)) => drop(converse(stream, &mut answer)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    let (rest, mut stopped) = (Epoll::new()?, Ready::new(1));
                    rest.add(stop.as_fd(), STOP, Interest::READ)?;
                    rest.wait(&mut stopped, Some(REST_MS))?;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A name that stays is replaced at the next start.
        let _ = local_socket::remove(&self.directory, CONTROL_SOCKET);
    }
}

/// Asks the server whose directory this is. The whole answer.
///
/// # Errors
/// [`ErrorKind::NotFound`] and [`ErrorKind::ConnectionRefused`]: no server runs there.
/// [`ErrorKind::PermissionDenied`]: it is somebody else's. [`ErrorKind::WouldBlock`] and [`ErrorKind::TimedOut`]: it does
/// not answer. [`ErrorKind::InvalidData`]: the answer is longer than [`ANSWER_BYTES_MAX`].
pub fn ask_control(directory: &Path, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = local_socket::connect(directory, CONTROL_SOCKET)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(question)?;
    stream.write_all(b"\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer)?;
    if answer.len() > ANSWER_BYTES_MAX { Err(ErrorKind::InvalidData.into()) } else { Ok(answer) }
}

fn converse(mut stream: UnixStream, answer: &mut impl FnMut(&[u8], &mut Vec<u8>)) -> io::Result<()> {
    // Some systems hand the listener's mode down.
    stream.set_nonblocking(false)?;
    let question = read_line(&mut stream)?;
    let mut said = Vec::new();
    answer(&question, &mut said);
    write_all(&mut stream, &said)
}

/// The first line; or what there is of it when it is too long or ends without a line end, which is for the parser to
/// refuse.
fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + QUESTION_TIME;
    let mut buffer = [0; QUESTION_BYTES_MAX];
    let mut len = 0;
    while len < buffer.len() {
        stream.set_read_timeout(Some(left(until)?))?;
        let more = stream.read(&mut buffer[len..])?;
        let end = buffer[len..len + more].iter().position(|&c| c == b'\n');
        if let Some(end) = end {
            return Ok(buffer[..len + end].to_vec());
        }
        len += more;
        if more == 0 {
            break;
        }
    }
    Ok(buffer[..len].to_vec())
}

fn write_all(stream: &mut UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    let until = Instant::now() + ANSWER_TIME;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        let written = stream.write(bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// What is left of its time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    /// A directory that is gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("offhook-control-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Runs `test` beside a server that says everything backwards.
    fn beside_a_server(folder: &Path, test: impl FnOnce()) {
        let (socket, stop) = (ControlSocket::open(folder).unwrap(), Stopper::new().unwrap());
        let backwards = |question: &[u8], out: &mut Vec<u8>| out.extend(question.iter().rev());
        thread::scope(|scope| {
            let server = scope.spawn(|| socket.serve(&stop, backwards));
            test();
            stop.stop();
            server.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_question_has_its_answer_and_the_owner_alone_may_ask() {
        let folder = Folder::new("answer");
        beside_a_server(&folder.0, || {
            assert_eq!(ask_control(&folder.0, b"hello").unwrap(), b"olleh");
            assert_eq!(ask_control(&folder.0, b"").unwrap(), b"");
            let long = vec![b'x'; 2 * QUESTION_BYTES_MAX];
            // What was read of it is answered, or the rest of it finds the door closed.
            let answer = ask_control(&folder.0, &long).unwrap_or_default();
            assert!(answer.len() <= QUESTION_BYTES_MAX);
            let mode = std::fs::metadata(folder.0.join(CONTROL_SOCKET)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        });
        assert!(!folder.0.join(CONTROL_SOCKET).exists());
        assert_eq!(ask_control(&folder.0, b"hello").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_dead_server_leaves_a_name_that_the_next_one_takes() {
        let folder = Folder::new(&"long".repeat(40));
        // Without a farewell: the name stays.
        drop(local_socket::listen(&folder.0, CONTROL_SOCKET).unwrap());
        assert_eq!(ask_control(&folder.0, b"hello").unwrap_err().kind(), ErrorKind::ConnectionRefused);
        beside_a_server(&folder.0, || assert_eq!(ask_control(&folder.0, b"ab").unwrap(), b"ba"));
    }

    #[test]
    fn who_says_nothing_keeps_others_waiting_two_seconds_at_most() {
        let folder = Folder::new("slow");
        beside_a_server(&folder.0, || {
            let _silent = local_socket::connect(&folder.0, CONTROL_SOCKET).unwrap();
            let began = Instant::now();
            assert_eq!(ask_control(&folder.0, b"ab").unwrap(), b"ba");
            assert!(began.elapsed() < QUESTION_TIME * 2);
        });
    }
}

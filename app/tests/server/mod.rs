//! The program as people run it: the built binary, with folders of its own and ports that the system chooses.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything here takes, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Log lines that wait for the test.
const LINES_MAX: usize = 100_000;

const ON_LOOPBACK: &str = "\
    [log]\n\
    format = \"json\"\n\
    level = \"debug\"\n\
    [[listen]]\n\
    transport = \"udp\"\n\
    address = \"127.0.0.1:0\"\n\
    [[listen]]\n\
    transport = \"tcp\"\n\
    address = \"127.0.0.1:0\"\n";

/// A place for a server: its configuration, and room for its data.
pub struct Place {
    dir: TempDir,
}

impl Place {
    /// Listens on loopback.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, with more in the configuration.
    pub fn with(more: &str) -> Self {
        let place = Self { dir: TempDir::new().unwrap() };
        place.configure(more);
        place
    }

    /// Another configuration for the next command: loopback and this.
    pub fn configure(&self, more: &str) {
        std::fs::write(self.config(), format!("{ON_LOOPBACK}{more}")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("offhook.toml")
    }

    /// Not there before the first start.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A command on this place's configuration and data.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command.args(arguments).arg("--config").arg(self.config()).arg("--data").arg(self.data());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that succeeds, and gives what it has printed.
    #[track_caller]
    pub fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        shown(&path)
    }
}

/// A server that takes requests.
pub struct Server {
    child: Child,
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    tls: Option<SocketAddr>,
    listeners: String,
    /// What it has logged until it was ready.
    pub early: String,
    /// What it has printed for people.
    pub welcome: String,
    /// From its start to the line that says it is ready.
    pub ready_after: Duration,
    log: Receiver<String>,
}

impl Server {
    #[track_caller]
    pub fn start(place: &Place) -> Self {
        Self::start_by(place, place.command(&["serve"]))
    }

    /// A server that can write no file beyond this length: to it the disk is full there.
    #[track_caller]
    pub fn start_on_small_disk(place: &Place, kilobytes: u32) -> Self {
        let serve = place.command(&["serve"]);
        // The shell counts in blocks of 512 bytes. Without the trap the signal would end the server; a real full disk
        // sends none.
        let limit = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", 2 * kilobytes);
        let mut command = Command::new("sh");
        command
            .args(["-c", &limit, "sh"])
            .arg(serve.get_program())
            .args(serve.get_args())
            .stdin(Stdio::null());
        Self::start_by(place, command)
    }

    /// Its disk has room again.
    pub fn make_room(&self) {
        let pid = self.child.id().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status();
        assert!(done.expect("prlimit is there, of util-linux").success());
    }

    #[track_caller]
    fn start_by(place: &Place, mut command: Command) -> Self {
        let started = Instant::now();
        // A file, not a pipe: what was printed before a log line is in it when that line has been read.
        let printed = place.path("printed");
        let mut child =
            command.stdout(File::create(&printed).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let log = lines(child.stderr.take().unwrap());
        let mut before = String::new();
        let listeners = loop {
            let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not ready: {before}"));
            if let Some(listeners) = ready(&line) {
                break listeners;
            }
            before.push_str(&line);
            before.push('\n');
        };
        let ready_after = started.elapsed();
        let address = |transport: &str| {
            let named = listeners.split(", ").find_map(|listener| listener.strip_prefix(transport));
            named.map(|address| address.trim().parse().unwrap())
        };
        let (udp, tcp, tls) = (address("udp").unwrap(), address("tcp").unwrap(), address("tls"));
        let welcome = std::fs::read_to_string(printed).unwrap();
        Self { child, udp, tcp, tls, listeners, early: before, welcome, ready_after, log }
    }

    /// Its first listener by TLS.
    #[track_caller]
    pub fn tls(&self) -> SocketAddr {
        self.tls.expect("the configuration has a listener by TLS")
    }

    /// Its listener by UDP over IPv6.
    #[track_caller]
    pub fn udp_ipv6(&self) -> SocketAddr {
        let named = self.listeners.split(", ").find(|listener| listener.starts_with("udp ["));
        named.expect("the configuration has such a listener")["udp ".len()..].parse().unwrap()
    }

    /// Its first listener by this transport.
    #[track_caller]
    pub fn listener(&self, transport: &str) -> SocketAddr {
        let named = self
            .listeners
            .split(", ")
            .find_map(|listener| listener.split_once(' ').filter(|l| l.0 == transport));
        named.expect("the configuration has such a listener").1.parse().unwrap()
    }

    /// The next event of this name that it logs.
    #[track_caller]
    pub fn wait_event(&self, name: &str) -> serde_json::Value {
        // Other lines may come all the time.
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE * 3, "no {name} among what is logged");
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {name} is logged"));
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["event"] == name {
                return event;
            }
        }
    }

    /// The next events of these names, whichever comes first.
    #[track_caller]
    pub fn wait_events<const N: usize>(&self, names: [&str; N]) -> [serde_json::Value; N] {
        let mut found = [const { serde_json::Value::Null }; N];
        while let Some(missing) = found.iter().position(serde_json::Value::is_null) {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {} is logged", names[missing]));
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let at =
                names.iter().zip(&found).position(|(name, found)| found.is_null() && event["event"] == *name);
            at.into_iter().for_each(|at| found[at] = event.clone());
        }
        found
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name and waits for the end; how long that took.
    pub fn signal(mut self, name: &str) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        (self.child.wait().unwrap(), asked.elapsed())
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it has logged since it was ready, until it ended. To be called after the end.
    pub fn log(self) -> String {
        self.log.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(reader: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // Nobody may be listening any more.
            let _ = send.try_send(line);
        }
    });
    receive
}

/// The addresses in the line that says the server is ready.
fn ready(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    (event["event"] == "server.ready").then(|| event["listeners"].as_str().unwrap().to_owned())
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Tries until it holds, which shall take no longer than `patience`.
#[track_caller]
pub fn within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Messages that wait, in the program as people run it: what was acknowledged with 202 survives `kill -9` exactly once, is
//! delivered after a restart without anybody registering again, and `offhook messages` shows and deletes it.

mod server;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use offhook_sip::{Message, Name};
use serde_json::Value;
use server::{PATIENCE, Place, Server};

const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

const USERS: usize = 12;

/// Requests that wait for their answers at a time.
const WINDOW: usize = 32;

/// Deliveries that may be under way when the server dies. Their phones have them; the server has not heard it.
const DELIVERIES_MAX: usize = 64;

/// When something that nobody answered is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// One socket that writes to everybody, and is everybody's phone.
struct People {
    socket: UdpSocket,
    server: SocketAddr,
    /// How often each message has come, by Call-ID.
    received: BTreeMap<String, usize>,
    /// The Call-IDs of each user's messages in the order in which they came first.
    orders: BTreeMap<String, Vec<usize>>,
}

impl People {
    fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { socket, server, received: BTreeMap::new(), orders: BTreeMap::new() }
    }

    fn write(&self, number: usize) {
        let (own, user) = (self.socket.local_addr().unwrap(), number % USERS);
        let body = format!("message {number}");
        self.send(&format!(
            "MESSAGE sip:user{user}@offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-m{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@offhook.internal>;tag=a\r\nTo: <sip:user{user}@offhook.internal>\r\n\
             Call-ID: {number}\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    fn register(&self, user: usize) {
        let own = self.socket.local_addr().unwrap();
        self.send(&format!(
            "REGISTER sip:offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-r{user}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:user{user}@offhook.internal>;tag=r\r\nTo: <sip:user{user}@offhook.internal>\r\n\
             Call-ID: r{user}\r\nCSeq: 1 REGISTER\r\nContact: <sip:user{user}@{own}>\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).unwrap();
    }

    /// Takes what has come. The Call-ID of a final answer, if it was one.
    fn hear(&mut self) -> Option<(String, u16)> {
        let mut bytes = [0; 65_536];
        let length = self.socket.recv(&mut bytes).ok()?;
        let message = Message::parse(&bytes[..length]).unwrap();
        let call_id = String::from_utf8(message.call_id().unwrap().to_vec()).unwrap();
        if let Some(status) = message.status() {
            return (status >= 200).then_some((call_id, status));
        }
        let number: usize = call_id.parse().unwrap();
        assert_eq!(message.body(), format!("message {number}").as_bytes());
        let user = String::from_utf8(message.request_uri().unwrap().user.unwrap().to_vec()).unwrap();
        assert_eq!(user, format!("user{}", number % USERS));
        if *self.received.entry(call_id).and_modify(|times| *times += 1).or_insert(1) == 1 {
            self.orders.entry(user).or_default().push(number);
        }
        let mut answer = String::from("SIP/2.0 200 OK\r\n");
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            let line = message.line(name).unwrap();
            answer.push_str(&String::from_utf8_lossy(&message.bytes()[line.whole()]));
        }
        self.send(&format!("{answer}Content-Length: 0\r\n\r\n"));
        None
    }

    /// Writes these until so many have been acknowledged; those that were not.
    fn write_until(&mut self, mut numbers: Vec<usize>, acknowledged: usize) -> Vec<usize> {
        let (begun, mut last, mut heard) = (Instant::now(), Instant::now(), 0);
        numbers.iter().take(WINDOW).for_each(|number| self.write(*number));
        while heard < acknowledged {
            assert!(begun.elapsed() < PATIENCE, "{heard} of {acknowledged} acknowledged");
            if let Some((call_id, status)) = self.hear() {
                assert_eq!(status, 202, "{call_id}");
                let before = numbers.len();
                numbers.retain(|number| number.to_string() != call_id);
                heard += before - numbers.len();
                if let Some(number) = numbers.get(WINDOW - 1).filter(|_| before > numbers.len()) {
                    self.write(*number);
                }
            } else if last.elapsed() > AGAIN_AFTER {
                last = Instant::now();
                numbers.iter().take(WINDOW).for_each(|number| self.write(*number));
            }
        }
        numbers
    }

    fn hear_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            self.hear();
            assert!(begun.elapsed() < PATIENCE, "not in time: {what}; {} came", self.received.len());
        }
    }
}

/// A place where every user has an account: messages wait for nobody else.
fn place(more: &str) -> Place {
    let place = Place::with(&format!("{OPEN}{more}"));
    let accounts: String =
        (0..USERS).map(|user| format!("user{user},offhook.internal,a password of some length\n")).collect();
    let file = place.write("accounts.csv", accounts);
    place.print(&["account", "import", &file]);
    place
}

fn listed(place: &Place) -> Vec<Value> {
    let list = place.print(&["messages", "list", "--json", "--limit", "100000"]);
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn kept_messages_survive_kills() {
    const MESSAGES: usize = 360;
    let place = place("");
    let mut server = Server::start(&place);
    let mut people = People::new(server.udp);
    let left = people.write_until((0..MESSAGES).collect(), MESSAGES / 2);
    server.kill();
    let listed_dead = listed(&place).len();
    assert!((MESSAGES / 2..=MESSAGES / 2 + WINDOW).contains(&listed_dead), "{listed_dead} without a server");

    server = Server::start(&place);
    people.server = server.udp;
    let wanted = left.len();
    assert!(people.write_until(left, wanted).is_empty());
    assert_eq!(listed(&place).len(), MESSAGES, "what was sent again is kept once");

    (0..USERS).for_each(|user| people.register(user));
    people.hear_until("the first deliveries", |people| people.received.len() >= MESSAGES / 3);
    server.kill();
    let mut server = Server::start(&place);
    people.server = server.udp;
    // Nobody registers again: the bindings are there, too.
    people.hear_until("all deliveries", |people| people.received.len() == MESSAGES);
    people.hear_until("an empty list", |_| listed(&place).is_empty());
    let twice = people.received.values().filter(|times| **times > 1).count();
    assert!(twice <= DELIVERIES_MAX, "{twice} messages came more than once");
    for (user, order) in &people.orders {
        assert_eq!(order.len(), MESSAGES / USERS);
        // Those of the second life were kept behind those of the first.
        let descents = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!(descents <= WINDOW, "{user}: {order:?}");
    }
    server.kill();
    assert!(listed(&place).is_empty());
}

/// The example of docs/messages.md.
#[test]
fn a_list_for_people_and_one_for_programs() {
    let place = place("");
    let server = Server::start(&place);
    let mut people = People::new(server.udp);
    assert_eq!(place.print(&["messages", "list"]), "No such messages wait.\n");
    people.write_until((0..3).collect(), 3);
    assert_eq!(server.wait_event("message.kept")["aor"], "user0@offhook.internal");
    let table = place.print(&["messages", "list"]);
    assert!(table.starts_with("ID  CAME (UTC)") && table.contains("alice@offhook.internal"), "{table}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 4 && !table.contains('…'), "{table}");
    let json = listed(&place);
    assert_eq!((&json[1]["aor"], &json[1]["body"]), (&"user1@offhook.internal".into(), &"message 1".into()));
    assert_eq!(json[1]["content_type"], "text/plain");
    let id = json[1]["id"].to_string();
    assert_eq!(place.print(&["messages", "list", "--id", &id, "--json"]).lines().count(), 1);
    assert_eq!(place.print(&["messages", "delete", "--id", &id]), "Deleted 1 messages.\n");
    assert_eq!(place.print(&["messages", "delete", "user0"]), "Deleted 1 messages.\n");
    assert_eq!(place.run(&["messages", "delete"]).status.code(), Some(2), "all at once is a slip");

    // An account that is removed leaves nothing to whoever is given its name.
    place.print(&["account", "remove", "user2"]);
    assert!(listed(&place).is_empty());
    std::thread::sleep(Duration::from_millis(1_500));
    (0..3).for_each(|user| people.register(user));
    let silence = Instant::now();
    people.hear_until("nothing", |_| silence.elapsed() > Duration::from_millis(500));
    assert!(people.received.is_empty(), "what was deleted is not delivered: {:?}", people.received);
}

#[test]
fn messages_may_be_switched_off() {
    let place = place("[messages]\nkeep = false\n");
    let server = Server::start(&place);
    let mut people = People::new(server.udp);
    people.write(0);
    let answer = std::iter::repeat_with(|| people.hear()).take(100).flatten().next();
    assert_eq!(answer, Some(("0".to_owned(), 480)));
}

/// The dry run knows what waits, and says which setting or limit keeps a message from being kept.
#[test]
fn the_dry_run_says_what_is_kept() {
    let place = Place::with(&format!("{OPEN}[messages]\nper_account_max = 1\n"));
    let server = Server::start(&place);
    let dry_run = || place.print(&["route", "alice", "bob", "--method", "MESSAGE"]);
    let said = dry_run();
    assert!(said.contains("  is kept for bob@offhook.internal until 20"), "{said}");
    let mut people = People::new(server.udp);
    let own = people.socket.local_addr().unwrap();
    people.send(&format!(
        "MESSAGE sip:bob@offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-m1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@offhook.internal>;tag=a\r\nTo: <sip:bob@offhook.internal>\r\n\
         Call-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    ));
    let begun = Instant::now();
    let status = loop {
        assert!(begun.elapsed() < PATIENCE, "no answer");
        if let Some((_, status)) = people.hear() {
            break status;
        }
    };
    assert_eq!(status, 202);
    let said = dry_run();
    assert!(
        said.contains(
            "  is not kept: as much waits for bob@offhook.internal as messages.per_account_max (1)"
        ),
        "{said}"
    );
    assert!(said.contains("answers 480"), "{said}");
    let said = place.print(&["route", "bob", "alice", "--method", "MESSAGE"]);
    assert!(said.contains("  is kept for alice@offhook.internal until 20"), "{said}");
    drop(server);
    place.configure(&format!("{OPEN}[messages]\nkeep = false\n"));
    let said = dry_run();
    assert!(said.contains("answers 480") && said.contains("  is not kept: messages.keep is false"), "{said}");
}

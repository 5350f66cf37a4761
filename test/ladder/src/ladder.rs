//! How a test sets the scene: which server, which network, and then the text.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_net::{Engine, Listener};
use offhook_simnet::{Link, Nat, Node};
use offhook_sip::Transport;

use crate::failure::Failure;
use crate::notation::{Kind, Line, PROXY};
use crate::reading::read;
use crate::stage::Stage;

/// What the server is told when it is made.
#[derive(Clone, Debug)]
pub struct Site {
    /// The domain that it serves; AORs are `sip:user@domain`.
    pub domain: String,
    /// Its addresses.
    pub listeners: Vec<Listener>,
    /// Everybody who has an account: all phones of the ladder, those whom they are `registered as`, and
    /// [`Ladder::user`]s.
    pub users: Vec<User>,
    /// Unix time in milliseconds at which the world begins.
    pub now_ms: u64,
    /// The seed of the world; a server may make its own entropy from it.
    pub seed: u64,
}

/// Somebody with an account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct User {
    /// The user part of the AOR, and the login.
    pub name: String,
    /// The password.
    pub password: String,
}

/// The password of everybody in every ladder.
pub fn password_of(user: &str) -> String {
    format!("{user}-secret")
}

/// A scene in which ladders are played. Defaults: domain `example.com`; `proxy` at 198.51.100.1:5060 by UDP and TCP;
/// phones from 192.0.2.11:5060 on, in order of appearance; links that take no time and lose nothing; seed 1.
pub struct Ladder {
    make: Box<dyn FnOnce(&Site) -> Node>,
    pub(crate) scene: Scene,
}

/// What can be chosen about a scene.
pub(crate) struct Scene {
    pub(crate) seed: u64,
    pub(crate) domain: String,
    pub(crate) listeners: Vec<Listener>,
    users: Vec<String>,
    pub(crate) link: Link,
    pub(crate) slack_ms: u64,
    pub(crate) nats: Vec<(Vec<String>, Nat)>,
    pub(crate) addresses: BTreeMap<String, SocketAddr>,
}

impl Ladder {
    /// A scene with this server.
    pub fn new<E: Engine + 'static>(make: impl FnOnce(&Site) -> E + 'static) -> Self {
        Self::with_shards(|site| [make(site)])
    }

    /// A scene with a server of several shards.
    pub fn with_shards<E: Engine + 'static, I: IntoIterator<Item = E>>(
        make: impl FnOnce(&Site) -> I + 'static,
    ) -> Self {
        let local: SocketAddr = "198.51.100.1:5060".parse().expect("an address");
        let listener = |transport| Listener { transport, local, prefix_bits: 24, advertise: None };
        let scene = Scene {
            seed: 1,
            domain: "example.com".to_owned(),
            listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
            users: Vec::new(),
            link: Link::new(),
            slack_ms: 0,
            nats: Vec::new(),
            addresses: BTreeMap::new(),
        };
        Self { make: Box::new(|site| Node::shards(PROXY, make(site)).listeners(&site.listeners)), scene }
    }

    /// The seed of the world.
    pub fn seed(mut self, seed: u64) -> Self {
        self.scene.seed = seed;
        self
    }

    /// The domain that the server serves.
    pub fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.scene.domain);
        self
    }

    /// The addresses of the server, instead of the default ones.
    pub fn listeners(mut self, listeners: Vec<Listener>) -> Self {
        self.scene.listeners = listeners;
        self
    }

    /// One more account.
    pub fn user(mut self, name: &str) -> Self {
        self.scene.users.push(name.to_owned());
        self
    }

    /// The links between all. Give a slack too if they take time.
    pub fn link(mut self, link: Link) -> Self {
        self.scene.link = link;
        self
    }

    /// How much later a message may come than the ladder says (or earlier than its `+` or `@` says), milliseconds.
    pub fn slack_ms(mut self, slack_ms: u64) -> Self {
        self.scene.slack_ms = slack_ms;
        self
    }

    /// These phones live behind this translator, at 192.168.1.x:5060.
    pub fn behind_nat(mut self, phones: &[&str], nat: Nat) -> Self {
        self.scene.nats.push((phones.iter().map(|name| (*name).to_owned()).collect(), nat));
        self
    }

    /// The address of a phone or trunk. Panics if it is no `ip:port`.
    pub fn address(mut self, phone: &str, address: &str) -> Self {
        let address = address.parse().expect("a phone's address is ip:port");
        self.scene.addresses.insert(phone.to_owned(), address);
        self
    }

    /// Plays a ladder. Panics with the picture if it fails. What it returns can be played on.
    pub fn run(self, text: &str) -> Stage {
        self.check(text).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Plays a ladder, and tells how it failed.
    ///
    /// # Errors
    /// [`Failure`], which prints as expected and real ladder side by side.
    pub fn check(self, text: &str) -> Result<Stage, Failure> {
        let site = self.scene.site(text);
        let mut stage = Stage::new(self.scene, (self.make)(&site), site);
        stage.check(text)?;
        Ok(stage)
    }
}

impl Scene {
    fn site(&self, text: &str) -> Site {
        // A ladder that cannot be read has no users; it fails when it is played.
        let lines = read(text).unwrap_or_default();
        let mut names: Vec<String> = lines.iter().flat_map(names).chain(self.users.iter().cloned()).collect();
        names.retain(|name| name != PROXY);
        names.sort();
        names.dedup();
        let users = names.into_iter().map(|name| User { password: password_of(&name), name }).collect();
        Site {
            domain: self.domain.clone(),
            listeners: self.listeners.clone(),
            users,
            now_ms: offhook_simnet::World::new(self.seed).now_ms(),
            seed: self.seed,
        }
    }
}

/// Everybody who is named in a line, phones first.
pub(crate) fn names(line: &Line) -> Vec<String> {
    match &line.kind {
        Kind::Silence => Vec::new(),
        Kind::Registered { phone, user, .. } => [phone].into_iter().chain(user).cloned().collect(),
        Kind::Step(step) => vec![step.from.clone(), step.to.clone()],
    }
}

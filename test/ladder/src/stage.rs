//! Where a ladder is played, line by line.
//!
//! Time is exact: a line without a time is due at the time of the line before, and a message that comes in between is
//! unexpected. Within one instant only the order of each pair of nodes counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use offhook_net::{Engine, Flow};
use offhook_simnet::{Entry, Event, Fate, Node, NodeId, Realm, World};
use offhook_sip::Transport;

use crate::failure::{Failure, Problem};
use crate::ladder::{Scene, Site, names};
use crate::notation::{Kind, Line, PROXY, When};
use crate::phone::Phone;
use crate::reading::read;
use crate::report::picture;

/// A scene with everything that has happened in it. More ladders can be played on it: phones keep their memory.
pub struct Stage {
    pub(crate) world: World,
    pub(crate) proxy: NodeId,
    pub(crate) site: Site,
    pub(crate) phones: Vec<Phone>,
    scene: Scene,
    realms: Vec<Realm>,
    /// What has come to phones and no line has taken yet, by sender and receiver.
    pub(crate) inbox: BTreeMap<(NodeId, NodeId), VecDeque<usize>>,
    arrivals_seen: usize,
    /// The number of each call in the ladder; 0 for registrations.
    pub(crate) numbers: BTreeMap<String, u32>,
}

/// One ladder being played.
pub(crate) struct Run {
    pub(crate) lines: Vec<Line>,
    /// Entries of the trace that lines have taken.
    pub(crate) matched: Vec<(usize, usize)>,
    /// Entries that belong to a `given`.
    pub(crate) hidden: BTreeSet<usize>,
    pub(crate) first_entry: usize,
    /// Time of the first line, and of the line before, milliseconds since the world began.
    pub(crate) origin_ms: u64,
    pub(crate) last_ms: u64,
    /// The entry that a failure is about.
    pub(crate) culprit: Option<usize>,
}

/// When a line is due, milliseconds since the world began.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    pub(crate) earliest_ms: u64,
    pub(crate) latest_ms: u64,
    /// When the line is carried out, if a phone does something in it.
    pub(crate) exact_ms: u64,
}

impl Stage {
    pub(crate) fn new(scene: Scene, server: Node, site: Site) -> Self {
        let mut world = World::new(scene.seed);
        world.default_link(scene.link.clone());
        let proxy = world.add(server);
        let realms = scene.nats.iter().map(|(_, nat)| world.add_nat(nat.clone())).collect();
        let (phones, inbox, numbers) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { world, proxy, site, phones, scene, realms, inbox, arrivals_seen: 0, numbers }
    }

    /// Plays another ladder. Panics with the picture if it fails.
    pub fn play(&mut self, text: &str) {
        self.check(text).unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Plays another ladder, and tells how it failed.
    ///
    /// # Errors
    /// [`Failure`], which prints as expected and real ladder side by side.
    pub fn check(&mut self, text: &str) -> Result<(), Failure> {
        let lines = read(text).map_err(|(line, problem)| {
            let picture = text.lines().nth(line - 1).unwrap_or_default().to_owned();
            Failure { problem, line, picture }
        })?;
        let mut run = self.begin(lines);
        for index in 0..run.lines.len() {
            let line = run.lines[index].clone();
            self.play_line(&mut run, index, &line)
                .map_err(|problem| self.failure(&run, Some(index), problem))?;
        }
        self.settle();
        self.nothing_left(&mut run, u64::MAX).map_err(|problem| self.failure(&run, None, problem))
    }

    /// The world, to look at.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to change: cut links, crash nodes.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The server's node.
    pub fn proxy(&self) -> NodeId {
        self.proxy
    }

    /// The node of a phone. Panics if no ladder has named it yet.
    pub fn phone(&self, name: &str) -> NodeId {
        let phone = self.phones.iter().find(|phone| phone.name == name);
        phone.unwrap_or_else(|| panic!("no ladder has named a phone {name}")).node
    }

    /// What the server was told when it was made.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The server dies, and another takes its place at the same addresses.
    pub fn restart<E: Engine + 'static>(&mut self, engine: E) {
        self.world.replace(self.proxy, engine);
        self.settle();
    }

    fn begin(&mut self, lines: Vec<Line>) -> Run {
        let mut everybody: Vec<String> = Vec::new();
        for line in &lines {
            let present = names(line);
            let phones =
                if matches!(line.kind, Kind::Registered { .. }) { &present[..1] } else { &present[..] };
            for name in phones {
                if !everybody.contains(name) {
                    everybody.push(name.clone());
                }
            }
        }
        for name in &everybody {
            if name != PROXY && !self.phones.iter().any(|phone| phone.name == *name) {
                self.enter(name);
            }
        }
        let now_ms = self.world.elapsed_ms();
        Run {
            lines,
            matched: Vec::new(),
            hidden: BTreeSet::new(),
            first_entry: self.world.trace().len(),
            origin_ms: now_ms,
            last_ms: now_ms,
            culprit: None,
        }
    }

    fn enter(&mut self, name: &str) {
        let number = 11 + self.phones.len();
        let nat = self.scene.nats.iter().position(|(phones, _)| phones.iter().any(|phone| phone == name));
        let (network, realm) = match nat {
            Some(nat) => ("192.168.1", self.realms[nat]),
            None => ("192.0.2", Realm::PUBLIC),
        };
        let chosen = self.scene.addresses.get(name).map(SocketAddr::to_string);
        let address = chosen.unwrap_or_else(|| format!("{network}.{number}:5060"));
        let transports = Transport::ALL.into_iter();
        let node = transports.fold(Node::mute(name), |node, transport| node.listen(transport, &address));
        let node = self.world.add(node.behind(realm));
        let address = address.parse().expect("phones have addresses");
        self.phones.push(Phone::new(name, &self.site.domain, node, address));
    }

    fn play_line(&mut self, run: &mut Run, index: usize, line: &Line) -> Result<(), Problem> {
        run.culprit = None;
        let due = self.due(run, line.when);
        match &line.kind {
            Kind::Silence => self.advance(run, due.exact_ms)?,
            Kind::Registered { phone, user, transport } => {
                self.register(run, phone, user.as_deref(), *transport)?;
                run.origin_ms = self.world.elapsed_ms();
            }
            Kind::Step(step) if step.from == PROXY => return self.expect(run, index, step, due),
            Kind::Step(step) => {
                self.advance(run, due.exact_ms)?;
                self.act(run, index, step)?;
                if step.to != PROXY && !step.lost {
                    run.last_ms = self.world.elapsed_ms();
                    let same = self.due(run, When::Same);
                    return self.expect(run, index, step, same);
                }
            }
        }
        run.last_ms = self.world.elapsed_ms();
        Ok(())
    }

    fn due(&self, run: &Run, when: When) -> Due {
        let slack_ms = self.scene.slack_ms;
        let (base_ms, from_ms, to_ms) = match when {
            When::Same => (run.last_ms, 0, 0),
            When::After(from_ms, to_ms) => (run.last_ms, from_ms, to_ms),
            When::At(from_ms, to_ms) => (run.origin_ms, from_ms, to_ms),
        };
        let exact_ms = base_ms + from_ms;
        let earliest_ms = match when {
            // With slack, what stands on one line may have overtaken what stands on the line before.
            When::Same if slack_ms > 0 => 0,
            _ => exact_ms.saturating_sub(slack_ms),
        };
        Due { earliest_ms, latest_ms: base_ms + to_ms + slack_ms, exact_ms }
    }

    /// Lets time pass until then. What comes before then is unexpected.
    fn advance(&mut self, run: &mut Run, until_ms: u64) -> Result<(), Problem> {
        self.settle();
        self.nothing_left(run, until_ms)?;
        while self.world.next_at_ms().is_some_and(|at_ms| at_ms <= until_ms) {
            self.world.step();
            self.collect();
            self.nothing_left(run, until_ms)?;
        }
        self.world.run_until(until_ms);
        Ok(())
    }

    /// The server says and does all that it has to say and do at this instant.
    pub(crate) fn settle(&mut self) {
        self.world.run_for(0);
        self.collect();
    }

    /// Takes what has arrived at phones into their inboxes.
    pub(crate) fn collect(&mut self) {
        let arrivals = self.world.arrivals()[self.arrivals_seen..].to_vec();
        self.arrivals_seen += arrivals.len();
        for index in arrivals {
            let entry = &self.world.trace()[index];
            let wanted = entry.to.filter(|to| *to != self.proxy && entry.event != Event::Opened);
            if let Some(to) = wanted {
                self.inbox.entry((entry.from, to)).or_default().push_back(index);
            }
        }
    }

    /// The next thing in an inbox, if it comes until then.
    pub(crate) fn wait(
        &mut self,
        run: &mut Run,
        pair: (NodeId, NodeId),
        due: Due,
    ) -> Result<Option<usize>, Problem> {
        loop {
            self.collect();
            if let Some(index) = self.inbox.get_mut(&pair).and_then(VecDeque::pop_front) {
                return Ok(Some(index));
            }
            if self.world.next_at_ms().is_none_or(|at_ms| at_ms > due.latest_ms) {
                self.world.run_until(due.latest_ms);
                return Ok(None);
            }
            self.world.step();
            self.collect();
            self.nothing_left(run, due.earliest_ms)?;
        }
    }

    /// Fails if something came before then that no line has taken.
    fn nothing_left(&self, run: &mut Run, before_ms: u64) -> Result<(), Problem> {
        let last = before_ms == u64::MAX;
        if self.scene.slack_ms > 0 && !last {
            return Ok(());
        }
        let waiting = self.inbox.values().flatten().copied();
        let oldest = waiting.min_by_key(|&index| (arrived_at(&self.world.trace()[index]), index));
        match oldest {
            Some(index) if last || arrived_at(&self.world.trace()[index]) < before_ms => {
                Err(self.unexpected(run, index))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn unexpected(&self, run: &mut Run, index: usize) -> Problem {
        run.culprit = Some(index);
        let entry = &self.world.trace()[index];
        let at_ms = arrived_at(entry).saturating_sub(run.origin_ms);
        Problem::Unexpected { what: self.describe(entry), at_ms }
    }

    /// An entry of the trace in the words of a ladder.
    pub(crate) fn describe(&self, entry: &Entry) -> String {
        let to = entry.to.map_or("nobody", |to| self.world.name(to));
        format!("{} -> {to} {}", self.world.name(entry.from), entry.label())
    }

    fn failure(&self, run: &Run, index: Option<usize>, problem: Problem) -> Failure {
        let line = index.map_or(0, |index| run.lines[index].number);
        Failure { problem, line, picture: picture(run, &self.world, index, run.culprit) }
    }
}

pub(crate) fn arrived_at(entry: &Entry) -> u64 {
    match entry.fate {
        Fate::Arrived { at_ms, .. } => at_ms,
        Fate::Travelling | Fate::Lost(_) => entry.sent_ms,
    }
}

pub(crate) fn arrived_by(entry: &Entry) -> Option<Flow> {
    match entry.fate {
        Fate::Arrived { by, .. } => Some(by),
        Fate::Travelling | Fate::Lost(_) => None,
    }
}

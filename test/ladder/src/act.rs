//! What phones do: they build a message, write the ladder's own headers over it, and send it.

use offhook_net::Flow;
use offhook_simnet::{Entry, Event, NodeId};

use crate::failure::Problem;
use crate::message::Message;
use crate::notation::{Step, What};
use crate::stage::{Run, Stage};

impl Stage {
    /// A phone does what the line says.
    pub(crate) fn act(&mut self, run: &mut Run, line: usize, step: &Step) -> Result<(), Problem> {
        self.settle();
        let (from, to) = (self.node(&step.from), self.node(&step.to));
        let waiting = self.inbox.get(&(to, from)).and_then(|inbox| inbox.front().copied());
        if let Some(index) = waiting {
            return Err(self.unexpected(run, index));
        }
        self.adopt_transport(step);
        let first = self.world.trace().len();
        let bytes = match &step.what {
            What::Raw(bytes) => {
                self.transmit(step, None, bytes)?;
                bytes.clone()
            }
            What::Close => {
                self.close(from, to);
                Vec::new()
            }
            What::Icmp(error) => {
                let of_pair = |entry: &Entry| (entry.from, entry.to) == (to, Some(from));
                let last = self.world.trace().iter().rposition(|e| of_pair(e) && e.message().is_some());
                let last = last.ok_or_else(|| cannot_send(step, "nothing was sent there"))?;
                self.world.unreachable(last, *error);
                Vec::new()
            }
            _ if step.options.again => self.send_again(step)?,
            What::Request { method, target } => self.send_request(step, method, target.as_deref())?,
            What::Response { status, method, reason } => {
                self.send_response(step, *status, method.as_deref(), reason.as_deref())?
            }
        };
        self.settle();
        let sent = |index: &usize| {
            let entry = &self.world.trace()[*index];
            let same = entry.message().map_or(entry.event == Event::Closed, |message| message == bytes);
            entry.from == from && same
        };
        let found = (first..self.world.trace().len()).find(sent);
        run.matched.extend(found.map(|index| (index, line)));
        Ok(())
    }

    /// Builds a request, sends it and returns its bytes.
    pub(crate) fn send_request(
        &mut self,
        step: &Step,
        method: &str,
        target: Option<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let target = target.map(|target| self.target_uri(target)).transpose()?;
        let phone = self.phone_mut(&step.from);
        let registration = phone.registration_id();
        let built = phone.request(step.call, method, target.as_deref(), &step.options);
        let built = built.map_err(|why| cannot_send(step, &why))?;
        if let Some(uri) = built.next_hop.filter(|_| !step.options.outbound)
            && let Some(name) = self.who_is_at(&uri)
            && name != step.to
        {
            let why = format!("its route set leads to {name} ({uri}), not to {}", step.to);
            return Err(cannot_send(step, &why));
        }
        let message = self.overridden(step, built.message)?;
        let number = if message.call_id() == registration { 0 } else { step.call };
        self.numbers.entry(message.call_id().to_owned()).or_insert(number);
        self.dispatch(step, None, message)
    }

    fn send_response(
        &mut self,
        step: &Step,
        status: u16,
        method: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let phone = self.phone_mut(&step.from);
        let (message, by) =
            phone.response(step.call, status, method, reason).map_err(|why| cannot_send(step, &why))?;
        let message = self.overridden(step, message)?;
        self.dispatch(step, Some(by), message)
    }

    fn send_again(&mut self, step: &Step) -> Result<Vec<u8>, Problem> {
        if !step.quotes.is_empty() || step.body.is_some() {
            return Err(Problem::Notation("what is sent again is not changed".to_owned()));
        }
        let before = self.phone_mut(&step.from).sent_before(step.call, &step.what);
        let (bytes, by) = before.ok_or_else(|| cannot_send(step, "it has not sent this before"))?;
        self.transmit(step, by, &bytes)?;
        Ok(bytes)
    }

    fn dispatch(&mut self, step: &Step, by: Option<Flow>, message: Message) -> Result<Vec<u8>, Problem> {
        let bytes = message.write();
        self.phone_mut(&step.from).learn_sent(message, bytes.clone());
        self.transmit(step, by, &bytes)?;
        Ok(bytes)
    }

    fn transmit(&mut self, step: &Step, by: Option<Flow>, bytes: &[u8]) -> Result<(), Problem> {
        let (transport, node) = {
            let phone = self.phone_mut(&step.from);
            (by.map_or(phone.transport, |by| by.transport), phone.node)
        };
        let to = self.address_for(&step.from, &step.to, transport).ok_or_else(|| {
            cannot_send(step, &format!("{} has no address for {}", step.to, transport.name()))
        })?;
        if step.lost && transport.is_reliable() {
            return Err(Problem::Notation("a stream loses nothing".to_owned()));
        }
        match by {
            _ if step.lost => self.world.lose(node, transport, to, bytes),
            Some(by) => self.world.send_by(node, by, bytes),
            None => self.world.send(node, transport, to, bytes),
        }
        Ok(())
    }

    fn close(&mut self, from: NodeId, to: NodeId) {
        for connection in self.world.connections_between(from, to) {
            self.world.close(from, connection);
        }
    }

    /// Writes the quoted headers and the body over what the phone has built.
    fn overridden(&self, step: &Step, mut message: Message) -> Result<Message, Problem> {
        let step = self.expanded(step)?;
        for quote in &step.quotes {
            let values = step.quotes.iter().filter(|q| q.name.eq_ignore_ascii_case(&quote.name));
            let values: Vec<&str> =
                values.filter_map(|q| q.value.as_deref()).filter(|v| !v.is_empty()).collect();
            message.replace(&quote.name, &values);
        }
        if let Some(body) = &step.body {
            let kind = if body.starts_with(b"v=0") { "application/sdp" } else { "text/plain" };
            if message.value("Content-Type").is_none() {
                message.add("Content-Type", kind);
            }
            message.body.clone_from(body);
        }
        Ok(message)
    }
}

fn cannot_send(step: &Step, why: &str) -> Problem {
    Problem::CannotSend { phone: step.from.clone(), why: why.to_owned() }
}

//! What the server does: it is waited for, compared with the ladder, and learnt from.

use offhook_simnet::{Entry, Event};

use crate::check::{self, against_rules, against_step};
use crate::failure::Problem;
use crate::message::Message;
use crate::notation::{PROXY, Step, What};
use crate::stage::{Due, Run, Stage, arrived_at, arrived_by};

impl Stage {
    /// A message is waited for, compared and learnt from.
    pub(crate) fn expect(
        &mut self,
        run: &mut Run,
        line: usize,
        step: &Step,
        due: Due,
    ) -> Result<(), Problem> {
        if step.to == PROXY {
            return Err(Problem::Notation("proxy sends to proxy".to_owned()));
        }
        self.adopt_transport(step);
        let pair = (self.node(&step.from), self.node(&step.to));
        let what = format!("{} -> {} {}", step.from, step.to, check::describe(&step.what));
        let Some(index) = self.wait(run, pair, due)? else {
            let within_ms = due.latest_ms.saturating_sub(run.last_ms);
            return Err(Problem::Missing { what, within_ms });
        };
        run.culprit = Some(index);
        self.compare(step, index)?;
        self.in_time(run, index, due)?;
        if step.lost {
            self.world.set_lost(index);
        } else if matches!(step.what, What::Request { .. } | What::Response { .. }) {
            self.learn(&step.to, step.call, index);
        }
        run.matched.retain(|(_, taken_by)| *taken_by != line);
        run.matched.push((index, line));
        run.culprit = None;
        run.last_ms = run.last_ms.max(arrived_at(&self.world.trace()[index]));
        Ok(())
    }

    fn in_time(&self, run: &Run, index: usize, due: Due) -> Result<(), Problem> {
        let entry = &self.world.trace()[index];
        let at_ms = arrived_at(entry);
        if (due.earliest_ms..=due.latest_ms).contains(&at_ms) {
            return Ok(());
        }
        let [earliest_ms, latest_ms, at_ms] =
            [due.earliest_ms, due.latest_ms, at_ms].map(|ms| ms.saturating_sub(run.origin_ms));
        let due = if earliest_ms == latest_ms {
            format!("at {latest_ms} ms")
        } else {
            format!("from {earliest_ms} to {latest_ms} ms")
        };
        Err(Problem::WrongTime { what: self.describe(entry), at_ms, due })
    }

    fn compare(&mut self, step: &Step, index: usize) -> Result<(), Problem> {
        let entry = self.world.trace()[index].clone();
        let bytes = match (&step.what, &entry.event) {
            (What::Close, Event::Closed | Event::Reset) => return Ok(()),
            (What::Raw(raw), Event::Message(bytes)) if raw == bytes => return Ok(()),
            (What::Request { .. } | What::Response { .. }, Event::Message(bytes)) => bytes,
            (what, _) => {
                return Err(check::mismatch("message", &check::describe(what), &entry.label()));
            }
        };
        let message = Message::read(bytes);
        let expected = check::describe(&step.what);
        let message = message.ok_or_else(|| check::mismatch("message", &expected, &entry.label()))?;
        against_step(&self.expanded(step)?, &message)?;
        let phone = self.phone_mut(&step.to);
        let wanted = phone.transport;
        if entry.transport != wanted {
            return Err(check::mismatch("transport", wanted.name(), entry.transport.name()));
        }
        if step.from == PROXY {
            against_rules(phone, &message, wanted.is_reliable())
                .map_err(|rule| Problem::Broken { what: self.describe(&entry), rule })?;
        }
        if step.options.again {
            let earlier = &self.world.trace()[..index];
            let same = |e: &Entry| e.to == entry.to && e.message() == entry.message();
            if !earlier.iter().any(same) {
                return Err(check::mismatch("message", "the same as before", &entry.label()));
            }
        }
        self.same_call(step.call, &message)
    }

    fn same_call(&mut self, number: u32, message: &Message) -> Result<(), Problem> {
        match *self.numbers.entry(message.call_id().to_owned()).or_insert(number) {
            known if known == 0 || known == number => Ok(()),
            known => Err(check::mismatch("call", &format!("#{number}"), &format!("#{known}"))),
        }
    }

    /// The phone remembers an entry of the trace.
    pub(crate) fn learn(&mut self, name: &str, number: u32, index: usize) -> Option<Message> {
        let entry = &self.world.trace()[index];
        let (by, message) = (arrived_by(entry)?, Message::read(entry.message()?)?);
        self.phone_mut(name).learn_received(number, message.clone(), by);
        Some(message)
    }
}

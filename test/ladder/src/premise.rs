//! What a ladder takes for given: `given alice is registered`.

use offhook_sip::Transport;

use crate::failure::Problem;
use crate::notation::Step;
use crate::stage::{Due, Run, Stage};

/// How long a premise waits for an answer, milliseconds: Timer F.
const GIVEN_MS: u64 = 32_000;

impl Stage {
    /// Sends a REGISTER, with credentials if they are asked for. What it took is not shown as part of the ladder.
    pub(crate) fn register(
        &mut self,
        run: &mut Run,
        name: &str,
        user: Option<&str>,
        transport: Option<Transport>,
    ) -> Result<(), Problem> {
        let phone = self.phone_mut(name);
        user.unwrap_or(name).clone_into(&mut phone.user);
        phone.transport = transport.unwrap_or(phone.transport);
        let (node, first) = (phone.node, self.world.trace().len());
        let mut step = Step::register(name);
        let mut outcome = self.try_register(run, &step)?;
        if matches!(outcome, Some((401 | 407, _))) {
            step.options.auth = true;
            outcome = self.try_register(run, &step)?;
        }
        let ends = [node, self.proxy];
        let hidden = (first..self.world.trace().len()).filter(|&index| {
            let entry = &self.world.trace()[index];
            ends.contains(&entry.from) && entry.to.is_some_and(|to| ends.contains(&to))
        });
        run.hidden.extend(hidden);
        match outcome {
            Some((200..300, _)) => Ok(()),
            Some((_, index)) => {
                run.culprit = Some(index);
                let answer = self.world.trace()[index].label();
                Err(Problem::Given(format!("{name} is refused: {answer}")))
            }
            None => Err(Problem::Given(format!("{name} has no answer to its REGISTER"))),
        }
    }

    /// The status of the answer, and its entry in the trace.
    fn try_register(&mut self, run: &mut Run, step: &Step) -> Result<Option<(u16, usize)>, Problem> {
        let node = self.node(&step.from);
        self.send_request(step, "REGISTER", None).map_err(|why| Problem::Given(why.to_string()))?;
        let now_ms = self.world.elapsed_ms();
        let due = Due { earliest_ms: 0, latest_ms: now_ms + GIVEN_MS, exact_ms: now_ms };
        let Some(index) = self.wait(run, (self.proxy, node), due)? else { return Ok(None) };
        let answer = self.learn(&step.from, 0, index);
        Ok(answer.and_then(|message| message.status()).map(|status| (status, index)))
    }
}

//! A search that tells what it does: for people who want to know why a call goes where it goes.

use offhook_locate::{Answer, Finding, Next, Question, Search, Wanted};

use crate::options::{NamesError, Options};
use crate::servers::Servers;

/// What was asked, and what came back or why nothing did.
pub type Exchange = (Question, Result<Answer, String>);

/// Looks for the servers of a name and shows each question with its answer. Nothing is remembered, so all of it is
/// asked. Blocks until it is done.
///
/// # Errors
/// The name servers cannot be used at all.
pub fn explain(
    options: &Options,
    wanted: Wanted,
    mut show: impl FnMut(&Exchange),
) -> Result<Finding, NamesError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let servers = Servers::new(options)?;
        let mut next = Search::begin(wanted.clone(), &options.abilities);
        loop {
            match next {
                Next::Ask(search) => {
                    let mut answers = Vec::new();
                    for question in search.questions() {
                        let said = servers.ask(question).await;
                        answers.push(said.clone().unwrap_or(Answer::Failed));
                        show(&(question.clone(), said));
                    }
                    next = search.answered(&answers);
                }
                Next::Found(located) => return Ok(Finding::found(wanted, located)),
                Next::Nowhere { why, ttl_s } => return Ok(Finding::nowhere(wanted, why, ttl_s)),
            }
        }
    })
}

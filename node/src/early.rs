//! The caller of a forked call is told which of its early dialogs are over: 199, RFC 6228.

use offhook_net::Outbox;
use offhook_proxy::early;
use offhook_sip::Message;
use offhook_transaction::{ClientId, ServerId};

use crate::switchboard::Switchboard;

impl Switchboard {
    /// A provisional response of a branch has gone to the caller.
    pub(crate) fn note_early_dialog(&mut self, server: ServerId, branch: ClientId, message: &Message<'_>) {
        self.with_rest(server, |rest| {
            if let Some(dialogs) = &mut rest.early {
                dialogs.heard(branch, message);
            }
        });
    }

    /// A branch was refused. Where its refusal has not gone to the caller, who waits for other branches, he is told that
    /// its early dialogs are over.
    pub(crate) fn end_early_dialogs(&mut self, now_ms: u64, branch: ClientId, status: u16, out: &mut Outbox) {
        let server = self.transactions.client(branch).and_then(|record| record.user.server);
        let Some(server) = server else { return };
        while let Some(tag) = self.take_ended_dialog(server, branch) {
            let (copy, leg) = self.any_copy(server);
            let Ok(copy) = Message::parse(copy) else { return };
            let start = out.begin();
            early::write(&copy, leg.cseq_before(&copy), (&tag, status), out.arena());
            self.respond(now_ms, server, 199, start, out);
        }
    }

    fn take_ended_dialog(&mut self, server: ServerId, branch: ClientId) -> Option<Box<[u8]>> {
        let upstream = &mut self.transactions.server_mut(server)?.user;
        if upstream.answered {
            return None;
        }
        upstream.rest.as_mut()?.early.as_mut()?.take_ended(branch)
    }
}

//! A refusal that has lost the Vias below ours. RFC 3261 §8.2.6.2 wants them in every response as they stood in the request, and
//! §16.7 step 3 lets nothing go on that has none left; but it says well enough that its branch is over, and waiting for
//! another would only keep the caller waiting. So it ends its branch, and what goes upstream is written here.

use offhook_net::Outbox;
use offhook_sip::Message;
use offhook_transaction::{ClientId, ClientVerdict};

use crate::settings::Settings;
use crate::settle::Final;
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Ends the branch with the status of such a refusal. A 2xx is no use without a way to the caller, a redirection or a
    /// challenge would have to be passed on whole, and a provisional ends nothing: they are dropped.
    pub(crate) fn refused_astray(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, status): (ClientId, u16),
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        if status < 400 || matches!(status, 401 | 407) {
            return;
        }
        match self.transactions.response(now_ms, id, status) {
            ClientVerdict::Discard => {}
            ClientVerdict::AckAgain => self.send_ack_again(id, out),
            ClientVerdict::PassAndAck => {
                // In this order: the ACK takes the place of the copy that our own answer is written from.
                self.ended_astray(settings, now_ms, (id, status), out);
                self.send_ack(id, message, out);
                self.end_early_dialogs(now_ms, id, status, out);
            }
            ClientVerdict::Pass => self.ended_astray(settings, now_ms, (id, status), out),
        }
    }

    fn ended_astray(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, status): (ClientId, u16),
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let Some(server) = record.user.server else { return };
        if std::mem::replace(&mut record.user.finished, true) {
            return;
        }
        if settings.history_info {
            self.note_outcome(server, id, status);
        }
        let Some(upstream) = self.transactions.server_mut(server) else { return };
        let verdict = upstream.user.fork.finished(status);
        self.carry_out(settings, now_ms, server, status, Final::MadeUp(id), verdict, out);
    }
}

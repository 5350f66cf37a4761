//! A refusal that has lost the Vias below ours. RFC 3261 §8.2.6.2 wants them in every response as they stood in the request, and
//! §16.7 step 3 lets nothing go on that has none left; but it says well enough that its branch is over, and waiting for
//! another would only keep the caller waiting. So it ends its branch as any refusal does, which may go on elsewhere; if it does
//! not, what goes upstream is written here.

use offhook_net::Outbox;
use offhook_sip::Message;
use offhook_transaction::{ClientId, ClientVerdict};

use crate::failover::Detour;
use crate::settings::Settings;
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
        let verdict = self.transactions.response(now_ms, id, status);
        match verdict {
            ClientVerdict::Discard => return,
            ClientVerdict::AckAgain => return self.send_ack_again(id, out),
            ClientVerdict::Pass | ClientVerdict::PassAndAck => {}
        }
        self.hear(id);
        self.branch_over(settings, now_ms, (id, status), Detour::after(status, message), out);
        // Only now: the ACK takes the place of the copy that our own answer is written from.
        if verdict == ClientVerdict::PassAndAck {
            self.send_ack(id, message, out);
            self.end_early_dialogs(now_ms, id, status, out);
        }
    }
}

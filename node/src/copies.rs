//! What every copy of a request has in common, with a transaction and without: RFC 3261 §16.6.

use offhook_net::Flow;
use offhook_proxy::Local;
use offhook_proxy::forward::{Branch, Forward};

use crate::beyond::Leg;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::{alias, edge};

impl Switchboard {
    /// The copy for this target, which leaves from `local` by the flow `dialled`. It is not in the path yet, and has no extras.
    #[inline(always)] // twice for each call, into a value of 300 bytes
    pub(crate) fn copy_for<'x>(
        &self,
        passage: &Passage<'x, 'x, 'x>,
        (target, texts): (&Target, &'x Targets),
        (local, dialled): (&'x Local, &Flow),
        (branch, leg): (Branch, Leg),
    ) -> Forward<'x> {
        let Passage { arrival, screened, .. } = *passage;
        Forward {
            parts: arrival.parts,
            routed: &screened.routed,
            target: target.uri.as_ref().map(|uri| texts.text(uri)),
            path: texts.text(&target.path),
            local,
            mended_via: arrival.mended_via,
            branch,
            loop_mark: screened.loop_mark(&self.cookies),
            record_route: None,
            arrived_at: arrived_at(passage, target),
            path_entry: edge::path_entry(passage),
            max_breadth: None,
            spent_credentials: passage.spent,
            offers_overload_control: self.neighbours.knows(target.flow.remote),
            offers_reuse: alias::is_offered(dialled),
            renumber: self.renumber(passage, leg),
            extras: None,
        }
    }
}

/// Our address where the request came in, if it leaves from another.
pub(crate) fn arrived_at<'m>(passage: &Passage<'_, 'm, '_>, target: &Target) -> Option<&'m Local> {
    let from = passage.arrival.from;
    let settings: &'m crate::Settings = passage.arrival.settings;
    (from.listener != target.flow.listener).then(|| settings.identity.local(from.listener)).flatten()
}

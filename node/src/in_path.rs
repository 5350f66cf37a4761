//! Staying in the path of a dialog, and what Record-Route remembers of its two sides: RFC 3261 §16.6 step 4.

use offhook_net::Flow;
use offhook_proxy::flow_token::FlowRoute;
use offhook_proxy::record_route::{Ends, NamesMark, Sides, Trunks};
use offhook_proxy::renumber;
use offhook_sip::Transport;

use crate::arrival::Arrival;
use crate::beyond::Leg;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::way::Way;

impl Switchboard {
    /// Whether to stay in the path (only what makes a dialog needs it), and which flows to remember. `stays`: we do for another
    /// target of this request. It is so for all or for none, or nobody could say whether the end of the call will be seen.
    pub(crate) fn record_route(
        &self,
        passage: &Passage<'_, '_, '_>,
        target: &Target,
        leg: Leg,
        stays: bool,
    ) -> Option<Sides> {
        let Passage { arrival, screened, .. } = *passage;
        let begins_dialog = screened.method.makes_dialog() && arrival.parts.to_tag.is_empty();
        let stays = arrival.settings.record_route
            || stays
            || must_stay(passage, target.flow.transport, leg.renumbered);
        if !stays || !begins_dialog {
            return None;
        }
        // Only a phone that speaks to us directly can be reached over the flow it came by.
        let pinned = arrival.from.transport.is_reliable() || self.is_behind_nat(arrival);
        let caller = (arrival.parts.is_first_hop && pinned).then_some(arrival.from);
        let callee = target.pinned.then_some(target.flow);
        Some(Sides {
            caller,
            callee,
            caller_phone: caller.and_then(|flow| self.phone_at(&flow, &arrival.parts.from)),
            callee_phone: callee.and_then(|flow| self.phone_at(&flow, &arrival.parts.to)),
            trunks: self.trunks_of(passage, leg),
            ends: self.ends_of(arrival, target),
            stateless: false,
        })
    }

    fn ends_of(&self, arrival: &Arrival<'_, '_>, target: &Target) -> Ends {
        let near = |flow: &Flow| self.nearness(arrival.settings, flow.remote.ip());
        let names = NamesMark::of(arrival.parts, &self.cookies);
        Ends { caller: near(&arrival.from), callee: near(&target.flow), names }
    }
}

/// Nobody who keeps no transaction maps the number of an answer back: requests to a trunk keep theirs.
pub(crate) fn without_state(sides: Sides) -> Sides {
    Sides { stateless: true, trunks: Trunks::default(), ..sides }
}

/// Whether the end of the call that this INVITE begins will come through us, by whichever of its targets. Those that are
/// being looked up are nobody's but a trunk's or a stranger's.
pub(crate) fn sees_the_end(passage: &Passage<'_, '_, '_>, targets: &Targets) -> bool {
    let Passage { arrival, way, .. } = *passage;
    let has_login = || matches!(way, Way::Rule(rule, _) if arrival.settings.routing.login_of(rule).is_some());
    arrival.settings.record_route
        || has_login() && renumber::fits(arrival.parts.cseq.number)
        || must_stay(passage, arrival.from.transport, false)
        || targets.list().iter().any(|target| must_stay(passage, target.flow.transport, false))
}

/// Whether we stay in the path whatever the configuration says. RFC 7118 Appendix B.2: a browser is reached by us alone.
/// RFC 5626 §5.3.1: so is a phone behind a flow token.
fn must_stay(passage: &Passage<'_, '_, '_>, to: Transport, renumbered: bool) -> bool {
    let by_websocket = passage.arrival.from.transport.is_websocket() || to.is_websocket();
    renumbered || by_websocket || matches!(passage.screened.routed.flow, Some(FlowRoute::To(_)))
}

//! The paths of a target, in the order in which they are tried: RFC 3263 §4.3.

use offhook_net::Flow;

use super::{Target, Targets};

impl Targets {
    /// This target alone, if it has further paths.
    pub(crate) fn with_addresses(&self, target: &Target) -> Option<Self> {
        let flows = self.addresses.get(target.spare.clone()).filter(|flows| !flows.is_empty())?;
        let target = Target { spare: 0..flows.len(), ..target.clone() };
        let (texts, addresses) = (self.texts.clone(), flows.to_vec());
        Some(Self { texts, addresses, list: vec![target], ..Self::default() })
    }

    /// Moves the one target to its next path. `false`: that was the last.
    pub(crate) fn next_address(&mut self) -> bool {
        let Some(target) = self.list.first_mut() else { return false };
        let Some(next) = self.addresses.get(target.spare.start).filter(|_| !target.spare.is_empty()) else {
            return false;
        };
        target.flow = *next;
        target.spare.start += 1;
        true
    }

    /// Whether any target has further paths.
    pub(crate) fn have_addresses(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Moves each target to the first of its paths that may be taken; one that has none goes.
    pub(crate) fn retain_reached(&mut self, mut may_take: impl FnMut(&Flow) -> bool) {
        let Self { list, addresses, .. } = self;
        list.retain_mut(|target| {
            while !may_take(&target.flow) {
                let Some(next) = addresses.get(target.spare.clone()).and_then(<[Flow]>::first) else {
                    return false;
                };
                target.flow = *next;
                target.spare.start += 1;
            }
            true
        });
    }
}

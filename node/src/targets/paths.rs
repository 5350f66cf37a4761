//! The paths of a target, in the order in which they are tried: the addresses behind a name, the targets of a trunk
//! (RFC 3263 §4.3).

use offhook_net::Flow;
use offhook_sip::Refusal;

use super::{Target, Targets};
use crate::hop::NoHop;

impl Targets {
    /// A target with several paths: those of `ways` that are there, the first of which is tried first. Each says itself
    /// what the peer must prove to be. Gives back what belongs to the first, or the last refusal if there is no path.
    pub(crate) fn push_reached<T>(
        &mut self,
        ways: impl Iterator<Item = (T, Result<Flow, Refusal<'static>>)>,
    ) -> Result<T, Refusal<'static>> {
        let start = self.addresses.len();
        let (mut first, mut refusal) = (None, NoHop::NoListener.refusal());
        for (of, way) in ways {
            match way {
                Ok(flow) if first.is_none() => first = Some((of, flow)),
                Ok(flow) => self.addresses.push(flow),
                Err(why) => refusal = why,
            }
        }
        let (of, flow) = first.ok_or(refusal)?;
        self.list.push(Target { spare: start..self.addresses.len(), ..Target::at(flow) });
        Ok(of)
    }

    /// This target alone, if it has further paths.
    pub(crate) fn with_addresses(&self, target: &Target) -> Option<Self> {
        let flows = self.addresses.get(target.spare.clone()).filter(|flows| !flows.is_empty())?;
        let target = Target { spare: 0..flows.len(), ..target.clone() };
        let (texts, addresses) = (self.texts.clone(), flows.to_vec());
        Some(Self { texts, addresses, list: vec![target], ..Self::default() })
    }

    /// Moves the one target to its next path. `false`: that was the last.
    pub(crate) fn next_address(&mut self) -> bool {
        self.list.first_mut().is_some_and(|target| target.take_next(&self.addresses))
    }

    /// Whether any target has further paths.
    pub(crate) fn have_addresses(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Of each target with several paths, those that `is_last` says are tried after the others, which keep their order.
    pub(crate) fn put_last(&mut self, is_last: impl Fn(&Flow) -> bool) {
        let Self { list, addresses, .. } = self;
        for target in list.iter_mut().filter(|target| !target.spare.is_empty()) {
            let spare = addresses.get_mut(target.spare.clone()).unwrap_or_default();
            let mut all: Vec<Flow> = std::iter::once(target.flow).chain(spare.iter().copied()).collect();
            all.sort_by_key(&is_last);
            if let [first, rest @ ..] = &*all {
                target.flow = *first;
                spare.copy_from_slice(rest);
            }
        }
    }

    /// Moves each target to the first of its paths that may be taken; one that has none goes.
    pub(crate) fn retain_reached(&mut self, mut may_take: impl FnMut(&Flow) -> bool) {
        let Self { list, addresses, .. } = self;
        list.retain_mut(|target| {
            while !may_take(&target.flow) {
                if !target.take_next(addresses) {
                    return false;
                }
            }
            true
        });
    }
}

impl Target {
    /// Moves it to its next path. `false`: that was the last.
    fn take_next(&mut self, addresses: &[Flow]) -> bool {
        let Some(next) = addresses.get(self.spare.start).filter(|_| !self.spare.is_empty()) else {
            return false;
        };
        self.flow = *next;
        self.spare.start += 1;
        true
    }
}

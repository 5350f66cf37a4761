//! The routes that registrars gave us (RFC 3608): one shard registers, all of them send requests.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// For each trunk the values of Service-Route, or nothing.
#[derive(Clone, Debug)]
pub struct ServiceRoutes(Arc<[ArcSwap<Vec<u8>>]>);

impl ServiceRoutes {
    /// Nothing yet, for so many trunks.
    pub(crate) fn new(trunks: usize) -> Self {
        Self((0..trunks).map(|_| ArcSwap::default()).collect())
    }

    /// What a registrar has said.
    pub(crate) fn keep(&self, trunk: usize, route: Vec<u8>) {
        if let Some(kept) = self.0.get(trunk)
            && **kept.load() != route
        {
            kept.store(Arc::new(route));
        }
    }

    /// Hands over what requests to a trunk are to carry.
    pub(crate) fn with<R>(&self, trunk: usize, use_it: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let kept = self.0.get(trunk)?.load();
        (!kept.is_empty()).then(|| use_it(&kept))
    }
}

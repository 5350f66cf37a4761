//! What TLS is spoken with: one pair of configurations that all shards read, and that may be swapped while they run.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};

/// The configurations for accepted connections and for those that we open. A swap concerns handshakes that begin
/// after it.
pub struct TlsConfigs {
    server: ArcSwap<ServerConfig>,
    client: ArcSwap<ClientConfig>,
}

impl TlsConfigs {
    /// The first pair.
    pub fn new(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Self {
        Self { server: ArcSwap::new(server), client: ArcSwap::new(client) }
    }

    /// Puts another pair in force.
    pub fn replace(&self, server: Arc<ServerConfig>, client: Arc<ClientConfig>) {
        self.server.store(server);
        self.client.store(client);
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server.load_full()
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client.load_full()
    }
}

impl fmt::Debug for TlsConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfigs").finish_non_exhaustive()
    }
}

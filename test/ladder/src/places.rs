//! Who lives where: names of a ladder become nodes, addresses and URIs.

use std::net::{IpAddr, SocketAddr};

use offhook_net::Listener;
use offhook_simnet::NodeId;
use offhook_sip::Transport;

use crate::failure::Problem;
use crate::notation::{PROXY, Quote, Step, What};
use crate::phone::Phone;
use crate::stage::Stage;
use crate::text::host_port;

impl Stage {
    /// The step with `{bob}` and `{bob.host}` filled in.
    pub(crate) fn expanded(&self, step: &Step) -> Result<Step, Problem> {
        let mut step = step.clone();
        for Quote { value, .. } in &mut step.quotes {
            if let Some(value) = value {
                *value = self.fill_in(value)?;
            }
        }
        if let What::Request { target: Some(target), .. } = &mut step.what {
            let filled = self.fill_in(target)?;
            *target = if filled.contains([':', '*']) { filled } else { format!("sip:{filled}@*") };
        }
        Ok(step)
    }

    pub(crate) fn target_uri(&self, target: &str) -> Result<String, Problem> {
        let target = self.fill_in(target)?;
        Ok(match target.as_str() {
            uri if uri.contains(':') => uri.to_owned(),
            PROXY => format!("sip:{}", self.site.domain),
            user => format!("sip:{user}@{}", self.site.domain),
        })
    }

    /// A transport in a line holds for the phone's later lines too.
    pub(crate) fn adopt_transport(&mut self, step: &Step) {
        let Some(transport) = step.transport else { return };
        for name in [&step.from, &step.to] {
            if name != PROXY {
                self.phone_mut(name).transport = transport;
            }
        }
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        if name == PROXY { self.proxy } else { self.phone(name) }
    }

    pub(crate) fn address_of(&self, name: &str, transport: Transport) -> Option<SocketAddr> {
        if name == PROXY {
            return self.site.listeners.iter().find(|l| l.transport == transport).map(|l| l.local);
        }
        self.phones.iter().find(|phone| phone.name == name).map(|phone| phone.address)
    }

    /// The same, for who sends there: the server's address of the sender's family, if it has one.
    pub(crate) fn address_for(&self, from: &str, name: &str, transport: Transport) -> Option<SocketAddr> {
        let own = self.phones.iter().find(|phone| phone.name == from).filter(|_| name == PROXY);
        let is_v4 = own.map(|phone| phone.address.is_ipv4());
        let fits = |l: &&Listener| l.transport == transport && Some(l.local.is_ipv4()) == is_v4;
        let same_family = self.site.listeners.iter().find(fits).map(|listener| listener.local);
        same_family.or_else(|| self.address_of(name, transport))
    }

    /// Who a URI's host belongs to, as far as the scene knows.
    pub(crate) fn who_is_at(&self, uri: &str) -> Option<String> {
        let (host, port) = host_port(uri)?;
        if host.eq_ignore_ascii_case(&self.site.domain) {
            return Some(PROXY.to_owned());
        }
        let secure = uri.starts_with("sips:") || uri.contains("transport=tls");
        let transport = if secure { Transport::Tls } else { Transport::Udp };
        let port = port.unwrap_or(transport.default_port());
        let address = SocketAddr::new(host.parse::<IpAddr>().ok()?, port);
        if self.site.listeners.iter().any(|listener| listener.local == address) {
            return Some(PROXY.to_owned());
        }
        self.phones.iter().find(|phone| phone.address == address).map(|phone| phone.name.clone())
    }

    pub(crate) fn phone_mut(&mut self, name: &str) -> &mut Phone {
        let phone = self.phones.iter_mut().find(|phone| phone.name == name);
        phone.expect("everybody in a line has entered")
    }

    fn fill_in(&self, text: &str) -> Result<String, Problem> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let (phone, part) = name.split_once('.').unwrap_or((name, ""));
            let transport = self.phones.iter().find(|p| p.name == phone).map(|p| p.transport);
            let address = self.address_of(phone, transport.unwrap_or(Transport::Udp));
            let value = match (address, part) {
                (Some(address), "") => address.to_string(),
                (Some(address), "host") => address.ip().to_string(),
                _ => return Err(Problem::Notation(format!("`{{{name}}}` is nobody's address"))),
            };
            filled = filled + before + &value;
            rest = after;
        }
        Ok(filled + rest)
    }
}

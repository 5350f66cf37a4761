//! What may change on the way, and what may not: RFC 3261 §16.6, §16.7 step 3 and 9, §18.2; RFC 3581.

use std::net::{IpAddr, SocketAddr};

use offhook_net::{ConnectionId, Flow};
use offhook_sip::Transport;

use super::moved::Left;
use super::packet::{Packet, param, uri_of, user_and_host, via_key};
use super::{Oracle, Server, Takes, history, identity, trunks};
use crate::lines;
use crate::sniffer::{Cause, Sent};

/// What a proxy may change in a request; every other line stays as it is.
const CHANGING: [&str; 6] =
    ["Via", "Max-Forwards", "Record-Route", "Route", "Max-Breadth", "Proxy-Authorization"];

/// Who calls, and who answers, is looked at elsewhere.
fn is_identity(name: &str) -> bool {
    identity::NAMES.contains(&name)
}

impl<'a> Oracle<'a> {
    /// A copy against the request that it was made from.
    pub(super) fn copied(&mut self, (request, from): (&Packet<'a>, &Flow), sent: &Sent, copy: &Packet<'a>) {
        let (branch, sent_by) = via_key(copy.via());
        let way = format!("SIP/2.0/{} ", lines::token(sent.flow.transport));
        let ours = self.is_own(sent_by, &sent.flow) && copy.via().starts_with(&way) && !branch.is_empty();
        let below: Vec<_> = copy.values("Via").skip(1).collect();
        let hops = |text: &str| text.parse::<i32>().unwrap_or(71);
        let fewer = hops(copy.value("Max-Forwards")) == hops(request.value("Max-Forwards")) - 1;
        let hopeless = request.value("Max-Forwards") == "0";
        for (is_so, section, what) in [
            (ours, "§16.6 step 8", "the top Via is not ours"),
            (vias_below(&below, request, from), "§16.6 step 8, §18.2.1", "the Vias below ours have changed"),
            (fewer && !hopeless, "§16.6 step 3", "Max-Forwards is not one less"),
            (copy.body == request.body, "§16.6", "the body has changed"),
            (
                rest_is_same(request, copy, (self.is_with_login(&sent.flow), self.facts.history)),
                "§16.6",
                "a header has changed that is not ours to change",
            ),
            (self.routes_are_right(request, copy), "§16.4, §16.6 step 6", "Route is wrong"),
            (
                self.record_routes_are_right((request, from), sent, copy),
                "§16.6 step 4",
                "Record-Route is wrong",
            ),
            (self.credentials_are_right(request, copy), "§22.3", "credentials have changed"),
            (self.is_safe_enough(request, sent, copy), "§26.2.2, RFC 5630 §5.3", "a hop is not safe enough"),
        ] {
            self.expect(is_so, section, format!("{what}: {}", copy.first));
        }
        self.identity_is_right((request, from), sent, copy);
    }

    /// Whether this is what the listener of a flow is called.
    fn is_own(&self, sent_by: &str, flow: &Flow) -> bool {
        let Some((transport, local)) = self.facts.places.get(usize::from(flow.listener)) else {
            return false;
        };
        let is_usual = local.port() == lines::usual_port(*transport);
        sent_by == local.to_string() || (is_usual && sent_by == local.ip().to_string())
    }

    /// RFC 3261 §26.2.2, RFC 5630 §5.3: who asks for TLS on every hop gets it, or nothing is sent.
    fn is_safe_enough(&self, request: &Packet<'a>, sent: &Sent, copy: &Packet<'a>) -> bool {
        let is_safe = lines::is_sips(copy.uri()) && lines::is_safe(sent.flow.transport);
        !lines::is_sips(request.uri()) || is_safe
    }

    fn is_own_route(&self, route: &str) -> bool {
        self.facts.places.iter().any(|place| lines::is_at(uri_of(route), *place))
    }

    /// Whether a Record-Route leads to the listener of this flow, by TLS where that is wanted.
    fn leads_to(&self, route: &str, flow: &Flow, is_secure: bool) -> bool {
        if lines::is_sips(uri_of(route)) != is_secure {
            return false;
        }
        let place = self.facts.places.get(usize::from(flow.listener));
        place.is_some_and(|place| lines::is_at(uri_of(route), *place)) && route.contains(";lr")
    }

    fn routes_are_right(&self, request: &Packet<'a>, copy: &Packet<'a>) -> bool {
        let left = request.values("Route").skip_while(|route| self.is_own_route(route));
        copy.values("Route").eq(left)
    }

    /// RFC 5658 §4: one for each side, where they differ.
    fn record_routes_are_right(
        &self,
        (request, from): (&Packet<'a>, &Flow),
        sent: &Sent,
        copy: &Packet<'a>,
    ) -> bool {
        let begins = matches!(request.method, "INVITE" | "SUBSCRIBE" | "REFER" | "NOTIFY");
        let is_first = begins && param(request.value("To"), "tag").is_empty();
        let sides = [&sent.flow, from];
        let sides = match (is_first, from.listener == sent.flow.listener) {
            (false, _) => &sides[..0],
            (true, true) => &sides[..1],
            (true, false) => &sides[..],
        };
        let mut routes = copy.values("Record-Route");
        let new: Vec<_> = routes.by_ref().take(sides.len()).collect();
        new.len() == sides.len()
            && new.iter().zip(sides).all(|(route, side)| {
                self.leads_to(route, side, lines::is_sips(request.uri()) && lines::is_safe(side.transport))
            })
            && routes.eq(request.values("Record-Route"))
    }

    fn credentials_are_right(&self, request: &Packet<'a>, copy: &Packet<'a>) -> bool {
        let realm = format!("realm=\"{}\"", self.facts.domain);
        let foreign = request.values("Proxy-Authorization").filter(|value| !value.contains(&realm));
        let for_trunk = |value: &&str| value.contains(trunks::REALM);
        copy.values("Proxy-Authorization").filter(|value| !for_trunk(value)).eq(foreign)
    }

    /// §16.5: the Request-URI is a Contact of the user whom this URI names, and it goes where that was registered from; or it
    /// stays as it is, but for what a trunk is told.
    pub(super) fn fits(&self, uri: &str, sent: &Sent, copy: &Packet<'a>) -> bool {
        let remote = sent.flow.remote;
        let (user, host) = user_and_host(uri);
        // Which place of a neighbour is right is looked at elsewhere.
        if uri == copy.uri() {
            return true;
        }
        if let Some(Takes::Numbers { host, .. }) = self.facts.neighbour_of(uri).map(|n| &n.takes) {
            return copy.uri() == format!("sip:{user}@{host}");
        }
        let target = self.registered_as(copy.uri());
        let right = target.is_some_and(|target| target.user == user && target.places.contains(&remote));
        // RFC 7118 §5: nobody dials a browser.
        let by_its_own = !sent.flow.transport.is_websocket() || sent.flow.connection.is_some();
        right && host == self.facts.domain && by_its_own
    }

    /// The Request-URI of a copy that is meant for this URI.
    pub(super) fn target_is_right(&mut self, meant: &str, sent: &Sent, (first, copy): (&str, &Packet<'a>)) {
        let right = self.fits(meant, sent, copy);
        self.expect(right, "§16.5", format!("{first} became {} at {}", copy.uri(), sent.flow.remote));
    }

    /// Nobody hears from us who has never spoken to us or been registered with us.
    pub(super) fn goes_to_somebody(&mut self, sent: &Sent) {
        let known = self.places.contains(&sent.flow.remote);
        self.expect(known, "§16.5", format!("{} has never taken part", sent.flow.remote));
    }

    /// §18.2.2, RFC 3581 §4, and §8.2.6.2: a response goes back where the request came from, and repeats it.
    pub(super) fn response_goes_home(&mut self, server: usize, sent: &Sent, response: &Packet<'a>) {
        let s = &self.servers[server];
        let request = s.request.clone();
        let home = match s.from.transport {
            Transport::Udp if has_flag(request.via(), "rport") => s.from.remote,
            Transport::Udp => SocketAddr::new(s.from.remote.ip(), port_of(request.via())),
            _ => s.from.remote,
        };
        // RFC 3263 §5: by a new connection, where the old one is gone.
        let anew = SocketAddr::new(s.from.remote.ip(), port_of(request.via()));
        let anew = Flow { remote: anew, connection: ConnectionId::NONE, ..s.from };
        let is_anew = self.closed && s.from.connection.is_some() && sent.flow == anew;
        let home = is_anew || sent.flow == Flow { remote: home, ..s.from };
        let vias: Vec<_> = response.values("Via").collect();
        let vias = vias_below(&vias, &request, &s.from);
        let tag = param(response.value("To"), "tag");
        let to = match param(request.value("To"), "tag") {
            "" => {
                response.value("To").starts_with(request.value("To"))
                    && (response.status == 100 || !tag.is_empty())
            }
            _ => response.value("To") == request.value("To"),
        };
        for (is_so, section, what) in [
            (home, "§18.2.2, RFC 3581 §4", "goes elsewhere"),
            (vias, "§8.2.6.2, §16.7 step 3", "has other Vias than the request"),
            (response.value("From") == request.value("From"), "§8.2.6.2", "has another From"),
            (response.value("Call-ID") == request.value("Call-ID"), "§8.2.6.2", "has another Call-ID"),
            (response.value("CSeq") == request.value("CSeq"), "§8.2.6.2", "has another CSeq"),
            (to, "§8.2.6.2", "has the wrong To"),
        ] {
            self.expect(is_so, section, format!("{} {what}", response.first));
        }
    }

    /// A response on its way up: our Via is gone, nothing else has changed.
    pub(super) fn relayed(&mut self, server: usize, received: &Packet<'a>, response: &Packet<'a>) {
        let same = is_relayed(received, response, (received.status, self.facts.history));
        let ends = (self.asked_at(received), self.servers[server].from.remote.ip());
        self.expect(same, "§16.7 step 3, 9", format!("{} has changed on its way", response.first));
        self.answerer_is_right(ends, received, response);
    }

    /// A response tells who answers to whom it may: it goes from there to there.
    fn answerer_is_right(
        &mut self,
        (from, to): (Option<IpAddr>, IpAddr),
        received: &Packet<'a>,
        response: &Packet<'a>,
    ) {
        let fits = self.identity_goes_back((received, from), (response, to));
        self.expect(fits, "RFC 3325 §5, §7", format!("{} tells {to} who answers", response.first));
    }

    /// §16.11: by the Via below ours.
    pub(super) fn response_passed(&mut self, sent: &Sent, received: &Packet<'a>, response: &Packet<'a>) {
        let same = is_relayed(received, response, (received.status, false));
        self.expect(same, "§16.7 step 3, 9", format!("{} has changed on its way", response.first));
        if let Cause::Message(from, _) = &self.steps[self.index].cause {
            self.answerer_is_right((Some(from.remote.ip()), sent.flow.remote.ip()), received, response);
        }
        let via = response.via();
        let host = Some(param(via, "received")).filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| via_key(via).1.split(':').next().unwrap_or_default());
        let port = param(via, "rport").parse().unwrap_or_else(|_| port_of(via));
        let home = host.parse::<IpAddr>().is_ok_and(|ip| sent.flow.remote == SocketAddr::new(ip, port));
        self.expect(home, "§18.2.2", format!("{} goes to {}", response.first, sent.flow.remote));
    }

    /// §16.7 step 6: a 6xx if there is one, else one of the lowest class; a 503 says nothing about us.
    pub(super) fn is_a_best(&mut self, server: usize, response: &Packet<'a>) {
        let Server { finals, moved, over, cancelled, .. } = &self.servers[server];
        // A redirection that comes then is as it came.
        let is_late = *over || *cancelled;
        // A redirection of which all was followed is no answer any more.
        let left = |status: u16, packet: &Option<Packet<'_>>| match packet {
            Some(packet) if matches!(status, 300..=302) && moved.is_moved() => match moved.left_of(packet) {
                Left::No if is_late => Left::Perhaps,
                left => left,
            },
            _ => Left::Yes,
        };
        let finals = finals.iter().map(|(status, packet)| (status, packet, left(*status, packet)));
        // Where nothing else was said, what was followed in vain is the answer.
        let is_void = finals.clone().all(|(_, _, left)| left == Left::No);
        let sure = finals.clone().filter(|(_, _, left)| *left == Left::Yes);
        let lowest = sure.map(|(status, ..)| status / 100).min().unwrap_or(u16::MAX);
        let declined = finals.clone().any(|(status, ..)| *status >= 600);
        let is_class = |class: u16, left: Left| match declined {
            true => class == 6,
            false if is_void => true,
            false => left != Left::No && (class == lowest || (left == Left::Perhaps && class < lowest)),
        };
        let upstream = |status: u16| if status == 503 { 500 } else { status };
        let mut candidates = finals.clone().filter(|(status, _, left)| is_class(*status / 100, *left));
        let fits = candidates.any(|(status, packet, _)| {
            let same = |p: &Packet<'_>| match status {
                401 | 407 => true,
                300..=302 if moved.is_moved() => moved.are_left(response, p, is_late || is_void),
                _ => is_relayed(p, response, (upstream(*status), self.facts.history)),
            };
            let to = self.servers[server].from.remote.ip();
            let same = |p: &Packet<'_>| {
                same(p)
                    && (response.status == 401
                        || response.status == 407
                        || self.identity_goes_back((p, self.asked_at(p)), (response, to)))
            };
            upstream(*status) == response.status && packet.as_ref().is_none_or(same)
        });
        let all: Vec<_> = finals.map(|(status, _, left)| (status, left)).collect();
        let text = format!("{} is none of the best of {all:?}, or has changed", response.first);
        self.expect(fits || self.is_away(server, response.status), "§16.7 step 6", text);
    }
}

fn is_relayed(received: &Packet<'_>, response: &Packet<'_>, (status, tells): (u16, bool)) -> bool {
    let same_line =
        if received.status == status { received.first == response.first } else { response.status == status };
    let gone = received.lines.iter().position(|(name, _)| *name == "Via");
    let before = received.lines.iter().enumerate().filter(|(i, _)| Some(*i) != gone).map(|(_, line)| line);
    let is_ours = |name: &str| is_identity(name) || (tells && history::is_told(name));
    let before = before.filter(|(name, _)| !is_ours(name));
    let had_length = !received.value("Content-Length").is_empty();
    let after = response.lines.iter().filter(|(name, _)| had_length || *name != "Content-Length");
    let after = after.filter(|(name, _)| !is_ours(name));
    same_line && before.map(line_parts).eq(after.map(line_parts)) && received.body == response.body
}

/// A line, without what we may say in a Via.
fn line_parts<'a>(&(name, value): &(&'a str, &'a str)) -> (&'a str, Vec<&'a str>) {
    // A number that a trunk was told is mapped back; that it is the caller's own is looked at elsewhere.
    match name {
        "Via" => (name, via_parts(value)),
        "CSeq" => (name, value.split(' ').skip(1).collect()),
        _ => (name, vec![value]),
    }
}

/// A Via without what neighbours say of their load, each to the next only: RFC 7339 §5.2, §5.4.
fn via_parts(via: &str) -> Vec<&str> {
    let load = |part: &&str| *part == "oc" || part.starts_with("oc=") || part.starts_with("oc-");
    via.split(';').filter(|part| !load(part)).collect()
}

fn rest_is_same(request: &Packet<'_>, copy: &Packet<'_>, (by_trunk, tells): (bool, bool)) -> bool {
    let had_length = !request.value("Content-Length").is_empty();
    // A trunk that knows us is told other numbers, and who we are.
    let is_for_trunk = |name: &str| by_trunk && matches!(name, "CSeq" | "Authorization");
    let tells = tells && history::has_way(request);
    let is_ours = |name: &str| is_identity(name) || is_for_trunk(name) || (tells && history::is_told(name));
    let stays = |(name, _): &&(&str, &str)| {
        !CHANGING.contains(name) && !is_ours(name) && (had_length || *name != "Content-Length")
    };
    request.lines.iter().filter(stays).eq(copy.lines.iter().filter(stays))
}

/// The Vias of the request as it came, the first with what §18.2.1 and RFC 3581 §4 add to it.
fn vias_below(vias: &[&str], request: &Packet<'_>, from: &Flow) -> bool {
    let Some((first, rest)) = vias.split_first() else { return false };
    let came = request.via();
    let plain = |via: &str| -> Vec<String> {
        let ours = |part: &&str| !part.starts_with("received=") && !part.starts_with("rport");
        via_parts(via).into_iter().filter(ours).map(str::to_owned).collect()
    };
    let asks = has_flag(came, "rport");
    let (_, sent_by) = via_key(came);
    let host = sent_by.split(':').next().unwrap_or_default();
    let ip = from.remote.ip().to_string();
    // RFC 7118 §5.3: who came by WebSocket is answered by his connection, and need not be told.
    let untold = from.transport.is_websocket() && param(first, "received").is_empty();
    let received = param(first, "received") == ip || (!asks && host == ip) || untold;
    let rport = !asks || param(first, "rport") == from.remote.port().to_string();
    plain(first) == plain(came) && received && rport && request.values("Via").skip(1).eq(rest.iter().copied())
}

fn has_flag(via: &str, name: &str) -> bool {
    via.split(';').skip(1).any(|part| part == name || part.split_once('=').is_some_and(|(n, _)| n == name))
}

fn port_of(via: &str) -> u16 {
    let (_, sent_by) = via_key(via);
    sent_by.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5060)
}

//! Messages of the automatic phones: read and written as plain text, apart from the server's parser, so that a fault
//! there cannot hide itself.

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    first: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn request(method: &str, uri: &str) -> Self {
        Self { first: format!("{method} {uri} SIP/2.0"), headers: Vec::new(), body: String::new() }
    }

    /// A response that copies what RFC 3261 §8.2.6.2 says.
    pub(crate) fn response(request: &Self, status: u16) -> Self {
        let mut response = Self::request("", "");
        response.first = format!("SIP/2.0 {status} As It Is");
        ["Via", "From", "To", "Call-ID", "CSeq"].iter().for_each(|name| response.copy(request, name));
        response
    }

    /// `None` for keep-alives and anything else that is no message.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next().filter(|line| !line.is_empty())?.to_owned();
        let headers = lines.map(|line| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())));
        Some(Self { first, headers: headers.collect::<Option<_>>()?, body: body.to_owned() })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let lines = self.headers.iter().filter(|(name, _)| name != "Content-Length");
        let lines: String = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (first, body) = (&self.first, &self.body);
        format!("{first}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    pub(crate) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// All lines of a header of another message.
    pub(crate) fn copy(&mut self, from: &Self, name: &str) {
        self.headers.extend(from.headers.iter().filter(|(n, _)| n == name).cloned());
    }

    /// One line in the place of the first one of this name.
    pub(crate) fn replace(&mut self, name: &str, value: impl Into<String>) {
        match self.headers.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value.into(),
            None => self.add(name, value),
        }
    }

    /// 0 for a request.
    pub(crate) fn status(&self) -> u16 {
        let digits = self.first.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Of a request, or of the request that a response answers.
    pub(crate) fn method(&self) -> &str {
        match self.status() {
            0 => self.first.split(' ').next().unwrap_or_default(),
            _ => self.value("CSeq").split(' ').nth(1).unwrap_or_default(),
        }
    }

    pub(crate) fn uri(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The first value of a header, or nothing.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Each line of a header; the exchange writes one value in each, and phones do too.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
    }

    pub(crate) fn branch(&self) -> &str {
        param(self.value("Via"), "branch")
    }

    /// The tag of From or To, or nothing.
    pub(crate) fn tag(&self, name: &str) -> &str {
        param(self.value(name), "tag")
    }

    pub(crate) fn cseq(&self) -> u32 {
        self.value("CSeq").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

/// A parameter of a header value, outside of `<>`.
fn param<'a>(value: &'a str, name: &str) -> &'a str {
    let after = value.rfind('>').map_or(value, |at| &value[at..]);
    let mut params = after.split(';').skip(1).filter_map(|param| param.split_once('='));
    params.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// The URI between `<` and `>`.
pub(crate) fn uri_of(value: &str) -> &str {
    value.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or(value)
}

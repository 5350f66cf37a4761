//! As little of a phone as a test needs: it registers over UDP, and answers a challenge.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use offhook_digest::{Challenge, Login, Request, answer};
use offhook_sip::{Message, Name};

use crate::server::PATIENCE;

/// A phone with its account.
pub struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    user: String,
    password: String,
    pub user_agent: String,
    /// Behind the URI of its Contact: `;reg-id=1;…`.
    pub contact_params: String,
    cseq: u32,
}

impl Phone {
    /// Not registered yet.
    pub fn new(server: SocketAddr, user: &str, password: &str) -> Self {
        Self::at("127.0.0.1:0", server, user, password)
    }

    /// The same at a place of its own.
    pub fn at(place: &str, server: SocketAddr, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind(place).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let user_agent = "test phone".to_owned();
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { socket, server, user, password, user_agent, contact_params: String::new(), cseq: 0 }
    }

    /// The contact that it registers.
    pub fn contact(&self) -> String {
        format!("sip:{}@{}", self.user, self.socket.local_addr().unwrap())
    }

    /// How long it waits for an answer.
    pub fn set_patience(&mut self, patience: Duration) {
        self.socket.set_read_timeout(Some(patience)).unwrap();
    }

    /// Tries to register. Whether it was answered at all.
    pub fn tries_to_register(&mut self, expires_s: u32) -> bool {
        self.try_to_register(expires_s).is_some()
    }

    /// Registers, or with 0 takes its registration back; the final status.
    pub fn register(&mut self, expires_s: u32) -> u16 {
        self.try_to_register(expires_s).expect("an answer")
    }

    fn try_to_register(&mut self, expires_s: u32) -> Option<u16> {
        let refusal = self.ask(expires_s, None)?;
        let refusal = Message::parse(&refusal).unwrap();
        let Some(challenge) = refusal.value(Name::WwwAuthenticate) else { return refusal.status() };
        let uri = format!("sip:{}", self.server);
        let authorization = answer(
            &Challenge::parse(challenge).unwrap(),
            Login { username: &self.user, password: &self.password },
            Request { method: "REGISTER", uri: &uri, body: b"" },
            "0a4f113b",
            1,
        );
        let response = self.ask(expires_s, Some(&authorization))?;
        Message::parse(&response).unwrap().status()
    }

    fn ask(&mut self, expires_s: u32, authorization: Option<&str>) -> Option<Vec<u8>> {
        self.cseq += 1;
        let (user, server, cseq) = (&self.user, self.server, self.cseq);
        let own = self.socket.local_addr().unwrap();
        let credentials = authorization.map(|value| format!("Authorization: {value}\r\n"));
        let request = format!(
            "REGISTER sip:{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};rport;branch=z9hG4bK{cseq}.{}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{server}>;tag=1\r\n\
             To: <sip:{user}@{server}>\r\n\
             Call-ID: {user}.{}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <{}>{}\r\n\
             Supported: path, outbound, gruu\r\n\
             Expires: {expires_s}\r\n\
             User-Agent: {}\r\n\
             {}Content-Length: 0\r\n\r\n",
            own.port(),
            own.port(),
            self.contact(),
            self.contact_params,
            self.user_agent,
            credentials.unwrap_or_default(),
        );
        self.socket.send_to(request.as_bytes(), server).unwrap();
        let mut response = vec![0; 65_536];
        let length = self.socket.recv(&mut response).ok()?;
        response.truncate(length);
        Some(response)
    }
}

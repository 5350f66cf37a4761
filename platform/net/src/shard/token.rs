//! What the epoll set says back about a ready socket, in its 64 bits.

use crate::ConnectionId;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// Somebody wants the loop to end.
    Stop,
    /// Other shards have posted something.
    Mail,
    /// The alarm has rung: something is due.
    Alarm,
    /// The UDP socket at this place of the shard's list.
    Datagrams(usize),
    /// The listening socket at this place of the shard's list.
    Accept(usize),
    /// A connection. Its generation, in the upper half, is never 0; that tells it from the others.
    Connection(ConnectionId),
}

const DATAGRAMS: u64 = 1 << 16;
const ACCEPT: u64 = 2 << 16;
const PLACE: u64 = (1 << 16) - 1;

impl Token {
    pub(crate) fn pack(self) -> u64 {
        match self {
            Self::Stop => 0,
            Self::Mail => 1,
            Self::Alarm => 2,
            Self::Datagrams(place) => DATAGRAMS | place as u64,
            Self::Accept(place) => ACCEPT | place as u64,
            Self::Connection(id) => u64::from(id.generation) << 32 | u64::from(id.index),
        }
    }

    pub(crate) fn unpack(token: u64) -> Self {
        let generation = (token >> 32) as u32;
        if generation != 0 {
            return Self::Connection(ConnectionId { index: token as u32, generation });
        }
        let place = (token & PLACE) as usize;
        match token & !PLACE {
            DATAGRAMS => Self::Datagrams(place),
            ACCEPT => Self::Accept(place),
            _ if place == 1 => Self::Mail,
            _ if place == 2 => Self::Alarm,
            _ => Self::Stop,
        }
    }
}

impl ConnectionId {
    pub(crate) fn token(self) -> u64 {
        Token::Connection(self).pack()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_comes_back() {
        let last = ConnectionId { index: u32::MAX, generation: u32::MAX };
        let places = [Token::Datagrams(0), Token::Datagrams(1_023), Token::Accept(0), Token::Accept(1_023)];
        let connections =
            [ConnectionId::new(0, 0, 1), ConnectionId::new(255, 7, 9), last].map(Token::Connection);
        for token in [Token::Stop, Token::Mail, Token::Alarm].into_iter().chain(places).chain(connections) {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}

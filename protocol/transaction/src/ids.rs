//! Names of transactions that stay safe to use after the transaction is gone.

use std::num::NonZeroU32;

use crate::SlotId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $name(pub(crate) SlotId);

        impl $name {
            /// The name as a number, for a branch or a log line.
            pub fn to_bits(self) -> u64 {
                u64::from(self.0.generation.get()) << 32 | u64::from(self.0.slot)
            }

            /// The name from [`Self::to_bits`]. A number made up by a stranger names nothing, or a transaction
            /// whose branch is then different: compare it.
            pub fn from_bits(bits: u64) -> Option<Self> {
                let generation = NonZeroU32::new((bits >> 32) as u32)?;
                Some(Self(SlotId { slot: bits as u32, generation }))
            }
        }
    };
}

id! {
    /// A client transaction. Our branch carries it, so that its response finds it without a search.
    ClientId
}
id! {
    /// A server transaction.
    ServerId
}

/// A transaction of either side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransactionId {
    /// A client transaction.
    Client(ClientId),
    /// A server transaction.
    Server(ServerId),
}

impl From<ClientId> for TransactionId {
    fn from(id: ClientId) -> Self {
        Self::Client(id)
    }
}

impl From<ServerId> for TransactionId {
    fn from(id: ServerId) -> Self {
        Self::Server(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_being_written_down() {
        let id = ClientId(SlotId { slot: 77, generation: NonZeroU32::new(0x8000_0001).unwrap() });
        assert_eq!(ClientId::from_bits(id.to_bits()), Some(id));
        assert_eq!(ClientId::from_bits(77), None);
    }
}

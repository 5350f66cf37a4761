//! Evenings that once found something and are too long for a ladder. They are played first, each time, in the world that
//! there was by then: what has been added to it since would make other evenings of them.

use Era::{Forwarding, History, Names, Plain, Secure, Turns};

/// What there was in the world beside phones, and all that came before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Era {
    /// UDP, TCP and addresses.
    Plain,
    /// TLS and browsers, names, and a provider.
    Names,
    /// A row of servers that share calls.
    Rows,
    /// Phones that are forwarded.
    Forwarding,
    /// Callers and callees who say who they are, or want it hidden.
    Identity,
    /// Phones that want TLS on every hop.
    Secure,
    /// Phones that ring for less than Timer C.
    Turns,
    /// Requests that say which way they have gone.
    History,
}

/// The evenings.
pub(crate) const FOUND: [(u64, Era); 46] = [
    (213_134, Plain), // an INVITE comes twice, nobody is registered when the first copy comes, and somebody is for the second one
    (500_940, Plain), // the ACK to a 408 comes by a new connection, to another shard
    (2_006_834, Plain), // a caller far away acknowledges the 480 of one copy of his INVITE while another copy rings
    (4_013_826, Plain), // the same, and the phone that rings never says a word
    (5_001_767, Names), // a name leads nowhere, and two copies of a request for a route without state wait for it
    (5_003_882, Names), // a provider's first word comes after Timer B
    (5_007_428, Names), // a server says 503 when the request has been answered by another one, and its transaction is gone
    (5_013_771, Names), // a server that was left takes the call when its caller has been refused, and hangs up
    (5_016_825, Names), // a name leads nowhere, and then somewhere, while a request is repeated
    (6_062_719, Names), // an exchange that has started again sends on the ACK to a refusal, and it gets to a trunk
    (6_081_499, Names), // the connection for an answer is gone and has to be opened anew
    (6_097_067, Names), // on a route without state an INVITE waits for a name, and its ACK too
    (7_006_569, Names), // there an exchange is killed while a request waits for a name
    (7_007_047, Names), // there its repetition has waited in vain, and the ACK goes on
    (7_092_454, Names), // a machine of a provider that was left takes the call too late, and hangs up
    (10_017_641, Names), // nobody is there for a message, and somebody is for its repetition
    (10_044_379, Names), // a call was declined and has its record when a copy of it comes by another way, and is taken
    (10_073_959, Names), // the connection for a 180 is gone and has to be opened anew
    (10_088_786, Names), // nobody is there for an OPTIONS, and for its repetition its credentials have been used
    (31_003_107, Forwarding), // a phone is called by another exchange than its own, because a call was sent on there
    (20_056_515, Secure),     // a user who was named before has one more phone when he is named again
    (20_059_539, Secure),     // a server says 503, and 200 to a CANCEL in the moment when that ends
    (20_200_179, Secure),     // a server of the row leaves three requests in a row unanswered
    (20_200_522, Secure),     // a machine of the provider does
    (20_400_584, Secure),     // it is passed over, and is no spare then
    (20_401_286, Secure),     // perhaps it was passed over, among equals
    (20_500_416, Secure),     // another shard than the first finds it dead, and asks whether it lives
    (20_502_337, Secure), // a request that is answered elsewhere leaves it for the third time without a word
    (20_502_507, Secure), // a caller gives up who could have been sent on to one that perhaps is left alone
    (30_003_876, Secure), // a server says 503, and the only other one is left alone
    (30_002_663, Secure), // a call that rang out is tried elsewhere in the moment of its ACK
    (30_005_358, Turns),  // others begin to wait while a phone rings, which has its time all the same
    (30_006_258, Turns),  // a machine of the provider rings until Timer C, and the others are left alone
    (30_011_014, Turns),  // a phone is lifted after its turn, when the caller has just been refused
    (30_014_117, History), // a challenge comes when another phone has sent the call on
    (40_019_446, History), // the last silence of a server comes when its branch has had its turn, and its call was taken long ago
    (50_027_897, History), // a phone is sent on where the call has been before, when its caller has hung up
    (50_030_790, History), // a server dies while others have their turn before it
    (50_101_256, History), // a target has its turn from its call or from its ringing, by whether another one may be called
    (50_122_923, History), // a call has gone to and fro between two exchanges, and so does the ACK to its 2xx
    (50_110_838, History), // a target that was perhaps passed over, beside one that is dead
    (50_128_448, History), // a phone that has its turn says 183 and 180
    (60_011_294, History), // a phone rings at last when its turn is over
    (60_022_517, History), // a target says nothing, and who asked has had his answer from elsewhere
    (60_034_535, History), // a target says nothing in its turn, and is asked whether it lives
    (30_010_801, History), // what was repeated with credentials is sent on, and told so
];

impl Era {
    /// That of an evening.
    pub(crate) fn of(seed: u64) -> Self {
        let found = FOUND.iter().find(|(found, _)| *found == seed);
        found.map_or(Self::History, |(_, era)| *era)
    }
}

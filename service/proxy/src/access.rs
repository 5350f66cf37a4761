//! Who may do what: RFC 3261 §16.3 step 6, §22, and our default. Our own users prove who they are and may call
//! anywhere we route. Strangers may call our users. Nobody without credentials is relayed to anyone else.

use offhook_sip::{Method, Refusal};

/// Where a request wants to go, as far as rights depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// A user of ours.
    OurUser,
    /// A route that is open to strangers.
    OpenRoute,
    /// A route that was written for the very peer the request comes from.
    PeerRoute,
    /// Anywhere else.
    Elsewhere,
}

/// What is known about the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// It has shown valid credentials of the account that From names.
    Proved,
    /// It has shown valid credentials of another account than From names.
    ProvedAnother,
    /// It is a peer the administrator trusts by its address.
    Peer,
    /// From names a user of ours, unproved.
    ClaimsOurs,
    /// From names somebody else.
    Stranger,
}

/// The rules an administrator may change.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// Whether our users are challenged at all; off only on loopback.
    pub authenticate_calls: bool,
    /// Whether strangers may call our users.
    pub strangers_may_call_users: bool,
}

/// What to do with the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Go on.
    Allow,
    /// Ask for credentials: 407.
    Challenge,
    /// No. An ACK is dropped in silence.
    Refuse(Refusal<'static>),
}

/// Decides. `in_dialog`: a Route value sealed by us for this very dialog came with the request.
pub fn decide(method: Method, in_dialog: bool, sender: Sender, aim: Aim, rights: Rights) -> Access {
    if in_dialog || !rights.authenticate_calls {
        return Access::Allow;
    }
    let open = match aim {
        Aim::OurUser => rights.strangers_may_call_users,
        Aim::OpenRoute => true,
        Aim::PeerRoute | Aim::Elsewhere => false,
    };
    match sender {
        Sender::Proved => Access::Allow,
        // A peer has no credentials here: a challenge would lead nowhere.
        Sender::Peer if aim == Aim::Elsewhere => {
            Access::Refuse(Refusal::new(403).because("No route for this peer"))
        }
        Sender::Peer => Access::Allow,
        Sender::ProvedAnother => Access::Refuse(Refusal::new(403).because("From is not your account")),
        // An ACK cannot be challenged (§22.1). The one to a 2xx is part of a dialog; others have no business here.
        _ if method == Method::Ack => {
            if open {
                Access::Allow
            } else {
                Access::Refuse(Refusal::new(403))
            }
        }
        Sender::ClaimsOurs => Access::Challenge,
        Sender::Stranger if open => Access::Allow,
        Sender::Stranger if method == Method::Cancel => Access::Refuse(Refusal::new(481)),
        Sender::Stranger => Access::Challenge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHTS: Rights = Rights { authenticate_calls: true, strangers_may_call_users: true };

    fn access(sender: Sender, aim: Aim) -> Access {
        decide(Method::Invite, false, sender, aim, RIGHTS)
    }

    /// RFC 3261 §16.3 step 6, §22.3: the table of rights.
    #[test]
    fn our_users_prove_who_they_are_and_may_call_anywhere() {
        for aim in [Aim::OurUser, Aim::OpenRoute, Aim::Elsewhere] {
            assert_eq!(access(Sender::Proved, aim), Access::Allow);
            assert_eq!(access(Sender::ClaimsOurs, aim), Access::Challenge);
            assert!(matches!(access(Sender::ProvedAnother, aim), Access::Refuse(r) if r.status() == 403));
        }
    }

    #[test]
    fn strangers_reach_our_users_and_nobody_else() {
        assert_eq!(access(Sender::Stranger, Aim::OurUser), Access::Allow);
        assert_eq!(access(Sender::Stranger, Aim::OpenRoute), Access::Allow);
        assert_eq!(access(Sender::Stranger, Aim::Elsewhere), Access::Challenge);
        let closed = Rights { strangers_may_call_users: false, ..RIGHTS };
        assert_eq!(decide(Method::Invite, false, Sender::Stranger, Aim::OurUser, closed), Access::Challenge);
    }

    /// A trunk's peers bring calls for our users and for the routes written for them, and are no way out for others.
    #[test]
    fn peers_need_no_proof_and_have_no_more_rights() {
        let closed = Rights { strangers_may_call_users: false, ..RIGHTS };
        for aim in [Aim::OurUser, Aim::OpenRoute, Aim::PeerRoute] {
            assert_eq!(decide(Method::Invite, false, Sender::Peer, aim, closed), Access::Allow);
        }
        assert!(matches!(access(Sender::Peer, Aim::Elsewhere), Access::Refuse(r) if r.status() == 403));
        assert_eq!(access(Sender::Stranger, Aim::PeerRoute), Access::Challenge);
    }

    #[test]
    fn a_sealed_dialog_needs_no_more_proof() {
        assert_eq!(decide(Method::Bye, true, Sender::Stranger, Aim::Elsewhere, RIGHTS), Access::Allow);
        assert!(matches!(
            decide(Method::Ack, false, Sender::Stranger, Aim::Elsewhere, RIGHTS),
            Access::Refuse(_)
        ));
    }
}

//! Who may do what: RFC 3261 §16.3 step 6, §22, and our default. Our own users prove who they are and may call
//! anywhere we route. Strangers may call our users. Nobody without credentials is relayed to anyone else.

use offhook_sip::{Method, Refusal};

/// Where a request wants to go, as far as rights depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// A user of ours.
    OurUser,
    /// A static route that is open to strangers.
    OpenRoute,
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
    /// From names a user of ours, unproved.
    ClaimsOurs,
    /// From names somebody else.
    Stranger,
}

/// The rules an administrator may change.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
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
pub fn decide(method: Method, in_dialog: bool, sender: Sender, aim: Aim, rules: Rules) -> Access {
    if in_dialog || !rules.authenticate_calls {
        return Access::Allow;
    }
    let open = match aim {
        Aim::OurUser => rules.strangers_may_call_users,
        Aim::OpenRoute => true,
        Aim::Elsewhere => false,
    };
    match sender {
        Sender::Proved => Access::Allow,
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

    const RULES: Rules = Rules { authenticate_calls: true, strangers_may_call_users: true };

    fn access(sender: Sender, aim: Aim) -> Access {
        decide(Method::Invite, false, sender, aim, RULES)
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
        let closed = Rules { strangers_may_call_users: false, ..RULES };
        assert_eq!(decide(Method::Invite, false, Sender::Stranger, Aim::OurUser, closed), Access::Challenge);
    }

    #[test]
    fn a_sealed_dialog_needs_no_more_proof() {
        assert_eq!(decide(Method::Bye, true, Sender::Stranger, Aim::Elsewhere, RULES), Access::Allow);
        assert!(matches!(
            decide(Method::Ack, false, Sender::Stranger, Aim::Elsewhere, RULES),
            Access::Refuse(_)
        ));
    }
}

//! The exchange as its peers see it: call flows as text, played against a real shard in the simulated network. One file
//! for each subject; the comment above a test is its story, and names what it proves.

mod enrolment;
mod exchange;
mod ledger;

mod access;
mod alias;
mod answers;
mod bad_input;
mod calls;
mod cancel;
mod checks;
mod drain;
mod forking;
mod forwarding;
mod gruu;
mod ipv6;
mod maddr;
mod named_hops;
mod names;
mod nat;
mod numbers;
mod outbound;
mod overload;
mod peers;
mod preferences;
mod records;
mod redirects;
mod registration;
mod ringing;
mod routes;
mod rules;
mod screening;
mod seals;
mod session_timers;
mod shards;
mod stateless;
mod stranded;
mod tcp;
mod timers;
mod tls;
mod transactions;
mod trunks;
mod two_exchanges;
mod websocket;

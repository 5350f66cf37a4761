//! The exchange as its peers see it: call flows as text, played against a real shard in the simulated network. One file
//! for each subject; the comment above a test is its story, and names what it proves.

mod exchange;

mod answers;
mod calls;
mod cancel;
mod forking;
mod forwarding;
mod registration;
mod routes;
mod screening;
mod timers;
mod transactions;

//! The system calls that neither `std` nor `socket2` offers, each behind a safe type. All `unsafe` of the signalling
//! side stands in this folder.

#[cfg(not(target_os = "linux"))]
compile_error!("offhook-net speaks to Linux: epoll, recvmmsg, eventfd, SO_REUSEPORT");

mod address;
mod alarm;
mod arrival;
mod datagrams;
mod descriptors;
mod epoll;
mod error_queue;
mod event_fd;
mod fixed;
mod interfaces;
pub(crate) mod local_socket;
mod options;
mod sctp;
mod segments;
mod sieve;

pub(crate) use alarm::Alarm;
pub(crate) use datagrams::ReceiveBatch;
pub(crate) use descriptors::raise_descriptor_limit;
pub(crate) use epoll::{Epoll, Event, Interest, Ready};
pub(crate) use error_queue::{QUOTED_BYTES_MAX, queue_errors, take_error};
pub(crate) use event_fd::EventFd;
pub(crate) use interfaces::{Interface, interfaces};
#[cfg(test)]
pub(crate) use options::set_no_checksums;
pub(crate) use options::{
    bind_without_port, can_segment, enlarge_buffers, receive_fill_permille, stamp_arrivals, wait_writable,
};
pub(crate) use sctp::{prepare_sctp, read_part};
pub(crate) use segments::{SendBatch, Unsent};
pub use sieve::SIEVED_MAX;
pub(crate) use sieve::sift;

fn empty_header() -> libc::mmsghdr {
    // SAFETY: a plain C struct of numbers and pointers; zero is valid for each.
    unsafe { std::mem::zeroed() }
}

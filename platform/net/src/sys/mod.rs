//! The system calls that neither `std` nor `socket2` offers, each behind a safe type. All `unsafe` of the signalling
//! side stands in this folder.

#[cfg(not(target_os = "linux"))]
compile_error!("offhook-net speaks to Linux: epoll, recvmmsg, eventfd, SO_REUSEPORT");

mod address;
mod datagrams;
mod descriptors;
mod epoll;
mod event_fd;
mod fixed;
mod interfaces;
mod options;

pub(crate) use datagrams::{ReceiveBatch, SendBatch};
pub(crate) use descriptors::raise_descriptor_limit;
pub(crate) use epoll::{Epoll, Event, Interest, Ready};
pub(crate) use event_fd::EventFd;
pub(crate) use interfaces::{Interface, interfaces};
pub(crate) use options::{bind_without_port, enlarge_buffers, receive_fill_permille, wait_writable};

//! When a datagram came: what the kernel writes beside it, as `SO_TIMESTAMPNS` asks for (socket(7), cmsg(3)).

use std::time::Duration;

/// Room for one control message with one time, aligned as its header is.
const WORDS: usize = 4;

/// What the kernel says about one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct ArrivalStamp([u64; WORDS]);

impl ArrivalStamp {
    pub(crate) const EMPTY: Self = Self([0; WORDS]);

    /// Has the kernel write here, with the datagram of this header.
    pub(crate) fn make_room(&mut self, header: &mut libc::msghdr) {
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = size_of::<Self>() as _;
    }

    /// What it has written there, as time since the Unix epoch.
    ///
    /// # Safety
    /// `header` was given this room, and a call to receive has returned with it.
    pub(crate) unsafe fn read(&self, header: &libc::msghdr) -> Option<Duration> {
        // SAFETY: control pointer and length are ours, or shorter as the kernel has left them.
        let first = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
        let is_time = first.cmsg_level == libc::SOL_SOCKET && first.cmsg_type == libc::SCM_TIMESTAMPNS;
        let is_whole = first.cmsg_len as usize >= size_of::<libc::cmsghdr>() + size_of::<libc::timespec>();
        if !is_time || !is_whole {
            return None;
        }
        // SAFETY: the message is as long as a time, and any bytes are one.
        let time: libc::timespec =
            unsafe { libc::CMSG_DATA(first).cast::<libc::timespec>().read_unaligned() };
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?.min(999_999_999),
        ))
    }
}

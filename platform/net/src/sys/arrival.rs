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
    /// `header` was given room of this kind that lives still, and a call to receive has returned with it.
    pub(crate) unsafe fn read(header: &libc::msghdr) -> Option<Duration> {
        // SAFETY: control pointer and length are those of the room, or a shorter length as the kernel has left it; the
        // macro returns a pointer to a whole header in it, or none.
        let first = unsafe { libc::CMSG_FIRSTHDR(header) };
        if first.is_null() {
            return None;
        }
        // SAFETY: not null, so a whole header lies there, aligned as the room is.
        let said = unsafe { first.read() };
        let is_time = said.cmsg_level == libc::SOL_SOCKET && said.cmsg_type == libc::SCM_TIMESTAMPNS;
        let is_whole = said.cmsg_len as usize >= size_of::<libc::cmsghdr>() + size_of::<libc::timespec>();
        if !is_time || !is_whole {
            return None;
        }
        // SAFETY: the message is as long as a time, any bytes are one, and the pointer is the kernel's own way to it.
        let time: libc::timespec =
            unsafe { libc::CMSG_DATA(first).cast::<libc::timespec>().read_unaligned() };
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?.min(999_999_999),
        ))
    }
}

//! How many file descriptors the process may have.

use std::io;

/// Raises the soft limit to `wanted`, or to the hard limit where that is lower, and says what it is now.
pub(crate) fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a structure of ours that outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < wanted {
        limit.rlim_cur = wanted.min(limit.rlim_max);
        // SAFETY: as above; the call only reads it.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_never_falls_and_never_passes_the_hard_one() {
        let before = raise_descriptor_limit(0).unwrap();
        let after = raise_descriptor_limit(before + 1).unwrap();
        assert!(after >= before);
        assert_eq!(raise_descriptor_limit(u64::MAX).unwrap(), raise_descriptor_limit(u64::MAX).unwrap());
    }
}

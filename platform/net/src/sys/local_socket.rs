//! A Unix stream socket under a name in a directory, for the owner of the directory alone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Commands that may wait until they are heard.
const BACKLOG: i32 = 16;

/// Listens under `name` in `directory`. What is left there of a server that is dead is removed; that it is dead is for
/// the caller to know.
pub(crate) fn listen(directory: &Path, name: &str) -> io::Result<UnixListener> {
    let folder = File::open(directory)?;
    remove(directory, name)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Before it has a name: so there is no moment at which others could connect.
    owner_only(socket.as_fd())?;
    socket.bind(&SockAddr::unix(path_of(&folder, name))?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from(std::os::fd::OwnedFd::from(socket)))
}

/// Connects to who listens there.
pub(crate) fn connect(directory: &Path, name: &str) -> io::Result<UnixStream> {
    let folder = File::open(directory)?;
    UnixStream::connect(path_of(&folder, name))
}

/// Takes the name away.
pub(crate) fn remove(directory: &Path, name: &str) -> io::Result<()> {
    match std::fs::remove_file(directory.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The name by way of the open directory: a socket's address has 108 bytes, and paths are longer.
fn path_of(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// Linux takes the mode of a socket for the mode of its name (`unix_bind`).
fn owner_only(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a descriptor that lives through the call, and a number.
    let result = unsafe { libc::fchmod(socket.as_raw_fd(), 0o600) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

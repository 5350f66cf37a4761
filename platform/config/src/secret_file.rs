//! Passwords that stand in files of their own, which the configuration names: then it can be shown, and kept with others.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::Config;
use crate::error::{Cause, Fault};
use crate::place::Place;
use crate::report::Report;
use crate::secret::Secret;

/// As much of a file is read, bytes: the longest password and the end of its line, and then some.
const BYTES_MAX: u64 = 1_024;

/// The rights of group and others: there must be none.
const OTHERS: u32 = 0o077;

/// Reads the password of every trunk that names a file. Relative paths start from `folder`.
pub(crate) fn read_all(config: &mut Config, folder: &Path, report: &mut Report<'_>) {
    for (index, trunk) in config.trunk.iter_mut().enumerate() {
        let Some(file) = &trunk.password_file else { continue };
        match read(&folder.join(file)) {
            Ok(password) => trunk.password = Some(password),
            Err(why) => {
                let place = Place::at("trunk").entry(index).key("password_file");
                let (key, value) = (place.to_string(), file.display().to_string());
                report.refuse_at(&[place], Cause::Unusable { key, value, fault: Fault::File(why) });
            }
        }
    }
}

/// The first line. An error says why there is none.
fn read(path: &Path) -> Result<Secret, String> {
    let unreadable = |error: std::io::Error| format!("cannot read it: {error}");
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("this is no file".to_owned());
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(format!(
            "others than its owner have rights to it (mode {mode:04o}); `chmod 600` takes them away"
        ));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let password = text.lines().next().and_then(Secret::of);
    password.ok_or_else(|| "its first line must be a password of 1 to 256 characters".to_owned())
}

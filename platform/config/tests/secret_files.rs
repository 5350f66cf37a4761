//! Passwords in files of their own: where they are looked for, and whom they may be readable for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use offhook_config::Config;
use tempfile::TempDir;

const HOUSE: &str = "\
[[trunk]]
name = \"provider\"
targets = [{ to = \"sip:192.0.2.9\" }]
user = \"4930123\"
password_file = \"secrets/provider\"
";

/// A folder with this configuration and this secret in a file of this mode.
fn folder(secret: &[u8], mode: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    fs::write(folder.path().join("offhook.toml"), HOUSE).unwrap();
    let file = folder.path().join("secrets/provider");
    fs::write(&file, secret).unwrap();
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    folder
}

fn load(folder: &Path) -> Result<String, String> {
    let config = Config::load(&folder.join("offhook.toml")).map_err(|error| error.to_string())?;
    Ok(config.trunk[0].password.as_ref().expect("a password").reveal().to_owned())
}

#[test]
fn a_password_is_the_first_line_of_its_file() {
    for (secret, mode) in
        [("correct horse", 0o600), ("correct horse\n", 0o400), ("correct horse\r\nnote\n", 0o600)]
    {
        assert_eq!(load(folder(secret.as_bytes(), mode).path()).as_deref(), Ok("correct horse"), "{mode:o}");
    }
}

#[test]
fn a_file_that_will_not_do_says_why() {
    let refused = |secret: &[u8], mode: u32| {
        let folder = folder(secret, mode);
        let said = load(folder.path()).unwrap_err();
        said.strip_prefix(&*folder.path().join("offhook.toml").display().to_string()).unwrap().to_owned()
    };
    let place = ":5:1: \"password_file\" in [[trunk]] is \"secrets/provider\": ";
    for (secret, mode, why) in [
        (
            &b"correct horse"[..],
            0o640,
            "others than its owner have rights to it (mode 0640); `chmod 600` takes them away",
        ),
        (
            b"correct horse",
            0o604,
            "others than its owner have rights to it (mode 0604); `chmod 600` takes them away",
        ),
        (b"", 0o600, "its first line must be a password of 1 to 256 characters"),
        (b"\nsecond", 0o600, "its first line must be a password of 1 to 256 characters"),
        (&[b'x'; 2_000], 0o600, "its first line must be a password of 1 to 256 characters"),
    ] {
        assert_eq!(refused(secret, mode), format!("{place}{why}"));
    }
    assert!(refused(b"\xff\xfe", 0o600).starts_with(&format!("{place}cannot read it: ")));
    let absent = folder(b"x", 0o600);
    fs::remove_file(absent.path().join("secrets/provider")).unwrap();
    assert!(load(absent.path()).unwrap_err().contains("cannot read it: No such file"));
    fs::create_dir(absent.path().join("secrets/provider")).unwrap();
    assert!(load(absent.path()).unwrap_err().ends_with("this is no file"));
}

/// What is only read looks at no other files.
#[test]
fn a_text_names_files_and_opens_none() {
    let config = Config::parse(HOUSE, "offhook.toml").unwrap();
    assert!(config.trunk[0].password.is_none() && config.trunk[0].password_file.is_some());
}

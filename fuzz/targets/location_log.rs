//! A log of bindings as a damaged disk could hold it: no panic; what can be read is read, what cannot is counted, and nothing
//! comes of it that a REGISTER could not have made. A record begins with its length, two bytes; the first byte of all says how
//! the file is cut, and whether its frames are sound.

#![cfg_attr(not(test), no_main)]

use offhook_frames::{Frames, HEADER_BYTES, Header, Kind, PAYLOAD_BYTES_MAX, put_frame, seal};
use offhook_fuzz::fuzz_target;
use offhook_location::Location;

/// As the log says it.
const FILE: Kind = Kind { magic: *b"offhookL", format: 1 };
const SALT: u32 = 77;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, mut rest)) = input.split_first() else { return };
    let _ = Header::parse(rest, FILE);
    let mut frames = Vec::new();
    let mut count = 0;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len()).min(PAYLOAD_BYTES_MAX);
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        put_frame(&mut frames, |out| out.extend_from_slice(payload));
        count += 1;
    }
    seal(&mut frames, SALT);
    match choice {
        0..=127 => {}
        128..=191 => frames.truncate(frames.len().saturating_sub(usize::from(choice - 127))),
        192..=255 => {
            let at = usize::from(choice - 192) * 3;
            frames.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x10);
        }
    }
    assert!(sound(&frames) <= count);
    let header = Header { salt: SALT, generation: 1 }.to_bytes(FILE);
    assert_eq!(header.len(), HEADER_BYTES);
    open(&[&header[..], &frames].concat());
});

/// How many frames of a file hold, read as it is.
fn sound(file: &[u8]) -> usize {
    let mut frames = Frames::new(file, SALT);
    let mut count = 0;
    while frames.next().expect("memory can be read").is_some() {
        count += 1;
    }
    assert!(frames.damaged_bytes + frames.torn_bytes <= file.len() as u64);
    count
}

fn open(log: &[u8]) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    std::fs::write(folder.path().join("location-0.1.log"), log).expect("room for a file");
    let location = Location::open_read_only(folder.path(), 1).expect("a damaged log is no reason to stop");
    let mut told = 0;
    location.dump(1, |_, binding| {
        assert!(binding.expires_at_ms > 1 && binding.flow.connection_generation == 0);
        told += 1;
    });
    assert!(told <= location.count());
}

//! Segments of the spool, as they lie in their files.

// It is no part of an interface.
#![allow(unreachable_pub)]

use offhook_frames::{HEADER_BYTES, frame_length};

/// Where the frames of a segment end, and its room begins.
pub fn frames_end(segment: &[u8]) -> usize {
    let mut end = HEADER_BYTES.min(segment.len());
    while segment[end..].starts_with(&[0xf5, 0xff]) {
        end += frame_length(&segment[end..]).unwrap();
    }
    end
}

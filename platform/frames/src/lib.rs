//! Append-only files of checked frames, and the bytes of the records in them: what the location log and the spool of
//! call records have in common.
//!
//! ```text
//!   record ── encoding ──► payload ── put_frame, seal ──► file ── Frames ──► payload ── Cursor ──► record
//! ```
//! Not here: files. Their owners open, append, cut and delete them, and say what a failure means.

#![forbid(unsafe_code)]

pub mod encoding;
mod format;
mod frames;

pub use format::{
    BadHeader, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, GENERATION_MAX, HEADER_BYTES, Header, Kind,
    PAYLOAD_BYTES_MAX, begin_frame, end_frame, frame_length, frame_payload, frame_payload_unchecked,
    next_candidate, put_frame, seal,
};
pub use frames::Frames;

//! The way out: logs of finished WebSocket frames that connections read with cursors.
//!
//! In: blocks of frames, one a released batch. Out: runs of the same bytes, shared, to whoever asks from a sequence on.
//!
//! - **Encoded once.** An execution becomes a WebSocket frame before it is published; every reader, live or late, gets
//!   the same bytes.
//! - **A log, not a fan of channels.** Each account's executions, and each public channel, are one [`Log`]. A subscriber
//!   is a number: the next sequence it wants. What it has not taken costs nothing.
//! - **No silent skip.** Sequences in a log are dense. A reader either gets the frame it asked for, or is told that it is
//!   no longer kept.
//! - **Executions are kept for ever,** or as far back as is asked for, where the venue has a journal: before the ring in memory
//!   comes the [`archive`] on disk, and [`Executions`] reads both without a seam.
//!
//! Limits: a log keeps its newest frames, at least as many as it was made for. Costs: O(1) an append, O(log n) a read.

pub mod archive;
pub mod encode;
mod executions;
mod frame;
mod hub;
pub mod json;
mod log;

pub use executions::{Executions, Older};
pub use frame::{Block, BlockBuilder, TextFrames, close_frame, frames, text_frame};
pub use hub::Hub;
pub use log::{Log, Read};

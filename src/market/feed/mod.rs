//! Feeds: each a task that turns what one exchange says into [`Update`](super::Update)s.
//!
//! A feed sends into the one bounded channel that all feeds share and waits there when it is full: prices are held back at
//! their source, never piled up. It maps the exchange's own symbols to the venue's and stamps what it sends. It ends when
//! told to, or when nobody takes its updates any more.

mod simulated;
mod walk;

pub use simulated::{SimulatedError, SimulatedSpec, run_simulated};
pub use walk::{Prices, Walk};

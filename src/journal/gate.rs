//! The gate that effects of batches wait behind until these are kept.

/// What becomes of effects. One thread asks for all of it, in the order of the batches.
pub trait Gate<E>: Send {
    /// Effects that can be let out at once.
    type Ready;

    /// Makes effects ready to be let out, while they are being kept: nobody may see anything of them yet.
    fn prepare(&mut self, effects: E) -> Self::Ready;

    /// Lets effects out: they are kept.
    fn release(&mut self, ready: Self::Ready);

    /// Makes ready what [`Gate::prepare`] left for later, if it can now: asked of all that is left, in order, after a release, until
    /// something cannot.
    fn catch_up(&mut self, _ready: &mut Self::Ready) -> bool {
        true
    }
}

impl<E, F: FnMut(E) + Send> Gate<E> for F {
    type Ready = E;

    fn prepare(&mut self, effects: E) -> E {
        effects
    }

    fn release(&mut self, effects: E) {
        self(effects);
    }
}

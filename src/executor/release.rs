//! What happens once a batch is kept: the read model learns of it, then the stream, then those who asked.

use std::sync::Arc;

use super::Effects;
use crate::queue::Admission;
use crate::read::ReadModel;
use crate::stream::Hub;

/// The other side of the journal's gate. Whoever is told of an order by the stream or a reply can already read it.
#[derive(Clone, Debug)]
pub struct Release {
    /// What GETs answer from.
    pub read: Arc<ReadModel>,
    /// What subscribers read.
    pub hub: Arc<Hub>,
    /// Whose client ids are now known.
    pub admission: Admission,
}

impl Release {
    /// Lets a batch's effects out.
    pub fn release(&self, effects: Effects) {
        effects.release(&self.read, &self.hub, &self.admission);
    }
}

impl Effects {
    /// Lets these effects out: into the read model, then the stream, then to those who asked.
    pub fn release(self, read: &ReadModel, hub: &Hub, admission: &Admission) {
        read.apply(self.changes);
        admission.kept(&self.kept);
        hub.publish(self.number, self.executions, self.trades, self.books);
        for (reply, answer) in self.replies {
            // Who asked may have left; what was done stays done.
            drop(reply.send(answer));
        }
    }
}

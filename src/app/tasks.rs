//! The tasks of a process, by name: none ends unnoticed.

use std::{collections::HashMap, future::Future};

use anyhow::anyhow;
use tokio::task::{Id, JoinSet};

/// The tasks of a venue, by name: none may end unnoticed.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Tasks {
    /// Starts a task.
    pub(crate) fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Waits until any task ends, which none should.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.next().await {
            Some(Ok(name)) => anyhow!("the task `{name}` ended"),
            Some(Err(error)) => error,
            None => anyhow!("there is no task"),
        }
    }

    /// Waits until the task of this name has ended well.
    pub(crate) async fn wait_for(&mut self, name: &str) -> anyhow::Result<()> {
        while let Some(ended) = self.next().await {
            if ended? == name {
                break;
            }
        }
        Ok(())
    }

    /// Waits until every task has ended well.
    pub(crate) async fn wait_for_all(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.next().await {
            ended?;
        }
        Ok(())
    }

    /// The name of the next task that ends; an error if it panicked.
    async fn next(&mut self) -> Option<anyhow::Result<String>> {
        let ended = self.set.join_next_with_id().await?;
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or_else(|| "unnamed".to_owned());
        Some(ended.map(|_| name.clone()).map_err(|error| anyhow!("the task `{name}` died: {error}")))
    }
}

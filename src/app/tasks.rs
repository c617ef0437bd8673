//! The tasks of a process, by name: none ends unnoticed.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
};

use anyhow::{Context, anyhow, bail};
use tokio::{
    runtime::Handle,
    task::{Id, JoinSet},
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, String>,
    /// Those that have ended well.
    ended: HashSet<String>,
}

impl Tasks {
    /// Starts a task that cannot fail.
    pub(crate) fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(&Handle::current(), name, task);
    }

    /// Starts one on another runtime.
    pub(crate) fn spawn_on(
        &mut self,
        runtime: &Handle,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = async {
            task.await;
            Ok(())
        };
        let id = self.set.spawn_on(task, runtime).id();
        self.names.insert(id, name.into());
    }

    /// Starts a task that says how it ended.
    pub(crate) fn spawn_fallible(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
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
        while !self.ended.contains(name) {
            let Some(ended) = self.next().await else { bail!("there is no task `{name}`") };
            ended?;
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

    /// The name of the next task that ends; an error if it failed or panicked.
    async fn next(&mut self) -> Option<anyhow::Result<String>> {
        let ended = self.set.join_next_with_id().await?;
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(error.into())),
        };
        let name = self.names.remove(&id).unwrap_or_else(|| "unnamed".to_owned());
        if result.is_ok() {
            self.ended.insert(name.clone());
        }
        Some(result.map(|()| name.clone()).with_context(|| format!("the task `{name}` failed")))
    }
}

//! Where each key of a configuration was written, to say so of what is wrong with it, at once or later.

use std::collections::BTreeMap;

use super::load::Source;
use super::problem::{self, Problem};

/// What the user wrote: where a key stands is looked up once there is something to say about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The file, by its name and its text.
    file: Option<(String, String)>,
    /// Whatever set a key over it: a variable, or an option of the command line.
    over: BTreeMap<String, String>,
}

impl Written {
    /// Nothing but, perhaps, a file.
    pub(super) fn of_file(file: Option<Source<'_>>) -> Self {
        Self { file: file.map(|file| (file.name.to_owned(), file.text.to_owned())), over: BTreeMap::new() }
    }

    /// Notes that `name` set `key`.
    pub(super) fn set(&mut self, key: impl Into<String>, name: impl Into<String>) {
        self.over.insert(key.into(), name.into());
    }

    /// A problem with `key`, and where that was written: whatever set it last, else the line of the file, else the file.
    pub(super) fn problem(&self, key: impl Into<String>, message: impl Into<String>) -> Problem {
        let (key, message) = (key.into(), message.into());
        let file = self.file.as_ref().map(|(name, text)| Source { name, text });
        let in_file = || file.map(|file| file.place(file.parse().ok().and_then(|table| problem::offset(&table, &key))));
        let place = self.over.get(&key).cloned().or_else(in_file);
        Problem { place, key: Some(key), message }
    }
}

//! What is wrong with a configuration, and where: one line a problem, `file:line: key: sentence`.

use std::fmt;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

/// Why a configuration cannot be used: one problem or more, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One problem. `place` is a file with its line, a file, or the name of an environment variable or of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: Option<String>,
    pub(super) key: Option<String>,
    pub(super) message: String,
}

impl From<Vec<Problem>> for ConfigError {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            for part in [&problem.place, &problem.key].into_iter().flatten() {
                write!(f, "{part}: ")?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects what the checks find: the key as `feeds[0].symbols.BTC/USD`, and a sentence.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<(String, String)>);

impl Problems {
    pub(super) fn push(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push((key.into(), message.into()));
    }

    /// A number outside `least` to `most` is a problem.
    pub(super) fn range(&mut self, key: impl Into<String>, value: usize, least: usize, most: usize) {
        if value < least {
            self.push(key, format!("must be at least {least}"));
        } else if value > most {
            self.push(key, format!("must be at most {most}"));
        }
    }

    /// A list with fewer than `least` or more than `most` entries is a problem.
    pub(super) fn count(&mut self, key: impl Into<String>, value: usize, least: usize, most: usize) {
        if value < least {
            self.push(key, format!("must have at least {least} of them"));
        } else if value > most {
            self.push(key, format!("must have at most {most} of them"));
        }
    }

    /// A duration of zero is a problem.
    pub(super) fn above_zero(&mut self, key: impl Into<String>, value: Duration) {
        if value.is_zero() {
            self.push(key, "must be longer than zero");
        }
    }
}

/// The line of `text`, from 1, that the byte at `offset` is on.
pub(super) fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where `table` has `key`, or as much of it as there is: the offset of its name. Names may have dots in them, so the
/// longest name that `key` goes on with is taken.
pub(super) fn offset(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let goes_on = |name: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let entries = table.iter().filter(|(name, _)| goes_on(name.get_ref()));
    let (name, value) = entries.max_by_key(|(name, _)| name.get_ref().len())?;
    let rest = key.get(name.get_ref().len()..)?;
    Some(offset_in(value.get_ref(), rest).unwrap_or(name.span().start))
}

fn offset_in(value: &DeValue<'_>, rest: &str) -> Option<usize> {
    match value {
        DeValue::Table(table) => offset(table, rest.strip_prefix('.')?),
        DeValue::Array(items) => {
            let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some(offset_in(item.get_ref(), rest).unwrap_or(item.span().start))
        }
        _ => None,
    }
}

/// What serde says of a value, as a sentence that follows the key.
pub(super) fn sentence(message: &str) -> String {
    let said = message.trim_end().replace('\n', ", ");
    if let Some((found, expected)) = said.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        let expected = match expected {
            "u32" | "u64" | "usize" => "a whole number",
            "a sequence" => "a list",
            "a map" => "a table",
            _ if expected.starts_with("struct ") => "a table",
            _ => expected,
        };
        let found = if found == "map" { "a table" } else { found };
        return format!("must be {expected}, not {found}");
    }
    if let Some((found, _)) = said.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected ")) {
        return format!("is out of range: {found}");
    }
    match said.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", ")) {
        Some((_, expected)) => format!("no such key, {expected}"),
        None => said,
    }
}

//! Loading: the built-in file, the user's file over it, the environment over both.
//!
//! The layers are merged as parsed TOML and read once into [`Config`]. An error knows the key it is about; where that
//! key was written is looked up afterwards, in the environment first, then in the user's file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{self, Problem, Problems};
use super::written::Written;
use super::{Config, ConfigError};

/// The configuration of a venue that is told nothing.
pub(super) const DEFAULT: Source<'static> =
    Source { name: "config/default.toml", text: include_str!("../../config/default.toml") };

/// Variables of the environment that are ours start with this.
const PREFIX: &str = "OPENOUTCRY_";
/// Names after [`PREFIX`] that belong to the command line.
const COMMAND_LINE: [&str; 4] = ["CONFIG", "LISTEN", "DATA_DIR", "KEY"];
/// Names after [`PREFIX`] that Kubernetes gives every container beside a service called `openoutcry`.
const SERVICE_LINKS: [&str; 3] = ["SERVICE_HOST", "SERVICE_PORT", "PORT"];
/// A longer file is not a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A text with the name that errors call it by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn parse(&self) -> Result<DeTable<'_>, Problem> {
        DeTable::parse(self.text).map(Spanned::into_inner).map_err(|error| Problem {
            place: Some(self.place(error.span().map(|span| span.start))),
            key: None,
            message: error.message().trim_end().replace('\n', ", "),
        })
    }

    pub(super) fn place(&self, offset: Option<usize>) -> String {
        match offset {
            Some(offset) => format!("{}:{}", self.name, problem::line(self.text, offset)),
            None => self.name.to_owned(),
        }
    }
}

/// Reads a file, whole.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let problem =
        |message: String| ConfigError::from(vec![Problem { place: Some(path.display().to_string()), key: None, message }]);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| problem(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(problem(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))
}

/// Lays the layers over each other, reads the result and checks it.
pub(super) fn load(
    file: Option<Source<'_>>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let variables: Vec<(String, String)> = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    let mut table = DEFAULT.parse().map_err(|problem| vec![problem])?;
    let (overrides, problems) = overrides(&variables, &table);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if let Some(file) = &file {
        lay_over(&mut table, file.parse().map_err(|problem| vec![problem])?);
    }
    let mut written = Written::of_file(file);
    for Override { section, key, name, value } in overrides {
        written.set(format!("{section}.{key}"), name);
        // A section that the file has turned into something else is an error of its own below.
        if let Some(DeValue::Table(keys)) = table.get_mut(section.as_str()).map(Spanned::get_mut) {
            keys.insert(Spanned::new(0..0, key.into()), Spanned::new(0..0, value));
        }
    }
    let mut found = Problems::default();
    let config = deserialize(table, &mut found);
    if let Some(config) = &config {
        config.check_values(&mut found);
    }
    match config {
        Some(config) if found.0.is_empty() => Ok(Config { written, ..config }),
        _ => Err(found.0.into_iter().map(|(key, message)| written.problem(key, message)).collect::<Vec<_>>().into()),
    }
}

fn deserialize(table: DeTable<'_>, found: &mut Problems) -> Option<Config> {
    let merged = ValueDeserializer::from(Spanned::new(0..0, DeValue::Table(table)));
    serde_path_to_error::deserialize(merged)
        .map_err(|error| {
            let (key, message) = (error.path().to_string(), error.inner().message());
            match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
                Some(field) => found.push(format!("{key}.{field}"), "must be set"),
                None => found.push(key, problem::sentence(message)),
            }
        })
        .ok()
}

/// Tables merge key by key; everything else, lists included, is replaced.
fn lay_over<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        match (base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(below)), DeValue::Table(_)) => {
                if let DeValue::Table(above) = value.into_inner() {
                    lay_over(below, above);
                }
            }
            _ => {
                base.insert(key, value);
            }
        }
    }
}

/// A key that the environment sets.
struct Override<'i> {
    section: String,
    key: String,
    name: &'i str,
    value: DeValue<'i>,
}

/// Reads variables as keys of the built-in file, which has every key of every section, to the type that they have there.
fn overrides<'i>(variables: &'i [(String, String)], known: &DeTable<'_>) -> (Vec<Override<'i>>, Vec<Problem>) {
    let (mut overrides, mut problems) = (Vec::new(), Vec::new());
    for (name, text) in variables {
        let place = Some(name.clone());
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        let is_link = |link| rest.strip_prefix(link).is_some_and(|tail: &str| tail.is_empty() || tail.starts_with('_'));
        if COMMAND_LINE.contains(&rest) || (!rest.contains("__") && SERVICE_LINKS.into_iter().any(is_link)) {
            continue;
        }
        let lower = rest.to_ascii_lowercase();
        let (section, key) = lower.split_once("__").unwrap_or((&lower, ""));
        let Some(value) = known.get(section).and_then(|section| section.get_ref().get(key)) else {
            let message = "names no key; OPENOUTCRY_SECTION__KEY sets a key of a [section], lists are set in a file only";
            problems.push(Problem { place, key: None, message: message.to_owned() });
            continue;
        };
        match read_as(value.get_ref(), text) {
            Ok(value) => overrides.push(Override { section: section.to_owned(), key: key.to_owned(), name, value }),
            Err(message) => problems.push(Problem { place, key: Some(format!("{section}.{key}")), message }),
        }
    }
    (overrides, problems)
}

fn read_as<'i>(kind: &DeValue<'_>, text: &'i str) -> Result<DeValue<'i>, String> {
    if kind.is_str() {
        return Ok(DeValue::String(text.into()));
    }
    let value = DeValue::parse(text).map(Spanned::into_inner);
    match value {
        Ok(value) if value.same_type(kind) => Ok(value),
        _ if kind.is_integer() => Err(format!("must be a whole number, not {text:?}")),
        _ => Err(format!("must be of type {}, not {text:?}", kind.type_str())),
    }
}

//! Checks of the source text itself: who may import whom, what the pure core may not name, how long a file may grow.
//! Failing here means that the architecture moved, not the behaviour.

#![expect(clippy::unwrap_used, reason = "a check that cannot read the sources has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Module → modules of this crate that it may name. The order is that of the data's flow; arrows point inwards.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("disk", &[]),
    ("tally", &[]),
    ("engine", &["domain"]),
    ("queue", &["domain"]),
    ("journal", &["domain", "disk", "tally"]),
    ("stream", &["domain", "disk"]),
    ("read", &["domain"]),
    ("history", &["domain", "stream"]),
    ("market", &["domain"]),
    ("executor", &["domain", "engine", "queue", "journal", "stream", "read", "tally"]),
    ("config", &["domain", "market"]),
    ("telemetry", &["config", "queue", "tally"]),
    ("api", &["domain", "queue", "stream", "read", "history", "market", "telemetry"]),
    (
        "venue",
        &["domain", "disk", "engine", "queue", "executor", "journal", "stream", "read", "history", "config", "tally"],
    ),
    ("app", &["domain", "queue", "stream", "read", "market", "config", "telemetry", "api", "venue", "tally"]),
    ("demo", &["domain", "queue", "market", "config", "venue", "app"]),
    ("health", &[]),
    ("inspect", &["domain", "disk", "engine", "queue", "executor", "journal", "stream"]),
    ("key", &["domain"]),
    ("tail", &["key"]),
    ("lib", &[]),
    ("main", &[]),
];
/// The deterministic core.
const CORE: &[&str] = &["domain", "engine"];
/// Words that the core may not contain.
const BANNED_IN_CORE: &[&str] = &[
    "tokio",
    "axum",
    "std::time",
    "std::env",
    "std::fs",
    "rand::",
    "async fn",
    ".await",
    "f32",
    "f64",
    "HashMap",
    "HashSet",
    "Timestamp::now",
];
/// Words that no source may contain.
const BANNED: &[&str] = &["todo!", "unimplemented!", "dbg!", "thread::sleep"];
/// A file this long is several files.
const LINES_MAX: usize = 600;

/// A source file: its path below `src`, its module, its text, and its code without comments and tests.
struct Source {
    name: String,
    module: String,
    text: String,
    code: String,
}

impl Source {
    fn read(src: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.strip_prefix(src).unwrap().display().to_string();
        let module = name.split(['/', '.']).next().unwrap().to_owned();
        let lines = text.split("#[cfg(test)]").next().unwrap().lines();
        let code = lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        Self { name, module, text, code }
    }

    fn is_tests(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }

    fn faults(&self) -> Vec<String> {
        let name = &self.name;
        let mut faults = Vec::new();
        if self.is_tests() {
            return faults;
        }
        if !self.text.starts_with("//!") {
            faults.push(format!("{name}: no module doc"));
        }
        let lines = self.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{name}: {lines} lines are over {LINES_MAX}"));
        }
        let banned = BANNED.iter().chain(BANNED_IN_CORE.iter().filter(|_| CORE.contains(&self.module.as_str())));
        faults.extend(banned.filter(|word| self.code.contains(**word)).map(|word| format!("{name}: names `{word}`")));
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == self.module) else {
            faults.push(format!("{name}: the table of imports does not know `{}`", self.module));
            return faults;
        };
        for (other, _) in MAY_IMPORT {
            let named = self.code.contains(&format!("crate::{other}"));
            if *other != self.module && !allowed.contains(other) && named {
                faults.push(format!("{name}: `{}` may not import `{other}`", self.module));
            }
        }
        faults
    }
}

#[test]
fn sources_are_tidy() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let faults: Vec<String> = rust_files(&src).iter().flat_map(|path| Source::read(&src, path).faults()).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn planted_faults_are_found() {
    let faults = |name: &str, text: &str| {
        let module = name.split(['/', '.']).next().unwrap().to_owned();
        Source { name: name.to_owned(), module, text: text.to_owned(), code: text.to_owned() }.faults().len()
    };
    assert_eq!(faults("engine/a.rs", "//! Doc.\nuse crate::domain::Side;"), 0);
    assert_eq!(faults("engine/a.rs", "//! Doc.\nuse crate::api::State;"), 1);
    assert_eq!(faults("engine/a.rs", "use std::time::Instant;"), 2);
    assert_eq!(faults("api/a.rs", "//! Doc.\nuse crate::executor::Executor;"), 1);
    assert_eq!(faults("nowhere.rs", "//! Doc."), 1);
    assert_eq!(faults("api/a.rs", &format!("//! Doc.{}", "\n".repeat(LINES_MAX))), 0);
    assert_eq!(faults("api/a.rs", &format!("//! Doc.\n{}", "\n".repeat(LINES_MAX))), 1);
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

//! What loads, what is refused, and in which words.

use super::*;
use crate::domain::{KeyHash, Scope};

/// Loads `text` as the file `c.toml`; the error as it is shown.
fn load(text: &str) -> Result<Config, String> {
    Config::from_text("c.toml", text).map_err(|error| error.to_string())
}

fn load_with(environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, environment).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    load(text).map(|_| ()).unwrap_err()
}

const INSTRUMENT: &str = "[[instruments]]\nsymbol = \"A/B\"\ntick_size = \"0.01\"\nlot_size = \"1\"\n";
const FEED: &str = "[[feeds]]\nexchange = \"x\"\nkind = \"simulated\"\nsymbols = { \"A/B\" = \"AB\" }\nmid = \"10\"\n";

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = load("").unwrap();
    config.check().unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.queue.orders_capacity, config.queue.cancels_capacity), (4096, 4096));
    assert_eq!((config.queue.discipline, config.queue.on_full), (Discipline::Fifo, OnFull::Reject));
    assert_eq!((config.journal.mode, config.auth.mode), (JournalMode::Fsync, AuthMode::Local));
    let instruments: Vec<_> = config.instruments.iter().map(InstrumentConfig::spec).collect();
    let written: Vec<_> = instruments
        .iter()
        .map(|spec| format!("{} {} {} {}", spec.symbol, spec.tick_size, spec.lot_size, spec.reference_price.unwrap()))
        .collect();
    assert_eq!(written, ["BTC/USDT 0.01 0.00001 42000", "ETH/USDT 0.01 0.0001 2800"]);
    assert!(instruments.iter().all(|spec| spec.sources.contains("static") && spec.sources.contains("manual")));
    assert!(instruments.iter().all(|spec| spec.max_open_orders == 1_000_000));
    let account = config.accounts.first().unwrap().spec();
    assert_eq!((account.name.as_str(), account.balances.unwrap().len()), ("default", 4));
    let exchanges: Vec<_> = config.feeds.iter().map(|feed| feed.exchange.as_str()).collect();
    assert_eq!(exchanges, ["binance", "coinbase", "kraken"]);
}

#[test]
fn the_built_in_file_has_every_key_of_every_section() {
    let keys = |text: &str| -> Vec<String> {
        let table: toml::Table = text.parse().unwrap();
        let sections = table.iter().filter_map(|(name, section)| Some((name, section.as_table()?)));
        sections.flat_map(|(name, section)| section.keys().map(move |key| format!("{name}.{key}"))).collect()
    };
    assert_eq!(keys(load::DEFAULT.text), keys(&load("").unwrap().effective_toml().unwrap()));
}

#[test]
fn the_effective_configuration_loads_as_itself() {
    let config = load(&format!("{INSTRUMENT}maker_fee_bps = \"1.5\"\nday_end = \"17:30\"\n{FEED}")).unwrap();
    let written = config.effective_toml().unwrap();
    let again = load(&written).unwrap();
    assert_eq!(again.effective_toml().unwrap(), written);
    assert_eq!(again.instruments, config.instruments);
    assert_eq!(again.feeds, config.feeds);
}

#[test]
fn a_file_is_laid_over_the_defaults_key_by_key_and_lists_replace_lists() {
    let config = load(&format!("queue.orders_capacity = 7\nserver = {{ workers = 2 }}\n{INSTRUMENT}")).unwrap();
    assert_eq!((config.queue.orders_capacity, config.queue.cancels_capacity), (7, 4096));
    assert_eq!((config.server.workers, config.server.listen.port()), (2, 8080));
    assert_eq!(config.instruments.len(), 1);
    assert_eq!((config.accounts.len(), config.feeds.len()), (1, 3));
    assert!(load("feeds = []").unwrap().feeds.is_empty());
    assert_eq!(load("[[accounts]]\nname = \"default\"").unwrap().accounts.first().unwrap().spec().balances, None);
}

#[test]
fn what_is_retained_is_all_or_a_size() {
    for (text, retain) in [("all", Retain::All), ("0KiB", Retain::Bytes(0)), ("3 GiB", Retain::Bytes(3 << 30))] {
        let config = load(&format!("journal.retain = \"{text}\"\nstream.retain = \"{text}\"")).unwrap();
        assert_eq!((config.journal.retain, config.stream.retain), (retain, retain));
        let again = load(&config.effective_toml().unwrap()).unwrap();
        assert_eq!((again.journal, again.stream), (config.journal, config.stream));
    }
    let default = load("").unwrap();
    assert_eq!((default.journal.retain, default.stream.retain), (Retain::All, Retain::All));
    for (text, section) in
        ["", "10", "10GB", "-1GiB", "+1GiB", "999999999999TiB"].into_iter().zip(["journal", "stream"].into_iter().cycle())
    {
        let refused = refused(&format!("{section}.retain = \"{text}\""));
        assert!(refused.ends_with("such as \"10GiB\"; the units are KiB, MiB, GiB, TiB"), "{refused}");
    }
}

#[test]
fn the_journal_has_three_modes() {
    for (word, mode) in [("fsync", JournalMode::Fsync), ("os", JournalMode::Os), ("none", JournalMode::None)] {
        assert_eq!(load(&format!("journal.mode = \"{word}\"")).unwrap().journal.mode, mode);
    }
    assert_eq!(refused("journal.mode = \"disk\""), "c.toml:1: journal.mode: must be one of \"fsync\", \"os\", \"none\"");
}

#[test]
fn decimals_are_strings_or_integers_and_never_floats() {
    let with = |tick: &str| load(&INSTRUMENT.replace("\"0.01\"", tick));
    assert_eq!(with("5").unwrap().instruments.first().unwrap().tick_size.to_string(), "5");
    let quoted = "must be written in quotes, such as \"0.01\": without them its digits are not exact";
    for number in ["0.01", "1e-2", "nan", "inf"] {
        assert_eq!(with(number).unwrap_err(), format!("c.toml:3: instruments[0].tick_size: {quoted}"));
    }
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    for (text, expected) in [
        ("[queue]\n\norders_capacity = 0", "c.toml:3: queue.orders_capacity: must be at least 1"),
        ("queue.cancels_capacity = 99999999", "c.toml:1: queue.cancels_capacity: must be at most 16777216"),
        ("[queue]\norders_capacity = -1", "c.toml:2: queue.orders_capacity: is out of range: integer `-1`"),
        (
            "[queue]\norders_capacity = \"many\"",
            "c.toml:2: queue.orders_capacity: must be a whole number, not string \"many\"",
        ),
        (
            "[queue]\norder_capacity = 1",
            "c.toml:2: queue.order_capacity: no such key, expected one of `orders_capacity`, `cancels_capacity`, \
             `discipline`, `on_full`, `enqueue_timeout`",
        ),
        (
            "[journal]\nmodes = 1",
            "c.toml:2: journal.modes: no such key, expected one of `mode`, `snapshot_every`, `retain`",
        ),
        ("\nqueue = 5", "c.toml:2: queue: must be a table, not integer `5`"),
        ("[instruments]", "c.toml:1: instruments: must be a list, not a table"),
        ("instruments = []", "c.toml:1: instruments: must have at least 1 of them"),
        ("[queue]\non_full = \"drop\"", "c.toml:2: queue.on_full: must be one of \"reject\", \"wait\""),
        ("[log]\nformat = 1", "c.toml:2: log.format: must be one of its words, in quotes, not integer `1`"),
        (
            "[server]\nrequest_timeout = 5",
            "c.toml:2: server.request_timeout: must be a duration with its unit, such as \"250ms\" or \"5s\", not integer `5`",
        ),
        ("[server]\nrequest_timeout = \"0s\"", "c.toml:2: server.request_timeout: must be longer than zero"),
        (
            "[server]\nlisten = \"8080\"",
            "c.toml:2: server.listen: must be an IP address and a port in quotes, such as \"127.0.0.1:8080\"",
        ),
        ("[server]\nworkers = 2000", "c.toml:2: server.workers: must be at most 1024"),
        ("[server]\ndata_dir = \"\"", "c.toml:2: server.data_dir: must name a folder"),
        (
            "[log]\nfilter = \"x=loud\"",
            "c.toml:2: log.filter: must be a level such as \"info\", or a filter: error parsing level filter: \
             expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ),
        ("[stream]\nring = 0", "c.toml:2: stream.ring: must be at least 1"),
        ("[stream]\nsend_buffer = 1", "c.toml:2: stream.send_buffer: must be at least 16384"),
        ("[[instruments]]\nsymbol = \"A/B\"", "c.toml:1: instruments[0].tick_size: must be set"),
        (
            "[[accounts]]\nname = \"bob\"",
            "c.toml:1: accounts: one must be named \"default\": requests without a key act for it",
        ),
        ("[[accounts]]\nname = \"a b\"", "c.toml:2: accounts[0].name: must be 1 to 31 characters of A-Z a-z 0-9 . _ -"),
        (
            "[[accounts]]\nname = \"default\"\nbalances = { \"X.Y\" = \"1\", B = \"-1\" }",
            "c.toml:3: accounts[0].balances.B: must be zero or more",
        ),
        (
            "[[accounts]]\nname = \"default\"\n[accounts.balances]\n\"X.Y\" = \"-1\"",
            "c.toml:4: accounts[0].balances.X.Y: must be zero or more",
        ),
        (
            "[[accounts]]\nname = \"default\"\n[[accounts]]\nname = \"default\"",
            "c.toml:4: accounts[1].name: there are two accounts default",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn instruments_and_feeds_that_cannot_be_used_are_refused() {
    let instrument = |line: &str| format!("{INSTRUMENT}{line}\n");
    let feed = |line: &str| format!("{FEED}{line}\n");
    for (text, expected) in [
        (
            INSTRUMENT.replace("A/B", "AB"),
            "c.toml:2: instruments[0].symbol: symbol must be written BASE/QUOTE, without a dash",
        ),
        (
            INSTRUMENT.replace("0.01", "0"),
            "c.toml:3: instruments[0].tick_size: tick_size and lot_size must be positive, of at most nine digits",
        ),
        (format!("{INSTRUMENT}{INSTRUMENT}"), "c.toml:6: instruments[1].symbol: there are two instruments A/B"),
        (
            instrument("reference_price = \"1.005\""),
            "c.toml:5: instruments[0].reference_price: reference_price must be zero or a value on the instrument's grid",
        ),
        (
            instrument("sources = []\nreference_price = \"1\""),
            "c.toml:6: instruments[0].reference_price: is the price of the source \"static\": add that to sources",
        ),
        (
            instrument("sources = [\n\"binance\"]"),
            "c.toml:6: instruments[0].sources[0]: no feed of binance has A/B among its symbols",
        ),
        (instrument("sources = [\"static\", \"static\"]"), "c.toml:5: instruments[0].sources[1]: names static twice"),
        (instrument("min_notional = \"-1\""), "c.toml:5: instruments[0].min_notional: must be zero or more"),
        (instrument("max_open_orders = 0"), "c.toml:5: instruments[0].max_open_orders: must be at least 1"),
        (
            instrument("taker_fee_bps = \"10001\""),
            "c.toml:5: instruments[0].taker_fee_bps: must be 0 to 10000 basis points, with at most 4 digits after the point",
        ),
        (
            instrument("day_end = \"24:00\""),
            "c.toml:5: instruments[0].day_end: must be a time of day in quotes, \"00:00\" to \"23:59\"",
        ),
        (
            FEED.replace("\"x\"", "\"static\""),
            "c.toml:2: feeds[0].exchange: static has a meaning of its own among sources: choose another name",
        ),
        (FEED.replace("\"A/B\" = \"AB\"", ""), "c.toml:4: feeds[0].symbols: must have at least 1 of them"),
        (FEED.replace("\"AB\"", "\"\""), "c.toml:4: feeds[0].symbols.A/B: must be a text of 1 to 64 characters"),
        (FEED.replace("mid", "seed").replace("\"10\"", "1"), "c.toml:1: feeds[0].mid: must be set for a simulated feed"),
        (feed("url = \"wss://x\""), "c.toml:6: feeds[0].url: is not for simulated feeds: leave it out"),
        (
            feed("interval = \"9s\""),
            "c.toml:1: feeds[0].stale_after: must be longer than interval, or the feed is always stale",
        ),
        (format!("{FEED}{FEED}"), "c.toml:9: feeds[1].symbols.A/B: another feed of x has it already"),
    ] {
        assert_eq!(refused(&text), expected, "{text}");
    }
}

#[test]
fn what_later_versions_bring_is_refused_with_what_to_set() {
    let text = "[[feeds]]\nexchange = \"kraken\"\nkind = \"kraken\"\nsymbols = { \"A/B\" = \"AB\" }\nurl = \"wss://x\"";
    let expected = "c.toml:3: feeds[0].kind: this version has simulated feeds only: set kind = \"simulated\"";
    assert_eq!(refused(text), expected);
}

/// The configuration of an account with these keys, which are asked for.
fn keyed(keys: &str) -> String {
    format!("auth.mode = \"keys\"\n[[accounts]]\nname = \"alice\"\nkeys = [{keys}]")
}

fn hash(key: &str) -> String {
    format!("\"{}\"", KeyHash::of(key.as_bytes()))
}

#[test]
fn keys_are_hashes_alone_or_with_scopes_and_load_as_they_are_written() {
    let (one, two) = (hash("one"), hash("two"));
    let config = load(&keyed(&format!("{one}, {{ hash = {two}, scopes = [\"read\", \"admin\"] }}"))).unwrap();
    let keys = &config.accounts.first().unwrap().keys;
    let scopes: Vec<_> = keys.iter().map(|key| key.scopes.as_slice()).collect();
    assert_eq!(scopes, [&[Scope::Trade, Scope::Read], &[Scope::Read, Scope::Admin]]);
    assert!(keys.first().unwrap().hash.matches(&KeyHash::of(b"one")));
    let again = load(&config.effective_toml().unwrap()).unwrap();
    assert_eq!(&again.accounts.first().unwrap().keys, keys);
    assert!(load(&keyed(&one).replace("\"keys\"", "\"local\"").replace("alice", "default")).is_ok());
}

#[test]
fn keys_that_let_nobody_in_or_are_not_asked_for_are_refused() {
    let one = hash("one");
    let must_be = "the hash of a key: \"sha256:\" and 64 hexadecimal digits, as `openoutcry key new` prints it";
    let scopes = |scopes: &str| keyed(&format!("{{ hash = {one}, scopes = [{scopes}] }}"));
    for (text, expected) in [
        (keyed("\"sha256:00\""), format!("c.toml:4: accounts[0].keys[0]: must be {must_be}")),
        (keyed("\"oo_1234\""), format!("c.toml:4: accounts[0].keys[0]: must be {must_be}")),
        (scopes("\"root\""), "c.toml:4: accounts[0].keys[0].scopes[0]: must be one of \"trade\", \"read\", \"admin\"".to_owned()),
        (scopes(""), "c.toml:4: accounts[0].keys[0].scopes: must have at least 1 of them".to_owned()),
        (keyed(&format!("{one}, {one}")), "c.toml:4: accounts[0].keys[1]: another key has this hash already".to_owned()),
        (
            keyed(""),
            "c.toml:1: auth.mode: no account has keys, so that nobody could ask: make one with `openoutcry key new`, and add \
             its hash to the keys of an account"
                .to_owned(),
        ),
        (
            keyed(&one).replace("\"keys\"", "\"open\"").replace("alice", "default"),
            "c.toml:1: auth.mode: accounts have keys, which \"open\" never asks for: set auth.mode = \"keys\"".to_owned(),
        ),
    ] {
        assert_eq!(refused(&text), expected, "{text}");
    }
}

#[test]
fn rate_limits_are_bounded_and_a_burst_needs_a_rate() {
    let config = load("rate_limit = { per_second = 10, burst = 20, over_limit = \"queue\", max_wait = \"60s\" }").unwrap();
    assert_eq!((config.rate_limit.burst, config.rate_limit.over_limit), (20, OverLimit::Queue));
    for (text, expected) in [
        ("rate_limit.per_second = 1000001", "c.toml:1: rate_limit.per_second: must be at most 1000000"),
        ("rate_limit.burst = 5", "c.toml:1: rate_limit.burst: goes with per_second, which is 0: no limit"),
        ("rate_limit.max_wait = \"61s\"", "c.toml:1: rate_limit.max_wait: must be at most 60s"),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn every_problem_has_its_line() {
    assert_eq!(
        refused("[queue]\norders_capacity = 0\ncancels_capacity = 0"),
        "c.toml:2: queue.orders_capacity: must be at least 1\nc.toml:3: queue.cancels_capacity: must be at least 1"
    );
}

#[test]
fn the_environment_replaces_keys_and_is_named_when_wrong() {
    let config = load_with(&[
        ("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "64"),
        ("OPENOUTCRY_SERVER__LISTEN", "[::1]:0"),
        ("OPENOUTCRY_QUEUE__ON_FULL", "wait"),
        ("OPENOUTCRY_CONFIG", "x.toml"),
        ("OPENOUTCRY_SERVICE_PORT_HTTP", "80"),
        ("OPENOUTCRY_PORT", "tcp://10.0.0.1:80"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!((config.queue.orders_capacity, config.queue.on_full), (64, OnFull::Wait));
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    let no_key = "names no key; OPENOUTCRY_SECTION__KEY sets a key of a [section], lists are set in a file only";
    for (name, value, expected) in [
        ("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "0", "queue.orders_capacity: must be at least 1"),
        ("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "many", "queue.orders_capacity: must be a whole number, not \"many\""),
        ("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "[1]", "queue.orders_capacity: must be a whole number, not \"[1]\""),
        ("OPENOUTCRY_QUEUE__ON_FULL", "", "queue.on_full: must be one of \"reject\", \"wait\""),
        ("OPENOUTCRY_QUEUE__NONE", "1", no_key),
        ("OPENOUTCRY_QUEUE", "1", no_key),
        ("OPENOUTCRY_LISTN", "1", no_key),
        ("OPENOUTCRY_", "1", no_key),
        ("OPENOUTCRY_INSTRUMENTS__0__SYMBOL", "1", no_key),
    ] {
        assert_eq!(load_with(&[(name, value)]).unwrap_err(), format!("{name}: {expected}"));
    }
}

#[test]
fn local_mode_stays_on_this_machine() {
    let listening = |address: &str, mode: &str| {
        load(&format!("auth.mode = \"{mode}\"\nserver.listen = \"{address}\"")).unwrap().check()
    };
    for (address, mode) in
        [("127.9.9.9:1", "local"), ("[::1]:1", "local"), ("[::ffff:127.0.0.1]:1", "local"), ("0.0.0.0:1", "open")]
    {
        assert_eq!(listening(address, mode), Ok(()), "{address}");
    }
    assert_eq!(
        listening("0.0.0.0:80", "local").unwrap_err().to_string(),
        "c.toml:2: server.listen: 0.0.0.0:80 can be reached from other machines, and auth.mode = \"local\" is for this one: \
         listen on 127.0.0.1 or [::1], or set auth.mode = \"keys\" to ask for keys, or \"open\" to answer anyone"
    );
    assert!(listening("[::]:80", "local").is_err());
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, content: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = Config::load(Some(&path), std::iter::empty()).map(|_| ()).unwrap_err().to_string();
        error.strip_prefix(&path.display().to_string()).unwrap().to_owned()
    };
    assert!(load("none", None).starts_with(": cannot be read: No such file"));
    assert_eq!(load("binary", Some(b"a = \"\xff\"")), ": is not UTF-8 text");
    assert_eq!(load("large", Some(&vec![b'#'; (1 << 20) + 1])), ": is larger than 1048576 bytes");
    assert!(load("syntax", Some(b"[queue]\nring = = 1\n")).starts_with(":2: "));
    assert_eq!(load("twice", Some(b"[queue]\n[log]\n[queue]\n")), ":3: duplicate key");
    assert!(Config::load(Some(folder.path()), std::iter::empty()).is_err());
}

#[test]
fn hostile_texts_are_refused_without_a_crash() {
    let deep = 500_000;
    for text in [
        format!("x = {}", "[".repeat(deep)),
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "{ a = ".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
        format!("x = \"{}", "y".repeat(deep)),
        "[[instruments]]\n".repeat(deep / 16),
        format!("x = {}", "9".repeat(deep)),
        "\u{FEFF}x = 1".to_owned(),
        "\0".to_owned(),
    ] {
        assert!(load(&text).is_err());
    }
}

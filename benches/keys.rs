//! How long a wrong key takes to be refused: does the time tell how near it is to a right one?
//!
//! **Load**: a venue in `keys` mode with a hundred accounts is asked for `GET /account` over one connection with wrong keys, as
//! long as a right one, of four kinds in random order: random ones, random ones once more, a right one but for its first
//! character, a right one but for its last.
//!
//! **Figures**: the quartiles of what the 401s of each kind took, and how far their distribution is from that of the random ones:
//! by Kolmogorov and Smirnov (the largest difference between the shares that took at most so long, beside what chance
//! exceeds once in a thousand times), and by Welch's t over the fastest nine tenths, where ±4.5 and more is a leak (dudect,
//! 2017). The random ones once more show how much of that is the machine.

mod common;

use std::{fmt::Write as _, time::Instant};

use anyhow::Context;
use common::{figures::percentile_us, http::Client, say, server::Server};
use openoutcry::domain::KeyHash;

/// Requests of each kind.
const REQUESTS: usize = 50_000;
/// Keys that are right.
const ACCOUNTS: usize = 100;
const KINDS: [&str; 4] = ["random", "random once more", "all but the first", "all but the last"];
/// Characters of a key.
const KEY_CHARACTERS: usize = 64;

fn main() -> anyhow::Result<()> {
    common::run(bench())
}

async fn bench() -> anyhow::Result<()> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let known: Vec<String> = (0..ACCOUNTS).map(|_| random.key()).collect();
    let server = Server::venue_of(&configuration(&known)).await?;
    let mut client = Client::connect(server.addr).await?;
    client.expect(&request(known.first().context("a key")?), 200).await?;
    let mut taken: [Vec<u32>; KINDS.len()] = Default::default();
    while taken.iter().any(|taken| taken.len() < REQUESTS) {
        let near = known.get(random.below(ACCOUNTS)).context("a key")?;
        let kind = random.below(KINDS.len());
        // No key has an x.
        let key = match kind {
            0 | 1 => random.key(),
            2 => format!("x{}", near.get(1..).unwrap_or_default()),
            _ => format!("{}x", near.get(..KEY_CHARACTERS - 1).unwrap_or_default()),
        };
        let request = request(&key);
        let begin = Instant::now();
        client.expect(&request, 401).await?;
        taken.get_mut(kind).context("a kind")?.push(u32::try_from(begin.elapsed().as_nanos())?);
    }
    server.end().await?;
    report(&mut taken);
    Ok(())
}

fn report(taken: &mut [Vec<u32>]) {
    taken.iter_mut().for_each(|taken| taken.truncate(REQUESTS));
    let chance = 1.95 * (2.0 / REQUESTS as f64).sqrt();
    say(&format!(
        "{REQUESTS} wrong keys of each kind; times in µs; chance exceeds a distance of {chance:.4} once in 1,000\n"
    ));
    say("| key | lower quartile | median | upper quartile | distance from random | t |");
    say("|---|---|---|---|---|---|");
    let mut sorted = taken.to_vec();
    sorted.iter_mut().for_each(|taken| taken.sort_unstable());
    let Some((random, _)) = sorted.split_first() else { return };
    for (kind, taken) in KINDS.iter().zip(&sorted) {
        let quartiles = [250, 500, 750].map(|per_mille| percentile_us(&mut taken.clone(), per_mille));
        let quartiles = quartiles.map(|figure| format!("{figure:.2}")).join(" | ");
        say(&format!("| {kind} | {quartiles} | {:.4} | {:.2} |", distance(random, taken), t(random, taken)));
    }
}

/// The largest difference between the shares of two sorted samples that are at most so large (Kolmogorov and Smirnov).
fn distance(one: &[u32], other: &[u32]) -> f64 {
    let share = |of: &[u32], most: u32| of.partition_point(|value| *value <= most) as f64 / of.len() as f64;
    one.iter().map(|most| (share(one, *most) - share(other, *most)).abs()).fold(0.0, f64::max)
}

/// Welch's t of the fastest nine tenths of two sorted samples.
fn t(one: &[u32], other: &[u32]) -> f64 {
    let moments = |of: &[u32]| {
        let fast = of.get(..of.len() * 9 / 10).unwrap_or_default();
        let count = fast.len() as f64;
        let mean = fast.iter().copied().map(f64::from).sum::<f64>() / count;
        let variance = fast.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean, error), (other_mean, other_error)) = (moments(one), moments(other));
    (other_mean - mean) / (error + other_error).sqrt().max(f64::MIN_POSITIVE)
}

/// The configuration of a venue with these keys.
fn configuration(keys: &[String]) -> String {
    let mut toml = "[auth]\nmode = \"keys\"\n".to_owned();
    for (n, key) in keys.iter().enumerate() {
        let hash = KeyHash::of(key.as_bytes());
        writeln!(toml, "[[accounts]]\nname = \"account-{n}\"\nkeys = [\"{hash}\"]").expect("memory does not fail to write");
    }
    toml
}

fn request(key: &str) -> Vec<u8> {
    format!("GET /account HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// Numbers that are the same every time (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn key(&mut self) -> String {
        (0..KEY_CHARACTERS / 16).map(|_| format!("{:016x}", self.next())).collect()
    }
}

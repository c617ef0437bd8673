//! A log that nobody reads: it holds up neither orders nor the end, and what is read of it later is whole and in order.

use std::{
    io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe},
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};
use tokio::{
    process::Child,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use crate::process::openoutcry;
use crate::venue::{Answer, PATIENCE, client, market};

/// More than any pipe holds.
const FILLING: usize = 2 * 1024 * 1024;
/// So many lines are more than is left in a full pipe.
const LINES: usize = 200;

/// A venue that says a lot, and the pipe that is its standard error: only what it says until it listens is read.
struct Unread {
    child: Child,
    log: BufReader<PipeReader>,
    pipe: PipeWriter,
    addr: String,
}

impl Unread {
    async fn spawn(data_dir: &str) -> Self {
        let mut command = openoutcry(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
        command.env("RUST_LOG", "debug").env("OPENOUTCRY_JOURNAL__MODE", "os");
        let (reader, pipe) = pipe().unwrap();
        let child = command.stderr(pipe.try_clone().unwrap()).spawn().unwrap();
        // It has a writing end, which would be one more.
        drop(command);
        let listening = spawn_blocking(move || {
            let mut log = BufReader::new(reader);
            loop {
                let mut line = String::new();
                log.read_line(&mut line).unwrap();
                let said: Value = serde_json::from_str(&line).unwrap();
                if said["message"] == "listening" {
                    return (log, said["addr"].as_str().unwrap().to_owned());
                }
            }
        });
        let (log, addr) = timeout(PATIENCE, listening).await.unwrap().unwrap();
        Self { child, log, pipe, addr }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(client().post(format!("http://{}{path}", self.addr)).json(body)).await
    }

    /// Fills the pipe with zeros, which the log has none of, and has the venue log more than what may be left of it.
    async fn fill(&self) {
        let mut pipe = self.pipe.try_clone().unwrap();
        // It goes on for as long as anybody reads.
        thread::spawn(move || drop(pipe.write_all(&vec![0; FILLING])));
        for _ in 0..LINES {
            let refused = json!({ "asset": "BTC", "amount": "1000000000" });
            self.post("/admin/accounts/default/withdrawals", &refused).await.is_problem(422, "insufficient_balance");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap()
    }

    /// Lets no file grow any more, and has it write.
    async fn fail(&self) {
        let none = Rlimit { current: Some(1_024), maximum: Some(1_024) };
        prlimit(Some(self.pid()), Resource::Fsize, none).unwrap();
        // It may be answered, or not, or refused by then.
        let order = client().post(format!("http://{}/orders", self.addr)).json(&market("buy", "0.001"));
        drop(timeout(PATIENCE, order.send()).await);
    }

    async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it should have ended").unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_answered_and_the_end_comes_though_nobody_reads_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut venue = Unread::spawn(folder.path().to_str().unwrap()).await;
    venue.fill().await;
    for _ in 0..20 {
        assert_eq!(venue.post("/orders", &market("buy", "0.001")).await.status, 201);
    }
    let asked = Instant::now();
    kill_process(venue.pid(), Signal::TERM).unwrap();
    assert_eq!(venue.ended().await, Some(0));
    println!("it took {:?} to end", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_ends_the_process_though_nobody_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut venue = Unread::spawn(folder.path().to_str().unwrap()).await;
    venue.fill().await;
    venue.fail().await;
    assert_eq!(venue.ended().await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_it_after_all_gets_every_line_whole_and_the_error_that_ends_it_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut venue = Unread::spawn(folder.path().to_str().unwrap()).await;
    venue.fill().await;
    let Unread { log, .. } = &mut venue;
    let mut log = std::mem::replace(log, BufReader::new(pipe().unwrap().0));
    let reading = spawn_blocking(move || {
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes).unwrap();
        bytes.retain(|byte| *byte != 0);
        String::from_utf8(bytes).unwrap()
    });
    venue.fail().await;
    assert_eq!(venue.ended().await, Some(1));
    drop(venue);
    let text = timeout(PATIENCE, reading).await.unwrap().unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().unwrap();
    assert!(last.starts_with("openoutcry: the task `"), "{last}");
    let said = lines.iter().map(|line| -> Value { serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")) });
    assert_eq!(said.filter(|said| said["message"] == "a command was refused").count(), LINES);
}

//! The binary: signals, exit codes, what it prints.

use std::{collections::VecDeque, net::SocketAddr, process::Stdio, sync::Arc};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
    sync::Barrier,
    task::JoinSet,
    time::timeout,
};

use crate::socket::Socket;
use crate::venue::{Answer, PATIENCE, client, limit, market};
use crate::wire::handshake;

/// The binary with nothing of this environment, on a free port, logging JSON, in memory unless told otherwise.
pub(crate) fn openoutcry(arguments: &[&str]) -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_openoutcry")), arguments)
}

fn isolated(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).env_clear().kill_on_drop(true);
    command.env("OPENOUTCRY_LOG__FORMAT", "json").env("OPENOUTCRY_JOURNAL__MODE", "none");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) async fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// The rest of its log: kept open, so that it can go on writing.
    log: Lines<BufReader<ChildStderr>>,
    /// What it said before it listened.
    earlier: VecDeque<Value>,
}

impl Server {
    /// Starts `openoutcry serve` and waits until it says where it listens.
    pub(crate) async fn spawn(environment: &[(&str, &str)]) -> Self {
        Self::try_spawn(environment).await.unwrap()
    }

    /// The same, or what it said last if it ends before it listens.
    pub(crate) async fn try_spawn(environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = openoutcry(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied());
        Self::start(command).await
    }

    async fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            let (mut last, mut earlier) = (String::new(), VecDeque::new());
            while let Some(line) = log.next_line().await.unwrap() {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "listening" {
                    return Ok((said["addr"].as_str().unwrap().parse().unwrap(), earlier));
                }
                earlier.push_back(said);
                last = line;
            }
            Err(last)
        };
        let (addr, earlier) = timeout(PATIENCE, listening).await.unwrap()?;
        Ok(Self { child, addr, log, earlier })
    }

    /// Waits until it says this in its log, if it has not; the whole line.
    pub(crate) async fn said(&mut self, message: &str) -> Value {
        let saying = async {
            loop {
                let said = match self.earlier.pop_front() {
                    Some(said) => said,
                    None => {
                        let line = self.log.next_line().await.unwrap().expect("it ended before it said that");
                        serde_json::from_str(&line).unwrap_or_default()
                    }
                };
                if said["message"] == message {
                    return said;
                }
            }
        };
        timeout(PATIENCE, saying).await.unwrap()
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// What the system says of its memory (proc(5)), such as `VmRSS`, what it has, and `VmHWM`, the most that it has had.
    pub(crate) fn memory_bytes(&self, key: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Waits for its end: the exit code, and what it said since it listened.
    pub(crate) async fn last_words(mut self) -> (Option<i32>, Vec<String>) {
        let ending = async {
            let mut said = Vec::new();
            while let Some(line) = self.log.next_line().await.unwrap() {
                said.push(line);
            }
            (self.child.wait().await.unwrap().code(), said)
        };
        timeout(PATIENCE, ending).await.unwrap()
    }

    /// Waits for its end: the exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let ending = async {
            while let Some(_line) = self.log.next_line().await.unwrap() {}
            self.child.wait().await.unwrap().code()
        };
        timeout(PATIENCE, ending).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_answers_every_accepted_order_and_ends_with_0() {
    let server = Server::spawn(&[]).await;
    let addr = server.addr;
    let mut stream = Socket::connect(addr, "").await;
    let posters: Vec<_> = (0..8)
        .map(|poster: usize| {
            tokio::spawn(async move {
                let client = client();
                let mut answered = Vec::new();
                for n in 0.. {
                    let quantity = format!("0.{:05}", 1 + (poster * 1_000 + n) % 99_999);
                    let request = client.post(format!("http://{addr}/orders")).json(&market("buy", &quantity));
                    let Ok(response) = request.send().await else { return (answered, "refused") };
                    let (status, body) = (response.status(), response.bytes().await);
                    let body: Value = serde_json::from_slice(&body.expect("an answer that began is finished")).unwrap();
                    if status != 201 {
                        assert_eq!((status.as_u16(), &body["code"]), (503, &json!("shutting_down")), "{body}");
                        assert_eq!(body["outcome"], "not_accepted");
                        return (answered, "shutting_down");
                    }
                    answered.push(body["order_id"].as_u64().unwrap());
                }
                unreachable!()
            })
        })
        .collect();
    stream.until(|frame| frame["seq"].as_u64() >= Some(200)).await;
    server.signal("TERM").await;
    let (code, reason, texts) = stream.closed().await;
    assert_eq!((code, reason.as_str()), (1001, "shutting down"));
    let last: Value = serde_json::from_str(texts.last().unwrap()).unwrap();
    assert_eq!((&last["channel"], &last["type"]), (&json!("status"), &json!("shutdown")));

    let mut answered: Vec<u64> = Vec::new();
    for poster in posters {
        answered.extend(timeout(PATIENCE, poster).await.unwrap().unwrap().0);
    }
    answered.sort_unstable();
    // Two executions an order: the stream's last number says how many there were.
    let executed = last["last_seq"].as_u64().unwrap() / 2;
    assert_eq!(answered, (1..=executed).collect::<Vec<_>>(), "answered is executed, and executed is answered");
    assert_eq!(server.ended().await, Some(0));
    assert!(client().get(format!("http://{addr}/livez")).send().await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn ctrl_c_ends_an_idle_server_with_0_and_closes_its_sockets() {
    let server = Server::spawn(&[]).await;
    let mut stream = Socket::connect(server.addr, "").await;
    server.signal("INT").await;
    assert_eq!(stream.closed().await.0, 1001);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_the_end() {
    let server = Server::spawn(&[]).await;
    let _silent = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let mut half = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut half, b"GET /li").await.unwrap();
    let idle = client();
    assert_eq!(idle.get(format!("http://{}/livez", server.addr)).send().await.unwrap().status(), 200);
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
}

/// Asks for a socket and reads all that it is told, again and again until nobody listens; closes one only when it has asked for
/// the next. Says once that it has a socket.
async fn come_back(addr: SocketAddr, has_socket: Arc<Barrier>) {
    let mut before = None;
    while let Ok(mut stream) = TcpStream::connect(addr).await {
        if stream.write_all(handshake("").as_bytes()).await.is_ok() {
            if before.is_none() {
                stream.read_exact(&mut [0; b"HTTP/1.1 101".len()]).await.unwrap();
                has_socket.wait().await;
            }
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
        before = Some(stream);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_come_back_at_once_do_not_hold_up_the_end() {
    const READERS: usize = 32;
    let server = Server::spawn(&[]).await;
    let have_sockets = Arc::new(Barrier::new(READERS + 1));
    let readers: JoinSet<()> = (0..READERS).map(|_| come_back(server.addr, have_sockets.clone())).collect();
    timeout(PATIENCE, have_sockets.wait()).await.unwrap();
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    // Its port may be another's by now.
    drop(readers);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let slow = [("OPENOUTCRY_SERVER__SHUTDOWN_GRACE", "60s"), ("OPENOUTCRY_SERVER__REQUEST_TIMEOUT", "60s")];
    let mut server = Server::spawn(&slow).await;
    // A request whose body does not come holds up an orderly end.
    let mut stuck = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let head = "POST /orders HTTP/1.1\r\nHost: v\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    tokio::io::AsyncWriteExt::write_all(&mut stuck, head.as_bytes()).await.unwrap();
    assert_eq!(client().get(format!("http://{}/livez", server.addr)).send().await.unwrap().status(), 200);
    server.signal("TERM").await;
    let draining = async {
        while let Some(line) = server.log.next_line().await.unwrap() {
            if line.contains("shutting down") {
                return;
            }
        }
        panic!("it ended with a request open");
    };
    timeout(PATIENCE, draining).await.unwrap();
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(128 + 15));
}

#[tokio::test]
async fn a_bad_configuration_ends_with_64_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("venue.toml");
    for (text, said) in [
        ("\n[queue]\norders_capacity = 0\n", ":3: queue.orders_capacity: must be at least 1"),
        ("[server]\ncolour = \"red\"\n", ":2: server.colour: no such key"),
        ("[stream]\nring = \"many\"\n", ":2: stream.ring: must be a whole number"),
        ("[queue\n", ":1: "),
    ] {
        std::fs::write(&file, text).unwrap();
        for verb in ["serve", "check", "health"] {
            let (code, _, stderr) = run(&mut openoutcry(&[verb, "--config", file.to_str().unwrap()])).await;
            assert_eq!(code, Some(64), "{verb}: {stderr}");
            assert!(stderr.contains(&format!("{}{said}", file.display())), "{verb} {text}: {stderr}");
        }
    }
    let (code, _, stderr) = run(&mut openoutcry(&["check", "--config", "/nowhere/venue.toml"])).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("/nowhere/venue.toml"), "{stderr}");
    let (code, _, stderr) = run(openoutcry(&["check"]).env("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "x")).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("OPENOUTCRY_QUEUE__ORDERS_CAPACITY"), "{stderr}");
    for (arguments, said) in [
        (["serve", "--listen", "0.0.0.0:0"], "--listen or OPENOUTCRY_LISTEN: server.listen: 0.0.0.0:0 can be reached"),
        (["serve", "--listen", "nowhere"], "invalid value 'nowhere' for '--listen <ADDR>'"),
        (["serve", "--colour", "red"], "unexpected argument '--colour'"),
    ] {
        let (code, _, stderr) = run(&mut openoutcry(&arguments)).await;
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    std::fs::write(&file, "\n[server]\nlisten = \"0.0.0.0:0\"\n").unwrap();
    let (code, _, stderr) = run(&mut openoutcry(&["serve", "--config", file.to_str().unwrap()])).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains(&format!("{}:3: server.listen: 0.0.0.0:0 can be reached", file.display())), "{stderr}");
}

#[tokio::test]
async fn a_grid_that_orders_were_placed_on_cannot_be_configured_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("venue.toml");
    let data = folder.path().join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let serve = |tick_size: &str| {
        let instrument = format!("[[instruments]]\nsymbol = \"A/B\"\nlot_size = \"1\"\ntick_size = \"{tick_size}\"\n");
        std::fs::write(&file, instrument).unwrap();
        let mut command = openoutcry(&arguments);
        command.arg("--config").arg(&file).arg("--data-dir").arg(&data).env("OPENOUTCRY_JOURNAL__MODE", "fsync");
        command
    };
    let server = Server::start(serve("0.01")).await.unwrap();
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let (code, _, stderr) = run(&mut serve("0.05")).await;
    assert_eq!(code, Some(64), "{stderr}");
    let said = format!("{}:4: instruments[0].tick_size: A/B was traded with 0.01, which cannot change", file.display());
    assert!(stderr.contains(&said), "{stderr}");
}

#[tokio::test]
async fn it_takes_as_many_open_files_as_it_may_and_says_if_those_are_too_few() {
    for (files, connections, enough) in [("ulimit -Sn 64", "100", true), ("ulimit -n 400", "1000", false)] {
        let script = format!("{files}; exec {} serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_openoutcry"));
        let mut command = isolated(Command::new("sh"), &["-c", &script]);
        command.env("OPENOUTCRY_LIMITS__CONNECTIONS", connections);
        let mut server = Server::start(command).await.unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
        let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<&str> = open_files.split_whitespace().skip(3).take(2).collect();
        assert_eq!(numbers[0], numbers[1], "the soft limit is the hard one: {open_files}");
        if !enough {
            let warning = server.said("the limit of open files is too low for limits.connections").await;
            assert_eq!((&warning["open_files"], &warning["connections"]), (&json!(400), &json!(1000)));
            assert!(warning["most"].as_u64().is_some_and(|most| (1..144).contains(&most)), "{warning}");
        }
        server.signal("TERM").await;
        assert_eq!(server.ended().await, Some(0));
    }
}

#[tokio::test]
async fn what_cannot_be_printed_is_said_so_and_no_panic() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let said = openoutcry(&["check"]).stdout(full).spawn().unwrap().wait_with_output();
    let said = timeout(PATIENCE, said).await.unwrap().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.starts_with("openoutcry: cannot write to standard output"), "{text}");
    // Who has closed the pipe has seen enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = openoutcry(&["check"]).stdout(writer).spawn().unwrap().wait_with_output();
    assert_eq!(timeout(PATIENCE, closed).await.unwrap().unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn check_prints_a_configuration_that_it_accepts_again() {
    let (code, printed, stderr) = run(openoutcry(&["check"]).env("OPENOUTCRY_QUEUE__ORDERS_CAPACITY", "77")).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(printed.contains("orders_capacity = 77"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("venue.toml");
    std::fs::write(&file, &printed).unwrap();
    let (code, again, stderr) = run(&mut openoutcry(&["check", "--config", file.to_str().unwrap()])).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(again, printed);
}

#[tokio::test]
async fn the_demo_fills_three_and_refuses_three_with_their_reason() {
    let (code, printed, stderr) = run(&mut openoutcry(&["demo"])).await;
    assert_eq!(code, Some(0), "{stderr}");
    for line in ["Filled: 3", "Rejected: 3"] {
        assert_eq!(printed.lines().filter(|printed| *printed == line).count(), 1, "{line}: {printed}");
    }
    assert_eq!(printed.matches("Price 2800 did not reach limit 2850").count(), 3, "{printed}");
    for said in ["Best bid:", "Best ask:", "arbitrage spread:", "sent 6, received 6, depth 0, dropped 0"] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
}

#[tokio::test]
async fn health_is_0_when_ready_and_1_when_nobody_answers() {
    let server = Server::spawn(&[]).await;
    let addr = server.addr.to_string();
    let (code, printed, _) = run(&mut openoutcry(&["health", "--listen", &addr])).await;
    assert_eq!((code, printed.as_str()), (Some(0), "ready\n"));
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let (code, _, stderr) = run(&mut openoutcry(&["health", "--listen", &addr])).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&addr), "{stderr}");
}

#[tokio::test]
async fn tail_prints_a_line_a_frame_and_ends_with_the_venue() {
    let server = Server::spawn(&[]).await;
    let addr = server.addr.to_string();
    let mut tail = openoutcry(&["tail", "--listen", &addr, "--channels", "executions,trades", "--from-seq", "1"]);
    let mut tail = tail.spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("tail ended");
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(next().await["type"], "hello");
    for order in [limit("buy", "1", "41000"), market("buy", "1")] {
        let answer = Answer::of(client().post(format!("http://{addr}/orders")).json(&order)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let mut frames = Vec::new();
    while frames.len() < 4 {
        let frame = next().await;
        let kind = frame["type"].as_str().or(frame["channel"].as_str()).unwrap().to_owned();
        frames.push(kind);
    }
    frames.sort_unstable();
    assert_eq!(frames, ["accepted", "accepted", "filled", "trades"]);
    server.signal("TERM").await;
    assert_eq!(next().await["type"], "shutdown");
    assert_eq!(server.ended().await, Some(0));
    let ended = timeout(PATIENCE, tail.wait()).await.unwrap().unwrap();
    let mut stderr = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{stderr}");
}

#[tokio::test]
async fn tail_says_why_it_cannot_follow() {
    let server = Server::spawn(&[]).await;
    let addr = server.addr.to_string();
    let (code, _, said) = run(&mut openoutcry(&["tail", "--listen", &addr, "--channels", "dance"])).await;
    assert!(code == Some(1) && said.contains("400 Bad Request") && said.contains("unknown_channel"), "{code:?} {said}");
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let (code, _, said) = run(&mut openoutcry(&["tail", "--listen", &addr])).await;
    assert!(code == Some(1) && said.matches("refused").count() == 1, "{code:?} {said}");
}

#[tokio::test]
async fn a_new_key_opens_the_account_that_it_was_made_for() {
    let (code, printed, said) = run(&mut openoutcry(&["key", "new", "--account", "alice"])).await;
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let (key, toml) = printed.split_once("\n\n").unwrap();
    let venue = crate::venue::Venue::spawn(&format!("[auth]\nmode = \"keys\"\n{toml}")).await;
    assert_eq!(venue.with_key(key, Method::GET, "/account", None).await.body["account"], "alice");
    let (code, _, said) = run(&mut openoutcry(&["key", "new", "--account", "no name"])).await;
    assert_eq!(code, Some(64), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_ever_logged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    std::fs::write(&file, crate::keys::keyed("journal.mode = \"none\"")).unwrap();
    let environment = [("OPENOUTCRY_CONFIG", file.to_str().unwrap()), ("OPENOUTCRY_LOG__FILTER", "trace")];
    let mut server = Server::spawn(&environment).await;
    for key in [crate::keys::ALICE, "oo_mallory"] {
        let request = client().get(format!("http://{}/account", server.addr)).bearer_auth(key);
        assert!([200, 401].contains(&Answer::of(request).await.status));
        let bearer = format!("Bearer {key}");
        drop(Socket::connect_with(server.addr, "", ("authorization", &bearer)).await);
        let mut socket = Socket::connect(server.addr, "?channels=status").await;
        socket.send(&json!({"op":"auth","id":1,"api_key":key})).await;
        socket.reply().await;
    }
    server.signal("TERM").await;
    let mut lines = 0;
    let reading = async {
        while let Some(line) = server.log.next_line().await.unwrap() {
            lines += 1;
            assert!(!line.contains(crate::keys::ALICE) && !line.contains("oo_mallory"), "{line}");
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    assert!(lines > 0, "it does log at this level");
}

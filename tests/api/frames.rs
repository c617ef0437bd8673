//! RFC 6455 on raw frames: what `/stream` makes of everything that a client's frames can be.
//!
//! The cases, and their numbers, are those of the Autobahn test suite: 1 framing, 2 pings, 3 reserved bits, 4 opcodes,
//! 5 fragmentation, 6 UTF-8, 7 closing, 9 limits, 10 automatic fragmentation. The suite asks for an echo; here a request is
//! answered with its own `id`. Its cases for compression (12, 13) ask for an extension that the venue does not offer.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::venue::{PATIENCE, Venue};
use crate::wire::handshake;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The bit of a message's last frame.
const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x3a, 0x5c, 0x96, 0xe1];
/// The longest message of the venue here: 4 MiB.
const MESSAGE_BYTES: usize = 4 << 20;

/// What the venue says, the hello and heartbeats aside.
#[derive(Debug, PartialEq)]
enum Said {
    /// The reply to a request of this id.
    Echo(String),
    /// The reply to what is no request.
    NoRequest,
    Pong(Vec<u8>),
    Close(u16),
}
use Said::{Close, Echo, NoRequest, Pong};

/// A conversation: what is sent, and what the venue is expected to say to that, to its end.
struct Case {
    name: String,
    sent: Vec<u8>,
    /// How much is sent at once.
    chop: usize,
    said: Vec<Said>,
}

/// A conversation that the client closes at its end, and the venue with it.
fn case(name: impl ToString, sent: &[&[u8]], mut said: Vec<Said>) -> Case {
    let sent = [sent.concat(), close(1000)].concat();
    said.push(Close(1000));
    Case { name: name.to_string(), sent, chop: usize::MAX, said }
}

/// A conversation that the venue closes with `code`, whatever comes behind.
fn fails(name: impl ToString, sent: &[&[u8]], mut said: Vec<Said>, code: u16) -> Case {
    said.push(Close(code));
    Case { name: name.to_string(), sent: sent.concat(), chop: usize::MAX, said }
}

impl Case {
    /// The same, sent so many bytes at a time.
    fn chopped(self, chop: usize) -> Self {
        Self { name: format!("{} by {chop}", self.name), chop, ..self }
    }
}

/// A frame of a client: masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(FIN | short as u8),
        middle @ 126..=0xffff => {
            frame.push(FIN | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(FIN | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_ref())
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PING, payload.as_ref())
}

fn close(code: u16) -> Vec<u8> {
    frame(FIN | CLOSE, &code.to_be_bytes())
}

/// A request whose reply has this id.
fn request(id: &str) -> String {
    format!(r#"{{"op":"ping","id":"{id}"}}"#)
}

/// The same, with so many bytes in all.
fn long_request(id: &str, bytes: usize) -> String {
    let request = request(id);
    let rest = " ".repeat(bytes - request.len());
    request + &rest
}

/// A text message in fragments of so many bytes.
fn fragments(payload: &[u8], bytes: usize) -> Vec<u8> {
    let last = payload.len().div_ceil(bytes) - 1;
    let part = |(at, part): (usize, &[u8])| {
        let opcode = if at == 0 { TEXT } else { CONTINUATION };
        frame(if at == last { FIN | opcode } else { opcode }, part)
    };
    payload.chunks(bytes).enumerate().flat_map(part).collect()
}

fn echo(id: &str) -> Said {
    Echo(id.to_owned())
}

/// Has a conversation; what the venue said until it closed the connection.
async fn converse(addr: SocketAddr, case: &Case) -> Vec<Said> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(handshake("?channels=status").as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let writing = async {
        for part in case.sent.chunks(case.chop.min(case.sent.len())) {
            // The venue may have had enough before it has read all.
            if write.write_all(part).await.is_err() {
                break;
            }
        }
    };
    let mut bytes = Vec::new();
    let reading = async { while let Ok(1..) = read.read_buf(&mut bytes).await {} };
    timeout(PATIENCE, async { tokio::join!(writing, reading) }).await.expect("the venue should have closed by now");
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer to the handshake") + 4;
    assert!(bytes.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&bytes));
    said(&bytes[head..])
}

/// Reads a server's frames, which are whole messages and unmasked.
fn said(mut bytes: &[u8]) -> Vec<Said> {
    let mut all = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short @ 0..126 => (usize::from(*short), rest),
            _ => panic!("a short answer has an unmasked frame of at most 65,535 bytes"),
        };
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        match *first {
            0x81 => all.extend(reply(serde_json::from_slice(payload).unwrap())),
            0x8A => all.push(Pong(payload.to_owned())),
            0x88 => {
                all.push(Close(u16::from_be_bytes([payload[0], payload[1]])));
                assert!(rest.is_empty() && str::from_utf8(&payload[2..]).is_ok(), "a close is the end: {rest:?}");
            }
            other => panic!("a frame that begins with {other:#x}"),
        }
    }
    assert!(bytes.is_empty(), "half a frame");
    all
}

fn reply(message: Value) -> Option<Said> {
    if message["channel"] == "status" {
        return None;
    }
    assert_eq!(message["channel"], "reply", "{message}");
    match message["id"].as_str() {
        Some(id) => Some(Echo(id.to_owned())),
        None => {
            assert_eq!(message["problem"]["code"], "invalid_json", "{message}");
            Some(NoRequest)
        }
    }
}

async fn check(cases: Vec<Case>) {
    let venue = Venue::spawn(&format!("limits.message_bytes = {MESSAGE_BYTES}")).await;
    for case in cases {
        let said = converse(venue.addr, &case).await;
        assert_eq!(said, case.said, "case {}", case.name);
    }
}

#[tokio::test]
async fn framing_1_lengths_of_every_form_are_read_and_binary_is_refused() {
    let mut cases = vec![case("1.1.1", &[&text("")], vec![NoRequest])];
    for bytes in [125, 126, 127, 128, 65_535, 65_536] {
        let sent = text(long_request("x", bytes));
        cases.push(case(format!("1.1 {bytes}"), &[&sent], vec![echo("x")]));
        cases.push(case(format!("1.1 {bytes}"), &[&sent], vec![echo("x")]).chopped(997));
    }
    for bytes in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let sent = frame(FIN | BINARY, &vec![0xfe; bytes]);
        cases.push(fails(format!("1.2 {bytes}"), &[&sent, &text(request("x"))], vec![], 1003));
    }
    let mut unmasked = text(request("x"));
    unmasked[1] &= 0x7f;
    cases.push(fails("unmasked (RFC 6455, 5.1)", &[&unmasked], vec![], 1002));
    check(cases).await;
}

#[tokio::test]
async fn pings_2_are_answered_with_what_they_carry_and_pongs_are_taken() {
    let full = [0xfe; 125];
    let ten: Vec<Vec<u8>> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
    let pings: Vec<u8> = ten.iter().flat_map(ping).collect();
    let pongs = || ten.iter().cloned().map(Pong).collect::<Vec<_>>();
    let unasked = frame(FIN | PONG, b"unsolicited");
    check(vec![
        case("2.1", &[&ping("")], vec![Pong(vec![])]),
        case("2.2", &[&ping("Hello, world!")], vec![Pong(b"Hello, world!".to_vec())]),
        case("2.3", &[&ping([0, 0xff, 0xfe, 0xfd])], vec![Pong(vec![0, 0xff, 0xfe, 0xfd])]),
        case("2.4", &[&ping(full)], vec![Pong(full.to_vec())]),
        fails("2.5", &[&ping([0xfe; 126])], vec![], 1002),
        case("2.6", &[&ping(full)], vec![Pong(full.to_vec())]).chopped(1),
        case("2.7", &[&frame(FIN | PONG, b"")], vec![]),
        case("2.8", &[&unasked], vec![]),
        case("2.9", &[&unasked, &ping("mine")], vec![Pong(b"mine".to_vec())]),
        case("2.10", &[&pings], pongs()),
        case("2.11", &[&pings], pongs()).chopped(1),
    ])
    .await;
}

#[tokio::test]
async fn reserved_bits_3_and_opcodes_4_close_with_1002_and_nothing_behind_them_counts() {
    let (before, behind) = (text(request("before")), [text(request("behind")), ping("")].concat());
    let mut cases = Vec::new();
    for (number, bits) in (1..=7).zip([0x40, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70]) {
        let opcode = [TEXT, BINARY, CLOSE, PING, TEXT, PONG, TEXT][number - 1];
        let sent = frame(FIN | bits | opcode, b"");
        cases.push(fails(format!("3.{number}"), &[&before, &sent, &behind], vec![echo("before")], 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        for payload in ["", "reserved opcode payload"] {
            let sent = frame(FIN | opcode, payload.as_bytes());
            let said = vec![echo("before")];
            cases.push(fails(format!("4 opcode {opcode:#x}"), &[&before, &sent, &behind], said, 1002).chopped(1));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn fragments_5_make_one_message_with_pings_answered_in_their_midst() {
    let whole = request("fragmented");
    let (start, end) = whole.split_at(7);
    let (first, last) = (frame(TEXT, start.as_bytes()), frame(FIN, end.as_bytes()));
    let more = frame(CONTINUATION, b" ");
    let nothing = [frame(CONTINUATION, b"nothing to go on with"), frame(FIN, b"nothing to go on with")];
    let said = || vec![echo("fragmented")];
    let pong = |text: &str| Pong(text.into());
    let with_pings = [&first[..], &ping("1"), &more, &more, &ping("2"), &last].concat();
    let both = || vec![pong("1"), pong("2"), echo("fragmented")];
    let hello = text(request("hello"));
    let mut cases = vec![
        fails("5.1", &[&frame(PING, b"fragment1"), &frame(FIN, b"fragment2")], vec![], 1002),
        fails("5.2", &[&frame(PONG, b"fragment1"), &frame(FIN, b"fragment2")], vec![], 1002),
        case("5.3", &[&first, &last], said()),
        case("5.5", &[&first, &last], said()).chopped(1),
        case("5.6", &[&first, &ping("in between"), &last], vec![pong("in between"), echo("fragmented")]),
        case("5.8", &[&first, &ping("in between"), &last], vec![pong("in between"), echo("fragmented")]).chopped(1),
        fails("5.15", &[&first, &last, &nothing[0], &hello], said(), 1002),
        fails("5.18", &[&first, &hello], vec![], 1002),
        case("5.19", &[&with_pings], both()),
        case("5.20", &[&with_pings], both()).chopped(1),
    ];
    for (name, fragment) in ["5.12", "5.9"].iter().zip(&nothing) {
        cases.push(fails(name, &[fragment, &hello], vec![], 1002));
        cases.push(fails(name, &[fragment, &hello], vec![], 1002).chopped(1));
    }
    check(cases).await;
}

/// A string's bytes in a request's id.
fn request_of(id: &[u8]) -> Vec<u8> {
    [br#"{"op":"ping","id":""#, id, br#""}"#].concat()
}

#[tokio::test]
async fn texts_6_are_utf_8_however_they_are_cut() {
    let kosme = "κόσμε".as_bytes();
    let mut cases = vec![
        case("6.1.1", &[&text("")], vec![NoRequest]),
        case("6.1.2", &[&frame(TEXT, b""), &frame(CONTINUATION, b""), &frame(FIN, b"")], vec![NoRequest]),
    ];
    for bytes in [1, 2, 3, 5, usize::MAX] {
        let payload = request("Hello-µ@ßöäüàá-UTF-8!!");
        let sent = fragments(payload.as_bytes(), bytes.min(payload.len()));
        cases.push(case(format!("6.2 by {bytes}"), &[&sent], vec![echo("Hello-µ@ßöäüàá-UTF-8!!")]));
        let payload = request_of(&[kosme, b"\xed\xa0\x80edited"].concat());
        let sent = fragments(&payload, bytes.min(payload.len()));
        cases.push(fails(format!("6.3 by {bytes}"), &[&sent], vec![], 1007));
    }
    // Fails at the fragment that cannot be, and waits for no other.
    let broken = [kosme, b"\xf4\x90\x80\x80"].concat();
    cases.push(fails("6.4.1", &[&frame(TEXT, kosme), &frame(CONTINUATION, b"\xf4\x90\x80\x80")], vec![], 1007));
    cases.push(fails("6.4.3", &[&frame(TEXT, &broken)], vec![], 1007).chopped(1));
    for length in 1..=kosme.len() {
        let prefix = &kosme[..length];
        let sent = text(request_of(prefix));
        let name = format!("6.6.{length}");
        cases.push(match str::from_utf8(prefix) {
            Ok(id) => case(name, &[&sent], vec![echo(id)]),
            Err(_) => fails(name, &[&sent], vec![], 1007),
        });
    }
    check(cases).await;
}

#[tokio::test]
async fn code_points_6_are_taken_to_the_edges_of_what_unicode_has() {
    let mut cases = vec![
        // JSON has no control characters inside a string, but they are UTF-8.
        case("6.7.1", &[&text(request_of(b"\0"))], vec![NoRequest]),
    ];
    let edges = "\u{7f} \u{80} \u{7ff} \u{800} \u{d7ff} \u{e000} \u{fffd} \u{ffff} \u{10000} \u{10ffff}";
    let specials = "\u{fff9} \u{fffa} \u{fffb} \u{fffc} \u{fffe} \u{24b62} \u{20ac}";
    let nowhere = (0x1..=0x10).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let nowhere: Vec<String> = nowhere.map(|point| char::from_u32(point).unwrap().to_string()).collect();
    let valid = edges.split(' ').chain(specials.split(' ')).chain(nowhere.iter().map(String::as_str));
    cases.extend(valid.map(|id| case(format!("6.7-6.23 {id:?}"), &[&text(request(id))], vec![echo(id)])));
    let continuations: Vec<u8> = (0x80..=0xbf).collect();
    let lonely: Vec<u8> = (0xc0..=0xfd).flat_map(|start| [start, b' ']).collect();
    let invalid: [&[u8]; 43] = [
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf\x80\xbf",
        &continuations,
        &lonely,
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xfe\xfe\xff\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xaf\xbf",
        b"\xed\xb0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xaf\xbf\xed\xbf\xbf",
    ];
    let no_text = |bytes: &[u8]| fails(format!("6.8-6.21 {bytes:x?}"), &[&text(request_of(bytes))], vec![], 1007);
    cases.extend(invalid.into_iter().map(no_text));
    check(cases).await;
}

#[tokio::test]
async fn a_close_7_is_answered_once_with_its_code_and_what_follows_is_not() {
    let hello = text(request("hello"));
    let closing = |payload: &[u8]| frame(FIN | CLOSE, payload);
    let with_reason = |code: u16, reason: &[u8]| closing(&[&code.to_be_bytes(), reason].concat());
    let (first, last) = (frame(TEXT, b"{"), frame(FIN, b"}"));
    let long = text(long_request("long", 256 << 10));
    let mut cases = vec![
        fails("7.1.1", &[&hello, &close(1000), &hello], vec![echo("hello")], 1000),
        fails("7.1.2", &[&close(1000), &close(1000)], vec![], 1000),
        fails("7.1.3", &[&close(1000), &ping("late")], vec![], 1000),
        fails("7.1.4", &[&close(1000), &hello], vec![], 1000),
        fails("7.1.5", &[&first, &close(1000), &last], vec![], 1000),
        fails("7.1.6", &[&long, &hello, &close(1000), &ping("late")], vec![echo("long"), echo("hello")], 1000),
        fails("7.3.1", &[&closing(b"")], vec![], 1000),
        fails("7.3.2", &[&closing(b"a")], vec![], 1002),
        fails("7.3.4", &[&with_reason(1000, b"Hello World!")], vec![], 1000),
        fails("7.3.5", &[&with_reason(1000, &[b'*'; 123])], vec![], 1000),
        fails("7.3.6", &[&with_reason(1000, &[b'*'; 124])], vec![], 1002),
        fails("7.5.1", &[&with_reason(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80")], vec![], 1007),
    ];
    let known = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    cases.extend(known.map(|code| fails(format!("7.7 {code}"), &[&close(code)], vec![], code)));
    let unknown = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    cases.extend(unknown.map(|code| fails(format!("7.9 {code}"), &[&close(code)], vec![], 1002)));
    check(cases).await;
}

#[tokio::test]
async fn messages_9_of_many_sizes_and_cuts_are_read_and_one_too_long_is_refused_unread() {
    let mut cases = Vec::new();
    for bytes in [64 << 10, 256 << 10, 1 << 20, MESSAGE_BYTES] {
        let message = long_request("large", bytes);
        cases.push(case(format!("9.1 {bytes}"), &[&text(&message)], vec![echo("large")]));
        cases.push(case(format!("9.5 {bytes}"), &[&text(&message)], vec![echo("large")]).chopped(4096));
    }
    let message = long_request("large", 1 << 20);
    for bytes in [64, 1300, 4 << 10, 64 << 10, 256 << 10] {
        cases.push(case(format!("9.3 by {bytes}"), &[&fragments(message.as_bytes(), bytes)], vec![echo("large")]));
    }
    for bytes in [32, 64, 256, 1 << 10] {
        let sent = text(long_request("often", bytes)).repeat(1_000);
        cases.push(case(format!("9.7 {bytes}"), &[&sent], (0..1_000).map(|_| echo("often")).collect()));
    }
    let long = long_request("too long", MESSAGE_BYTES + 1);
    // The head of a frame tells how long it is: nothing of it need come.
    let head = &text(&long)[..14];
    let opened = [frame(TEXT, &long.as_bytes()[..MESSAGE_BYTES]), frame(CONTINUATION, b" ")].concat();
    cases.push(fails("too long by its head", &[head], vec![], 1009));
    cases.push(fails("too long in fragments", &[&opened], vec![], 1009));
    cases.push(fails("a length without end", &[&[0x81, 0xff], &[0xff; 8], &MASK], vec![], 1009));
    check(cases).await;
}

#[tokio::test]
async fn a_code_that_a_client_made_up_is_no_series_of_the_metrics() {
    let venue = Venue::spawn("").await;
    for code in [1000, 4000, 4999] {
        let said = converse(venue.addr, &fails("made up", &[&close(code)], vec![], code)).await;
        assert_eq!(said, [Close(code)]);
    }
    let metrics = venue.get("/metrics").await.text;
    let closed = |line: &&str| line.starts_with("openoutcry_stream_closed_total");
    let closed: Vec<&str> = metrics.lines().filter(closed).collect();
    assert_eq!(closed, ["openoutcry_stream_closed_total{code=\"none\"} 3"]);
}

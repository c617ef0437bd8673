//! History against the read model: whatever becomes of an order, what history makes of its frames is the order that the read
//! model showed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use openoutcry::{
    domain::*,
    engine::{Engine, Limits},
    executor::{self, Executor, Finisher, Unfinished},
    history::{ClosedQuery, History, Parts, Reached, Source},
    journal::Record,
    queue::Admission,
    read::{OrdersQuery, ReadModel, Settings, StatusFilter},
    stream::{
        Hub, Read,
        archive::{ArchiveError, Entry, Position},
    },
};
use proptest::prelude::*;

use crate::random::{Stream, streams};
use crate::same::cases;

/// A log in memory.
#[derive(Debug)]
struct Frames {
    entries: Vec<Entry>,
    next: usize,
}

impl Source for Frames {
    fn is_growing(&mut self) -> bool {
        false
    }

    fn oldest_seqs(&self) -> Vec<(AccountId, u64)> {
        Vec::new()
    }

    fn execution(&self, _: AccountId, _: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(None)
    }

    fn passed(&mut self, _: Position) {}

    fn id(&self) -> u64 {
        1
    }

    fn seek(&mut self, position: Position) -> Result<(), ArchiveError> {
        self.next = usize::try_from(position.offset).unwrap();
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let entry = self.entries.get(self.next).cloned();
        self.next += usize::from(entry.is_some());
        Ok(entry)
    }

    fn wait(&mut self, _: Duration) {}
}

/// Runs a stream as the executor would, in batches of a few commands: what the read model shows, and the log.
fn run(stream: &Stream) -> (ReadModel, Vec<Entry>) {
    let clock = Arc::new(|| Nanos(0));
    let engine = Engine::new(Limits { closed_kept: stream.closed_kept });
    let mut executor =
        Executor::new(executor::Parts { engine, admission: Admission::default(), clock, delay: Duration::ZERO });
    let mut read = ReadModel::new(Settings { closed_kept: usize::MAX, closed_max: usize::MAX }, None);
    let mut hub = Hub::new(1 << 20);
    let names = stream.accounts.iter().map(|account| account.name).collect();
    let commands: Vec<Record> = stream
        .commands()
        .into_iter()
        .zip(1..)
        .map(|((stamp, command), number)| Record { number, stamp, command })
        .collect();
    let configuration = stream.instruments.len() + stream.accounts.len();
    let configured = executor.replay(&mut commands[..configuration].to_vec());
    read.define(executor.engine().instruments(), names);
    hub.define(stream.accounts.len(), stream.instruments.len());
    let mut finisher = Finisher::default();
    let mut show = |effects| {
        let mut batch = Unfinished::new(effects);
        while let Some(part) = finisher.next_part(&mut batch) {
            drop(part.release(&read, &hub, &Admission::default()));
        }
    };
    show(configured);
    for batch in commands[configuration..].chunks(7) {
        let effects = executor.replay(&mut batch.to_vec());
        show(effects);
    }
    // Cut into runs that are none of the batches, account by account in turn.
    let mut entries: Vec<Entry> = Vec::new();
    let mut next: Vec<u64> = vec![1; stream.accounts.len()];
    loop {
        let before = entries.len();
        for (next, id) in next.iter_mut().zip((0..).map(AccountId)) {
            let mut runs = VecDeque::new();
            let log = hub.executions(id).unwrap();
            let Some(Read::Frames { next_seq }) = log.newer(*next, 3_000, &mut runs) else { panic!("gone") };
            let first_seq = std::mem::replace(next, next_seq);
            if next_seq > first_seq {
                let frames = runs.iter().flatten().copied().collect();
                let end = Position { segment: 0, offset: entries.len() as u64 + 1 };
                entries.push(Entry { account: id, first_seq, frames, end });
            }
        }
        if entries.len() == before {
            return (read, entries);
        }
    }
}

/// An average price that was read prints the same, and differs in zeros that nobody sees.
fn as_read(order: &Order) -> Order {
    let avg_price = order.avg_price.map(|price| AveragePrice::parse(&price.to_string()).unwrap());
    Order { avg_price, ..order.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(60)) })]

    #[test]
    fn a_closed_order_out_of_history_is_the_one_that_the_read_model_showed(stream in streams(200)) {
        let (read, entries) = run(&stream);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.sqlite");
        let executions = openoutcry::history::rebuild(&file, "e", &mut Frames { entries: entries.clone(), next: 0 });
        let seqs = |account: u32| entries.iter().filter(move |entry| entry.account == AccountId(account));
        prop_assert_eq!(
            executions.unwrap().executions as usize,
            entries.iter().map(|entry| openoutcry::stream::frames(&entry.frames).count()).sum::<usize>()
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let published = (0..stream.accounts.len() as u32).map(|account| (AccountId(account), Seq(u64::MAX))).collect();
        let source = Box::new(Frames { entries: Vec::new(), next: 0 });
        let parts = Parts { file, epoch: "e".to_owned(), source, reached: Reached::default(), published, is_whole: true };
        let (history, ended) = History::start(parts, ()).unwrap();
        for account in 0..stream.accounts.len() as u32 {
            let query = OrdersQuery { status: StatusFilter::Closed, symbol: None, after: None, limit: usize::MAX };
            let shown: Vec<Order> =
                read.orders(AccountId(account), &query).orders.iter().map(|order| as_read(order)).collect();
            let through = Seq(seqs(account).map(|entry| entry.first_seq).max().unwrap_or(0));
            let query = ClosedQuery { symbol: None, after: None, limit: usize::MAX };
            let found = runtime.block_on(history.closed(AccountId(account), query, through)).unwrap();
            prop_assert_eq!(&found, &shown);
            for order in &shown {
                let found = runtime.block_on(history.order(AccountId(account), order.order_id, through)).unwrap();
                prop_assert_eq!(found.as_ref(), Some(order));
            }
        }
        history.stop();
        runtime.block_on(ended).unwrap();
    }
}

//! What people see of a batch: frames, orders, answers. Made of what it did, beside the executor, while the batch is being kept.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Effects, Public, Replies,
    effects::{Names, Step},
};
use crate::domain::{
    AccountId, Execution, ExecutionType, Instrument, InstrumentId, LevelChange, MomentText, Order, OrderId, Outcome, Place,
    Price, Report, Seq, Side, Trade, TradeReport,
};
use crate::queue::{Admission, Answer, Entry, ShownOrder};
use crate::read::{Changes, ReadModel};
use crate::stream::{
    Block, BlockBuilder, Hub,
    encode::{self, BookReport},
};

/// About how long an order's JSON is.
const ORDER_BYTES: usize = 512;

/// What a batch shows to the world once it is kept.
#[derive(Debug, Default)]
pub struct Finished {
    /// The last record of the batch.
    pub number: u64,
    /// For the read model.
    changes: Changes,
    /// Finished frames, by account; of one, those that come first are first.
    executions: Vec<(AccountId, Block)>,
    /// Finished frames of public trades, by instrument, in the same way.
    trades: Vec<(InstrumentId, Block)>,
    /// Finished frames of book changes, by instrument.
    books: Vec<(InstrumentId, Block)>,
    /// Client ids whose requests were executed.
    kept: Vec<Entry>,
    /// Who is answered, and what.
    replies: Replies,
}

impl Finished {
    /// Lets it out: into the read model, then the stream; those who asked are to be answered then.
    pub fn release(self, read: &ReadModel, hub: &Hub, admission: &Admission) -> Replies {
        read.apply(self.changes);
        admission.kept(&self.kept);
        hub.publish(self.number, self.executions, self.trades, self.books);
        self.replies
    }
}

/// Finishes batches, in their order.
#[derive(Debug, Default)]
pub struct Finisher {
    /// The next sequence of each instrument's trades.
    trades: BTreeMap<InstrumentId, u64>,
    /// The last sequence of each book's changes.
    books: BTreeMap<InstrumentId, u64>,
    /// Builders of batches before, for their memory.
    idle: Vec<BlockBuilder>,
    moments: MomentText,
}

impl Finisher {
    /// A finisher that goes on after what was public of each instrument.
    pub fn resume(public: &[Public]) -> Self {
        let of = |number: fn(&Public) -> u64| (0..).map(InstrumentId).zip(public.iter().map(number)).collect();
        Self { trades: of(|public| public.trades + 1), books: of(|public| public.books), ..Self::default() }
    }

    /// Lets the numbers of each book that was changed go on after `last_seq`; those books.
    pub fn resume_books(&mut self, last_seq: u64) -> Vec<InstrumentId> {
        let changed = self.books.iter_mut().filter(|(_, seq)| **seq > 0);
        changed
            .map(|(instrument, seq)| {
                *seq = last_seq;
                *instrument
            })
            .collect()
    }

    /// Finishes a batch.
    pub fn finish(&mut self, effects: Effects) -> Finished {
        let Effects { number, events, steps, rejected, balances, halts, kept, replies, names, .. } = effects;
        let changes = Changes { orders: Vec::with_capacity(steps.len()), balances, halts, ..Changes::default() };
        let mut finished = Finished { number, kept, replies, changes, ..Finished::default() };
        let mut batch = Executions { of: &events.executions, rejected: rejected.into_iter(), names: &names };
        let mut blocks = BTreeMap::new();
        let mut done = 0;
        for Step { executions, outcome, reply } in steps {
            let first_order = finished.changes.orders.len();
            let (mut own, mut refused) = (None::<Order>, None);
            for execution in done..executions {
                let Some(report) = batch.report(execution) else { continue };
                self.execution(&report, &names, &mut blocks, &mut finished.executions);
                if report.execution_type.is_refused_request() {
                    // It tells of the order at that moment, and changes nothing in it.
                    refused = Some(Box::new(report));
                    continue;
                }
                // Of the order that the command itself is about, which is told of first, only what it came to is shown.
                match &mut own {
                    Some(own) if own.order_id != report.order.order_id => {
                        finished.changes.orders.push(Arc::new(report.order))
                    }
                    own => *own = Some(report.order),
                }
            }
            done = executions;
            finished.changes.orders.extend(own.map(Arc::new));
            if let Some(reply) = reply {
                let orders = finished.changes.orders.get(first_order..).unwrap_or_default();
                finished.replies.push((reply, answer(outcome, orders, refused)));
            }
        }
        finished.changes.last_seqs.extend(blocks.iter().map(|(account, block)| (*account, Seq(block.next_seq() - 1))));
        build(blocks, &mut finished.executions, &mut self.idle);
        self.write_answers(&names, &mut finished.replies);
        self.add_trades(&events.trades, &names, &mut finished);
        self.add_books(events.levels, &names, &mut finished);
        finished
    }

    /// Writes an execution's frame into its account's block, which goes to `built` once it is full.
    fn execution(
        &mut self,
        report: &Report,
        names: &Names,
        blocks: &mut BTreeMap<AccountId, BlockBuilder>,
        built: &mut Vec<(AccountId, Block)>,
    ) {
        let Some(account) = names.account(report.order.account) else { return };
        let Self { idle, moments, .. } = self;
        let block = blocks.entry(report.order.account).or_insert_with(|| builder(idle, report.seq.0));
        assert_eq!(block.next_seq(), report.seq.0, "an account's executions are numbered densely");
        block.push(|into| encode::execution(report, account, moments, into));
        if block.is_full() {
            built.push((report.order.account, block.build()));
        }
    }

    /// Writes the orders that answers show, all into one piece of memory.
    fn write_answers(&mut self, names: &Names, replies: &mut Replies) {
        let (mut written, mut ends) = (Vec::with_capacity(replies.len() * ORDER_BYTES), Vec::with_capacity(replies.len()));
        for shown in replies.iter_mut().filter_map(|(_, answer)| answer.shown()) {
            if let Some(account) = names.account(shown.order.account) {
                encode::order(&shown.order, account, &mut self.moments, &mut written);
            }
            ends.push(written.len());
        }
        let (written, mut start) = (Bytes::from(written), 0);
        for (shown, end) in replies.iter_mut().filter_map(|(_, answer)| answer.shown()).zip(ends) {
            shown.json = written.slice(start..end);
            start = end;
        }
    }

    fn add_trades(&mut self, trades: &[Trade], names: &Names, finished: &mut Finished) {
        let Self { idle, moments, trades: numbers, .. } = self;
        let mut blocks = BTreeMap::new();
        for trade in trades {
            let Some(instrument) = names.instrument(trade.instrument) else { continue };
            let report = TradeReport::new(trade, instrument);
            let first_seq = || numbers.get(&instrument.id).copied().unwrap_or(1);
            let block = blocks.entry(instrument.id).or_insert_with(|| builder(idle, first_seq()));
            block.push(|into| encode::trade(&report, moments, into));
            if block.is_full() {
                finished.trades.push((instrument.id, block.build()));
            }
            finished.changes.trades.push((instrument.id, report));
        }
        numbers.extend(blocks.iter().map(|(instrument, block)| (*instrument, block.next_seq())));
        build(blocks, &mut finished.trades, idle);
    }

    /// Makes one change of each book out of all its changed levels: the last word on each counts.
    fn add_books(&mut self, mut levels: Vec<LevelChange>, names: &Names, finished: &mut Finished) {
        // Of those at one price, the last comes first, and is all that is left.
        levels.reverse();
        levels.sort_by_key(level_key);
        levels.dedup_by_key(|level| level_key(level));
        for levels in levels.chunk_by(|one, other| one.instrument == other.instrument) {
            let Some(id) = levels.first().map(|level| level.instrument) else { continue };
            let Some(instrument) = names.instrument(id) else { continue };
            let seq = *self.books.entry(id).and_modify(|seq| *seq += 1).or_insert(1);
            finished.books.push((id, book_frame(instrument, seq, levels)));
            finished.changes.books.push((id, seq, levels.to_vec()));
        }
    }
}

/// What levels are sorted by: instrument, side, and rising price.
const fn level_key(level: &LevelChange) -> (InstrumentId, Side, Price) {
    (level.instrument, level.side, level.price)
}

/// A batch's executions, to be made into reports one after the other.
struct Executions<'a> {
    of: &'a [Execution],
    rejected: std::vec::IntoIter<Place>,
    names: &'a Names,
}

impl Executions<'_> {
    fn report(&mut self, number: usize) -> Option<Report> {
        let execution = self.of.get(number)?;
        let instrument = execution.instrument.and_then(|id| self.names.instrument(id));
        if execution.execution_type == ExecutionType::Rejected {
            let place = self.rejected.next().expect("the terms of every rejected order are in its batch");
            return Some(Report::refused(execution, &place, instrument));
        }
        Some(Report::new(execution, instrument.expect("only a rejected order has no instrument")))
    }
}

/// What to answer, given the outcome of a command, the orders that it changed, and its last refusal. How orders are shown is not
/// written yet.
fn answer(outcome: Outcome, orders: &[Arc<Order>], refused: Option<Box<Report>>) -> Answer {
    let order = |order_id: OrderId| {
        let order = orders.iter().rfind(|order| order.order_id == order_id)?;
        Some(ShownOrder { order: order.clone(), json: Bytes::new() })
    };
    let answer = match outcome {
        Outcome::Done => Some(Answer::Done),
        Outcome::Placed(order_id) => order(order_id).map(Answer::Placed),
        Outcome::Canceled(order_id) => order(order_id).map(Answer::Canceled),
        Outcome::CanceledAll(count) => Some(Answer::CanceledAll(count)),
        Outcome::Replaced(order_id, priority) => order(order_id).map(|order| Answer::Replaced(order, priority)),
        Outcome::TooLate(_) => refused.map(Answer::TooLate),
        Outcome::NotFound => Some(Answer::NotFound),
        Outcome::Refused(code) => Some(Answer::Refused(code)),
    };
    answer.expect("an outcome that names an order comes with an execution of it")
}

/// A builder whose first frame will have `first_seq`.
fn builder(idle: &mut Vec<BlockBuilder>, first_seq: u64) -> BlockBuilder {
    let Some(mut builder) = idle.pop() else { return BlockBuilder::new(first_seq) };
    builder.restart(first_seq);
    builder
}

/// Builds what is left in these builders, and keeps them for their memory.
fn build<Of: Copy>(builders: BTreeMap<Of, BlockBuilder>, built: &mut Vec<(Of, Block)>, idle: &mut Vec<BlockBuilder>) {
    for (of, mut builder) in builders {
        if !builder.is_empty() {
            built.push((of, builder.build()));
        }
        idle.push(builder);
    }
}

fn book_frame(instrument: &Instrument, seq: u64, levels: &[LevelChange]) -> Block {
    let side = |side: Side| -> Vec<_> {
        let levels = levels.iter().filter(|level| level.side == side);
        let level = |level: &LevelChange| {
            let quantity = level.quantity.map(|quantity| instrument.quantity_decimal(quantity));
            (instrument.price_decimal(level.price), quantity)
        };
        match side {
            Side::Buy => levels.rev().map(level).collect(),
            Side::Sell => levels.map(level).collect(),
        }
    };
    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
    let book = BookReport { symbol: instrument.spec.symbol, seq, prev: Some(seq - 1), bids: &bids, asks: &asks };
    let mut block = BlockBuilder::new(seq);
    block.push(|into| encode::book(&book, into));
    block.build()
}

//! What people see of a batch: frames, orders, answers. Made of what it did, beside the executor, while the batch is being kept.
//!
//! A batch is finished in parts of so many executions, so that the memory for what they become is bounded: one command may cancel a
//! million orders. Most batches are one part.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::take,
    sync::Arc,
    vec,
};

use bytes::Bytes;

use super::{
    Effects, Public, Replies,
    effects::{Names, Step},
};
use crate::domain::{
    AccountId, Events, ExecutionType, Instrument, InstrumentId, LevelChange, MomentText, Order, OrderId, Outcome, Place,
    Price, Report, Seq, Side, TradeReport,
};
use crate::queue::{Admission, Answer, Entry, ShownOrder};
use crate::read::{Balance, Changes, ReadModel};
use crate::stream::{
    Block, BlockBuilder, Hub,
    encode::{self, BookReport},
};

/// About how long an order's JSON is.
const ORDER_BYTES: usize = 512;

/// How many executions, or trades, a part has at the most: in unit tests so few that batches come to several.
const PART: usize = if cfg!(test) { 3 } else { 8_192 };

/// What a batch, or a part of it, shows to the world once the batch is kept.
#[derive(Debug, Default)]
pub struct Finished {
    /// The last record of the batch.
    number: u64,
    /// Whether there is no part after this one.
    is_last: bool,
    /// For the read model.
    changes: Changes,
    /// Finished frames, by account.
    executions: Vec<(AccountId, Block)>,
    /// Finished frames of public trades, by instrument.
    trades: Vec<(InstrumentId, Block)>,
    /// Finished frames of book changes, by instrument.
    books: Vec<(InstrumentId, Block)>,
    /// Client ids of orders that are told of, and in the last part of all other requests.
    kept: Vec<Entry>,
    /// Who is answered, and what: in the last part, once all can be read.
    replies: Replies,
}

impl Finished {
    /// Lets it out: into the read model, then the stream; those who asked are to be answered then.
    pub fn release(self, read: &ReadModel, hub: &Hub, admission: &Admission) -> Replies {
        read.apply(self.changes);
        admission.kept(&self.kept);
        hub.publish(self.number, self.is_last, self.executions, self.trades, self.books);
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

    /// Finishes the next part of a batch; `None` after the last. All parts of a batch come before any of the next.
    pub fn next_part(&mut self, batch: &mut Unfinished) -> Option<Finished> {
        if batch.is_finished {
            return None;
        }
        let mut part = Finished { number: batch.number, ..Finished::default() };
        self.add_executions(batch, &mut part);
        if batch.told < batch.events.executions.len() {
            return Some(part);
        }
        (batch.events.executions, batch.told) = (Vec::new(), 0);
        self.add_trades(batch, &mut part);
        if batch.traded < batch.events.trades.len() {
            return Some(part);
        }
        batch.is_finished = true;
        self.add_books(take(&mut batch.events.levels), &batch.names, &mut part);
        self.write_answers(&batch.names, &mut batch.replies);
        (part.is_last, part.replies) = (true, take(&mut batch.replies));
        part.kept.append(&mut batch.kept);
        (part.changes.balances, part.changes.halts) = (take(&mut batch.balances), take(&mut batch.halts));
        Some(part)
    }

    /// Adds the executions that come next, and answers the commands that all is told of.
    fn add_executions(&mut self, batch: &mut Unfinished, part: &mut Finished) {
        let end = batch.events.executions.len().min(batch.told + PART);
        part.changes.orders.reserve(end - batch.told);
        part.kept.reserve(batch.steps.len().min(PART));
        let mut blocks = BTreeMap::new();
        while let Some(step) = batch.steps.front() {
            let (all, about) = (step.executions, order_of(step.outcome));
            while batch.told < all.min(end) {
                let report = batch.report();
                batch.told += 1;
                let Some(report) = report else { continue };
                self.execution(&report, &batch.names, &mut blocks);
                if report.execution_type.is_refused_request() {
                    // It tells of the order at that moment, and changes nothing in it.
                    batch.refused = Some(Box::new(report));
                } else if about == Some(report.order.order_id) {
                    // Of the order that the command itself is about, only what it came to is shown.
                    (batch.own, batch.own_is_shown) = (Some(Arc::new(report.order)), false);
                } else {
                    part.changes.orders.push(Arc::new(report.order));
                }
            }
            if batch.told < all {
                // Who is told of it can read it, by either id.
                if let Some(own) = &batch.own {
                    part.changes.orders.extend((!batch.own_is_shown).then(|| own.clone()));
                    part.kept.extend(batch.steps.front_mut().and_then(|step| step.entry.take()));
                    batch.own_is_shown = true;
                }
                break;
            }
            let (own, refused) = (batch.own.take(), batch.refused.take());
            part.changes.orders.extend(own.clone().filter(|_| !batch.own_is_shown));
            let Some(Step { outcome, entry, reply, .. }) = batch.steps.pop_front() else { break };
            // What is not about an order shows in what the last part has.
            if about.is_some() { &mut part.kept } else { &mut batch.kept }.extend(entry);
            if let Some(reply) = reply {
                batch.replies.push((reply, answer(outcome, own, refused)));
            }
        }
        let last_seqs = blocks.iter().map(|(account, block): (_, &BlockBuilder)| (*account, Seq(block.next_seq() - 1)));
        part.changes.last_seqs.extend(last_seqs);
        build(blocks, &mut part.executions, &mut self.idle);
    }

    /// Writes an execution's frame into its account's block.
    fn execution(&mut self, report: &Report, names: &Names, blocks: &mut BTreeMap<AccountId, BlockBuilder>) {
        let Some(account) = names.account(report.order.account) else { return };
        let Self { idle, moments, .. } = self;
        let block = blocks.entry(report.order.account).or_insert_with(|| builder(idle, report.seq.0));
        assert_eq!(block.next_seq(), report.seq.0, "an account's executions are numbered densely");
        block.push(|into| encode::execution(report, account, moments, into));
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

    /// Adds the trades that come next.
    fn add_trades(&mut self, batch: &mut Unfinished, part: &mut Finished) {
        let Self { idle, moments, trades: numbers, .. } = self;
        let mut blocks = BTreeMap::new();
        let trades = batch.events.trades.iter().skip(batch.traded).take(PART);
        batch.traded += trades.len();
        for trade in trades {
            let Some(instrument) = batch.names.instrument(trade.instrument) else { continue };
            let report = TradeReport::new(trade, instrument);
            let first_seq = || numbers.get(&instrument.id).copied().unwrap_or(1);
            let block = blocks.entry(instrument.id).or_insert_with(|| builder(idle, first_seq()));
            block.push(|into| encode::trade(&report, moments, into));
            part.changes.trades.push((instrument.id, report));
        }
        numbers.extend(blocks.iter().map(|(instrument, block)| (*instrument, block.next_seq())));
        build(blocks, &mut part.trades, idle);
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

/// A batch, and how much of it is finished.
#[derive(Debug)]
pub struct Unfinished {
    number: u64,
    events: Events,
    /// How many of these executions are in parts before.
    told: usize,
    /// How many of the trades are.
    traded: usize,
    /// The commands of which not all is told.
    steps: VecDeque<Step>,
    /// Of the first of them: the order that it is about, and its last refusal.
    own: Option<Arc<Order>>,
    /// Whether that is in a part as it is.
    own_is_shown: bool,
    refused: Option<Box<Report>>,
    rejected: vec::IntoIter<Place>,
    balances: Vec<(AccountId, Vec<Balance>)>,
    halts: Vec<(InstrumentId, bool)>,
    kept: Vec<Entry>,
    replies: Replies,
    names: Arc<Names>,
    is_finished: bool,
}

impl Unfinished {
    /// A batch of which nothing is finished.
    pub fn new(effects: Effects) -> Self {
        let Effects { number, executions_hash: _, events, steps, rejected, balances, halts, replies, names } = effects;
        Self {
            number,
            events,
            told: 0,
            traded: 0,
            steps: steps.into(),
            own: None,
            own_is_shown: false,
            refused: None,
            rejected: rejected.into_iter(),
            balances,
            halts,
            kept: Vec::new(),
            replies,
            names,
            is_finished: false,
        }
    }

    /// Whether it has more than one part.
    pub(super) fn is_large(&self) -> bool {
        self.events.executions.len().max(self.events.trades.len()) > PART
    }

    /// The execution that comes next.
    fn report(&mut self) -> Option<Report> {
        let execution = self.events.executions.get(self.told)?;
        let instrument = execution.instrument.and_then(|id| self.names.instrument(id));
        if execution.execution_type == ExecutionType::Rejected {
            let place = self.rejected.next().expect("the terms of every rejected order are in its batch");
            return Some(Report::refused(execution, &place, instrument));
        }
        Some(Report::new(execution, instrument.expect("only a rejected order has no instrument")))
    }
}

/// The order that a command was about, where its outcome names one that it changed.
fn order_of(outcome: Outcome) -> Option<OrderId> {
    match outcome {
        Outcome::Placed(order_id) | Outcome::Canceled(order_id) | Outcome::Replaced(order_id, _) => Some(order_id),
        Outcome::Done | Outcome::CanceledAll(_) | Outcome::TooLate(_) | Outcome::NotFound | Outcome::Refused(_) => None,
    }
}

/// What to answer, given the outcome of a command, the order that it changed, and its last refusal. How orders are shown is not
/// written yet.
fn answer(outcome: Outcome, own: Option<Arc<Order>>, refused: Option<Box<Report>>) -> Answer {
    let own = own.map(|order| ShownOrder { order, json: Bytes::new() });
    let answer = match outcome {
        Outcome::Done => Some(Answer::Done),
        Outcome::Placed(_) => own.map(Answer::Placed),
        Outcome::Canceled(_) => own.map(Answer::Canceled),
        Outcome::CanceledAll(count) => Some(Answer::CanceledAll(count)),
        Outcome::Replaced(_, priority) => own.map(|order| Answer::Replaced(order, priority)),
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

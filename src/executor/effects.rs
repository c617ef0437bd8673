//! A batch in the making: what its commands did, gathered and encoded while they are applied.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::Public;
use crate::domain::{
    AccountId, AccountName, Instrument, InstrumentId, LevelChange, MomentText, Order, OrderId, Outcome, Price, Report, Seq,
    Side, Trade, TradeReport,
};
use crate::engine::{self, Engine};
use crate::journal::Record;
use crate::queue::{Answer, Entry};
use crate::read::{self, Changes};
use crate::stream::{
    Block, BlockBuilder,
    encode::{self, BookReport},
};

/// What a batch shows to the world once it is kept.
#[derive(Debug, Default)]
pub struct Effects {
    /// The last record of the batch.
    pub number: u64,
    /// The wrapping sum of the digests of all executions: what a replay of the batch must come to.
    pub executions_hash: u64,
    /// For the read model.
    pub changes: Changes,
    /// Finished frames, by account.
    pub executions: Vec<(AccountId, Block)>,
    /// Finished frames of public trades, by instrument.
    pub trades: Vec<(InstrumentId, Block)>,
    /// Finished frames of book changes, by instrument.
    pub books: Vec<(InstrumentId, Block)>,
    /// Client ids whose requests were executed.
    pub kept: Vec<Entry>,
    /// Who is answered, and what.
    pub replies: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// A batch in the making.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) effects: Effects,
    /// Accounts whose balances may have changed.
    pub(super) accounts: BTreeSet<AccountId>,
    /// Changed levels, in order; the last word on each counts.
    pub(super) levels: Vec<LevelChange>,
    executions: BTreeMap<AccountId, BlockBuilder>,
    trades: BTreeMap<InstrumentId, BlockBuilder>,
    /// Builders of batches before, for their memory.
    idle: Vec<BlockBuilder>,
    numbers: Numbers,
    moments: MomentText,
    /// The order that the command is about, as far as it has come.
    own: Option<Arc<Order>>,
    /// The last refusal of a cancel or replace.
    refused: Option<Box<Report>>,
}

/// The next sequence of each instrument's public logs; outlives the batches.
#[derive(Debug, Default)]
struct Numbers {
    trades: BTreeMap<InstrumentId, u64>,
    books: BTreeMap<InstrumentId, u64>,
}

impl Batch {
    /// Goes on with the numbers that were public.
    pub(super) fn resume(&mut self, public: &[Public]) {
        for (public, id) in public.iter().zip((0..).map(InstrumentId)) {
            self.numbers.trades.insert(id, public.trades + 1);
            self.numbers.books.insert(id, public.books);
        }
    }

    /// What is public of an instrument.
    pub(super) fn public(&self, instrument: InstrumentId) -> Public {
        let trades = self.numbers.trades.get(&instrument).map_or(0, |next| next - 1);
        Public { trades, books: self.numbers.books.get(&instrument).copied().unwrap_or(0), ..Public::default() }
    }

    /// Adds an execution of a command. The order as it is after it is shown once the command is done; of the order that the
    /// command itself is about, which is told of first, only what it came to at last.
    pub(super) fn report(&mut self, report: Report, account: &AccountName) {
        let Self { idle, moments, .. } = self;
        let block = self.executions.entry(report.order.account).or_insert_with(|| builder(idle, report.seq.0));
        assert_eq!(block.next_seq(), report.seq.0, "an account's executions are numbered densely");
        block.push(|into| encode::execution(&report, account, moments, into));
        self.accounts.insert(report.order.account);
        if report.execution_type.is_refused_request() {
            // It tells of the order at that moment, and changes nothing in it.
            self.refused = Some(Box::new(report));
            return;
        }
        match &mut self.own {
            Some(own) if own.order_id != report.order.order_id => {
                self.effects.changes.orders.push(Arc::new(report.order));
            }
            Some(own) => *Arc::make_mut(own) = report.order,
            none => *none = Some(Arc::new(report.order)),
        }
    }

    /// Shows what the order that a command was about came to.
    pub(super) fn end_command(&mut self) {
        self.effects.changes.orders.extend(self.own.take());
    }

    /// Adds a public trade.
    pub(super) fn trade(&mut self, trade: &Trade, instrument: &Instrument) {
        let report = TradeReport::new(trade, instrument);
        let next = self.numbers.trades.entry(instrument.id).or_insert(1);
        let Self { idle, moments, .. } = self;
        let block = self.trades.entry(instrument.id).or_insert_with(|| builder(idle, *next));
        block.push(|into| encode::trade(&report, moments, into));
        *next = block.next_seq();
        self.effects.changes.trades.push((instrument.id, report));
    }

    /// Adds an account's balances as they now are.
    pub(super) fn balances(&mut self, account: AccountId, balances: impl Iterator<Item = engine::Balance>) {
        let balances = balances.map(|balance| {
            let engine::Balance { asset, free, held } = balance;
            read::Balance { asset, free, held }
        });
        self.effects.changes.balances.push((account, balances.collect()));
    }

    /// Makes one change of each book out of all its changed levels.
    pub(super) fn books(&mut self, engine: &Engine) {
        let mut last_words: BTreeMap<(InstrumentId, Side, Price), LevelChange> = BTreeMap::new();
        for level in self.levels.drain(..) {
            last_words.insert((level.instrument, level.side, level.price), level);
        }
        let mut books: BTreeMap<InstrumentId, Vec<LevelChange>> = BTreeMap::new();
        for (key, level) in last_words {
            books.entry(key.0).or_default().push(level);
        }
        for (id, levels) in books {
            let Some(instrument) = engine.instrument(id) else { continue };
            let seq = *self.numbers.books.entry(id).and_modify(|seq| *seq += 1).or_insert(1);
            self.effects.books.push((id, book_frame(instrument, seq, &levels)));
            self.effects.changes.books.push((id, seq, levels));
        }
    }

    /// What is kept, what is shown, and the batch to go on with.
    pub(super) fn finish(self) -> (Vec<Record>, Effects, Self) {
        let Self { records, mut effects, mut idle, numbers, moments, .. } = self;
        for (account, mut block) in self.executions {
            effects.changes.last_seqs.push((account, Seq(block.next_seq() - 1)));
            effects.executions.push((account, block.build()));
            idle.push(block);
        }
        for (instrument, mut block) in self.trades {
            effects.trades.push((instrument, block.build()));
            idle.push(block);
        }
        // The next batch is likely to be as large.
        let mut next = Self { idle, numbers, moments, records: Vec::with_capacity(records.len()), ..Self::default() };
        next.effects.changes.orders.reserve(effects.changes.orders.len());
        next.effects.changes.trades.reserve(effects.changes.trades.len());
        next.effects.replies.reserve(effects.replies.len());
        (records, effects, next)
    }

    /// What to answer, given the outcome of the last command, whose orders start at `first_order`.
    pub(super) fn answer(&mut self, outcome: Outcome, first_order: usize) -> Answer {
        let orders = self.effects.changes.orders.get(first_order..).unwrap_or_default();
        let order = |order_id: OrderId| orders.iter().rfind(|order| order.order_id == order_id).cloned();
        let answer = match outcome {
            Outcome::Done => Some(Answer::Done),
            Outcome::Placed(order_id) => order(order_id).map(Answer::Placed),
            Outcome::Canceled(order_id) => order(order_id).map(Answer::Canceled),
            Outcome::CanceledAll(count) => Some(Answer::CanceledAll(count)),
            Outcome::Replaced(order_id, priority) => order(order_id).map(|order| Answer::Replaced(order, priority)),
            Outcome::TooLate(_) => self.refused.take().map(Answer::TooLate),
            Outcome::NotFound => Some(Answer::NotFound),
            Outcome::Refused(code) => Some(Answer::Refused(code)),
        };
        answer.expect("an outcome that names an order comes with an execution of it")
    }
}

/// A builder whose first frame will have `first_seq`.
fn builder(idle: &mut Vec<BlockBuilder>, first_seq: u64) -> BlockBuilder {
    let Some(mut builder) = idle.pop() else { return BlockBuilder::new(first_seq) };
    builder.restart(first_seq);
    builder
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

//! What a batch did: gathered while its commands are applied, in the engine's own numbers, so that the executor is soon free
//! for the next. What people see of it is made elsewhere: see [`Finisher`](super::Finisher).

use std::{collections::BTreeSet, sync::Arc};

use crate::domain::{
    AccountId, AccountName, Command, Deposit, Events, ExecutionType, Instrument, InstrumentId, Outcome, Place,
};
use crate::engine::{self, Engine};
use crate::journal::Record;
use crate::queue::{Answer, Entry, Reply};
use crate::read;

/// What a batch did.
#[derive(Debug, Default)]
pub struct Effects {
    /// The last record of the batch.
    pub number: u64,
    /// The wrapping sum of the digests of all executions: what a replay of the batch must come to.
    pub executions_hash: u64,
    /// What all its commands did, in order.
    pub(super) events: Events,
    /// The commands, in order.
    pub(super) steps: Vec<Step>,
    /// Orders that were rejected, in order: their terms are as they were asked for.
    pub(super) rejected: Vec<Place>,
    /// All balances of every account that changed.
    pub(super) balances: Vec<(AccountId, Vec<read::Balance>)>,
    /// Instruments that were halted (true) or resumed, in order.
    pub(super) halts: Vec<(InstrumentId, bool)>,
    /// Who is answered without a command having been applied, and what.
    pub(super) replies: Vec<(Reply, Answer)>,
    /// What the batch's numbers stand for: the same for all batches, until a command changes it.
    pub names: Arc<Names>,
}

impl Effects {
    /// Whether anyone is to be answered.
    pub(super) fn has_replies(&self) -> bool {
        !self.replies.is_empty() || self.steps.iter().any(|step| step.reply.is_some())
    }
}

/// What a command came to.
#[derive(Debug)]
pub(super) struct Step {
    /// How many of the batch's executions are of this command and those before it.
    pub(super) executions: usize,
    pub(super) outcome: Outcome,
    /// What is remembered of its client id.
    pub(super) entry: Option<Entry>,
    /// Who is answered.
    pub(super) reply: Option<Reply>,
}

/// The instruments and accounts, each at the place of its id.
#[derive(Debug, Default)]
pub struct Names {
    /// The instruments.
    pub instruments: Vec<Instrument>,
    /// The accounts' names.
    pub accounts: Vec<AccountName>,
}

impl Names {
    fn of(engine: &Engine) -> Self {
        let accounts = engine.accounts().map(|account| account.name).collect();
        Self { instruments: engine.instruments().to_vec(), accounts }
    }

    pub(super) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.0 as usize)
    }

    pub(super) fn account(&self, id: AccountId) -> Option<&AccountName> {
        self.accounts.get(id.0 as usize)
    }
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) effects: Effects,
    /// Accounts whose balances may have changed.
    accounts: BTreeSet<AccountId>,
    /// Whether the names have changed.
    renamed: bool,
}

impl Batch {
    /// An empty batch of an engine.
    pub(super) fn new(engine: &Engine) -> Self {
        let effects = Effects { names: Arc::new(Names::of(engine)), ..Effects::default() };
        Self { records: Vec::new(), effects, accounts: BTreeSet::new(), renamed: false }
    }

    /// Takes in a command that was applied: its executions are the events' from `first` on.
    pub(super) fn applied(
        &mut self,
        record: Record,
        outcome: Outcome,
        first: usize,
        entry: Option<Entry>,
        reply: Option<Reply>,
    ) {
        let Effects { events, executions_hash, rejected, steps, .. } = &mut self.effects;
        let mut account = None;
        for execution in events.executions.get(first..).unwrap_or_default() {
            *executions_hash = executions_hash.wrapping_add(execution.digest());
            if account != Some(execution.account) {
                self.accounts.insert(execution.account);
            }
            account = Some(execution.account);
            if let (ExecutionType::Rejected, Command::Place(place)) = (execution.execution_type, &record.command) {
                rejected.push(place.clone());
            }
        }
        steps.push(Step { executions: events.executions.len(), outcome, entry, reply });
        self.note(&record.command, outcome);
        self.records.push(record);
    }

    /// Notes what a command touched beyond its events.
    fn note(&mut self, command: &Command, outcome: Outcome) {
        match (command, outcome) {
            (Command::Deposit(Deposit { account, .. }), _) => {
                self.accounts.insert(*account);
            }
            (Command::Halt(instrument), Outcome::Done) => self.effects.halts.push((*instrument, true)),
            (Command::Resume(instrument), Outcome::Done) => self.effects.halts.push((*instrument, false)),
            (Command::OpenAccount(_) | Command::DefineInstrument(_), _) => self.renamed = true,
            _ => {}
        }
    }

    /// Completes the batch, and begins the next, which is likely to be as large: what is to be kept, and what it did.
    pub(super) fn finish(&mut self, engine: &Engine, number: u64) -> (Vec<Record>, Effects) {
        if std::mem::take(&mut self.renamed) {
            self.effects.names = Arc::new(Names::of(engine));
            self.accounts.extend(engine.accounts().map(|account| account.id));
        }
        for account in std::mem::take(&mut self.accounts) {
            let balances =
                engine.balances(account).map(|engine::Balance { asset, free, held }| read::Balance { asset, free, held });
            self.effects.balances.push((account, balances.collect()));
        }
        self.effects.number = number;
        let next = Effects {
            events: Events::with_room_for(&self.effects.events),
            steps: Vec::with_capacity(self.effects.steps.len()),
            names: self.effects.names.clone(),
            ..Effects::default()
        };
        let records = Vec::with_capacity(self.records.len());
        (std::mem::replace(&mut self.records, records), std::mem::replace(&mut self.effects, next))
    }
}

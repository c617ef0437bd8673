//! The ledger: who has how much of what, and how much of it is held for open orders.
//!
//! In: deposits, holds, the sides of trades. Invariants, asserted in release: a balance is never below zero, neither its free
//! nor its held part; of each asset, what accounts have, what the venue took in fees and what the world outside gained
//! (exchanges, and accounts without balances) is what was deposited. Both sides of a trade book the same amounts; the audit
//! counts all. The venue's and the world's parts are kept modulo 2^128, where the equation still holds. An account
//! without balances is unchecked: nothing here applies to it.
//!
//! Bounds: an account that has more than [`Money::BALANCE_MAX`] of an asset may not order more of it, so that a balance is at
//! most that and what its 10^8 open orders may still bring: 1.2 × 10^38 units, inside an `i128`.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds above; the pots wrap explicitly")]

use std::collections::BTreeMap;

use super::open::OpenOrders;
use super::table::Table;
use super::terms::NEVER;
use crate::domain::{AccountName, AssetName, Money};

/// Assets that a venue may have.
const ASSETS_MAX: u32 = 65_536;

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: AccountName,
    /// Whether its orders must be paid for.
    pub(super) checked: bool,
    /// The number of its last execution.
    pub(super) seq: u64,
    /// Its orders that rest or wait.
    pub(super) open: OpenOrders,
    /// When all its orders are canceled, or [`NEVER`].
    pub(super) cancel_at: i64,
    rows: Table<Row>,
}

/// What an account has of one asset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub(super) free: i128,
    pub(super) held: i128,
}

/// Where one asset is, besides in accounts.
#[derive(Clone, Copy, Debug, Default)]
struct Pot {
    fees: i128,
    world: i128,
    deposited: i128,
}

/// All accounts and assets.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Table<Account>,
    names: BTreeMap<AccountName, u32>,
    assets: Table<AssetName>,
    pots: Table<Pot>,
}

/// Why a deposit or withdrawal is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The balance would be above [`Money::BALANCE_MAX`], or there are too many assets.
    TooMuch,
    /// There is less than what is withdrawn.
    TooLittle,
}

impl Ledger {
    /// Opens an account; `None` if the name is taken.
    pub(super) fn open(&mut self, name: AccountName, checked: bool) -> Option<u32> {
        if self.names.contains_key(&name) {
            return None;
        }
        let account = Account { name, checked, seq: 0, open: OpenOrders::default(), cancel_at: NEVER, rows: Table::new() };
        let number = self.accounts.push(account)?;
        self.names.insert(name, number);
        Some(number)
    }

    pub(super) fn contains(&self, account: u32) -> bool {
        self.accounts.contains(account)
    }

    pub(super) fn find(&self, account: u32) -> Option<&Account> {
        self.accounts.find(account)
    }

    #[inline(always)]
    pub(super) fn account(&self, account: u32) -> &Account {
        &self.accounts[account]
    }

    #[inline(always)]
    pub(super) fn account_mut(&mut self, account: u32) -> &mut Account {
        &mut self.accounts[account]
    }

    pub(super) fn accounts(&self) -> &[Account] {
        self.accounts.as_slice()
    }

    /// The number of an asset, new ones in the order in which they are named; `None` if there are too many.
    pub(super) fn asset(&mut self, name: AssetName) -> Option<u32> {
        let known = self.assets.as_slice().iter().position(|asset| *asset == name);
        match known {
            Some(position) => u32::try_from(position).ok(),
            None if self.assets.len() < ASSETS_MAX => {
                self.pots.push(Pot::default());
                self.assets.push(name)
            }
            None => None,
        }
    }

    pub(super) fn assets(&self) -> &[AssetName] {
        self.assets.as_slice()
    }

    /// What an account has of an asset.
    #[inline]
    pub(super) fn row(&self, account: u32, asset: u32) -> Row {
        self.accounts[account].find_row(asset)
    }

    /// What an account has of each asset that it ever had.
    pub(super) fn rows(&self, account: u32) -> &[Row] {
        self.accounts.find(account).map_or(&[], |account| account.rows.as_slice())
    }

    fn row_mut(&mut self, account: u32, asset: u32) -> &mut Row {
        let account = &mut self.accounts[account];
        account.prepare(asset);
        &mut account.rows[asset]
    }

    /// Adds to a free balance, or takes from it.
    pub(super) fn deposit(&mut self, account: u32, asset: AssetName, amount: i128) -> Result<(), Refusal> {
        let asset = self.asset(asset).ok_or(Refusal::TooMuch)?;
        if !self.accounts[account].checked {
            return Ok(());
        }
        let row = self.row_mut(account, asset);
        let free = row.free.checked_add(amount).ok_or(Refusal::TooMuch)?;
        if free < 0 {
            return Err(Refusal::TooLittle);
        }
        if amount > 0 && free > Money::BALANCE_MAX.units() {
            return Err(Refusal::TooMuch);
        }
        row.free = free;
        let pot = &mut self.pots[asset];
        pot.deposited = pot.deposited.wrapping_add(amount);
        Ok(())
    }

    /// Adds to what the world outside has gained.
    #[inline]
    pub(super) fn world(&mut self, asset: u32, amount: i128) {
        let pot = &mut self.pots[asset];
        pot.world = pot.world.wrapping_add(amount);
    }

    /// Adds to what the venue took.
    #[inline]
    pub(super) fn take_fee(&mut self, asset: u32, amount: i128) {
        let pot = &mut self.pots[asset];
        pot.fees = pot.fees.wrapping_add(amount);
    }

    /// Puts back what was saved of an asset: the pots' sums, in their order.
    pub(super) fn set_sums(&mut self, asset: u32, [fees, world, deposited]: [i128; 3]) {
        self.pots[asset] = Pot { fees, world, deposited };
    }

    /// Puts back what was saved of an account.
    pub(super) fn set_row(&mut self, account: u32, asset: u32, free: i128, held: i128) {
        *self.row_mut(account, asset) = Row { free, held };
    }

    /// Asserts that an asset is all where it should be, given what was counted in all accounts.
    pub(super) fn assert_all_found(&self, asset: u32, counted: i128) {
        let Pot { fees, world, deposited } = self.pots[asset];
        let found = counted.wrapping_add(fees).wrapping_add(world);
        assert!(found == deposited, "no asset appears or disappears");
    }

    /// What the venue took in fees of an asset, modulo 2^128.
    pub(super) fn fees(&self, asset: u32) -> i128 {
        self.pots.find(asset).map_or(0, |pot| pot.fees)
    }

    /// The pots' sums of an asset, in a fixed order.
    pub(super) fn sums(&self, asset: u32) -> [i128; 3] {
        let Pot { fees, world, deposited } = self.pots[asset];
        [fees, world, deposited]
    }
}

impl Account {
    /// What it has of an asset.
    #[inline(always)]
    pub(super) fn find_row(&self, asset: u32) -> Row {
        self.rows.find(asset).copied().unwrap_or_default()
    }

    /// Whether it has so much of an asset that it may get no more.
    #[inline(always)]
    pub(super) fn is_full(&self, asset: u32) -> bool {
        let row = self.find_row(asset);
        row.free + row.held > Money::BALANCE_MAX.units()
    }

    /// Makes sure that it has a place for an asset.
    #[inline(always)]
    pub(super) fn prepare(&mut self, asset: u32) {
        if self.rows.len() <= asset {
            self.extend(asset);
        }
    }

    #[cold]
    fn extend(&mut self, asset: u32) {
        while self.rows.len() <= asset {
            self.rows.push(Row::default());
        }
    }

    /// What it has of an asset that it was prepared for.
    #[inline(always)]
    pub(super) fn row(&self, asset: u32) -> Row {
        self.rows[asset]
    }

    /// Moves an amount from free to held; a negative one, back.
    #[inline(always)]
    pub(super) fn hold(&mut self, asset: u32, amount: i128) {
        let row = &mut self.rows[asset];
        row.free -= amount;
        row.held += amount;
        assert!(row.free >= 0 && row.held >= 0, "a hold is within the balance");
    }

    /// Takes `released` out of what is held: `spent` of it leaves the account, the rest becomes free. What is spent beyond
    /// it comes out of what is free.
    #[inline(always)]
    pub(super) fn spend(&mut self, asset: u32, released: i128, spent: i128) {
        let row = &mut self.rows[asset];
        row.held -= released;
        row.free += released - spent;
        assert!(row.free >= 0 && row.held >= 0, "what is spent was held or free");
    }

    /// Adds what a trade brought.
    #[inline(always)]
    pub(super) fn receive(&mut self, asset: u32, amount: i128) {
        self.rows[asset].free += amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AssetName {
        AssetName::parse(text).unwrap()
    }

    #[test]
    fn a_venue_has_so_many_assets_and_no_more() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.asset(name("BTC")), Some(0));
        while ledger.assets.len() < ASSETS_MAX - 1 {
            ledger.assets.push(name("OLD"));
            ledger.pots.push(Pot::default());
        }
        assert_eq!(ledger.asset(name("LAST")), Some(ASSETS_MAX - 1));
        assert_eq!(ledger.asset(name("MORE")), None);
        assert_eq!(ledger.asset(name("BTC")), Some(0));
    }

    #[test]
    fn who_has_more_than_a_deposit_may_bring_is_refused_more_and_nothing_else() {
        let mut ledger = Ledger::default();
        let account = ledger.open(AccountName::parse("a").unwrap(), true).unwrap();
        let most = Money::BALANCE_MAX.units();
        assert_eq!(ledger.deposit(account, name("BTC"), most), Ok(()));
        assert_eq!(ledger.deposit(account, name("BTC"), 1), Err(Refusal::TooMuch));
        ledger.account_mut(account).receive(0, 5);
        assert_eq!(ledger.deposit(account, name("BTC"), 0), Ok(()));
        assert_eq!(ledger.deposit(account, name("BTC"), -4), Ok(()));
        assert_eq!(ledger.deposit(account, name("BTC"), -most - 2), Err(Refusal::TooLittle));
        assert_eq!(ledger.row(account, 0).free, most + 1);
        assert_eq!(ledger.sums(0), [0, 0, most - 4]);
        assert_eq!(ledger.find(account).map(|account| account.name), AccountName::parse("a").ok());
        assert!(ledger.find(account + 1).is_none());
    }

    #[test]
    fn what_is_held_counts_as_what_an_account_has() {
        let mut ledger = Ledger::default();
        let account = ledger.open(AccountName::parse("a").unwrap(), true).unwrap();
        let most = Money::BALANCE_MAX.units();
        for (free, held, is_full) in [(most, 0, false), (most - 1, 1, false), (most - 1, 2, true), (1, most, true)] {
            ledger.set_row(account, 0, free, held);
            assert_eq!(ledger.account(account).is_full(0), is_full, "{free} + {held}");
        }
    }

    #[test]
    fn fees_and_what_the_world_gained_are_kept_apart() {
        let mut ledger = Ledger::default();
        let asset = ledger.asset(name("BTC")).unwrap();
        ledger.take_fee(asset, 3);
        ledger.take_fee(asset, 4);
        ledger.world(asset, -2);
        assert_eq!((ledger.fees(asset), ledger.sums(asset)), (7, [7, -2, 0]));
        assert_eq!(ledger.fees(asset + 1), 0);
        ledger.set_sums(asset, [1, 2, 3]);
        assert_eq!(ledger.sums(asset), [1, 2, 3]);
    }
}

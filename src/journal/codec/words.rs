//! The numbers of words, which never change their meaning: each is written out, whatever the order of declaration.

use crate::domain::{FeeAsset, OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy, Unmarketable};

/// A word that the journal writes as a number below 16, so that two fit a byte.
pub(super) trait Word: Sized {
    /// What it is, for errors.
    const NAME: &'static str;

    fn number(self) -> u8;
    fn from_number(number: u8) -> Option<Self>;
}

macro_rules! numbered {
    ($($word:ident $name:literal { $($variant:ident = $number:literal,)+ })+) => {
        $(impl Word for $word {
            const NAME: &'static str = $name;

            fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        })+
    };
}

numbered! {
    Side "side" { Buy = 0, Sell = 1, }
    OrderType "type" { Market = 0, Limit = 1, StopLoss = 2, StopLimit = 3, }
    TimeInForce "time in force" { Gtc = 0, Ioc = 1, Fok = 2, Gtd = 3, Day = 4, }
    SelfTradePrevention "self-trade prevention" {
        None = 0, CancelNewest = 1, CancelOldest = 2, CancelBoth = 3, Decrement = 4,
    }
    TriggerBy "trigger_by" { Last = 0, Mark = 1, }
    Unmarketable "unmarketable" { Rest = 0, Reject = 1, }
    FeeAsset "fee asset" { Quote = 0, Received = 1, }
}

//! The limits under a clock that only the tests turn.

use super::*;

fn rates(per_second: u32, burst: u32, max_wait: Duration) -> Rates {
    let number = |number| NonZeroU32::new(number).unwrap();
    Rates::new(RateSettings { per_second: number(per_second), burst: number(burst), max_wait })
}

const ALICE: Client = Client::Key(1);
const BOB: Client = Client::Key(2);

fn seconds(wait: f64) -> Duration {
    Duration::from_secs_f64(wait)
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_then_the_rate_and_clients_and_kinds_are_apart() {
    let rates = rates(10, 10, Duration::ZERO);
    for left in (0..10).rev() {
        assert_eq!(rates.pass(Kind::Orders, ALICE, 1).await.map(|left| left.requests), Ok(left));
    }
    let refused = rates.pass(Kind::Orders, ALICE, 1).await.unwrap_err();
    assert_eq!((refused.requests, refused.wait), (0, seconds(0.1)));
    assert_eq!(refused.header().unwrap(), "\"orders\";r=0;t=1");
    assert_eq!(rates.pass(Kind::Orders, BOB, 1).await.map(|left| left.requests), Ok(9));
    assert_eq!(rates.pass(Kind::Reads, ALICE, 1).await.map(|left| left.requests), Ok(9));
    tokio::time::advance(seconds(0.1)).await;
    assert!(rates.pass(Kind::Orders, ALICE, 1).await.is_ok());
    assert!(rates.pass(Kind::Orders, ALICE, 1).await.is_err());
    assert_eq!(rates.policy(Kind::Orders).unwrap(), "\"orders\";q=10;w=1");
}

#[tokio::test(start_paused = true)]
async fn a_batch_costs_what_it_holds_but_never_more_than_a_burst() {
    let rates = rates(10, 20, Duration::ZERO);
    assert_eq!(rates.pass(Kind::Orders, ALICE, 15).await.map(|left| left.requests), Ok(5));
    assert_eq!(rates.pass(Kind::Orders, ALICE, 1_000).await.map_err(|left| left.wait), Err(seconds(1.5)));
    tokio::time::advance(seconds(1.5)).await;
    assert_eq!(rates.pass(Kind::Orders, ALICE, 1_000).await.map(|left| left.requests), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn who_may_wait_is_served_in_line_at_the_rate_and_refused_beyond_the_longest_wait() {
    let rates = rates(10, 1, seconds(0.5));
    let started = Instant::now();
    let requests = (0..8).map(|number| {
        let rates = &rates;
        async move { (number, rates.pass(Kind::Orders, ALICE, 1).await.is_ok(), started.elapsed()) }
    });
    let served = futures_util::future::join_all(requests).await;
    for (number, passed, after) in served {
        // The first at once, then one each tenth of a second; the rest would wait longer than half a second.
        assert_eq!(passed, number <= 5, "{number}");
        let expected = seconds(0.1) * number.min(5);
        assert!(after >= expected && after < expected + seconds(0.05), "{number} after {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_no_more_is_forgotten() {
    let rates = rates(10, 10, seconds(1.0));
    for key in 1..=100 {
        rates.pass(Kind::Orders, Client::Key(key), 1).await.unwrap();
    }
    rates.forget();
    assert_eq!((rates.orders.len(), rates.lock().len()), (100, 0), "their quota is not whole yet");
    tokio::time::advance(seconds(2.0)).await;
    rates.forget();
    assert!(rates.orders.is_empty());
}

//! A log that has lost its beginning: what is told of what it lacks, and what becomes of a file that has more.

use super::*;

#[tokio::test]
async fn a_file_that_cannot_be_used_is_set_aside_if_the_log_has_lost_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let frames = Frames::usual();
    let running = start(file.clone(), "e", frames.reader());
    frames.taken_in();
    running.stop().await;

    let mut kept = fs::read(&file).unwrap();
    // Of bob nothing is left but how far he came; of alice, her last.
    let late = Arc::new(Frames::default());
    late.push(BOB, 4, &[]);
    late.push(ALICE, 4, &["4 rejected rejected"]);
    let refused = rebuild(&file, "e", &mut late.reader()).unwrap_err();
    assert!(matches!(refused, HistoryError::OnlyCopy(_)), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), kept);
    for (number, epoch) in [(1, "f"), (2, "e")] {
        let running = start(file.clone(), epoch, late.reader());
        late.taken_in();
        assert_eq!(running.status(ALICE, 4, 4).await, Ok(Some("rejected")));
        assert_eq!(running.status(ALICE, 1, 4).await, Err(Missing::Gone));
        assert_eq!(running.closed(BOB, 3).await, Err(Missing::Gone), "not behind for ever");
        running.stop().await;
        assert_eq!(fs::read(folder.path().join(format!("{FILE}.{number}"))).unwrap(), kept, "another venue's");
        kept = fs::read(&file).unwrap();
    }
    // So many are kept, and no more are made.
    for number in 3..=9 {
        fs::write(folder.path().join(format!("{FILE}.{number}")), "").unwrap();
    }
    let running = start(file.clone(), "f", late.reader());
    let failed = async {
        while running.history.failures() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.unwrap();
    assert_eq!(running.status(ALICE, 4, 4).await, Err(Missing::Behind));
    running.stop().await;
    assert_eq!(fs::read(&file).unwrap(), kept);
    fs::remove_file(&file).unwrap();
    let lacking = rebuild(&file, "e", &mut late.reader()).unwrap();
    assert_eq!((lacking.orders, lacking.executions), (1, 1));
}

#[tokio::test]
async fn what_went_while_history_was_away_is_gone_even_of_an_account_that_is_silent_since() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    running.stop().await;

    // It goes on where it was; of bob, what came since has gone.
    let later = Arc::new(Frames::default());
    for _ in 0..6 {
        later.push(BOB, 9, &[]);
    }
    later.push(ALICE, 5, &["5 rejected rejected"]);
    let running = start(file(&folder), "e", later.reader());
    later.taken_in();
    assert_eq!(running.closed(ALICE, 5).await, Ok(vec![5, 4, 1]));
    assert_eq!(running.closed(BOB, 8).await, Err(Missing::Gone), "not behind for ever");
    assert_eq!(running.status(BOB, 2, 8).await, Ok(Some("canceled")), "what it has, it still says");
    running.stop().await;
}

#[tokio::test]
async fn of_an_account_that_lacks_its_beginning_the_orders_after_it_are_listed_and_told_from_unknown_ones() {
    let folder = tempfile::tempdir().unwrap();
    let late = Arc::new(Frames::default());
    late.push(ALICE, 5, &["2 filled filled", "6 rejected rejected", "7 accepted open", "8 rejected rejected"]);
    let running = start(file(&folder), "e", late.reader());
    late.taken_in();
    let closed = async |limit: usize, after: Option<u64>| {
        let query = ClosedQuery { symbol: None, after: after.map(OrderId), limit };
        let orders = running.history.closed(ALICE, query, Seq(8)).await?;
        Ok(orders.iter().map(|order| order.order_id.0).collect::<Vec<_>>())
    };
    assert_eq!(closed(1, None).await, Ok(vec![8]));
    assert_eq!(closed(2, None).await, Ok(vec![8, 6]));
    assert_eq!(closed(3, None).await, Err(Missing::Gone), "there may have been another");
    assert_eq!(closed(1, Some(8)).await, Ok(vec![6]));
    assert_eq!(closed(1, Some(6)).await, Err(Missing::Gone));
    assert_eq!(running.status(ALICE, 9, 8).await, Ok(None), "none was forgotten that young");
    assert_eq!(running.status(ALICE, 2, 8).await, Err(Missing::Gone));
    running.stop().await;

    // Later, others go before they are read: then it begins after those.
    let later = Arc::new(Frames::default());
    for _ in 0..2 {
        later.push(ALICE, 20, &[]);
    }
    later.push(ALICE, 20, &["30 rejected rejected", "31 rejected rejected"]);
    let running = start(file(&folder), "e", later.reader());
    later.taken_in();
    let query = |limit| ClosedQuery { symbol: None, after: None, limit };
    let orders = running.history.closed(ALICE, query(2), Seq(21)).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.order_id.0).collect::<Vec<_>>(), [31, 30]);
    assert_eq!(running.history.closed(ALICE, query(3), Seq(21)).await, Err(Missing::Gone));
    assert_eq!(running.status(ALICE, 6, 21).await, Ok(Some("rejected")), "what it has, it still says");
    running.stop().await;
}

#[test]
fn a_file_of_this_schema_without_the_newest_column_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let column = || {
        let store = store::Store::open(&file(&folder), "e").unwrap();
        let query = "SELECT count(whole_from) FROM accounts";
        store.connection().query_row(query, [], |row| row.get::<_, u64>(0))
    };
    assert_eq!(column(), Ok(0));
    let connection = rusqlite::Connection::open(file(&folder)).unwrap();
    connection.execute("ALTER TABLE accounts DROP COLUMN whole_from", []).unwrap();
    drop(connection);
    assert_eq!(column(), Ok(0));
}

#[test]
fn what_only_the_file_or_nobody_knows_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let first = rebuild(&file, "e", &mut Frames::usual().reader()).unwrap();
    assert_eq!((first.orders, first.executions), (4, 7));
    // A log that was begun after alice traded last, and before bob did first.
    let log = Arc::new(Frames::default());
    log.push(BOB, 1, &["2 accepted open"]);
    let refused = rebuild(&file, "e", &mut log.reader()).unwrap_err();
    assert!(matches!(refused, HistoryError::OnlyCopy(_)), "{refused}");
    fs::write(&file, "no database").unwrap();
    assert_eq!(rebuild(&file, "e", &mut log.reader()).unwrap().orders, 1);
    assert_eq!(fs::read(folder.path().join(format!("{FILE}.1"))).unwrap(), b"no database");
}

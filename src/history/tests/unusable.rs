//! Files that are not of this venue's log: which are made anew, and which are set aside.

use super::*;

#[tokio::test]
async fn a_file_with_another_execution_than_the_log_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    leave_usual(&folder).await;
    // A backup was put back without it, and as many executions came from other orders.
    let other = Arc::new(Frames::default());
    other.push(ALICE, 1, &["1 accepted open", "1 filled filled", "3 accepted open"]);
    other.push(BOB, 1, &["2 accepted open"]);
    other.push(ALICE, 4, &["5 rejected rejected"]);
    other.push(BOB, 2, &["2 canceled canceled", "2 cancel_rejected canceled"]);
    let running = start(file(&folder), "e", other.reader());
    other.taken_in();
    assert_eq!((running.status(ALICE, 4, 4).await, running.status(ALICE, 5, 4).await), (Ok(None), Ok(Some("rejected"))));
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_has_already_what_comes_next_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    leave_usual(&folder).await;
    // Both have the last execution that the file knows; one to come has the number of one before it.
    let other = Arc::new(Frames::default());
    other.push(ALICE, 1, &["9 accepted open", "9 filled filled", "9 cancel_rejected filled"]);
    other.push(ALICE, 4, &["4 rejected rejected"]);
    other.push(ALICE, 5, &["9 cancel_rejected filled"; 96]);
    other.push(ALICE, 101, &["9 cancel_rejected filled"; 2]);
    other.push(ALICE, 103, &["2 cancel_rejected open"]);
    let running = start(file(&folder), "e", other.reader());
    let known = async { while running.status(ALICE, 9, 4).await != Ok(Some("filled")) {} };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_file_of_another_venue_is_set_aside_though_the_log_has_all_there_was() {
    let folder = tempfile::tempdir().unwrap();
    for epoch in ["e", "f"] {
        let frames = Frames::usual();
        let running = start(file(&folder), epoch, frames.reader());
        frames.taken_in();
        running.is_usual().await;
        running.stop().await;
    }
    let aside = folder.path().join(format!("{FILE}.1"));
    assert_eq!((summary(&aside).unwrap().epoch, summary(&file(&folder)).unwrap().epoch), ("e".to_owned(), "f".to_owned()));
}

#[test]
fn a_log_without_its_file_is_nobodys_and_where_one_lies_nothing_is_set_aside_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let beside = |name: &str| folder.path().join(format!("{FILE}{name}"));
    let mut store = store::Store::open(&file, "e").unwrap();
    transaction::take_in(&mut Frames::usual().reader(), &mut store, Gap::Known, &|| false).unwrap();
    assert_eq!(store.last_seqs().unwrap(), [(ALICE, Seq(4)), (BOB, Seq(3))]);
    fs::copy(beside("-wal"), beside(".1-wal")).unwrap();
    assert_eq!(store::Store::set_aside(&file).unwrap(), Some(beside(".2")));
    drop(store);
    // As if the process had ended between the file and its log.
    fs::rename(beside(".1-wal"), beside("-wal")).unwrap();
    let store = store::Store::open(&file, "e").unwrap();
    assert_eq!(store.last_seqs().unwrap(), []);
}

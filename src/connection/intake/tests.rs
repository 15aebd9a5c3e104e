use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Wake;

use super::*;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Budgets {
    /// The bytes of everything but messages that were let in.
    fn bytes(&self) -> usize {
        self.unread.used() + self.anyway.used()
    }
}

fn intake(budgets: &Budgets) -> (Intake, Arc<Count>) {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    (Intake::new(budgets, &Config::default(), waker), count)
}

fn held(held: usize) -> Holding {
    Holding {
        held,
        bodies: 1,
        ..Holding::default()
    }
}

#[test]
fn a_connection_counts_its_calls_and_bytes_and_gives_everything_back() {
    let budgets = Budgets::new(64 * MIB);
    let (mut intake, _) = intake(&budgets);
    let used = || (budgets.bytes(), budgets.messages.used());
    // A few calls and bytes are free, so that most connections never touch what all connections share.
    intake.count_calls(FEW_CALLS - 1);
    intake.settle(held(FEW_BYTES));
    assert_eq!((used(), intake.is_active()), ((0, 0), false));
    intake.count_calls(255);
    assert_eq!(used(), (240 * CALL, 0));
    intake.settle(held(100 * KIB));
    assert_eq!(used(), (240 * CALL + 125 * KIB, 0));
    assert!(intake.is_active());
    // Bytes that are charged open the window, and count once.
    intake.settle(held(200 * KIB));
    assert_eq!(used(), (240 * CALL + 250 * KIB, 0));
    assert_eq!(intake.connection_window(), Some((256 + 72) << 10));
    assert_eq!(intake.grant(MIB), Some(MIB));
    assert_eq!(used().1, MIB);
    intake.settle(Holding::default());
    assert_eq!((used(), intake.is_active()), ((240 * CALL, 0), false));
    intake.count_calls(3);
    assert_eq!(used(), (0, 0));
    intake.count_calls(255);
    intake.settle(held(200 * KIB));
    drop(intake);
    assert_eq!(used(), (0, 0));
}

/// A client may send other bytes in place of a message that was let in. These bytes use the message's room, and count once. What has
/// arrived of the message opens no window for other bytes.
#[test]
fn the_room_of_a_message_is_used_once() {
    let budgets = Budgets::new(64 * MIB);
    let (mut intake, _) = intake(&budgets);
    assert_eq!(intake.grant(4 * MIB), Some(4 * MIB));
    // Nothing of the unread half is left for wider windows of streams.
    let mut other = Share::new(&budgets.unread);
    other.take_anyway(64 * MIB);
    let holding = |held, coming| Holding {
        held,
        granted: 4 * MIB,
        coming,
        bodies: 2,
        ..Holding::default()
    };
    assert_eq!(intake.connection_window(), Some((4 << 20) + (256 << 10)));
    intake.settle(holding(0, MIB));
    assert_eq!(intake.connection_window(), Some((1 << 20) + (256 << 10)));
    intake.settle(holding(MIB, 4 * MIB));
    assert_eq!(budgets.bytes(), 64 * MIB + MIB / SPARE);
    assert_eq!(budgets.messages.used(), 4 * MIB);
}

/// What is held anyway leaves messages less, but always room for one message of a connection.
#[test]
fn calls_and_bytes_beyond_their_half_leave_messages_less() {
    let budgets = Budgets::new(16 * MIB);
    let (mut first, woken) = intake(&budgets);
    let (mut second, _) = intake(&budgets);
    let mut crowd: Vec<_> = (0..20).map(|_| intake(&budgets).0).collect();
    for intake in &mut crowd {
        intake.count_calls(256);
    }
    // 15 MiB of calls, so messages have 2 of their 4 MiB.
    assert_eq!(budgets.bytes(), 15 * MIB);
    assert_eq!(second.grant(MIB + 1), Some(MIB + 1));
    assert_eq!(first.grant(MIB), None);
    assert_eq!(woken.0.load(Relaxed), 0);
    // A call less would not make room, and half of the calls do.
    for intake in &mut crowd[..10] {
        intake.count_calls(0);
    }
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(first.grant(MIB), Some(MIB));
    first.nobody_waits();
    drop((first, second, crowd));
    assert_eq!((budgets.bytes(), budgets.messages.used()), (0, 0));
}

/// The end of a connection makes room for a message of another connection, even if the connection held none of the messages' half.
#[test]
fn a_connection_that_ends_makes_room_for_messages() {
    let budgets = Budgets::new(16 * MIB);
    let (mut waits, woken) = intake(&budgets);
    let (mut holder, _) = intake(&budgets);
    assert_eq!(holder.grant(2 * MIB), Some(2 * MIB));
    let (mut crowd, _) = intake(&budgets);
    crowd.count_calls(15 * MIB / CALL);
    assert_eq!(waits.grant(2 * MIB), None);
    drop(crowd);
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(waits.grant(2 * MIB), Some(2 * MIB));
}

#[test]
fn only_a_connection_with_room_of_the_budget_gives_requests_up_for_others() {
    let budgets = Budgets::new(2 * MIB);
    let (mut much, _) = intake(&budgets);
    let (mut waits, _) = intake(&budgets);
    much.settle(held(200 * KIB));
    let mut other = Share::new(&budgets.unread);
    other.take_anyway(MIB);
    waits.settle(held(190 * KIB));
    assert!(!much.is_wanted(1, 0, true));
    waits.settle(held(250 * KIB));
    assert!(much.is_wanted(1, 0, true) && !much.is_wanted(0, 0, true));
    assert!(!waits.is_wanted(1, 0, true));
    drop(other);
    assert!(!much.is_wanted(1, 0, true));
}

/// What connections hold anyway takes all of the room, so those that hold much of it give requests up.
#[test]
fn while_no_connection_has_room_those_with_many_bytes_give_requests_up() {
    let budgets = Budgets::new(2 * MIB);
    let (mut little, _) = intake(&budgets);
    let (mut much, _) = intake(&budgets);
    let (mut crowd, _) = intake(&budgets);
    crowd.count_calls(2 * MIB / CALL);
    little.settle(held(64 * KIB));
    let busy = |bytes| Holding {
        need: 500 * KIB,
        ..held(bytes)
    };
    much.settle(busy(190 * KIB));
    assert!(!much.is_wanted(1, 0, true));
    much.settle(busy(250 * KIB));
    assert!(much.is_wanted(1, 0, true) && !much.is_wanted(0, 0, true));
    assert!(!little.is_wanted(64 * KIB, 0, true));
    drop(crowd);
    assert!(!much.is_wanted(1, 0, true));
}

/// Whatever connections hold anyway, an eighth of the budget lets one connection after the other go on.
#[test]
fn an_eighth_of_the_budget_is_for_connections_in_turn() {
    let budgets = Budgets::new(64 * MIB);
    let (mut crowd, _) = intake(&budgets);
    crowd.count_calls(64 * MIB / CALL);
    let busy = |need| Holding {
        need,
        wants: true,
        ..held(200 * KIB)
    };
    let (mut first, _) = intake(&budgets);
    let (mut second, woken) = intake(&budgets);
    first.settle(busy(8 * MIB));
    assert_eq!(first.grant(MIB), Some(MIB));
    second.settle(busy(MIB));
    assert_eq!((second.grant(MIB), woken.0.load(Relaxed)), (None, 0));
    drop(first);
    assert_eq!(woken.0.load(Relaxed), 1);
    second.settle(busy(MIB));
    assert_eq!(second.grant(MIB), Some(MIB));
}

/// What other streams send cannot use up the room of a message that is let in: a message is let in once the connection has room for all
/// that its requests may send, and waits until then without a part of the room.
#[test]
fn a_message_is_let_in_when_all_requests_of_its_connection_have_room() {
    let budgets = Budgets::new(64 * MIB);
    let (mut first, _) = intake(&budgets);
    let (mut second, woken) = intake(&budgets);
    let busy = |held| Holding {
        held,
        bodies: 200,
        need: 200 * 64 * KIB,
        wants: true,
        ..Holding::default()
    };
    first.settle(busy(100 * KIB));
    assert_eq!(budgets.unread.used(), 200 * 64 * KIB - 128 * KIB);
    assert_eq!(first.grant(MIB), Some(MIB));
    second.settle(busy(250 * KIB));
    assert_eq!(second.grant(MIB), None);
    assert_eq!(budgets.unread.used(), 200 * 64 * KIB - 128 * KIB);
    // The first gives up stuck requests for the second, and the second gives up none.
    assert!(first.is_wanted(1, 0, true) && !second.is_wanted(1, 0, true));
    assert_eq!(woken.0.load(Relaxed), 0);
    first.settle(Holding::default());
    assert_eq!(woken.0.load(Relaxed), 1);
    second.settle(busy(250 * KIB));
    assert_eq!(second.grant(MIB), Some(MIB));
}

/// While no connection has room, a connection that waited for room before it lets a message in would wait for nobody.
#[test]
fn messages_are_let_in_while_no_connection_has_room() {
    let budgets = Budgets::new(64 * MIB);
    let (mut crowd, _) = intake(&budgets);
    crowd.count_calls(64 * MIB / CALL);
    let (mut intake, _) = intake(&budgets);
    intake.settle(Holding {
        need: 16 * MIB,
        wants: true,
        ..held(250 * KIB)
    });
    assert_eq!(budgets.unread.used(), 0);
    assert_eq!(intake.grant(MIB), Some(MIB));
}

/// Who waits makes others give up requests.
#[test]
fn a_connection_with_a_window_does_not_wait_for_more_of_the_budget() {
    let budgets = Budgets::new(MIB);
    let mut other = Share::new(&budgets.unread);
    other.take_anyway(MIB);
    let (mut intake, _) = intake(&budgets);
    intake.settle(held(192 * KIB));
    assert!(!budgets.unread.is_wanted());
    intake.settle(held(193 * KIB));
    assert!(budgets.unread.is_wanted());
}

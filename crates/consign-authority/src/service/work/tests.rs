use super::*;

fn order() -> Order {
    Order::Invited(Vec::new())
}

/// Asks without waiting for the answer; says whether there was room.
fn ask(desk: &Desk, counter: Counter) -> bool {
    let mut asked = Box::pin(desk.ask(counter, order()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match asked.as_mut().poll(&mut context) {
        std::task::Poll::Pending => true,
        std::task::Poll::Ready(answer) => {
            assert!(matches!(answer, Err(NoAnswer::Busy)), "{answer:?}");
            false
        }
    }
}

#[tokio::test]
async fn a_crowd_of_strangers_leaves_room_and_time_for_the_others() {
    let (desk, mut queues) = Desk::with_queues();
    let came = (0..1_000).filter(|_| ask(&desk, Counter::Strangers));
    assert_eq!(came.count(), Counter::Strangers.waiting());
    for counter in [Counter::Listed, Counter::Invited, Counter::Listed] {
        assert!(ask(&desk, counter), "{counter:?}");
    }
    // All who are known are in the next batch, and few of the crowd.
    let batch = queues.batch().await;
    let strangers = batch.len() - 3;
    assert!((1..=Counter::Strangers.share() + 1).contains(&strangers));
    // Nor do the known ones keep the strangers out.
    assert!(ask(&desk, Counter::Listed));
    assert!(queues.batch().await.len() > 1);
}

#[tokio::test]
async fn what_waits_is_bounded_at_every_counter() {
    let (desk, _queues) = Desk::with_queues();
    for counter in Counter::ALL {
        let came = (0..1_000).filter(|_| ask(&desk, counter)).count();
        assert_eq!(came, counter.waiting(), "{counter:?}");
    }
}

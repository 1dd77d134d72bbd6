use consign_domain::text::Line;
use consign_pki::path::revocation::RevocationReason;
use consign_runtime::clock::Clock;

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

#[test]
fn the_directory_is_published_beyond_the_end_of_a_certificate_that_nothing_renews() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("authority");
    let clock = Clock::fixed(1_800_000_000);
    let at = || super::super::now(&clock);
    crate::init(&dir, "Quảng Ninh", crate::Lives::default(), at()).unwrap();
    let address: Line<260> = Line::new("127.0.0.1:7440").unwrap();
    let mut authority = Authority::open(&dir).unwrap();
    let identity = super::super::identity(&mut authority, &address, at()).unwrap();
    authority.publish(PublishOptions::default(), at()).unwrap();
    let stolen = crate::RevokeOptions {
        reason: RevocationReason::KeyCompromise,
        at: None,
        invalid_from: None,
    };
    authority.revoke_issuing(stolen, at()).unwrap();
    let trust = authority.trust().clone();
    drop(authority);
    let place = Place {
        dir: dir.clone(),
        keyring: Arc::default(),
        clock: clock.clone(),
        address,
        identity,
        trust,
        published: arc_swap::ArcSwapOption::empty(),
    };
    // Its last day but one, and when it has ended and another version is due.
    for (day, is_shown) in [(364, true), (20, false)] {
        assert!(clock.advance(day * 86_400));
        let (reply, mut answer) = oneshot::channel();
        carry_out(&place, vec![(Order::Publish, reply)]);
        let answer = answer.try_recv().unwrap();
        let Ok(Answer::Published(shown)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(shown.is_some(), is_shown);
        let head = crate::inspect(&dir, at()).unwrap().head.unwrap();
        assert_eq!(head.issued, at());
    }
}

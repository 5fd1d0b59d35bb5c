//! Work that blocks, on a thread that may.

use std::{future, panic};

/// Its panic is the caller's. Where the runtime shuts down before it has begun, it never returns: its
/// caller goes with the runtime.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panicked) => panic::resume_unwind(panicked),
            Err(_cancelled) => future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn runtime_that_shuts_down_before_the_work_has_begun_is_no_panic() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();

        let _entered = handle.enter();
        let mut refused = pin!(blocking(|| ()));

        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(refused.as_mut().poll(&mut context).is_pending());
        }
    }

    #[tokio::test]
    #[should_panic(expected = "of the work")]
    async fn panic_of_the_work_is_the_callers() {
        blocking(|| panic!("of the work")).await;
    }
}

//! A client library that waits by itself, in a thread beside the loop: two queues and a wake-up join them.
//!
//! The loop never waits for the thread, and the thread for the loop only when it asks for work, as an async
//! task. Neither queue bounds itself: the loop hands over no more than it has answers for, and the
//! thread brings no more than it got answers for.

use ::logdir::failure::reason;
use ::logdir::wake::Wake;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Libraries resolve names and encrypt on this stack.
const STACK_BYTES: usize = 1024 * 1024;

/// The loop's side. The thread ends by itself soon after this is dropped.
#[derive(Debug)]
pub struct Beside<Down, Up, End> {
    shared: Arc<Shared<Down, Up, End>>,
    /// Handed over with the next [`Beside::flush`], by one wake-up.
    waiting: Vec<Down>,
}

/// The thread's side.
#[derive(Debug)]
pub struct Port<Down, Up, End> {
    shared: Arc<Shared<Down, Up, End>>,
    wake: Wake,
}

#[derive(Debug)]
struct Shared<Down, Up, End> {
    down: Mutex<Queue<Down>>,
    up: Mutex<Told<Up, End>>,
}

#[derive(Debug)]
struct Queue<Down> {
    waiting: Vec<Down>,
    /// Wakes an async [`Port::next`].
    waker: Option<Waker>,
    stage: Stage,
}

/// What the loop still wants of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More may be handed over.
    Open,
    /// Nothing more is handed over; answers are still taken.
    Closing,
    /// Nobody takes answers.
    Dropped,
}

#[derive(Debug)]
struct Told<Up, End> {
    waiting: Vec<Up>,
    end: Option<End>,
}

/// Starts a thread of this name. What `run` returns is its end.
///
/// # Errors
/// The thread cannot be started, in words.
pub fn start<Down, Up, End>(
    name: &str,
    wake: &Wake,
    run: impl FnOnce(&mut Port<Down, Up, End>) -> End + Send + 'static,
) -> Result<Beside<Down, Up, End>, String>
where
    Down: Send + 'static,
    Up: Send + 'static,
    End: Send + 'static,
{
    let shared = Arc::new(Shared {
        down: Mutex::new(Queue { waiting: Vec::new(), waker: None, stage: Stage::Open }),
        up: Mutex::new(Told { waiting: Vec::new(), end: None }),
    });
    let mut port = Port { shared: Arc::clone(&shared), wake: wake.clone() };
    let work = move || {
        let end = run(&mut port);
        lock(&port.shared.up).end = Some(end);
        port.wake.wake();
    };
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    match thread.spawn(work) {
        Ok(_) => Ok(Beside { shared, waiting: Vec::new() }),
        Err(error) => Err(format!("unable to start a thread: {}", reason(&error))),
    }
}

/// No thread panics while it holds a lock, and the queues are whole at each moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Down, Up, End> Beside<Down, Up, End> {
    /// Takes something for the thread.
    pub fn push(&mut self, down: Down) {
        self.waiting.push(down);
    }

    /// Hands everything taken to the thread.
    pub fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut queue = lock(&self.shared.down);
        match queue.waiting.is_empty() {
            true => std::mem::swap(&mut queue.waiting, &mut self.waiting),
            false => queue.waiting.append(&mut self.waiting),
        }
        self.shared.call(queue);
    }

    /// Takes what the thread told, and its end after that.
    pub fn take(&mut self) -> (Vec<Up>, Option<End>) {
        let mut told = lock(&self.shared.up);
        (std::mem::take(&mut told.waiting), told.end.take())
    }

    /// Asks the thread to end as soon as it has done everything handed over.
    pub fn close(&mut self) {
        self.flush();
        self.shared.set_stage(Stage::Closing);
    }
}

impl<Down, Up, End> Drop for Beside<Down, Up, End> {
    fn drop(&mut self) {
        self.shared.set_stage(Stage::Dropped);
    }
}

impl<Down, Up, End> Shared<Down, Up, End> {
    fn set_stage(&self, stage: Stage) {
        let mut queue = lock(&self.down);
        queue.stage = stage;
        self.call(queue);
    }

    fn call(&self, mut queue: MutexGuard<'_, Queue<Down>>) {
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<Down, Up, End> Port<Down, Up, End> {
    /// Waits in an async task for what the loop hands over. `None` when nothing more will come.
    pub async fn next(&self) -> Option<Vec<Down>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Vec<Down>>> {
        let mut queue = lock(&self.shared.down);
        match queue.next() {
            Some(next) => Poll::Ready(next),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Tells the loop, which is woken if it has taken everything told before.
    pub fn tell(&self, up: impl IntoIterator<Item = Up>) {
        let mut told = lock(&self.shared.up);
        let was_empty = told.waiting.is_empty();
        told.waiting.extend(up);
        let is_news = was_empty && !told.waiting.is_empty();
        drop(told);
        if is_news {
            self.wake.wake();
        }
    }

    /// True after the loop has dropped its side: nothing more may be sent anywhere.
    pub fn is_dropped(&self) -> bool {
        lock(&self.shared.down).stage == Stage::Dropped
    }
}

impl<Down> Queue<Down> {
    /// Messages handed over; `Some(None)` after the last; `None` while more may follow.
    fn next(&mut self) -> Option<Option<Vec<Down>>> {
        match self.stage {
            Stage::Dropped => Some(None),
            Stage::Open | Stage::Closing if !self.waiting.is_empty() => {
                Some(Some(std::mem::take(&mut self.waiting)))
            }
            Stage::Closing => Some(None),
            Stage::Open => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::poll::{Interest, Wait};
    use std::time::{Duration, Instant};

    type Doubler = Beside<u64, u64, &'static str>;

    /// The least that an async runtime does: it polls when it is woken.
    pub(crate) fn wait<Down, Up, End>(port: &Port<Down, Up, End>) -> Option<Vec<Down>> {
        struct Unpark(thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match port.poll_next(&mut Context::from_waker(&waker)) {
                Poll::Pending => thread::park(),
                Poll::Ready(next) => return next,
            }
        }
    }

    /// Answers each number with its double.
    fn doubler(wake: &Wake) -> Doubler {
        let run = |port: &mut Port<u64, u64, _>| {
            while let Some(numbers) = wait(port) {
                port.tell(numbers.into_iter().map(|number| 2 * number));
            }
            if port.is_dropped() { "dropped" } else { "closed" }
        };
        start("doubler", wake, run).expect("a thread")
    }

    /// Waits as the loop does, until this many answers and the end have come.
    #[track_caller]
    fn take(beside: &mut Doubler, wake: &Wake, count: usize, end: Option<&str>) -> Vec<u64> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let (mut taken, mut ended) = (Vec::new(), None);
        while taken.len() < count || ended != end {
            assert!(Instant::now() < deadline, "{taken:?} {ended:?}");
            let mut wait: Wait<'_, (), 1> =
                Wait::on((), wake.fd().expect("a descriptor"), Interest::Readable);
            wait.until(Some(deadline));
            let _ = wait.wait();
            wake.clear();
            let (ups, now_ended) = beside.take();
            taken.extend(ups);
            ended = now_ended.or(ended);
        }
        taken
    }

    #[test]
    fn everything_handed_over_is_answered_in_order_before_the_end() {
        let wake = Wake::new().expect("a descriptor");
        let mut beside = doubler(&wake);
        for number in 0..1000 {
            beside.push(number);
            if number % 7 == 0 {
                beside.flush();
            }
        }
        beside.close();
        let expected: Vec<u64> = (0..1000).map(|number| 2 * number).collect();
        assert_eq!(take(&mut beside, &wake, 1000, Some("closed")), expected);
    }

    #[test]
    fn a_thread_whose_loop_is_gone_gets_nothing_more() {
        let wake = Wake::new().expect("a descriptor");
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move |port: &mut Port<u64, u64, ()>| {
            let first = wait(port);
            while !port.is_dropped() {
                thread::yield_now();
            }
            let _ = sender.send((first, wait(port)));
        };
        let mut beside = start("gone", &wake, run).expect("a thread");
        beside.push(1);
        beside.flush();
        while !lock(&beside.shared.down).waiting.is_empty() {
            thread::yield_now();
        }
        beside.push(2);
        beside.flush();
        drop(beside);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok((Some(vec![1]), None)));
    }
}

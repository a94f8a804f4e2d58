use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

/// Rates are measured over this time.
const WINDOW: Duration = Duration::from_secs(1);
/// The minimum rate, in invocations a second.
const MIN_RATE: f64 = 0.5;
/// The rate is multiplied by this with each second without throttling.
const SPEED_UP_FACTOR: f64 = 1.1;
/// Or increased by at least this, for small rates.
const SPEED_UP_STEP: f64 = 1.0;

/// A bucket of tokens: each invocation takes one. There is no limit until Lambda throttles for the first time; then the
/// bucket is filled at half the rate that Lambda last accepted, and faster again with each second without throttling
/// (AIMD).
#[derive(Debug)]
pub(crate) struct Throttle {
    /// The configured maximum.
    limit: Option<f64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Invocations a second; none: no limit.
    rate: Option<f64>,
    /// The available tokens; negative while invocations wait for the next ones.
    tokens: f64,
    filled: Instant,
    /// Nothing is sent before this time.
    closed_until: Instant,
    /// How many tokens were taken since then.
    taken: u32,
    since: Instant,
    /// How many were taken in the last whole window.
    measured: f64,
    throttled: Instant,
}

impl Throttle {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        let (now, limit) = (Instant::now(), limit.map(f64::from));
        let state = State {
            rate: limit,
            tokens: 1.0,
            filled: now,
            closed_until: now,
            taken: 0,
            since: now,
            measured: 0.0,
            throttled: now,
        };
        Self { limit, state: Mutex::new(state) }
    }

    /// Waits until an invocation may be sent.
    pub(crate) async fn token(&self) {
        loop {
            let Some(at) = self.state().take(self.limit, Instant::now()) else { return };
            sleep_until(at).await;
        }
    }

    /// Lambda has throttled an invocation: nothing is sent for this long.
    pub(crate) fn throttled(&self, wait: Duration) {
        self.state().slow_down(wait, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Takes a token; if there is none, returns when to ask again.
    fn take(&mut self, limit: Option<f64>, now: Instant) -> Option<Instant> {
        if now < self.closed_until {
            return Some(self.closed_until);
        }
        self.measure(limit, now);
        if let Some(rate) = self.rate {
            let filled = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
            self.tokens = (self.tokens + filled).min(rate.max(1.0));
            self.filled = now;
            if self.tokens < 1.0 {
                return Some(now + Duration::from_secs_f64((1.0 - self.tokens) / rate));
            }
            self.tokens -= 1.0;
        }
        self.taken += 1;
        None
    }

    /// Once a second: measures the rate, and increases it if there was no throttling.
    fn measure(&mut self, limit: Option<f64>, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < WINDOW {
            return;
        }
        self.measured = f64::from(self.taken) / passed.as_secs_f64();
        (self.taken, self.since) = (0, now);
        let Some(rate) = self.rate else { return };
        if now.saturating_duration_since(self.throttled) < WINDOW {
            return;
        }
        let faster = (rate * SPEED_UP_FACTOR).max(rate + SPEED_UP_STEP);
        self.rate = match limit {
            Some(limit) => Some(faster.min(limit)),
            // A limit of more than twice the measured rate has no effect and is removed.
            None if self.measured > 0.0 && faster > self.measured * 2.0 && faster > 100.0 => None,
            None => Some(faster),
        };
    }

    fn slow_down(&mut self, wait: Duration, now: Instant) {
        self.closed_until = self.closed_until.max(now + wait);
        // Invocations sent together are throttled together: this counts once.
        if self.rate.is_some() && now.saturating_duration_since(self.throttled) < WINDOW {
            return;
        }
        self.throttled = now;
        let passed = now.saturating_duration_since(self.since).max(Duration::from_millis(100));
        let latest = f64::from(self.taken) / passed.as_secs_f64();
        let taken = if self.measured > 0.0 { latest.min(self.measured) } else { latest };
        let before = self.rate.unwrap_or(f64::MAX);
        self.rate = Some((taken.min(before) / 2.0).max(MIN_RATE));
        self.tokens = 0.0;
        self.filled = self.closed_until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn takes(throttle: &Throttle, count: usize) -> Duration {
        let begun = Instant::now();
        for _ in 0..count {
            throttle.token().await;
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn without_throttling_nothing_is_delayed() {
        let throttle = Throttle::new(None);
        assert_eq!(takes(&throttle, 100_000).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_kept() {
        let throttle = Throttle::new(Some(10));
        let took = takes(&throttle, 101).await;
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_delays_then_halves_the_rate_and_then_raises_it() {
        let throttle = Throttle::new(None);
        for _ in 0..20 {
            takes(&throttle, 10).await;
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // It was at 100 a second.
        throttle.throttled(Duration::from_secs(3));
        throttle.throttled(Duration::from_secs(1));
        let begun = Instant::now();
        throttle.token().await;
        assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
        let slow = takes(&throttle, 50).await;
        assert!((Duration::from_millis(700)..Duration::from_millis(1300)).contains(&slow), "{slow:?}");
        takes(&throttle, 2_000).await;
        let fast = takes(&throttle, 50).await;
        assert!(fast < slow / 3, "{fast:?} is not faster than {slow:?}");
    }
}

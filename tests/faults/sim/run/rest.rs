//! How a run comes to rest: nothing fails any more, and everything that is left gets done.

use std::ops::ControlFlow;

use serde_json::Value;

use super::Run;
use crate::history::Event;

impl Run {
    /// Nothing fails any more. Clients insist, triggers deliver what is left, and
    /// sockets ask for what they have missed.
    pub(super) async fn calm(&mut self) {
        {
            let mut world = self.world.lock();
            world.calm = true;
            world.storms.clear();
            world.note(Event::Calm);
        }
        self.clients.left = 0;
        while self.take_effect_late() {}
        if self.come_to_rest().await.is_break() {
            let why = "the run does not come to rest".to_owned();
            self.world.lock().note(Event::Stuck { why });
        }
    }

    async fn come_to_rest(&mut self) -> ControlFlow<()> {
        self.rest().await?;
        self.try_tickets_again();
        self.start_repair();
        self.rest().await?;
        self.clean_up().await?;
        self.sweep().await?;
        for _ in 0..3 {
            let mut asked = Vec::new();
            for socket in self.open_sockets() {
                asked.push(socket.clone());
                self.sync(&socket);
            }
            self.rest().await?;
            if asked.iter().all(|socket| self.open_sockets().contains(socket)) {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// The time of purchases that are still open comes, and the clean-up with it.
    async fn clean_up(&mut self) -> ControlFlow<()> {
        const LONGER_THAN_ANY_WAITS_MS: i64 = 20 * 60_000;
        for _ in 0..4 {
            {
                let mut world = self.world.lock();
                let is_due = |item: &Value| {
                    item["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("DUE#"))
                };
                if !world.items().iter().any(is_due) {
                    break;
                }
                world.origin_ms += LONGER_THAN_ANY_WAITS_MS;
                let now_ms = world.now_ms();
                world.note(Event::Clock { now_ms });
            }
            self.start_cleanup();
            self.rest().await?;
        }
        ControlFlow::Continue(())
    }

    /// Where nothing was lost, the outbox has to do without. By every clock, all that was
    /// committed is in the past.
    async fn sweep(&mut self) -> ControlFlow<()> {
        const LONGER_THAN_ANY_CLOCK_IS_SLOW_MS: i64 = 60_000;
        {
            let mut world = self.world.lock();
            if world.weather.losses == 0 {
                return ControlFlow::Continue(());
            }
            world.origin_ms += LONGER_THAN_ANY_CLOCK_IS_SLOW_MS;
            let now_ms = world.now_ms();
            world.note(Event::Clock { now_ms });
        }
        self.start_sweep();
        self.rest().await
    }

    /// Goes on until there is nothing left to do, or no patience.
    async fn rest(&mut self) -> ControlFlow<()> {
        while self.patience > 0 {
            self.patience -= 1;
            self.settle().await;
            if self.is_at_rest() {
                return ControlFlow::Continue(());
            }
            self.step();
        }
        ControlFlow::Break(())
    }

    pub(super) fn is_at_rest(&mut self) -> bool {
        !self.has_client_work() && self.actors.is_empty() && self.triggers_idle()
    }
}

//! What happens next, and how time passes.

use std::{task::Waker, time::Duration};

use super::{Actor, Run};
use crate::{
    history::{Event, Invocation},
    world::World,
};

impl Run {
    /// One decision of the scheduler.
    pub(super) fn step(&mut self) {
        let mut world = self.world.lock();
        let weather = world.weather.clone();
        let calm = world.calm;
        if !calm && world.rng.chance(weather.days) {
            return Self::days_pass(&mut world);
        }
        let crash = !calm && !self.actors.is_empty() && world.rng.chance(weather.crashes);
        if crash {
            let at = world.rng.index(self.actors.len());
            drop(world);
            let by = *self.actors.keys().nth(at).expect("an actor");
            return self.crash(by, "crashed");
        }
        let odd = if calm { 0 } else { world.rng.below(1000) };
        let parked: Vec<u64> = world.parked.keys().copied().collect();
        drop(world);
        if odd > 985 && self.take_effect_late() {
            return;
        }
        if (970..=985).contains(&odd) {
            return self.pass_time();
        }
        if (966..970).contains(&odd) && !self.clients.players.is_empty() {
            return self.start_repair();
        }
        if (948..951).contains(&odd) && weather.losses > 0 {
            return self.start_sweep();
        }
        if (951..956).contains(&odd) {
            return self.start_cleanup();
        }
        if (956..966).contains(&odd) {
            let open = self.open_sockets();
            if !open.is_empty() {
                let socket = self.clients.rng.pick(&open).clone();
                return if odd < 960 { self.close(&socket) } else { self.sync(&socket) };
            }
        }
        let client = self.has_client_work();
        let trigger = self.triggers_ready();
        let weights = [
            if parked.is_empty() { 0 } else { 12 },
            if client { 4 } else { 0 },
            if trigger.is_empty() { 0 } else { 3 },
        ];
        let mut draw = self.world.lock().rng.below(weights.iter().sum());
        if weights.iter().sum::<u64>() == 0 {
            return self.next_timer();
        }
        for (choice, weight) in weights.into_iter().enumerate() {
            if draw >= weight {
                draw -= weight;
                continue;
            }
            return match choice {
                0 => {
                    let ticket = *self.world.lock().rng.pick(&parked);
                    self.decide(ticket);
                }
                1 => self.start_client(),
                _ => {
                    let which = *self.world.lock().rng.pick(&trigger);
                    self.deliver(which);
                }
            };
        }
    }

    fn days_pass(world: &mut World) {
        const DAY: i64 = 86_400_000;
        let now = world.now_ms();
        let to_midnight = DAY - now.rem_euclid(DAY);
        let jump = match world.rng.below(10) {
            0..=4 => to_midnight - world.rng.range(0, 2_500),
            5..=6 => to_midnight + world.rng.range(0, 600_000),
            7 => DAY + world.rng.range(0, 3_600_000),
            8 => world.rng.range(600_000, 20_000_000),
            _ => DAY * world.rng.range(2, 4),
        };
        world.origin_ms += jump.max(0);
        let now_ms = world.now_ms();
        world.note(Event::Clock { now_ms });
    }

    /// Some virtual time passes while calls wait: attempts may time out.
    fn pass_time(&mut self) {
        let by = {
            let mut world = self.world.lock();
            let millis = *world.rng.pick(&[5, 50, 400, 1_100, 3_500]);
            world.elapsed + Duration::from_millis(millis)
        };
        self.advance(by);
    }

    /// Nothing can happen before the next timer.
    fn next_timer(&mut self) {
        let next = self.world.lock().timers.keys().next().map(|(at, _)| *at);
        match next {
            Some(at) => self.advance(at),
            None if self.actors.is_empty() => {}
            None => {
                let why = "functions wait, and nothing will wake them".to_owned();
                self.world.lock().note(Event::Stuck { why });
                self.actors.clear();
            }
        }
    }

    fn advance(&mut self, to: Duration) {
        let mut woken = Vec::new();
        {
            let mut world = self.world.lock();
            world.elapsed = world.elapsed.max(to);
            let due: Vec<_> = world.timers.range(..=(to, u64::MAX)).map(|(key, _)| *key).collect();
            for key in due {
                woken.extend(world.timers.get_mut(&key).and_then(|(_, waker)| waker.take()));
            }
        }
        woken.into_iter().for_each(Waker::wake);
        let overdue = |(by, actor): (&Invocation, &Actor)| (actor.deadline <= to).then_some(*by);
        let overdue: Vec<_> = self.actors.iter().filter_map(overdue).collect();
        for by in overdue {
            self.crash(by, "ran out of time");
        }
    }
}

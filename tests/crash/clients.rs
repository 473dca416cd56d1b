//! Clients that send until there is nobody to answer.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tests::{Answer, Player, script::Command};
use tokio::{sync::watch, task::JoinSet};

/// What was answered to each command.
pub type Answers = Vec<Option<Answer>>;

/// The commands and what was answered so far.
pub struct Run {
    pub commands: Vec<Command>,
    answers: Mutex<Answers>,
    answered: watch::Sender<usize>,
    interrupted: AtomicUsize,
}

impl Run {
    pub fn new(commands: Vec<Command>) -> Self {
        let answers = Mutex::new(vec![None; commands.len()]);
        let (answered, _) = watch::channel(0);
        Self { commands, answers, answered, interrupted: AtomicUsize::new(0) }
    }

    /// Waits until so many commands are answered.
    pub async fn answered(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        answered.wait_for(|answered| *answered >= count).await.expect("the sender is here");
    }

    /// How many commands are answered.
    pub fn count(&self) -> usize {
        *self.answered.borrow()
    }

    /// How many commands were cut off since last asked.
    pub fn interrupted(&self) -> usize {
        self.interrupted.swap(0, Ordering::Relaxed)
    }

    /// The commands that still need an answer.
    pub fn unanswered(&self) -> Vec<usize> {
        let answers = self.answers();
        (0..answers.len()).filter(|number| answers[*number].is_none()).collect()
    }

    /// What was answered; from now on nothing is.
    pub fn begin_retries(&self) -> Answers {
        let mut answers = self.answers();
        let blank = vec![None; answers.len()];
        std::mem::replace(&mut answers, blank)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command; `false` when there is nobody any more.
    async fn send(&self, number: usize, players: &[Player]) -> bool {
        let command = &self.commands[number];
        loop {
            match command.call(&players[command.player]).try_send().await {
                // Busy, and says so: the same command again.
                Ok(answer) if answer.status == 503 => {}
                Ok(answer) => {
                    self.answers()[number] = Some(answer);
                    self.answered.send_modify(|answered| *answered += 1);
                    return true;
                }
                Err(_) => {
                    self.interrupted.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
            }
        }
    }
}

/// Clients that share the work. Each ends when there is none left, or nobody to
/// do it.
pub fn start(run: &Arc<Run>, players: &[Player], work: &[usize], clients: usize) -> JoinSet<()> {
    let work: Arc<Mutex<VecDeque<usize>>> = Arc::new(Mutex::new(work.iter().copied().collect()));
    let mut started = JoinSet::new();
    for _ in 0..clients {
        let (run, players, work) = (Arc::clone(run), players.to_vec(), Arc::clone(&work));
        let next = move || work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        started.spawn(async move {
            while let Some(number) = next() {
                if !run.send(number, &players).await {
                    return;
                }
            }
        });
    }
    started
}

//! The tasks of one worker: a slab of boxed futures and the queue of those to poll.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use super::wheel::{TaskId, Tick};

/// What became of the running task's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Going,
    /// Its deadline has passed. Stays so until a new deadline is set.
    Expired,
    /// The program stops and the drain time is over. Stays so.
    Cut,
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    future: Option<Boxed>,
    queued: bool,
    fate: Fate,
    /// When it expires; 0 is never.
    deadline: Tick,
    /// In which tick the wheel will look at it; 0 when it is not in the wheel.
    looked_at: Tick,
}

/// All tasks. A freed number is used again; a wake that comes late for the former owner only polls the next one in vain,
/// which every future must bear anyway.
#[derive(Default)]
pub(crate) struct Tasks {
    slab: Vec<Task>,
    free: Vec<TaskId>,
    ready: VecDeque<TaskId>,
}

impl Tasks {
    /// Adds a task and queues it.
    pub(crate) fn insert(&mut self, future: Boxed) -> TaskId {
        let task = Task { future: Some(future), queued: true, fate: Fate::Going, deadline: 0, looked_at: 0 };
        let id = if let Some(id) = self.free.pop() {
            self.slab[id as usize] = task;
            id
        } else {
            self.slab.push(task);
            TaskId::try_from(self.slab.len() - 1).expect("descriptors bound the number of tasks")
        };
        self.ready.push_back(id);
        id
    }

    /// Queues a task unless it is queued already.
    pub(crate) fn wake(&mut self, id: TaskId) {
        let Some(task) = self.slab.get_mut(id as usize) else { return };
        if !task.queued {
            task.queued = true;
            self.ready.push_back(id);
        }
    }

    /// How many are queued.
    pub(crate) fn queued(&self) -> usize {
        self.ready.len()
    }

    /// The next task to poll; its future is out of the slab meanwhile.
    pub(crate) fn next(&mut self) -> Option<(TaskId, Boxed)> {
        while let Some(id) = self.ready.pop_front() {
            let task = &mut self.slab[id as usize];
            task.queued = false;
            if let Some(future) = task.future.take() {
                return Some((id, future));
            }
        }
        None
    }

    /// Puts the future of an unfinished task back.
    pub(crate) fn put_back(&mut self, id: TaskId, future: Boxed) {
        self.slab[id as usize].future = Some(future);
    }

    /// Frees the number of a finished task.
    pub(crate) fn finish(&mut self, id: TaskId) {
        self.slab[id as usize].deadline = 0;
        self.free.push(id);
    }

    /// What became of the task's time.
    pub(crate) fn fate(&self, id: TaskId) -> Fate {
        self.slab[id as usize].fate
    }

    /// Sets a deadline and clears an earlier expiry. Gives the tick in which the wheel has to look at it when it is not
    /// going to do so early enough.
    pub(crate) fn set_deadline(&mut self, id: TaskId, deadline: Tick) -> Option<Tick> {
        let task = &mut self.slab[id as usize];
        task.deadline = deadline;
        if task.fate == Fate::Expired {
            task.fate = Fate::Going;
        }
        (task.looked_at == 0 || task.looked_at > deadline).then_some(deadline)
    }

    /// The task has none any more.
    pub(crate) fn clear_deadline(&mut self, id: TaskId) {
        let task = &mut self.slab[id as usize];
        task.deadline = 0;
        if task.fate == Fate::Expired {
            task.fate = Fate::Going;
        }
    }

    /// Notes in which tick the wheel will look.
    pub(crate) fn set_looked_at(&mut self, id: TaskId, tick: Tick) {
        self.slab[id as usize].looked_at = tick;
    }

    /// The wheel looks at a task. Gives the deadline that it must be put back for, or expires and queues it.
    pub(crate) fn look(&mut self, id: TaskId, now: Tick) -> Option<Tick> {
        let task = self.slab.get_mut(id as usize)?;
        if task.looked_at != now {
            return None; // moved to an earlier tick since, or another task by now
        }
        task.looked_at = 0;
        if task.deadline == 0 || task.future.is_none() {
            return None;
        }
        if task.deadline > now {
            return Some(task.deadline);
        }
        if task.fate == Fate::Going {
            task.fate = Fate::Expired;
        }
        self.wake(id);
        None
    }

    /// Queues every task.
    pub(crate) fn wake_all(&mut self) {
        for id in 0..self.slab.len() {
            self.wake(TaskId::try_from(id).expect("ids are this small"));
        }
    }

    /// Ends the time of every task.
    pub(crate) fn cut_all(&mut self) {
        for id in 0..self.slab.len() {
            self.slab[id].fate = Fate::Cut;
            self.wake(TaskId::try_from(id).expect("ids are this small"));
        }
    }
}

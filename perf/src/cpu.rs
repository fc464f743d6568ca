//! Processor time, of the switch and of the whole machine, from `/proc`.
//!
//! A sample is taken before and after a measurement. The switch's is that of its processes, or of its threads where it
//! runs in this process; the kernel's own switches have none, since their work is done in whoever sends, in interrupts
//! and in kernel threads: for them only the machine's time says anything.

use std::fs;

use anyhow::{Context as _, Result};

/// Who works for a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A process, by number.
    Process(u32),
    /// A thread of this process, by number.
    Thread(u32),
}

/// Processor time up to now, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Of the switch; nothing where no process of its own does the work.
    pub(crate) switch: Option<f64>,
    /// Of the machine, idle time not included.
    pub(crate) machine: f64,
}

impl Sample {
    /// The time that these tasks and the machine have used.
    pub(crate) fn take(tasks: &[Task]) -> Result<Self> {
        let each = tasks.iter().map(|task| time_of(*task));
        let all: Vec<f64> = each.collect::<Result<_>>()?;
        Ok(Self {
            switch: (!all.is_empty()).then(|| all.iter().sum()),
            machine: seconds(machine(&fs::read_to_string("/proc/stat")?)?),
        })
    }

    /// What has been used since.
    pub(crate) fn until(self, later: Self) -> Self {
        let switch = self.switch.zip(later.switch);
        Self {
            switch: switch.map(|(before, after)| after - before),
            machine: later.machine - self.machine,
        }
    }
}

fn time_of(task: Task) -> Result<f64> {
    let path = match task {
        Task::Process(number) => format!("/proc/{number}/stat"),
        Task::Thread(number) => format!("/proc/self/task/{number}/stat"),
    };
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = process(&text).with_context(|| format!("{path} is not as expected"))?;
    Ok(seconds(ticks))
}

/// Ticks in user and kernel mode of a `stat` file of a process or thread (proc(5)). The name in parentheses may have
/// spaces and parentheses of its own.
fn process(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// Busy ticks of all processors: user, nice, system, irq, softirq of `/proc/stat`. Guests are part of user; time that the
/// host stole was nobody's here.
fn machine(stat: &str) -> Result<u64> {
    let busy = stat.lines().find_map(|line| {
        let fields: Vec<u64> = (line.strip_prefix("cpu ")?.split_whitespace())
            .map_while(|field| field.parse().ok())
            .collect();
        let [user, nice, system, _idle, _wait, irq, softirq, ..] = fields[..] else {
            return None;
        };
        Some(user + nice + system + irq + softirq)
    });
    busy.context("/proc/stat is not as expected")
}

fn seconds(ticks: u64) -> f64 {
    // Exact up to 2^53 ticks, which no machine reaches.
    #[allow(clippy::cast_precision_loss)]
    let (ticks, rate) = (ticks as f64, rustix::param::clock_ticks_per_second() as f64);
    ticks / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 10 0 0 0 123 45 6 7 20 0 1 0 99 1 2";
        assert_eq!(process(stat), Some(168));
        assert_eq!(process("7 (a) S 1"), None);
        assert_eq!(process(""), None);
    }

    #[test]
    fn idle_waiting_and_stolen_time_is_no_work() {
        let stat = "cpu  1 2 4 1000 1000 8 16 1000 1000 1000\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(machine(stat).unwrap(), 31);
        assert!(machine("cpu0 1 2 3 4 5 6 7").is_err());
        assert!(machine("cpu  1 2 x").is_err());
    }

    #[test]
    fn a_switch_without_processes_has_no_time_of_its_own() {
        let sample = Sample::take(&[]).unwrap();
        assert_eq!(sample.switch, None);
        let own = Sample::take(&[Task::Process(std::process::id())]).unwrap();
        let used = own.until(Sample::take(&[Task::Process(std::process::id())]).unwrap());
        assert!(used.switch.unwrap() >= 0.0 && used.machine >= 0.0);
        assert!(Sample::take(&[Task::Process(u32::MAX)]).is_err());
    }
}

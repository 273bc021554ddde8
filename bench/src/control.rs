//! Orders to the generator and the servers: one word a line on the standard input, whose end ends them.

use std::io;

use rustix::io::Errno;

/// An order, and the bytes of one that has not come whole.
pub(crate) struct Orders {
    pending: Vec<u8>,
}

/// What the generator is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Answer with the counts so far.
    Count,
    /// Keep so many connections.
    Grow(usize),
    /// Begin nothing new, finish what is under way, answer with the counts and end.
    Stop,
}

impl Order {
    /// Reads one line.
    fn parse(line: &str) -> Option<Order> {
        match line.split_once(' ') {
            Some(("grow", number)) => number.parse().ok().map(Order::Grow),
            None if line == "count" => Some(Order::Count),
            None if line == "stop" => Some(Order::Stop),
            _ => None,
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count => write!(f, "count"),
            Self::Grow(connections) => write!(f, "grow {connections}"),
            Self::Stop => write!(f, "stop"),
        }
    }
}

impl Orders {
    /// Orders on the standard input.
    pub(crate) fn stdin() -> Orders {
        Orders { pending: Vec::new() }
    }

    /// Reads what has come; `None` when the input ended. Call it when the input can be read, else it waits.
    pub(crate) fn read(&mut self) -> anyhow::Result<Option<Vec<Order>>> {
        let mut bytes = [0; 1024];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(0) => return Ok(None),
            Ok(count) => self.pending.extend_from_slice(&bytes[..count]),
            Err(Errno::INTR | Errno::AGAIN) => return Ok(Some(Vec::new())),
            Err(errno) => return Err(errno.into()),
        }
        Ok(Some(self.whole_lines()?))
    }

    fn whole_lines(&mut self) -> anyhow::Result<Vec<Order>> {
        let mut orders = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            orders.push(Order::parse(&line).ok_or_else(|| anyhow::anyhow!("`{line}` is no order"))?);
        }
        Ok(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_in_pieces() {
        let mut orders = Orders::stdin();
        orders.pending.extend_from_slice(b"count\ngrow 50");
        assert_eq!(orders.whole_lines().unwrap(), [Order::Count]);
        orders.pending.extend_from_slice(b"00\nstop\n");
        assert_eq!(orders.whole_lines().unwrap(), [Order::Grow(5000), Order::Stop]);
        orders.pending.extend_from_slice(b"dance\n");
        assert!(orders.whole_lines().is_err());
    }

    #[test]
    fn an_order_is_written_as_it_is_read() {
        for order in [Order::Count, Order::Grow(7), Order::Stop] {
            assert_eq!(Order::parse(&order.to_string()), Some(order));
        }
    }
}

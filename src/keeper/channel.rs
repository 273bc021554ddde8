//! The channel between keeper and worker: frames of JSON, bytes and descriptors over a unix stream socket pair.
//!
//! On the wire a frame is 16 bytes (mark, length of the JSON, length of the bytes, number of descriptors; big-endian),
//! then one byte for each 250 descriptors, which carries them (SCM_RIGHTS; the kernel takes 253 at a time), then JSON
//! and bytes. Each end has bounds for what it takes, and the keeper's are small: the worker is not trusted.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// First bytes of every frame.
const MARK: [u8; 4] = *b"TRSM";
/// Mark, two lengths, one number.
const HEAD: usize = 16;
/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// Descriptors one byte carries, below the kernel's limit of 253 (unix(7), SCM_RIGHTS).
const DESCRIPTORS_A_BYTE: usize = 250;

/// The most one end takes in one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    json: usize,
    bytes: usize,
    descriptors: usize,
}

impl Bounds {
    /// Whether JSON of that length may come.
    pub(crate) fn allow(&self, json: usize) -> bool {
        json <= self.json
    }
}

/// What the worker takes from the keeper: a configuration and its sockets.
pub(crate) const FROM_KEEPER: Bounds = Bounds { json: 16 << 20, bytes: 256 << 20, descriptors: 1 << 16 };
/// What the keeper takes from the worker: short answers.
pub(crate) const FROM_WORKER: Bounds = Bounds { json: 256 << 10, bytes: 0, descriptors: 0 };

/// One message.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// What it says.
    pub(crate) json: Vec<u8>,
    /// Contents that the JSON gives the lengths of.
    pub(crate) bytes: Vec<u8>,
    /// Descriptors that the JSON gives the meaning of.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Sends a whole frame; waits for room, at most for the time given to [`limit_sending`].
pub(crate) fn send(
    socket: &UnixStream,
    json: &[u8],
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send_all(socket, &head(json.len(), bytes.len(), descriptors.len())?)?;
    for some in descriptors.chunks(DESCRIPTORS_A_BYTE) {
        send_descriptors(socket, some)?;
    }
    send_all(socket, json)?;
    send_all(socket, bytes)
}

/// A send that finds no room for this long fails.
pub(crate) fn limit_sending(socket: &UnixStream, longest: Duration) -> io::Result<()> {
    socket.set_write_timeout(Some(longest))
}

fn head(json: usize, bytes: usize, descriptors: usize) -> io::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&MARK);
    for (place, length) in [(4, json), (8, bytes), (12, descriptors)] {
        let length = u32::try_from(length).map_err(|_| io::Error::other("a message of over 4 GiB"))?;
        head[place..place + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(head)
}

fn send_all(socket: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn send_descriptors(socket: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_BYTE))];
    loop {
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fits = ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        debug_assert!(fits, "the space is that of a full chunk");
        match sendmsg(socket, &[IoSlice::new(b"+")], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What came of one look at the channel.
#[derive(Debug)]
pub(crate) enum Look {
    /// A whole frame.
    Frame(Frame),
    /// Some bytes of one: look again.
    Part,
    /// Nothing is there yet.
    Nothing,
    /// The other end is gone.
    End,
}

/// The receiving end: gathers frames from however the bytes come.
pub(crate) struct Receiver {
    bounds: Bounds,
    /// Bytes of frames not taken yet.
    pending: Vec<u8>,
    /// Descriptors of frames not taken yet, in order.
    descriptors: VecDeque<OwnedFd>,
}

impl Receiver {
    /// Takes frames within `bounds`.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, pending: Vec::new(), descriptors: VecDeque::new() }
    }

    /// Waits for the next frame; `None` when the other end is gone.
    pub(crate) fn wait(&mut self, socket: &UnixStream) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.next()? {
                return Ok(Some(frame));
            }
            if matches!(self.receive(socket, RecvFlags::empty())?, Look::End) {
                return Ok(None);
            }
        }
    }

    /// The next frame, or what can be read of it without waiting. Never holds more than one read beyond a frame.
    pub(crate) fn look(&mut self, socket: &UnixStream) -> io::Result<Look> {
        match self.next()? {
            Some(frame) => Ok(Look::Frame(frame)),
            None => self.receive(socket, RecvFlags::DONTWAIT),
        }
    }

    fn receive(&mut self, socket: &UnixStream, flags: RecvFlags) -> io::Result<Look> {
        let mut scratch = vec![0; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_BYTE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let got = match recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut scratch)], &mut ancillary, flags) {
            Ok(got) => got,
            Err(rustix::io::Errno::INTR) => return Ok(Look::Part),
            Err(rustix::io::Errno::AGAIN) => return Ok(Look::Nothing),
            Err(rustix::io::Errno::CONNRESET) => return Ok(Look::End),
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if got.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other("descriptors were lost on the way: is RLIMIT_NOFILE too low?"));
        }
        if got.bytes == 0 {
            return Ok(Look::End);
        }
        self.pending.extend_from_slice(&scratch[..got.bytes]);
        Ok(Look::Part)
    }

    /// The next frame that is here whole. An error is final: the stream cannot be trusted further.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        if self.descriptors.len() > self.bounds.descriptors {
            return Err(malformed("more descriptors than may come"));
        }
        let Some((head, rest)) = self.pending.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [json, bytes, descriptors] = lengths(*head)?;
        if json > self.bounds.json || bytes > self.bounds.bytes || descriptors > self.bounds.descriptors {
            return Err(malformed("longer than may come"));
        }
        let carriers = descriptors.div_ceil(DESCRIPTORS_A_BYTE);
        let Some(body) = rest.get(carriers..carriers + json + bytes) else { return Ok(None) };
        if self.descriptors.len() < descriptors {
            return Err(malformed("fewer descriptors than were announced"));
        }
        let (json, bytes) = body.split_at(json);
        let frame = Frame {
            json: json.to_vec(),
            bytes: bytes.to_vec(),
            descriptors: self.descriptors.drain(..descriptors).collect(),
        };
        self.pending.drain(..HEAD + carriers + frame.json.len() + frame.bytes.len());
        Ok(Some(frame))
    }
}

fn lengths(head: [u8; HEAD]) -> io::Result<[usize; 3]> {
    let [a, b, c, d, lengths @ ..] = head;
    if [a, b, c, d] != MARK {
        return Err(malformed("not one of our frames"));
    }
    let mut found = [0; 3];
    for (place, four) in found.iter_mut().zip(lengths.chunks_exact(4)) {
        *place = four.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    }
    Ok(found)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the channel between keeper and worker: {what}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::*;

    /// A small generator (xorshift64*), so that a run can be repeated.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
        }
    }

    fn numbered(number: usize) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "{number}").unwrap();
        file.into()
    }

    fn number(descriptor: OwnedFd) -> usize {
        let mut file = File::from(descriptor);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn frames_arrive_however_their_bytes_are_cut() {
        for seed in 1..=64 {
            let mut chance = Chance(seed);
            let mut wire = Vec::new();
            let mut sent = Vec::new();
            for _ in 0..chance.below(6) + 1 {
                let json = vec![b'j'; chance.below(300)];
                let bytes = vec![b'b'; chance.below(300)];
                wire.extend(head(json.len(), bytes.len(), 0).unwrap());
                wire.extend(&json);
                wire.extend(&bytes);
                sent.push((json, bytes));
            }
            let mut receiver = Receiver::new(FROM_KEEPER);
            let mut received = Vec::new();
            while !wire.is_empty() {
                let some = (chance.below(40) + 1).min(wire.len());
                receiver.pending.extend(wire.drain(..some));
                while let Some(frame) = receiver.next().unwrap() {
                    received.push((frame.json, frame.bytes));
                }
            }
            assert_eq!(received, sent, "seed {seed}");
        }
    }

    #[test]
    fn hundreds_of_descriptors_keep_their_order_over_several_frames() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let files: Vec<OwnedFd> = (0..9).map(numbered).collect();
        let plan = [0_usize, 1, 249, 250, 251, 760];
        let sender = std::thread::spawn(move || {
            for count in plan {
                let fds: Vec<_> = (0..count).map(|index| files[index % files.len()].as_fd()).collect();
                send(&ours, format!("{count}").as_bytes(), &vec![7; count * 400], &fds).unwrap();
            }
        });
        let mut receiver = Receiver::new(FROM_KEEPER);
        for count in plan {
            let frame = receiver.wait(&theirs).unwrap().unwrap();
            assert_eq!(frame.json, format!("{count}").into_bytes());
            assert_eq!(frame.bytes.len(), count * 400);
            let numbers: Vec<usize> = frame.descriptors.into_iter().map(number).collect();
            let expected: Vec<usize> = (0..count).map(|index| index % 9).collect();
            assert_eq!(numbers, expected);
        }
        sender.join().unwrap();
        assert!(receiver.wait(&theirs).unwrap().is_none(), "the end is seen");
    }

    #[test]
    fn the_keeper_takes_neither_descriptors_nor_long_messages() {
        let cases: [(usize, usize, usize); 3] = [(300 << 10, 0, 0), (2, 1, 0), (2, 0, 1)];
        for (json, bytes, descriptors) in cases {
            let mut receiver = Receiver::new(FROM_WORKER);
            receiver.pending.extend(head(json, bytes, descriptors).unwrap());
            assert!(receiver.next().is_err(), "{json} {bytes} {descriptors}");
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        send_descriptors(&ours, &[numbered(1).as_fd()]).unwrap();
        let mut receiver = Receiver::new(FROM_WORKER);
        assert!(matches!(receiver.look(&theirs), Ok(Look::Part)));
        assert!(receiver.next().is_err());
    }

    #[test]
    fn a_worker_that_never_stops_talking_fills_no_memory() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let talking = std::thread::spawn(move || while send(&ours, b"{}", &[], &[]).is_ok() {});
        let mut receiver = Receiver::new(FROM_WORKER);
        let mut frames = 0;
        while frames < 20_000 {
            frames += u32::from(matches!(receiver.look(&theirs).unwrap(), Look::Frame(_)));
            assert!(receiver.pending.len() <= 2 * READ_BYTES);
        }
        drop(theirs);
        talking.join().unwrap();
    }

    #[test]
    fn garbage_is_refused_and_never_waited_for() {
        let mut receiver = Receiver::new(FROM_WORKER);
        receiver.pending.extend(b"GET / HTTP/1.1\r\n");
        assert!(receiver.next().is_err());
    }

    #[test]
    fn announced_descriptors_that_never_came_are_an_error() {
        let mut receiver = Receiver::new(FROM_KEEPER);
        receiver.pending.extend(head(1, 0, 1).unwrap());
        receiver.pending.extend(b"+x");
        assert!(receiver.next().is_err());
    }

    #[test]
    fn a_look_at_a_silent_socket_does_not_wait() {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        assert!(matches!(Receiver::new(FROM_WORKER).look(&theirs), Ok(Look::Nothing)));
    }

    #[test]
    fn a_reader_that_sleeps_does_not_hold_the_sender_for_ever() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        limit_sending(&ours, Duration::from_millis(20)).unwrap();
        assert!(send(&ours, b"{}", &vec![0; 16 << 20], &[]).is_err());
    }
}

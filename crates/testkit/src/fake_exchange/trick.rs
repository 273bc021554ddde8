//! Ways a server can misbehave, each by order: `?close=HOW`.

use std::io;

use super::conversation::{Conversation, Ends, Next};

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    /// `before`: closes without an answer.
    Before,
    /// `reset`: resets without an answer.
    Reset,
    /// `after`: answers in order, says nothing of it, and closes.
    After,
    /// `mid-head`: closes within the head.
    MidHead,
    /// `mid-body`: announces 1000 bytes, sends 500 and closes.
    MidBody,
    /// `mid-chunk`: the same within a chunk.
    MidChunk,
    /// `reset-mid-body`: announces 1000 bytes, sends 500 and resets.
    ResetMidBody,
    /// `extra`: a second answer behind the first that nobody asked for.
    Extra,
    /// `bad-head`: a first line that is none.
    BadHead,
    /// `bad-field`: white space before a colon.
    BadField,
    /// `bad-chunk`: a chunk size that is none.
    BadChunk,
    /// `two-lengths`: two different Content-Lengths.
    TwoLengths,
    /// `length-and-chunked`: Content-Length and chunked coding.
    LengthAndChunked,
    /// `old`: HTTP/0.9, a body without a head.
    Old,
    /// `silent`: never answers.
    Silent,
}

const ALL: [(&str, Trick); 15] = [
    ("before", Trick::Before),
    ("reset", Trick::Reset),
    ("after", Trick::After),
    ("mid-head", Trick::MidHead),
    ("mid-body", Trick::MidBody),
    ("mid-chunk", Trick::MidChunk),
    ("reset-mid-body", Trick::ResetMidBody),
    ("extra", Trick::Extra),
    ("bad-head", Trick::BadHead),
    ("bad-field", Trick::BadField),
    ("bad-chunk", Trick::BadChunk),
    ("two-lengths", Trick::TwoLengths),
    ("length-and-chunked", Trick::LengthAndChunked),
    ("old", Trick::Old),
    ("silent", Trick::Silent),
];

impl Trick {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(own, _)| *own == name).map(|(_, trick)| *trick)
    }

    /// Plays it. The request's body is read before, unless the query says `early`.
    pub(super) async fn play(self, it: &mut Conversation<'_>) -> io::Result<Next> {
        if it.head.query("early").is_none() {
            it.whole_body(0).await?;
        }
        let stolen = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN";
        match self {
            Self::Before => Ok(Next::Close),
            Self::Reset => Ok(Next::Reset),
            Self::After => {
                it.reply(200, &[], b"the last one\n").await?;
                Ok(Next::Close)
            }
            Self::MidHead => {
                let head = it.answer_head(200, &[], Ends::After(0));
                it.output.send(&head[..head.len() / 2]).await?;
                Ok(Next::Close)
            }
            Self::MidBody | Self::ResetMidBody => {
                it.begin(200, &[], Ends::After(1000)).await?;
                it.piece(&[b'x'; 500]).await?;
                Ok(if self == Self::MidBody { Next::Close } else { Next::Reset })
            }
            Self::MidChunk => {
                it.begin(200, &[], Ends::Chunked).await?;
                it.output.send(b"3e8\r\nxxxxxxxxxxxxxxxx").await?;
                Ok(Next::Close)
            }
            Self::Extra => {
                let head = it.answer_head(200, &[], Ends::After(6));
                it.output.send(&[&head[..], b"first\n", stolen].concat()).await?;
                Ok(Next::Keep)
            }
            Self::Silent => {
                it.input.gone().await;
                Ok(Next::Close)
            }
            Self::BadHead
            | Self::BadField
            | Self::BadChunk
            | Self::TwoLengths
            | Self::LengthAndChunked
            | Self::Old => {
                it.output.send(self.bad_answer()).await?;
                Ok(Next::Close)
            }
        }
    }

    /// Answers no client should believe.
    fn bad_answer(self) -> &'static [u8] {
        match self {
            Self::BadHead => b"HTTP/9 hello\r\nContent-Length: 3\r\n\r\nbad",
            Self::BadField => b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nbad",
            Self::BadChunk => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nbad\r\n0\r\n\r\n",
            Self::TwoLengths => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nbad!",
            Self::LengthAndChunked => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"
            }
            _ => b"<title>no head at all</title>\n",
        }
    }
}
